/// Weyl constant of `SplitMix64`: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random numbers that are functions of a key, the number of a word and the number of the draw, so
/// that no thread can change them: `SplitMix64` (Steele, Lea and Flood 2014), started anew for each
/// word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    state: u64,
}

impl Draws {
    /// The draws for word number `word` of a text.
    pub(super) fn new(key: u64, word: u64) -> Self {
        Self {
            state: mix(mix(key.wrapping_add(GAMMA)) ^ word),
        }
    }

    /// The next number in `[0, 1)`.
    pub(super) fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(GAMMA);
        // The upper 53 bits are as many as a fraction holds.
        (mix(self.state) >> 11) as f64 * 2.0_f64.powi(-53)
    }
}

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_splitmix64() {
        // The first three outputs for the seed 1234567, as Vigna's reference code prints them.
        let mut draws = Draws { state: 1_234_567 };
        let expected = [
            6_457_827_717_110_365_317_u64,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        for output in expected {
            assert_eq!(
                draws.uniform().to_bits(),
                ((output >> 11) as f64 / 2.0_f64.powi(53)).to_bits()
            );
        }
    }

    #[test]
    fn keys_and_words_are_told_apart() {
        let first = |key, word| Draws::new(key, word).uniform().to_bits();
        let mut seen: Vec<u64> = (0..100)
            .flat_map(|key| (0..100).map(move |word| first(key, word)))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn draws_are_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for word in 0..10_000 {
            let mut draws = Draws::new(7, word);
            for _ in 0..10 {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "from 0 to 9"
                )]
                let tenth = (draws.uniform() * 10.0) as usize;
                tenths[tenth] += 1;
            }
        }
        // 10,000 are expected in each, with a standard deviation of 95.
        assert!(
            tenths.iter().all(|count| count.abs_diff(10_000) < 400),
            "{tenths:?}"
        );
    }
}
