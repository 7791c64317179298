//! Counter-based random numbers: a draw is a pure function of a key and a counter.

#![expect(
    clippy::inline_always,
    reason = "draws are part of the loops that they serve, and get their instruction set"
)]

/// A place in the tree of all random draws of a run.
///
/// A key is made from the seed and then narrowed: by purpose, step, layer path. The draw number `i` under a key is
/// `bits(i)`, the output of the `SplitMix64` finaliser over key and counter, so draws need no order and no stored state.
///
/// ```
/// use regard_kernels::Key;
/// let dropout = Key::new(1).at("dropout").nth(500);
/// assert_eq!(dropout.bits(3), Key::new(1).at("dropout").nth(500).bits(3));
/// assert_ne!(dropout.bits(3), dropout.bits(4));
/// ```
///
/// Source of the finaliser: Steele, Lea, Flood. Fast Splittable Pseudorandom Number Generators. 2014.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Key {
    /// The root of all draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN_GAMMA)))
    }

    /// The key of a named part: a purpose or a layer.
    #[must_use]
    pub fn at(self, name: &str) -> Self {
        // FNV-1a, 64 bits: a fixed function of the bytes, which std's hashers do not promise to be.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(self.0 ^ mix(hash)))
    }

    /// The key of a numbered part: a step, a row, the layer of a stack.
    #[must_use]
    pub fn nth(self, index: u64) -> Self {
        Self(self.bits(index))
    }

    /// The key as two numbers, for hashes of 32 bits.
    #[inline(always)]
    pub(crate) fn halves(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }

    /// 64 random bits.
    #[inline(always)]
    pub fn bits(self, counter: u64) -> u64 {
        mix(self
            .0
            .wrapping_add(GOLDEN_GAMMA.wrapping_mul(counter.wrapping_add(1))))
    }

    /// A number drawn uniformly from `[0, 1)`, with 53 random bits.
    #[inline]
    pub fn uniform(self, counter: u64) -> f64 {
        (self.bits(counter) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A number drawn from the normal distribution with mean 0 and deviation 1 (Box and Muller's transform).
    pub fn normal(self, counter: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * counter)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * counter + 1)).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_paths_differ() {
        let root = Key::new(0);
        let keys = [
            root,
            Key::new(1),
            root.at("a"),
            root.at("b"),
            root.nth(0),
            root.at("a").at("b"),
            root.at("b").at("a"),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn draws_have_the_moments_of_their_distribution() {
        let key = Key::new(7);
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        // Bounds are five standard errors.
        assert!((mean(&|i| key.uniform(i)) - 0.5).abs() < 5.0 * 0.289 / (n as f64).sqrt());
        assert!(mean(&|i| key.normal(i)).abs() < 5.0 / (n as f64).sqrt());
        assert!((mean(&|i| key.normal(i).powi(2)) - 1.0).abs() < 5.0 * 1.42 / (n as f64).sqrt());
        assert!(mean(&|i| key.normal(i) * key.normal(i + 1)).abs() < 5.0 / (n as f64).sqrt());
    }
}
