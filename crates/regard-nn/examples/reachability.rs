//! Which nodes of a graph can be reached from a marked one? Nodes do not know their edges, only attention does.
#![expect(clippy::print_stdout, reason = "an example shows its result")]
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData, activation};
use regard_kernels::{AdamStep, adam};
use regard_nn::{
    AttentionMask, FeedForward, FeedForwardConfig, Graph, GraphAttention, GraphAttentionConfig,
    Init, Key, Layout, Linear, Pass, Residual,
};

const NODES: usize = 10;
const HOPS: usize = 3;
const WIDTH: usize = 16;

/// Graphs with a mean of 1.5 edges per node; node 0 is the marked one.
fn draw(count: u64, key: Key) -> Vec<Graph> {
    let graph = |key: Key| {
        let pairs = (0..NODES).flat_map(|from| (0..NODES).map(move |to| [from, to]));
        let there = |&[from, to]: &[usize; 2]| key.uniform((from * NODES + to) as u64) < 0.15;
        Graph::new(NODES, &pairs.filter(there).collect::<Vec<_>>())
    };
    (0..count).map(|i| graph(key.nth(i))).collect()
}

/// Whether each node is at most `HOPS` edges away from node 0.
fn reached(graph: &Graph) -> Vec<bool> {
    let mut reached = vec![false; NODES];
    reached[0] = true;
    for _ in 0..HOPS {
        let before = reached.clone();
        for &[from, to] in graph.edges() {
            reached[to] |= before[from];
        }
    }
    reached
}

#[derive(Module, Debug)]
struct Layer {
    attention: GraphAttention,
    around_attention: Residual,
    feed_forward: FeedForward,
    around_feed_forward: Residual,
}

/// One layer per hop, between the mark and the answer.
#[derive(Module, Debug)]
struct Reader {
    input: Linear,
    layers: Vec<Layer>,
    output: Linear,
}

impl Reader {
    fn new(init: &Init) -> Self {
        let layer = |init: Init| Layer {
            attention: GraphAttentionConfig::new(WIDTH, 2).init(&init.at("attention")),
            around_attention: Residual::new(WIDTH, 0.0, true, &init.at("around_attention")),
            feed_forward: FeedForwardConfig::new(WIDTH, 32).init(&init.at("feed_forward")),
            around_feed_forward: Residual::new(WIDTH, 0.0, true, &init.at("around_feed_forward")),
        };
        Self {
            input: Linear::new(1, WIDTH, &init.at("input")),
            layers: (0..HOPS).map(|i| layer(init.at("layer").nth(i))).collect(),
            output: Linear::new(WIDTH, 1, &init.at("output")),
        }
    }

    /// Log-odds of being reached, `[B N]`, by what the nodes see along `graphs`.
    fn forward(&self, batch: usize, graphs: &[Graph], device: &Device) -> Tensor<1> {
        let (mask, pass) = (AttentionMask::none(), Pass::evaluation());
        let layout = Layout::dense(batch, NODES);
        let marks = Tensor::<2>::zeros([batch, NODES], device).slice_fill([0..batch, 0..1], 1.0);
        let mut x = self.input.forward(marks.reshape([batch * NODES, 1]));
        for layer in &self.layers {
            let see = |x| {
                let x = layout.unflatten(x);
                let y = layer.attention.forward(x, graphs, None, &mask, &pass);
                y.context.flatten(0, 1)
            };
            x = layer.around_attention.forward(x, &layout, &pass, see);
            let think = |x| layer.feed_forward.forward(x);
            x = layer.around_feed_forward.forward(x, &layout, &pass, think);
        }
        self.output.forward(x).flatten(0, 1)
    }
}

/// One step of Adam over all parameters, in their order.
struct Update<'a> {
    gradients: &'a Gradients,
    constants: AdamStep,
    moments: std::slice::IterMut<'a, [Vec<f32>; 2]>,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let numbers = |x: Tensor<D>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
        let (value, device) = (param.val(), param.val().device());
        let gradient = value.grad(self.gradients);
        let mut values = numbers(value.clone());
        let gradient = gradient.map_or_else(|| vec![0.0; values.len()], numbers);
        let [first, second] = self.moments.next().expect("one of each parameter");
        first.resize(values.len(), 0.0);
        second.resize(values.len(), 0.0);
        adam(&mut values, &gradient, first, second, &self.constants);
        let data = TensorData::new(values, value.dims());
        param.map(|_| Tensor::from_data(data, &device).require_grad())
    }
}

/// Accuracies on graphs that were not in training: of a trained stack, and of the commoner answer. With `edges` each node
/// sees along them; otherwise all nodes.
pub(crate) fn accuracies(edges: bool) -> [f64; 2] {
    let device = Device::flex().autodiff();
    let mut reader = Reader::new(&Init::new(1, &device));
    let pairs = (0..NODES).flat_map(|from| (0..NODES).map(move |to| [from, to]));
    let all = vec![Graph::new(NODES, &pairs.collect::<Vec<_>>())];
    let run = |reader: &Reader, graphs: &[Graph]| {
        let seen = if edges { graphs } else { &all };
        reader.forward(graphs.len(), seen, &device)
    };
    let mut moments = vec![[vec![], vec![]]; 100];
    for step in 1..=400 {
        let graphs = draw(32, Key::new(1).at("training").nth(step));
        let answers: Vec<f32> = graphs.iter().flat_map(reached).map(f32::from).collect();
        let answers = Tensor::<1>::from_floats(&answers[..], &device);
        let odds = run(&reader, &graphs);
        let loss = (activation::softplus(odds.clone(), 1.0) - odds * answers).mean(); // nats per node
        let gradients = &loss.backward();
        let constants = AdamStep {
            step,
            rate: 0.005,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-9,
            weight_decay: 0.0,
            gradient_scale: 1.0,
        };
        let moments = moments.iter_mut();
        reader = reader.map(&mut Update {
            gradients,
            constants,
            moments,
        });
    }

    // The marked node itself would be too easy.
    let graphs = draw(300, Key::new(1).at("held out"));
    let others = |answers: Vec<bool>| {
        answers
            .into_iter()
            .enumerate()
            .filter(|(i, _)| i % NODES > 0)
    };
    let odds = run(&reader, &graphs).into_data();
    let guesses = others(odds.iter::<f32>().map(|odds| odds > 0.0).collect());
    let answers: Vec<_> = others(graphs.iter().flat_map(reached).collect()).collect();
    let share = |count: usize| count as f64 / answers.len() as f64;
    let right = share(
        guesses
            .zip(&answers)
            .filter(|(guess, answer)| guess == *answer)
            .count(),
    );
    let yes = share(answers.iter().filter(|(_, answer)| *answer).count());
    [right, yes.max(1.0 - yes)]
}

fn main() {
    let [along_edges, commoner] = accuracies(true);
    let [without, _] = accuracies(false);
    println!(
        "held-out accuracy: along edges {along_edges:.3}, over all nodes {without:.3}; the commoner answer {commoner:.3}"
    );
    assert!(along_edges > 0.95, "it should have learned this");
    assert!(without < commoner + 0.05, "nobody can know this");
}
