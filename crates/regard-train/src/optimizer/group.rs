use serde::{Deserialize, Serialize};

/// What a parameter is for: the decay of weights tells them apart.
///
/// Every parameter is of one kind, by its path and its rank:
///
/// | kind        | what it is |
/// |-------------|------------|
/// | `norm`      | factor or offset of a norm: a part of its path is `norm`, or ends in `_norm` |
/// | `bias`      | any other vector |
/// | `embedding` | a table that is looked up by id or distance: a part of its path ends in `_embedding`, or is `learned` (positions), `buckets` (T5) or `relative` (Shaw) |
/// | `weight`    | any other matrix |
///
/// A matrix that serves as embedding and output map, too, is an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterGroup {
    /// Factor or offset of a norm.
    Norm,
    /// Any other vector.
    Bias,
    /// A table that is looked up.
    Embedding,
    /// Any other matrix. It cannot be excluded from decay: nothing would be left.
    #[serde(skip_deserializing)]
    Weight,
}

impl ParameterGroup {
    /// The group of a parameter.
    pub fn of(path: &str, rank: usize) -> Self {
        let any = |is_one: fn(&str) -> bool| path.split('.').any(is_one);
        if any(|part| part == "norm" || part.ends_with("_norm")) {
            Self::Norm
        } else if rank < 2 {
            Self::Bias
        } else if any(|part| {
            part.ends_with("_embedding") || matches!(part, "learned" | "buckets" | "relative")
        }) {
            Self::Embedding
        } else {
            Self::Weight
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ParameterGroup::{Bias, Embedding, Norm, Weight};
    use super::*;

    #[test]
    fn groups_go_by_path_and_rank() {
        for (path, rank, expected) in [
            ("encoder.norm.weight", 1, Norm),
            ("encoder.norm.bias", 1, Norm),
            ("query_key_norm.scale", 1, Norm),
            ("norms.weight", 2, Weight),
            ("inner.bias", 1, Bias),
            ("candidate_bias", 1, Bias),
            ("anything", 1, Bias),
            ("source_embedding.weight", 2, Embedding),
            ("readout.embedding.weight", 2, Weight),
            ("positions.learned.weight", 2, Embedding),
            ("relative.key", 2, Embedding),
            ("inner.weight", 2, Weight),
        ] {
            assert_eq!(ParameterGroup::of(path, rank), expected, "{path}");
        }
    }
}
