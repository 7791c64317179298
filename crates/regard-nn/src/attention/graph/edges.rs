//! The edges of a batch of graphs, as rows to gather and to add up.

use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor, TensorData};

use regard_kernels::BLOCKED;

use crate::batch::device_id;
use crate::{AttentionMask, Graph};

/// Numbers of edges as numbers of pairs: element `(b, h, i, j)` is that of the edge `j -> i`, and 0 where there is none.
///
/// Turns weights of [`graph_attention`](super::graph_attention) into maps, and its biases into those of [`attention`](crate::attention()).
///
/// # Shapes
///
/// `edges` is `[B, H, E]`, in the order of [`Graph::edges`], for one graph or B of them with N nodes each; the result is
/// `[B, H, N, N]`.
///
/// # Panics
///
/// If there are no graphs, or of another number or size.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Graph, edges_to_pairs};
/// let edges = Tensor::<3>::from_floats([[[0.5, 0.25]]], &Device::flex());
/// let pairs = edges_to_pairs(edges, &[Graph::new(2, &[[0, 1], [1, 1]])]);
/// assert_eq!(pairs.into_data().as_slice::<f32>().unwrap(), [0.0, 0.0, 0.5, 0.25]);
/// ```
pub fn edges_to_pairs(edges: Tensor<3>, graphs: &[Graph]) -> Tensor<4> {
    let [rows, heads, count] = edges.dims();
    let nodes = graphs.first().map_or(0, Graph::nodes);
    check_graphs(graphs, rows, nodes);
    let expected = edge_count(graphs);
    assert_eq!(
        count, expected,
        "edges_to_pairs: expected numbers of {expected} edges, got those of {count}"
    );
    let device = edges.device();
    let pairs = Tensor::zeros([rows * nodes * nodes, heads], (&device, edges.dtype()));
    let (mut places, mut pair) = (Vec::new(), Vec::new());
    for (place, (row, edge)) in padded_edges(graphs, rows).enumerate() {
        if let Some([from, to]) = edge {
            places.push(device_id(place));
            pair.push(device_id((row * nodes + to) * nodes + from));
        }
    }
    let pairs = if places.is_empty() {
        pairs
    } else {
        let edges = edges.swap_dims(1, 2).reshape([rows * count, heads]);
        let edges = edges.select(0, indices(places, &device));
        pairs.select_assign(0, indices(pair, &device), edges, IndexingUpdateOp::Add)
    };
    let pairs = pairs.reshape([rows, nodes, nodes, heads]);
    pairs.permute([0, 3, 1, 2])
}

/// The edges of all rows, one behind the other, on the device.
pub(super) struct Edges {
    /// Edges per row, E; at least 1, so that no tensor is empty.
    pub(super) slots: usize,
    /// Row of the flattened nodes, `[B E]`.
    pub(super) to: Tensor<1, Int>,
    pub(super) from: Tensor<1, Int>,
    /// Edges that the mask blocks and places of a row without an edge, `[B, E, 1]`; `None` if there are none.
    blocked: Option<Tensor<3, Bool>>,
}

impl Edges {
    pub(super) fn new(
        graphs: &[Graph],
        [rows, nodes]: [usize; 2],
        mask: &AttentionMask,
        device: &Device,
    ) -> Self {
        let (mut to, mut from, mut blocked) = (Vec::new(), Vec::new(), Vec::new());
        for (row, edge) in padded_edges(graphs, rows) {
            let visible = edge.filter(|&[j, i]| !mask.is_blocked(row, i, j, [nodes, nodes]));
            let [j, i] = edge.unwrap_or([0, 0]);
            to.push(device_id(row * nodes + i));
            from.push(device_id(row * nodes + j));
            blocked.push(visible.is_none());
        }
        let slots = blocked.len() / rows;
        let blocked = blocked
            .contains(&true)
            .then(|| Tensor::from_data(TensorData::new(blocked, [rows, slots, 1]), device));
        Self {
            slots,
            to: indices(to, device),
            from: indices(from, device),
            blocked,
        }
    }

    /// Scores `[B, E, H]` to weights of the same shape, over the edges into each node.
    pub(super) fn softmax(&self, scores: Tensor<3>, nodes: usize) -> Tensor<3> {
        let [batch, slots, heads] = scores.dims();
        let blocked = self
            .blocked
            .clone()
            .map(|blocked| blocked.expand([batch, slots, heads]));
        let hide = |x: Tensor<3>, value: f32| match &blocked {
            Some(blocked) => x.mask_fill(blocked.clone(), value),
            None => x,
        };
        let scores = hide(scores, BLOCKED).reshape([batch * slots, heads]);
        let like = (&scores.device(), scores.dtype());
        let largest = Tensor::full([batch * nodes, heads], BLOCKED, like)
            .select_assign(
                0,
                self.to.clone(),
                scores.clone().detach(),
                IndexingUpdateOp::Max,
            )
            .select(0, self.to.clone()); // [B E, H]
        let powers = (scores - largest).exp();
        // At least 1, the power of the largest.
        let sums = self.add_up(powers.clone(), batch * nodes);
        let weights = powers / sums.select(0, self.to.clone());
        hide(weights.reshape([batch, slots, heads]), 0.0)
    }

    /// Sums over the edges into each node: `[B E, W]` to `[B N, W]`.
    pub(super) fn add_up(&self, x: Tensor<2>, nodes: usize) -> Tensor<2> {
        let sums = Tensor::zeros([nodes, x.dims()[1]], (&x.device(), x.dtype()));
        sums.select_assign(0, self.to.clone(), x, IndexingUpdateOp::Add)
    }
}

/// The edges of every row in turn, each row filled up to the same number, at least 1.
fn padded_edges(
    graphs: &[Graph],
    rows: usize,
) -> impl Iterator<Item = (usize, Option<[usize; 2]>)> {
    let slots = edge_count(graphs).max(1);
    (0..rows).flat_map(move |row| {
        // One graph serves all rows.
        let edges = graphs[row % graphs.len()].edges();
        (0..slots).map(move |slot| (row, edges.get(slot).copied()))
    })
}

/// E, the largest number of edges.
pub(super) fn edge_count(graphs: &[Graph]) -> usize {
    let counts = graphs.iter().map(|graph| graph.edges().len());
    counts.max().unwrap_or(0)
}

fn indices(of: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = of.len();
    Tensor::from_data(TensorData::new(of, [count]), device)
}

pub(super) fn check_graphs(graphs: &[Graph], rows: usize, nodes: usize) {
    assert!(
        graphs.len() == 1 || graphs.len() == rows,
        "graphs: expected one, or one for each of {rows} rows, got {}",
        graphs.len()
    );
    for graph in graphs {
        assert_eq!(
            graph.nodes(),
            nodes,
            "graphs: expected {nodes} nodes in each, got {}",
            graph.nodes()
        );
    }
}
