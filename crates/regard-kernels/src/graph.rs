//! Directed graphs over the positions of a sequence.

/// Who may look at whom: an edge `[j, i]` lets position i see position j.
///
/// ```
/// use regard_kernels::Graph;
/// let graph = Graph::new(3, &[[0, 1], [2, 1]]);
/// assert_eq!(graph.sources(1), [0, 2]);
/// assert!(graph.sources(0).is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    edges: Vec<[usize; 2]>,
    /// Sources by target, ascending; those of node i at `starts[i]..starts[i + 1]`.
    sources: Vec<usize>,
    starts: Vec<usize>,
}

impl Graph {
    /// A graph of `nodes` nodes with edges `[from, to]`, in any order.
    ///
    /// # Panics
    ///
    /// If an edge leaves the graph, or stands there twice.
    pub fn new(nodes: usize, edges: &[[usize; 2]]) -> Self {
        let mut sorted: Vec<[usize; 2]> = edges.iter().map(|&[from, to]| [to, from]).collect();
        sorted.sort_unstable();
        for pair in sorted.windows(2) {
            let [to, from] = pair[0];
            assert_ne!(
                pair[0], pair[1],
                "Graph: the edge {from} -> {to} stands there twice"
            );
        }
        let mut starts = vec![0; nodes + 1];
        for &[to, from] in &sorted {
            assert!(
                from < nodes && to < nodes,
                "Graph: expected an edge between {nodes} nodes, got {from} -> {to}"
            );
            starts[to + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        Self {
            edges: edges.to_vec(),
            sources: sorted.into_iter().map(|[_, from]| from).collect(),
            starts,
        }
    }

    /// The graphs side by side as one, with no edge between them: nodes and edges of each follow those of the graph
    /// before it. A batch of graphs of different size is one row of their union, without padding.
    ///
    /// ```
    /// use regard_kernels::Graph;
    /// let union = Graph::union(&[Graph::new(2, &[[1, 0]]), Graph::new(3, &[[0, 2]])]);
    /// assert_eq!(union, Graph::new(5, &[[1, 0], [2, 4]]));
    /// ```
    pub fn union(graphs: &[Self]) -> Self {
        let mut nodes = 0;
        let mut edges = Vec::new();
        for graph in graphs {
            let moved = |&[from, to]: &[usize; 2]| [from + nodes, to + nodes];
            edges.extend(graph.edges.iter().map(moved));
            nodes += graph.nodes();
        }
        Self::new(nodes, &edges)
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// The edges `[from, to]`, in the order in which they were given.
    pub fn edges(&self) -> &[[usize; 2]] {
        &self.edges
    }

    /// The nodes that `node` may look at, ascending.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn sources(&self, node: usize) -> &[usize] {
        &self.sources[self.starts[node]..self.starts[node + 1]]
    }

    /// Whether there is an edge `from -> to`.
    pub fn has_edge(&self, from: usize, to: usize) -> bool {
        self.sources(to).binary_search(&from).is_ok()
    }

    /// The edges that both graphs have.
    pub(crate) fn common(&self, other: &Self) -> Self {
        assert_eq!(
            self.nodes(),
            other.nodes(),
            "AttentionMask::and: graphs of {} and {} nodes",
            self.nodes(),
            other.nodes()
        );
        let edges: Vec<[usize; 2]> = self
            .edges
            .iter()
            .copied()
            .filter(|&[from, to]| other.has_edge(from, to))
            .collect();
        Self::new(self.nodes(), &edges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_those_of_the_edges_in_ascending_order() {
        let graph = Graph::new(4, &[[3, 0], [1, 2], [0, 2], [3, 2], [2, 2]]);
        let sources: Vec<&[usize]> = (0..4).map(|node| graph.sources(node)).collect();
        assert_eq!(sources, [&[3][..], &[], &[0, 1, 2, 3], &[]]);
        assert!(graph.has_edge(3, 0) && !graph.has_edge(0, 3));
    }

    #[test]
    fn a_union_keeps_every_graph_to_itself() {
        let graphs = [
            Graph::new(3, &[[2, 0], [1, 1]]),
            Graph::new(1, &[]),
            Graph::new(2, &[[0, 1], [1, 0]]),
        ];
        let union = Graph::union(&graphs);
        assert_eq!(union.nodes(), 6);
        assert_eq!(union.edges(), [[2, 0], [1, 1], [4, 5], [5, 4]]);
        assert_eq!(Graph::union(&[]), Graph::new(0, &[]));
    }

    #[test]
    #[should_panic(expected = "expected an edge between 2 nodes, got 2 -> 0")]
    fn an_edge_from_nowhere() {
        Graph::new(2, &[[2, 0]]);
    }

    #[test]
    #[should_panic(expected = "the edge 0 -> 1 stands there twice")]
    fn an_edge_that_stands_there_twice() {
        Graph::new(2, &[[0, 1], [1, 0], [0, 1]]);
    }
}
