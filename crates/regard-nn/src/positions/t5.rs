//! A learned number for each range of distances and each head.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};

use super::distances;
use crate::Init;
use crate::batch::device_id;

/// The bucket of a distance `key - query`: near distances have one each, far ones share them, wider and wider.
///
/// With N buckets on the side of the distance d, `E = N / 2` and the largest distance M:
///
/// ```text
/// bucket = |d|                                                       |d| < E
/// bucket = min(N - 1, E + floor((N - E) ln(|d| / E) / ln(M / E)))    otherwise
/// ```
///
/// Bidirectional: each side has half of the buckets; those of later keys (`d > 0`) stand behind those of earlier ones.
/// Unidirectional: earlier keys have all buckets, and every later key is in that of distance 0.
///
/// # Panics
///
/// If a side has fewer than two buckets, or `max_distance` is not above E.
///
/// # References
///
/// Raffel et al. Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer. 2019.
/// <https://arxiv.org/abs/1910.10683>, section 2.1; the formula is that of its code.
///
/// # Example
///
/// ```
/// use regard_nn::relative_bucket;
/// let buckets = [-1000, -8, -7, 0, 1, 16].map(|distance| relative_bucket(distance, 32, 128, true));
/// assert_eq!(buckets, [15, 8, 7, 0, 17, 26]);
/// ```
pub fn relative_bucket(
    distance: i32,
    n_buckets: usize,
    max_distance: usize,
    bidirectional: bool,
) -> usize {
    let count = if bidirectional {
        n_buckets / 2
    } else {
        n_buckets
    };
    let exact = count / 2;
    assert!(
        exact > 0 && max_distance > exact,
        "relative_bucket: expected two buckets or more on a side and max_distance above half of them, got {count} and \
         {max_distance}"
    );
    let (first, distance) = match distance {
        1.. if bidirectional => (count, distance),
        1.. => (0, 0),
        _ => (0, distance),
    };
    let distance = f64::from(distance).abs();
    let exact_end = exact as f64;
    let bucket = if distance < exact_end {
        distance
    } else {
        let share = (distance / exact_end).ln() / (max_distance as f64 / exact_end).ln();
        exact_end + share * (count - exact) as f64
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small, not negative, and to be rounded down"
    )]
    let bucket = bucket as usize;
    first + bucket.min(count - 1)
}

/// A learned bias for each bucket of distances and each head, for [`AttentionOptions::bias`](crate::AttentionOptions).
///
/// For query t at position `i = t + S - T` and key j:
///
/// ```text
/// bias[h, t, j] = weight[bucket(j - i), h]                           [1, H, T, S]
/// ```
///
/// with [`relative_bucket`].
///
/// # Parameters
///
/// `weight: [n_buckets, H]`, normal with deviation 0.02, so that attention starts almost without it.
///
/// # Behaviour
///
/// - The last query stands at the last key: one step behind a cache, `T = 1`, gets the last row of the square form.
/// - No sequence is too long: all distances from `max_distance` on share a bucket.
/// - Cost: `O(H T S)` time and memory; nothing is kept between calls.
///
/// # Differences
///
/// - T5 does not scale scores by `1 / sqrt(K)` ([`AttentionOptions::scale`](crate::AttentionOptions) 1), and all layers of
///   a stack share the bias of the first: make it once and hand it to each.
/// - Hugging Face's T5 draws with deviation `1 / sqrt(D)`.
/// - Hugging Face computes buckets in f32; for T5's 32 buckets up to 128, and for 20 up to 50, they are the same at all
///   distances up to 1000, which is what is tested.
///
/// # References
///
/// Raffel et al. 2019. <https://arxiv.org/abs/1910.10683>, section 2.1.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use regard_nn::{Init, RelativeBucketsConfig};
///
/// let buckets = RelativeBucketsConfig::new(2).init(&Init::new(1, &Device::flex()));
/// let (square, step) = (buckets.bias([3, 3]), buckets.bias([1, 3]));
/// assert_eq!(square.dims(), [1, 2, 3, 3]);
/// assert_eq!(square.slice([0..1, 0..2, 2..3]).into_data(), step.into_data());
/// ```
#[derive(Module, Debug)]
pub struct RelativeBuckets {
    /// A row for each bucket, `[n_buckets, H]`.
    pub weight: Param<Tensor<2>>,
    max_distance: usize,
    bidirectional: bool,
}

/// Sizes of [`RelativeBuckets`].
#[derive(Config, Debug)]
pub struct RelativeBucketsConfig {
    /// Number of heads H.
    pub n_heads: usize,
    /// Number of buckets, of both sides together. Default 32, T5's.
    #[config(default = 32)]
    pub n_buckets: usize,
    /// Distance, in tokens, from which on all share a bucket. Default 128, T5's.
    #[config(default = 128)]
    pub max_distance: usize,
    /// Whether later keys have buckets: `true` in an encoder (the default), `false` under a causal mask.
    #[config(default = true)]
    pub bidirectional: bool,
}

impl RelativeBucketsConfig {
    /// A table drawn from `init`.
    ///
    /// # Panics
    ///
    /// As [`relative_bucket`].
    pub fn init(&self, init: &Init) -> RelativeBuckets {
        relative_bucket(0, self.n_buckets, self.max_distance, self.bidirectional);
        RelativeBuckets {
            weight: init.normal([self.n_buckets, self.n_heads], 0.02),
            max_distance: self.max_distance,
            bidirectional: self.bidirectional,
        }
    }
}

impl RelativeBuckets {
    /// The bias of T queries that stand at the last of S keys, `[1, H, T, S]`.
    pub fn bias(&self, [t, s]: [usize; 2]) -> Tensor<4> {
        let weight = self.weight.val().transpose(); // [H, n_buckets]
        let [n_heads, n_buckets] = weight.dims();
        let bucket = |distance| {
            let bucket =
                relative_bucket(distance, n_buckets, self.max_distance, self.bidirectional);
            device_id(bucket)
        };
        let buckets: Vec<i32> = distances([t, s]).map(bucket).collect();
        let index = TensorData::new(buckets, [1, t * s]);
        let index = Tensor::<2, Int>::from_data(index, &weight.device());
        let bias = weight.gather(1, index.expand([n_heads, t * s])); // [H, T S]
        bias.reshape([1, n_heads, t, s])
    }
}
