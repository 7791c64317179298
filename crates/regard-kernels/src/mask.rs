//! Which keys a query may not see.

use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// Which keys are blocked for which query, said by rule instead of by a bool per pair.
///
/// Rules are joined with [`and`](Self::and): a key is visible where every rule allows it.
///
/// ```
/// use regard_kernels::AttentionMask;
/// let mask = AttentionMask::causal().and(AttentionMask::key_lengths(vec![3, 1]));
/// assert!(!mask.is_blocked(0, 2, 2, [3, 3]));
/// assert!(mask.is_blocked(0, 1, 2, [3, 3])); // the future
/// assert!(mask.is_blocked(1, 2, 1, [3, 3])); // padding
/// ```
///
/// # Differences
///
/// `true` = blocked, as in burn and in PyTorch's `key_padding_mask`; PyTorch's `scaled_dot_product_attention` means the opposite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttentionMask {
    causal: bool,
    key_lengths: Option<Arc<[usize]>>,
}

impl AttentionMask {
    /// Every key is visible.
    pub fn none() -> Self {
        Self::default()
    }

    /// No query sees a later key. With more keys than queries, the last query stands at the last key.
    pub fn causal() -> Self {
        Self {
            causal: true,
            key_lengths: None,
        }
    }

    /// Row `b` has `lengths[b]` keys; those behind are padding.
    pub fn key_lengths(lengths: impl Into<Arc<[usize]>>) -> Self {
        Self {
            causal: false,
            key_lengths: Some(lengths.into()),
        }
    }

    /// Visible where both masks allow it.
    ///
    /// # Panics
    ///
    /// If both give key lengths, for different numbers of rows.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let key_lengths = match (self.key_lengths, other.key_lengths) {
            (Some(a), Some(b)) => {
                assert_eq!(
                    a.len(),
                    b.len(),
                    "AttentionMask::and: masks for {} and {} rows",
                    a.len(),
                    b.len()
                );
                Some(a.iter().zip(b.iter()).map(|(&a, &b)| a.min(b)).collect())
            }
            (a, b) => a.or(b),
        };
        Self {
            causal: self.causal || other.causal,
            key_lengths,
        }
    }

    /// Number of keys that query `query` of row `row` may see, with `[T, S]` queries and keys: every rule leaves a
    /// beginning of the keys.
    pub fn visible_keys(&self, row: usize, query: usize, [t, s]: [usize; 2]) -> usize {
        let real = self
            .key_lengths
            .as_ref()
            .map_or(s, |lengths| lengths[row].min(s));
        let past = if self.causal {
            (query + 1 + s).saturating_sub(t)
        } else {
            s
        };
        real.min(past)
    }

    /// Whether query `query` of row `row` may not see key `key`, with `[T, S]` queries and keys.
    pub fn is_blocked(&self, row: usize, query: usize, key: usize, sizes: [usize; 2]) -> bool {
        key >= self.visible_keys(row, query, sizes)
    }

    pub(crate) fn check_rows(&self, rows: usize) {
        if let Some(lengths) = &self.key_lengths {
            assert_eq!(
                lengths.len(),
                rows,
                "attention: mask for {} rows, batch of {rows}",
                lengths.len()
            );
        }
    }

    /// Whether some query may see no key at all.
    pub(crate) fn blocks_a_whole_query(&self, [t, s]: [usize; 2]) -> bool {
        let empty = self
            .key_lengths
            .as_ref()
            .is_some_and(|lengths| lengths.contains(&0));
        empty || (self.causal && t > s)
    }

    /// The mask as a tensor that broadcasts to `[B, H, T, S]`, with axes of size 1 where a rule does not need them; `true` = blocked.
    pub(crate) fn to_tensor(
        &self,
        rows: usize,
        [t, s]: [usize; 2],
        device: &Device,
    ) -> Option<Tensor<4, Bool>> {
        let padded = self
            .key_lengths
            .as_ref()
            .is_some_and(|lengths| lengths.iter().any(|&length| length < s));
        let causal = self.causal && t > 1;
        if !padded && !causal {
            return None;
        }
        let rows = if padded { rows } else { 1 };
        let t_needed = if causal { t } else { 1 };
        let first_query = t - t_needed;
        let mut blocked = Vec::with_capacity(rows * t_needed * s);
        for row in 0..rows {
            for query in first_query..t {
                blocked.extend((0..s).map(|key| self.is_blocked(row, query, key, [t, s])));
            }
        }
        let data = TensorData::new(blocked, [rows, 1, t_needed, s]);
        Some(Tensor::from_data(data, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_agrees_with_the_rule() {
        let device = Device::flex();
        let masks = [
            AttentionMask::none(),
            AttentionMask::causal(),
            AttentionMask::key_lengths(vec![5, 2]),
            AttentionMask::causal().and(AttentionMask::key_lengths(vec![5, 2])),
        ];
        for mask in masks {
            for [t, s] in [[5, 5], [3, 5], [1, 5]] {
                let dense = Tensor::<4, Bool>::from_data(
                    TensorData::new(vec![false; 2 * t * s], [2, 1, t, s]),
                    &device,
                );
                let dense = match mask.to_tensor(2, [t, s], &device) {
                    Some(tensor) => dense.bool_or(tensor.expand([2, 1, t, s])),
                    None => dense,
                };
                let expected: Vec<bool> = (0..2)
                    .flat_map(|b| (0..t).flat_map(move |q| (0..s).map(move |k| (b, q, k))))
                    .map(|(b, q, k)| mask.is_blocked(b, q, k, [t, s]))
                    .collect();
                let dense: Vec<bool> = dense.into_data().iter::<bool>().collect();
                assert_eq!(dense, expected, "{mask:?}, T {t}, S {s}");
            }
        }
    }

    #[test]
    fn and_keeps_the_shorter_length() {
        let mask =
            AttentionMask::key_lengths(vec![5, 2]).and(AttentionMask::key_lengths(vec![3, 4]));
        assert_eq!(mask, AttentionMask::key_lengths(vec![3, 2]));
    }
}
