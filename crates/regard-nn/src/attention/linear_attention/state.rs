//! What linear attention sums up, over all positions at once or step by step.

use burn::tensor::{Bool, Tensor};
use regard_kernels::{join_heads, product, split_heads};

use super::LinearAttentionOptions;
#[cfg(doc)]
use super::linear_attention;
use crate::cache::select_rows;
use crate::{AttentionMask, Rows};

/// What [`linear_attention`] keeps of the positions that it has seen: S and z of the formula, of the same size however
/// many they are.
///
/// # Behaviour
///
/// Contexts of the causal form step by step are those of all positions at once, up to rounding; a step costs
/// `O(R H K K_v)`, whatever came before. There are no weights: the keys are gone.
///
/// # Shapes
///
/// Of R rows: queries `[R, T, H * K]`, keys `[R, S, H * K]`, values `[R, S, H * K_v]`, contexts `[R, T, H * K_v]`.
///
/// # Panics
///
/// [`attend`](Self::attend), if rows or widths differ from those before.
///
/// # Differences
///
/// The authors' recurrent form takes one position at a time; here any number. PyTorch, burn: no counterpart.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, LinearAttentionOptions, LinearAttentionState};
///
/// let device = Device::flex();
/// let mask = AttentionMask::causal();
/// let options = LinearAttentionOptions { mask, ..LinearAttentionOptions::new(1) };
/// let mut state = LinearAttentionState::default();
/// let contexts = [4.0, 2.0, 0.0].map(|value| {
///     let [one, value] = [1.0, value].map(|x| Tensor::<3>::full([1, 1, 1], x, &device));
///     state.attend(one.clone(), one, value, &options).into_scalar::<f32>()
/// });
/// assert_eq!(contexts, [4.0, 3.0, 2.0]); // equal keys: the mean of what was seen
/// ```
#[derive(Clone, Debug, Default)]
pub struct LinearAttentionState {
    /// `sum_j phi(k_j) [v_j | 1]^T`, `[R, H, K, K_v + 1]`: S, and z as its last column.
    sums: Option<Tensor<4>>,
    length: usize,
}

impl LinearAttentionState {
    /// Number of positions seen.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Contexts `[R, T, H * K_v]` of the queries that follow; keys and values are added to those before. The mask means
    /// all keys, with those before.
    ///
    /// # Panics
    ///
    /// As [`linear_attention`]; if rows or widths differ from those before.
    pub fn attend(
        &mut self,
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        options: &LinearAttentionOptions,
    ) -> Tensor<3> {
        let operands = Operands::new(query, key, value, options, self.length);
        self.take(operands, options.mask.is_causal())
    }

    pub(super) fn take(&mut self, operands: Operands, causal: bool) -> Tensor<3> {
        let Operands { query, key, value } = operands;
        let ([batch, heads, t, _], [.., s, value_width]) = (query.dims(), value.dims());
        let earlier = if causal { s - t } else { s };
        if earlier > 0 {
            let [key, value] = [&key, &value].map(|x| x.clone().slice_dim(2, 0..earlier));
            self.add(product(key.swap_dims(2, 3), value));
        }
        self.length += s;
        if batch == 0 || t == 0 || self.length == 0 {
            let like = (&value.device(), value.dtype());
            return Tensor::zeros([batch, t, heads * (value_width - 1)], like);
        }
        let totals = if causal {
            let [key, value] = [key, value].map(|x| x.slice_dim(2, earlier..s));
            self.in_order(query, key, value)
        } else {
            product(query, self.sums.clone().expect("keys were added"))
        };
        means(totals)
    }

    fn add(&mut self, sums: Tensor<4>) {
        self.sums = Some(match self.sums.take() {
            Some(before) => {
                assert_eq!(
                    before.dims(),
                    sums.dims(),
                    "LinearAttentionState: expected rows, heads and widths of the positions before"
                );
                before + sums
            }
            None => sums,
        });
    }

    /// `phi(q_t) [S_t | z_t]` for as many queries as keys, each of which sees those up to its own; `[B, H, T, K_v + 1]`.
    fn in_order(&mut self, query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
        let [batch, heads, t, width] = key.dims();
        let value_width = value.dims()[3];
        let chunk = t.min(CHUNK);
        let count = t.div_ceil(chunk);
        let [query, key, value] = [query, key, value].map(|x| chunks(x, count, chunk)); // [B, H, n, C, ..]

        let own = product(key.clone().swap_dims(3, 4), value.clone()); // [B, H, n, K, K_v + 1]
        let like = (&own.device(), own.dtype());
        self.add(Tensor::zeros([batch, heads, width, value_width], like));
        let past = self.sums.take().expect("zeros were added").unsqueeze_dim(2);
        let sums = Tensor::cat(vec![past, own], 2).cumsum(2); // [B, H, n + 1, K, K_v + 1]
        self.sums = Some(sums.clone().slice_dim(2, count..count + 1).squeeze_dim(2));
        let before = sums.slice_dim(2, 0..count);

        let future = Tensor::<2, Bool>::tril_mask([chunk, chunk], 0, &query.device());
        let near = product(query.clone(), key.swap_dims(3, 4)); // [B, H, n, C, C]
        let near = product(near.mask_fill(future.unsqueeze(), 0.0), value);
        (product(query, before) + near)
            .reshape([batch, heads, count * chunk, value_width])
            .slice_dim(2, 0..t)
    }
}

