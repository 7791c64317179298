//! Attention on graphs, along edges and over masked pairs.

mod refusals;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, Graph, GraphAttention, GraphAttentionConfig,
    GraphAttentionOutput, Init, Key, Pass, attention, edges_to_pairs, graph_attention,
};

use crate::case::Case;
use crate::formula::{fill, ids, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{Named, assert_all_close, assert_close, gradients, vector};

const B: usize = 2;
const N: usize = 11;
/// Width of the features of an edge.
const F: usize = 7;

/// The graph of the edges for which `there(from, to)` holds, ordered by source.
fn graph_of(nodes: usize, there: impl Fn(usize, usize) -> bool) -> Graph {
    let pairs = (0..nodes).flat_map(|from| (0..nodes).map(move |to| [from, to]));
    let edges: Vec<[usize; 2]> = pairs.filter(|&[from, to]| there(from, to)).collect();
    Graph::new(nodes, &edges)
}

/// The graphs of `scripts/parity/graph.py`: one pair in three has an edge; node 2 sees every node, node 7 none. Some nodes
/// see themselves.
fn drawn(name: &str) -> Graph {
    let drawn = ids(name, 3, N * N);
    graph_of(N, |from, to| {
        to != 7 && (to == 2 || drawn[from * N + to] == 0)
    })
}

fn layer(device: &Device) -> GraphAttention {
    let config = GraphAttentionConfig::new(D, H).with_d_edge(F);
    fill(config.init(&Init::new(1, device)), "attention")
}

fn features(graphs: &[Graph], device: &Device) -> Tensor<3> {
    let edges = graphs.iter().map(|graph| graph.edges().len()).max();
    numbers("features", [graphs.len(), edges.expect("some"), F], device)
}

/// The two forms of a layer, each as a kind; the graph has an edge wherever the mask allows one.
mod laws {
    use super::*;

    #[derive(Module, Debug)]
    struct AllPairs {
        layer: GraphAttention,
        dense: bool,
    }

    impl Kind for AllPairs {
        fn attend(
            &self,
            query: Tensor<3>,
            _: Tensor<3>,
            mask: AttentionMask,
            pass: &Pass,
        ) -> AttentionOutput {
            let [_, nodes, _] = query.dims();
            let graphs = [graph_of(nodes, |_, _| true)];
            // The same features for the same pair, however many nodes there are.
            let largest = 11;
            let all = numbers("features", [largest, largest, F], &query.device());
            let features = all.slice([0..nodes, 0..nodes]);
            let features = Some(features.reshape([1, nodes * nodes, F]));
            if self.dense {
                return self
                    .layer
                    .forward_dense(query, &graphs, features, &mask, pass);
            }
            let GraphAttentionOutput { context, weights } =
                self.layer.forward(query, &graphs, features, &mask, pass);
            let weights = weights.map(|weights| edges_to_pairs(weights, &graphs));
            AttentionOutput { context, weights }
        }

        fn context_of_nothing(&self) -> Vec<f32> {
            let bias = self.layer.output.bias.as_ref();
            vector(bias.expect("a bias").val())
        }
    }

    fn subjects(device: &Device) -> Vec<Subject<AllPairs>> {
        let config = GraphAttentionConfig::new(D, H).with_d_edge(F);
        let layer = config.with_dropout(0.3).init(&Init::new(1, device));
        let layer = fill(layer, "attention");
        let subject = |name: &str, dense| Subject {
            name: name.into(),
            kind: AllPairs {
                layer: layer.clone(),
                dense,
            },
            promises: Promises {
                // Edges have features of their own.
                unordered: false,
                ..Promises::of_self_attention()
            },
        };
        vec![subject("edges", false), subject("pairs", true)]
    }

    kinds::tests!(super::laws::subjects);
}

#[test]
fn both_forms_are_what_pytorch_computes() {
    const FIXTURE: &[u8] = include_bytes!("../../fixtures/graph.safetensors");
    let device = crate::device().autodiff();
    let by_row = [drawn("graph 0"), drawn("graph 1")];
    for (name, graphs) in [("shared", &by_row[..1]), ("by_row", &by_row[..])] {
        for dense in [false, true] {
            let layer = layer(&device);
            let x = numbers("x", [B, N, D], &device).require_grad();
            let features = features(graphs, &device).require_grad();
            let pass = Pass::evaluation().with_attention();
            let (context, weights) = run(&layer, &x, graphs, &features, dense, &pass);
            let case = Case::new(FIXTURE, name).result("weights", weights);
            let case = case.output(context);
            let case = case.input("x", &x).input("features", &features);
            case.check(&layer, "attention");
        }
    }
}

/// Contexts, and weights by pair.
fn run(
    layer: &GraphAttention,
    x: &Tensor<3>,
    graphs: &[Graph],
    features: &Tensor<3>,
    dense: bool,
    pass: &Pass,
) -> (Tensor<3>, Tensor<4>) {
    let (x, features) = (x.clone(), Some(features.clone()));
    let mask = AttentionMask::none();
    if dense {
        let y = layer.forward_dense(x, graphs, features, &mask, pass);
        (y.context, y.weights.expect("asked for"))
    } else {
        let y = layer.forward(x, graphs, features, &mask, pass);
        let weights = edges_to_pairs(y.weights.expect("asked for"), graphs);
        (y.context, weights)
    }
}

/// Random graphs, from none to all of the edges, of several sizes.
#[test]
fn both_forms_agree_on_random_graphs() {
    let device = crate::device().autodiff();
    for (nodes, one_in) in [
        (1, 1),
        (1, u32::MAX),
        (2, 2),
        (5, 2),
        (13, 3),
        (13, 40),
        (29, 9),
        (29, 1),
        (29, u32::MAX),
    ] {
        let graphs = ["a", "b"].map(|name| {
            let drawn = ids(name, one_in, nodes * nodes);
            graph_of(nodes, |from, to| drawn[from * nodes + to] == 0)
        });
        let of = |dense: bool| -> Named {
            let layer = layer(&device);
            let x = numbers("x", [B, nodes, D], &device).require_grad();
            // An empty tensor cannot be made; features of no edges are not read.
            let edges = graphs.iter().map(|graph| graph.edges().len()).max();
            let edges = edges.unwrap_or(0).max(1);
            let features = numbers("features", [B, edges, F], &device).require_grad();
            let pass = Pass::evaluation().with_attention();
            let (context, weights) = run(&layer, &x, &graphs, &features, dense, &pass);
            let weighted = numbers("loss", weights.dims(), &device) * weights.clone();
            let loss = (numbers("loss", context.dims(), &device) * context.clone()).sum()
                + weighted.sum() * 10.0;
            let tape = loss.backward();
            let mut named = Named::new();
            named.insert("context".into(), vector(context));
            named.insert("weights".into(), vector(weights));
            let of_features = features.grad(&tape).map_or_else(Vec::new, vector);
            named.insert("features".into(), of_features);
            named.insert("x".into(), vector(x.grad(&tape).expect("a gradient")));
            named.extend(gradients(&layer, "attention", tape));
            named
        };
        let (edges, pairs) = (of(false), of(true));
        let what = format!("{nodes} nodes, one pair in {one_in}");
        for (name, values) in &edges {
            // Of a layer that sees nothing, and where softmax cancels, gradients are 0 but for rounding.
            let size = |values: &[f32]| values.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            if size(values) > 1e-4 {
                assert_close(values, &pairs[name], 1e-5, &format!("{what}, {name}"));
            }
        }
        assert_all_close(&edges, &pairs, 1e-5, &what);
    }
}

#[test]
fn nodes_that_see_nothing_have_no_part() {
    let device = crate::device().autodiff();
    let options = || AttentionOptions {
        weights: true,
        ..AttentionOptions::new(H)
    };
    for (graph, nothing) in [
        (Graph::new(3, &[[0, 1], [1, 1]]), vec![0, 2]),
        (Graph::new(1, &[]), vec![0]),
    ] {
        let nodes = graph.nodes();
        let [query, key, value] =
            ["q", "k", "v"].map(|name| numbers(name, [1, nodes, D], &device).require_grad());
        let (q, k, v) = (query.clone(), key.clone(), value.clone());
        let edges = graph.edges().len();
        let output = graph_attention(q, k, v, &[graph], None, options());
        assert_eq!(output.weights.expect("asked for").dims(), [1, H, edges]);
        let context = vector(output.context.clone());
        let tape = output.context.square().sum().backward();
        let gradients = [query, key, value].map(|x| vector(x.grad(&tape).expect("a gradient")));
        assert!(gradients.iter().flatten().all(|x| x.is_finite()));
        for node in nothing {
            let of_node = node * D..(node + 1) * D;
            assert_eq!(context[of_node.clone()], [0.0; D], "node {node}");
            assert_eq!(gradients[0][of_node], [0.0; D], "query of node {node}");
        }
    }
}

/// Usual masks, as edge lists.
#[test]
fn causal_full_windowed_and_packed_attention_are_special_cases() {
    let device = crate::device();
    let [q, k, v] = ["q", "k", "v"].map(|name| numbers(name, [B, N, D], &device));
    let block = |i: usize| [3, 8, N].iter().position(|&end| i < end);
    let cases = [
        (graph_of(N, |_, _| true), AttentionMask::none()),
        (graph_of(N, |j, i| j <= i), AttentionMask::causal()),
        (
            graph_of(N, |j, i| j + 3 >= i && j <= i + 1),
            AttentionMask::window(3, 1),
        ),
        (
            graph_of(N, |j, i| block(j) == block(i)),
            AttentionMask::blocks(&[vec![3, 5, 3]]),
        ),
    ];
    for (graph, mask) in cases {
        let options = |mask: AttentionMask| AttentionOptions {
            mask,
            weights: true,
            scale: Some(1.3),
            ..AttentionOptions::new(H)
        };
        let what = format!("{mask:?}");
        let expected = attention(q.clone(), k.clone(), v.clone(), options(mask.clone()));
        let expected_weights = vector(expected.weights.expect("asked for"));
        // The mask as edges; as a mask over all edges; as both.
        let all = graph_of(N, |_, _| true);
        for (graph, mask) in [
            (graph.clone(), AttentionMask::none()),
            (all, mask.clone()),
            (graph, mask),
        ] {
            let graphs = [graph];
            let (q, k, v) = (q.clone(), k.clone(), v.clone());
            let got = graph_attention(q, k, v, &graphs, None, options(mask));
            let weights = edges_to_pairs(got.weights.expect("asked for"), &graphs);
            let context = vector(expected.context.clone());
            assert_close(&vector(got.context), &context, 1e-5, &what);
            assert_close(&vector(weights), &expected_weights, 1e-5, &what);
        }
    }
}

#[test]
fn a_batch_is_its_disjoint_union() {
    let device = crate::device();
    let layer = layer(&device);
    let graphs = [drawn("graph 0"), drawn("graph 1")];
    let (mask, pass) = (AttentionMask::none(), Pass::evaluation());
    let x = numbers("x", [B, N, D], &device);
    let padded = features(&graphs, &device);
    let batch = layer.forward(x.clone(), &graphs, Some(padded.clone()), &mask, &pass);
    let of_row = |row: usize| {
        let edges = graphs[row].edges().len();
        padded.clone().slice([row..row + 1, 0..edges, 0..F])
    };
    let features = Tensor::cat(vec![of_row(0), of_row(1)], 1);
    let one = x.reshape([1, B * N, D]);
    let union = layer.forward(one, &[Graph::union(&graphs)], Some(features), &mask, &pass);
    let what = "union";
    assert_close(&vector(union.context), &vector(batch.context), 1e-6, what);
}

/// Node i sees the two nodes before it in a ring: what is of size `N x N` would have 10^10 numbers here.
#[test]
fn a_large_graph_costs_its_edges() {
    let nodes = 100_003;
    let device = crate::device().autodiff();
    let edges: Vec<[usize; 2]> = (0..nodes)
        .flat_map(|i| [1, 2].map(|back| [(i + nodes - back) % nodes, i]))
        .collect();
    let values: Vec<f32> = (0..nodes).map(|i| i as f32).collect();
    let value = Tensor::<3>::from_data(TensorData::new(values, [1, nodes, 1]), &device);
    let zeros = value.zeros_like();
    let value = value.require_grad();
    let graph = [Graph::new(nodes, &edges)];
    let options = AttentionOptions::new(1);
    let output = graph_attention(zeros.clone(), zeros, value.clone(), &graph, None, options);
    let context = vector(output.context.clone());
    assert_eq!(context[5000..5001], [4998.5]);
    let tape = output.context.sum().backward();
    let gradient = vector(value.grad(&tape).expect("a gradient"));
    assert_eq!(gradient, vec![1.0; nodes]);
}

#[test]
fn the_order_of_edges_is_that_of_their_weights_only() {
    let device = crate::device();
    let layer = layer(&device);
    let graph = drawn("graph 0");
    let reversed: Vec<[usize; 2]> = graph.edges().iter().rev().copied().collect();
    let features = features(std::slice::from_ref(&graph), &device);
    let run = |graph: Graph, features: Tensor<3>| {
        let x = numbers("x", [B, N, D], &device);
        let pass = Pass::evaluation().with_attention();
        let y = layer.forward(x, &[graph], Some(features), &AttentionMask::none(), &pass);
        (y.context, y.weights.expect("asked for"))
    };
    let (context, weights) = run(graph, features.clone());
    let (got, got_weights) = run(Graph::new(N, &reversed), features.flip([1]));
    assert_close(&vector(got), &vector(context), 1e-6, "contexts");
    let weights = vector(weights.flip([2]));
    assert_close(&vector(got_weights), &weights, 1e-6, "weights");
}

/// Where a graph and another rule leave a node nothing, as well.
#[test]
fn edges_and_masked_pairs_see_the_same_under_every_other_rule() {
    let device = crate::device();
    let layer = fill(
        GraphAttentionConfig::new(D, H).init(&Init::new(1, &device)),
        "attention",
    );
    let x = numbers("x", [B, N, D], &device);
    let pass = Pass::evaluation().with_attention();
    let rules = [
        AttentionMask::window(0, 0),
        AttentionMask::window(2, 1),
        AttentionMask::blocks(&[vec![5, 1, 5]]),
        AttentionMask::blocks(&[vec![1; N], vec![3, 5]]),
        AttentionMask::causal(),
        AttentionMask::key_lengths(vec![7, 2]),
        AttentionMask::window(1, 3).and(AttentionMask::key_lengths(vec![7, 10])),
    ];
    let mut seeing_nothing = 0;
    for (mask, draw) in rules
        .iter()
        .flat_map(|mask| (0..3).map(move |draw| (mask, draw)))
    {
        let graphs = [0, 1].map(|row| {
            let drawn = ids(&format!("rule {draw} {row}"), 3, N * N);
            // All see themselves but one, which sees those beside it: alone, it sees nothing.
            graph_of(N, |from, to| match (from.abs_diff(to), to) {
                (0, _) => to != 5,
                (1, 5) => true,
                _ => drawn[from * N + to] == 0,
            })
        });
        let sparse = layer.forward(x.clone(), &graphs, None, mask, &pass);
        let dense = layer.forward_dense(x.clone(), &graphs, None, mask, &pass);
        let (got, expected) = (vector(sparse.context), vector(dense.context));
        assert_close(&got, &expected, 1e-5, &format!("contexts under {mask:?}"));
        let weights = edges_to_pairs(sparse.weights.expect("asked for"), &graphs);
        let expected = vector(dense.weights.expect("asked for"));
        assert_close(
            &vector(weights),
            &expected,
            1e-5,
            &format!("weights under {mask:?}"),
        );
        let whole = |row: &&[f32]| row.iter().all(|&weight| weight == 0.0);
        seeing_nothing += expected.chunks(N).filter(whole).count();
    }
    assert!(seeing_nothing > 0);
}

#[test]
fn an_example_meets_the_same_draws_in_every_batch() {
    let device = crate::device();
    let config = GraphAttentionConfig::new(D, H).with_dropout(0.5);
    let layer = fill(config.init(&Init::new(1, &device)), "attention");
    let graphs = [drawn("graph 1"), drawn("graph 0")];
    let run = |rows: std::ops::Range<usize>, pass: Pass| {
        let x = numbers("x", [B, N, D], &device).slice(rows.clone());
        let mask = AttentionMask::none();
        layer.forward(x, &graphs[rows], None, &mask, &pass.with_attention())
    };
    let training = |first_row| Pass::training(Key::new(3), first_row);
    // The second row has fewer edges than the first: alone it is not padded.
    let batch = run(0..2, training(4));
    let alone = run(1..2, training(5));
    let evaluated = run(1..2, Pass::evaluation());
    let got = vector(alone.context);
    let expected = vector(batch.context.slice(1..2));
    assert_close(&got, &expected, 1e-6, "the second row");
    assert_ne!(got, vector(evaluated.context));
    // Those handed back are from before the dropout.
    let [got, expected] = [alone.weights, evaluated.weights].map(|weights| weights.map(vector));
    assert_eq!(got, expected);
}

#[path = "../../../examples/reachability.rs"]
#[expect(dead_code, reason = "the example has a main function")]
mod reachability;

/// Three layers learn who can be reached within three edges; without the edges nobody can know.
#[test]
fn what_can_be_reached_is_learned_along_the_edges_only() {
    let [along_edges, commoner] = reachability::accuracies(true);
    assert!(along_edges > 0.99, "{along_edges} of held-out nodes");
    let [without, _] = reachability::accuracies(false);
    assert!(without < commoner + 0.01, "{without}, against {commoner}");
}
