//! Attention along the edges of directed graphs.

mod edges;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use regard_kernels::{attention, dropout};

pub use self::edges::edges_to_pairs;
use self::edges::{Edges, check_graphs, edge_count};
use super::multi_head::split_columns;
use super::options;
use crate::{
    AttentionMask, AttentionOptions, AttentionOutput, Graph, Init, Linear, Normalizer, Pass,
};

/// What attention along edges gives back: weights of edges, not of pairs.
#[derive(Clone, Debug)]
pub struct GraphAttentionOutput {
    /// Weighted means of the values, `[B, N, H * K_v]`.
    pub context: Tensor<3>,
    /// Weights before dropout, `[B, H, E]`, in the order of [`Graph::edges`]; those of the edges into one node sum to 1,
    /// or are all 0 where every one is blocked. `Some` if asked for. [`edges_to_pairs`] gives the matrix `[B, H, N, N]`.
    pub weights: Option<Tensor<3>>,
}

/// Each node takes the mean of the values of the nodes that it sees, at a cost that grows with the edges alone.
///
/// For head h and the edges `j -> i` into node i, with `q`, `k`, `v` the h-th slices of width K:
///
/// ```text
/// score(j -> i)  = q_i . k_j / sqrt(K) + bias(j -> i)                      [B, H, E]
/// weight(j -> i) = softmax over the edges into i                           [B, H, E]
/// context_i      = sum over the edges into i of dropout(weight) v_j        [B, N, H * K_v]
/// ```
///
/// It is [`attention`](crate::attention()) under [`AttentionMask::graph`], with the same numbers, but nothing of size
/// `N x N` is ever made: queries, keys and values are gathered by edge, and the results are added up by target.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `query`, `key` | `[B, N, H * K]` | of the nodes |
/// | `value` | `[B, N, H * K_v]` | |
/// | `graphs` | 1 or B | one graph serves all rows; E is the largest number of edges |
/// | `edge_bias` | `[B, H, E]`, or `[1, H, E]` for one graph | added to the scores, in the order of [`Graph::edges`] |
///
/// In a row with fewer than E edges the last weights are 0 and the last biases are not read. A batch of graphs of very
/// different size wastes nothing as one row, their [`Graph::union`].
///
/// `options` gives heads, scale, dropout, a mask (an edge that it blocks is as if it were not there), and whether weights
/// are wanted.
///
/// # Behaviour
///
/// - A node without a visible edge gets a zero context, zero weights and zero gradients, never NaN. An edge into itself is
///   an edge like others: without it, a node does not see itself.
/// - The largest score of each node is subtracted before the exponential. It cancels, so it is a constant to the gradient.
/// - The draw of an edge is keyed by example, place of the edge in [`Graph::edges`], and head: neither the other rows nor
///   their numbers of edges matter. Draws differ from those of the form with pairs; in a union they belong to the union.
/// - Cost: `O(B E (K + K_v) H)` time and memory.
///
/// # Panics
///
/// If the shapes do not fit each other or the graphs, the normaliser is another than softmax, or `options.bias` is given:
/// it belongs to pairs.
///
/// # Differences
///
/// - Velickovic et al. score an edge by a small network, `LeakyReLU(a . [W h_i, W h_j])`; here scores are scaled dot
///   products, as in Dwivedi and Bresson, and in Shi et al., who add the edge's features to keys and values.
/// - PyTorch from 2.5 on has `flex_attention`, whose block masks leave out blocks of pairs without an edge;
///   burn has dense masks only. Checked against PyTorch by `scripts/parity/graph.py`.
///
/// # References
///
/// Dwivedi, Bresson. A Generalization of Transformer Networks to Graphs. 2020. <https://arxiv.org/abs/2012.09699>. Shi et
/// al. 2020. <https://arxiv.org/abs/2009.03509>. Bias by edge: Ying et al. 2021. <https://arxiv.org/abs/2106.05234>,
/// section 3.1.3. Other scores: Velickovic et al. 2017. <https://arxiv.org/abs/1710.10903>.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, Graph, graph_attention};
/// let device = Device::flex();
/// let x = Tensor::<3>::from_floats([[[1.0], [2.0], [6.0]]], &device); // [1, 3, 1]
/// let still = x.zeros_like(); // equal scores
/// let graph = [Graph::new(3, &[[1, 0], [2, 0], [2, 1]])]; // node 0 sees 1 and 2, node 1 sees 2, node 2 nothing
/// let output = graph_attention(still.clone(), still, x, &graph, None, AttentionOptions::new(1));
/// assert_eq!(output.context.into_data().as_slice::<f32>().unwrap(), [4.0, 6.0, 0.0]);
/// ```
pub fn graph_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    graphs: &[Graph],
    edge_bias: Option<Tensor<3>>,
    options: AttentionOptions,
) -> GraphAttentionOutput {
    let [batch, nodes, width] = query.dims();
    let [_, _, value_width] = value.dims();
    let (n_heads, mask) = (options.n_heads, options.mask);
    check_shapes(&query, &key, &value, n_heads);
    check_graphs(graphs, batch, nodes);
    mask.check(batch, [nodes, nodes]);
    assert_eq!(
        options.normalizer,
        Normalizer::Softmax,
        "graph_attention: the normaliser"
    );
    assert!(
        options.bias.is_none(),
        "graph_attention: expected biases by edge, got biases by pair"
    );
    let count = edge_count(graphs);
    let edges = Edges::new(graphs, [batch, nodes], &mask, &query.device());
    let slots = edges.slots;
    // The numbers of the nodes at one end of the edges.
    let gather = |x: Tensor<3>, ends: &Tensor<1, Int>| {
        let width = x.dims()[2] / n_heads;
        let rows = x.flatten::<2>(0, 1).select(0, ends.clone()); // [B E, H K]
        rows.reshape([batch * slots, n_heads, width])
    };

    let scale = options
        .scale
        .unwrap_or(1.0 / ((width / n_heads) as f64).sqrt());
    let products = gather(query * scale, &edges.to) * gather(key, &edges.from); // [B E, H, K]
    let scores = products.sum_dim(2).reshape([batch, slots, n_heads]);
    let scores = match edge_bias {
        Some(bias) if count > 0 => {
            check_bias(&bias, graphs, [batch, n_heads, count]);
            scores + bias.swap_dims(1, 2)
        }
        _ => scores,
    };
    let weights = edges.softmax(scores, nodes); // [B, E, H]
    let dropped = match options.dropout {
        Some((p, draws)) => dropout(weights.clone(), p, draws),
        None => weights.clone(),
    };
    let parts = gather(value, &edges.from) * dropped.reshape([batch * slots, n_heads, 1]); // [B E, H, K_v]
    let context = edges.add_up(parts.reshape([batch * slots, value_width]), batch * nodes);
    let weights = options.weights.then(|| {
        let weights = weights.swap_dims(1, 2); // [B, H, E]
        weights.slice([0..batch, 0..n_heads, 0..count])
    });
    GraphAttentionOutput {
        context: context.reshape([batch, nodes, value_width]),
        weights,
    }
}