impl Rows for LinearAttentionState {
    fn select(self, rows: &[usize]) -> Self {
        let sums = self.sums.map(|sums| select_rows(sums, rows));
        Self { sums, ..self }
    }
}

/// Positions of a chunk of the causal form: about as wide as heads are, so that sums and pairs cost alike.
const CHUNK: usize = 64;

/// `[B, H, T, W]` to `[B, H, n, C, W]`, zeros behind the last position.
fn chunks(x: Tensor<4>, count: usize, chunk: usize) -> Tensor<5> {
    let [batch, heads, t, width] = x.dims();
    let missing = count * chunk - t;
    let whole = if missing == 0 {
        x
    } else {
        let zeros = Tensor::zeros([batch, heads, missing, width], (&x.device(), x.dtype()));
        Tensor::cat(vec![x, zeros], 2)
    };
    whole.reshape([batch, heads, count, chunk, width])
}

/// `[B, H, T, K_v + 1]`, whose last column is the sum of the weights, to `[B, T, H * K_v]`.
fn means(totals: Tensor<4>) -> Tensor<3> {
    let [.., width] = totals.dims();
    let weighted = totals.clone().slice_dim(3, 0..width - 1);
    let sum = totals.slice_dim(3, width - 1..width);
    join_heads(weighted / nothing_to_one(sum))
}

/// Features are positive, so a sum is 0 only where no key is visible; there the weighted sum is 0, too.
fn nothing_to_one(sum: Tensor<4>) -> Tensor<4> {
    let nothing = sum.clone().equal_elem(0.0);
    sum.mask_fill(nothing, 1.0)
}

/// What the formula multiplies.
pub(super) struct Operands {
    /// `phi(q)`, `[B, H, T, K]`.
    query: Tensor<4>,
    /// `phi(k)`, `[B, H, S, K]`, 0 where padding.
    key: Tensor<4>,
    /// `[v | 1]`, `[B, H, S, K_v + 1]`: the sum of the weights is one more value to sum up.
    value: Tensor<4>,
}

impl Operands {
    /// Of keys behind `seen` others.
    pub(super) fn new(
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        options: &LinearAttentionOptions,
        seen: usize,
    ) -> Self {
        let LinearAttentionOptions { n_heads, mask, .. } = options;
        let dims = [query.dims(), key.dims(), value.dims()];
        let [
            [batch, t, query_width],
            [key_batch, s, key_width],
            [.., value_width],
        ] = dims;
        let fits = [batch, query_width] == [key_batch, key_width]
            && dims[1][..2] == dims[2][..2]
            && query_width.is_multiple_of(*n_heads)
            && value_width.is_multiple_of(*n_heads);
        assert!(
            fits,
            "linear_attention: expected query [B, T, H K], key [B, S, H K], value [B, S, H K_v] with H = {n_heads}, \
             got {dims:?}"
        );
        mask.check(batch, [t, seen + s]);
        assert!(
            t <= s || !mask.is_causal(),
            "linear_attention: expected no more queries than keys under a causal mask, got {t} and {s}"
        );
        let lengths = mask.lengths_only(batch, seen + s).unwrap_or_else(|| {
            panic!(
                "linear_attention: expected a mask of padding and the order of time, got {mask:?}"
            )
        });
        let lengths: Vec<usize> = lengths
            .iter()
            .map(|length| length.saturating_sub(seen))
            .collect();
        let padding = AttentionMask::key_lengths(lengths).to_tensor(batch, [t, s], &key.device());

        let features = |x: Tensor<3>| options.features.apply(split_heads(x, *n_heads));
        let key = features(key);
        let key = match padding {
            Some(blocked) => key.mask_fill(blocked.swap_dims(2, 3), 0.0),
            None => key,
        };
        let ones = Tensor::ones([batch, *n_heads, s, 1], (&value.device(), value.dtype()));
        Self {
            query: features(query),
            key,
            value: Tensor::cat(vec![split_heads(value, *n_heads), ones], 3),
        }
    }

    /// `[B, H, T, S]`.
    pub(super) fn weights(&self, mask: &AttentionMask) -> Tensor<4> {
        let products = product(self.query.clone(), self.key.clone().swap_dims(2, 3));
        let [batch, _, t, s] = products.dims();
        if products.dims().contains(&0) {
            return products;
        }
        let visible = match mask.to_tensor(batch, [t, s], &products.device()) {
            Some(blocked) => products.mask_fill(blocked, 0.0),
            None => products,
        };
        visible.clone() / nothing_to_one(visible.sum_dim(3))
    }
}