fn check_shapes(query: &Tensor<3>, key: &Tensor<3>, value: &Tensor<3>, n_heads: usize) {
    let [query, key, value] = [query, key, value].map(Tensor::dims);
    let fits = query == key
        && query[..2] == value[..2]
        && n_heads > 0
        && query[2].is_multiple_of(n_heads)
        && value[2].is_multiple_of(n_heads);
    assert!(
        fits,
        "graph_attention: expected query and key [B, N, H K], value [B, N, H K_v] with H = {n_heads}, \
         got {query:?}, {key:?}, {value:?}"
    );
}

fn check_bias(bias: &Tensor<3>, graphs: &[Graph], expected: [usize; 3]) {
    let got = bias.dims();
    let rows_fit = got[0] == expected[0] || (got[0] == 1 && graphs.len() == 1);
    assert!(
        rows_fit && got[1..] == expected[1..],
        "graph_attention: expected biases {expected:?}, or one row of them for one graph, got {got:?}"
    );
}

/// Sizes of attention along the edges of graphs.
#[derive(Config, Debug)]
pub struct GraphAttentionConfig {
    /// Width D of node states and result; a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads H, each of width `K = D / H`.
    pub n_heads: usize,
    /// Width of the features of an edge. Default 0: edges have none, they are there or not.
    #[config(default = 0)]
    pub d_edge: usize,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0, as in multi-head attention.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// The nodes of a graph attend to those that they see, several heads each; features of an edge move its scores.
///
/// ```text
/// q, k, v = x W_qkv + b_qkv                                        each [B, N, H K]
/// bias    = features W_edge                                        [B or 1, H, E]
/// y       = graph_attention(q, k, v, bias) W_output + b_output     [B, N, D]
/// ```
///
/// [`forward`](Self::forward) is [`graph_attention`], at a cost of `O(E)` for the weights;
/// [`forward_dense`](Self::forward_dense) is masked [`attention`](crate::attention()), at one of `O(N^2)`. Without
/// dropout both give the same.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `x` | `[B, N, D]` | states of the nodes |
/// | `graphs` | 1 or B | one graph serves all rows |
/// | `features` | `[B, E, D_edge]`, or `[1, E, D_edge]` for one graph | of the edges, in the order of [`Graph::edges`] |
/// | `mask` | | besides the graph's: padding, for instance |
/// | `context` | `[B, N, D]` | |
/// | `weights` | `[B, H, E]`, or `[B, H, N, N]` from the dense form | if the pass wants them |
///
/// # Parameters
///
/// `qkv: [D, 3 D]` packed, `output: [D, D]`, with biases, and `edge: [D_edge, H]` without: a bias common to all edges of a
/// head would cancel in the softmax. `4 D (D + 1) + D_edge H` numbers, Xavier uniform, biases zero.
///
/// # Behaviour
///
/// A node without a visible edge gets `b_output`. Features of no edges are not read, and may be `None`. The rest is said
/// at [`graph_attention`].
///
/// # Panics
///
/// If the width of `x` is not D, the graphs or the mask are made for other sizes, or features are missing, of another
/// shape, or given to a layer without `d_edge`.
///
/// # Differences and references
///
/// As [`graph_attention`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Graph, GraphAttentionConfig, Init, Pass};
/// let device = Device::flex();
/// let layer = GraphAttentionConfig::new(6, 2).init(&Init::new(1, &device));
/// let graph = [Graph::new(3, &[[0, 1], [1, 2], [0, 2]])];
/// let (x, pass) = (Tensor::ones([1, 3, 6], &device), Pass::evaluation().with_attention());
/// let y = layer.forward(x, &graph, None, &AttentionMask::none(), &pass);
/// assert_eq!(y.weights.unwrap().into_data().as_slice::<f32>().unwrap(), [1.0, 0.5, 0.5, 1.0, 0.5, 0.5]);
/// ```
#[derive(Module, Debug)]
pub struct GraphAttention {
    /// Queries, keys and values, `[D, 3 D]`.
    pub qkv: Linear,
    /// From features of edges to biases of scores, `[D_edge, H]`.
    pub edge: Option<Linear>,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    n_heads: usize,
    dropout: f64,
}

impl GraphAttentionConfig {
    /// A layer with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`.
    pub fn init(&self, init: &Init) -> GraphAttention {
        assert!(
            self.n_heads > 0 && self.d_model.is_multiple_of(self.n_heads),
            "GraphAttention: expected d_model to be a multiple of n_heads = {}, got {}",
            self.n_heads,
            self.d_model
        );
        let edge = || Linear::new(self.d_edge, self.n_heads, &init.at("edge")).without_bias();
        GraphAttention {
            qkv: Linear::packed(self.d_model, &[self.d_model; 3], &init.at("qkv")),
            edge: (self.d_edge > 0).then(edge),
            output: Linear::new(self.d_model, self.d_model, &init.at("output")),
            n_heads: self.n_heads,
            dropout: self.dropout,
        }
    }
}

impl GraphAttention {
    /// Along the edges.
    pub fn forward(
        &self,
        x: Tensor<3>,
        graphs: &[Graph],
        features: Option<Tensor<3>>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> GraphAttentionOutput {
        let bias = self.edge_bias(features, graphs);
        let options = options(self.n_heads, mask.clone(), self.dropout, pass);
        let [query, key, value] = self.project(x);
        let attended = graph_attention(query, key, value, graphs, bias, options);
        GraphAttentionOutput {
            context: self.output.forward_sequence(attended.context),
            ..attended
        }
    }

    /// Over all pairs, of which those without an edge are blocked.
    pub fn forward_dense(
        &self,
        x: Tensor<3>,
        graphs: &[Graph],
        features: Option<Tensor<3>>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let [batch, nodes, _] = x.dims();
        check_graphs(graphs, batch, nodes);
        let bias = self.edge_bias(features, graphs);
        let mask = mask.clone().and(AttentionMask::graph(graphs));
        let options = AttentionOptions {
            bias: bias.map(|bias| edges_to_pairs(bias, graphs)),
            ..options(self.n_heads, mask, self.dropout, pass)
        };
        let [query, key, value] = self.project(x);
        let attended = attention(query, key, value, options);
        AttentionOutput {
            context: self.output.forward_sequence(attended.context),
            ..attended
        }
    }

    /// Queries, keys and values.
    fn project(&self, x: Tensor<3>) -> [Tensor<3>; 3] {
        let qkv = self.qkv.forward_sequence(x);
        split_columns(&qkv, [qkv.dims()[2] / 3; 3])
    }

    /// `[B or 1, E, D_edge]` to `[B or 1, H, E]`.
    fn edge_bias(&self, features: Option<Tensor<3>>, graphs: &[Graph]) -> Option<Tensor<3>> {
        let count = edge_count(graphs);
        let width = self.edge.as_ref().map_or(0, |edge| edge.weight.dims()[0]);
        let got = features.as_ref().map_or([1, count, 0], Tensor::dims);
        assert!(
            count == 0 || got[1..] == [count, width],
            "GraphAttention: expected features of {count} edges, {width} each, got {got:?}"
        );
        let (edge, features) = self.edge.as_ref().zip(features.filter(|_| count > 0))?;
        let bias = edge.forward_sequence(features); // [B, E, H]
        Some(bias.swap_dims(1, 2))
    }
}
