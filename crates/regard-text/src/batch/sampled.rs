use rayon::prelude::*;

use crate::Tokenizers;
use crate::corpus::{Example, Pair};

/// Keeps these keys apart from all others made with the same seed.
const PURPOSE: u64 = u64::from_le_bytes(*b"tx/piece");

/// The examples of one batch, cut anew for this epoch by the tokenizers that
/// [sample](crate::Tokenizer::is_sampled).
///
/// How a text is cut is a function of the text, `seed`, `epoch`, the side and the example's place in
/// the corpus: neither its batch nor the number of threads matters. A side that would come to more
/// than `max_length` tokens stays as it is.
pub fn resample(
    tokenizers: &Tokenizers,
    examples: Vec<(Example, Pair)>,
    indices: &[u32],
    max_length: usize,
    (seed, epoch): (u64, u64),
) -> Vec<Example> {
    let epoch = mixed(mixed(seed ^ PURPOSE) ^ epoch);
    let sides = [tokenizers.source(), tokenizers.target()];
    examples
        .into_par_iter()
        .zip(indices)
        .map(|((mut example, pair), &index)| {
            let texts = [
                (&pair.source, &mut example.source),
                (&pair.target, &mut example.target),
            ];
            for ((tokenizer, (text, ids)), side) in sides.into_iter().zip(texts).zip(0..) {
                if !tokenizer.is_sampled() {
                    continue;
                }
                let key = mixed(epoch ^ (2 * u64::from(index) + side));
                let sampled = tokenizer.encode_sampled(text, key);
                if (1..=max_length).contains(&sampled.len()) {
                    *ids = sampled;
                }
            }
            example
        })
        .collect()
}

/// `SplitMix64`'s step: every bit of the result depends on every bit of `state`.
fn mixed(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenizerConfig;

    fn tokenizers(config: &TokenizerConfig, pair: &Pair) -> Tokenizers {
        let pairs = vec![pair.clone(); 9];
        let plain = Tokenizers::train(config, &pairs).unwrap();
        plain.sampled(config).unwrap()
    }

    #[test]
    fn cuts_differ_by_seed_epoch_place_and_side_and_by_nothing_else() {
        let text = "lower lowest slower slowest";
        let pair = Pair {
            source: text.into(),
            target: text.into(),
        };
        let config = TokenizerConfig {
            dropout: 0.5,
            ..TokenizerConfig::default()
        };
        let tokenizers = tokenizers(&config, &pair);
        let plain = Example {
            source: tokenizers.source().encode(text),
            target: tokenizers.target().encode(text),
        };
        let cut = |indices: &[u32], seed, epoch| {
            let examples = vec![(plain.clone(), pair.clone()); indices.len()];
            resample(&tokenizers, examples, indices, 100, (seed, epoch))
        };
        let together = cut(&[0, 1, 2, 3], 1, 1);
        assert_eq!(together[2..3], cut(&[2], 1, 1), "the batch does not matter");
        assert_ne!(together, cut(&[4, 5, 6, 7], 1, 1));
        assert_ne!(together, cut(&[0, 1, 2, 3], 2, 1));
        assert_ne!(together, cut(&[0, 1, 2, 3], 1, 2));
        assert!(
            together
                .iter()
                .any(|example| example.source != example.target)
        );
        for example in &together {
            assert_eq!(tokenizers.source().decode(&example.source), text);
        }

        let examples = vec![(plain.clone(), pair.clone()); 9];
        let most = plain.source.len();
        let indices: Vec<u32> = (0..9).collect();
        for example in resample(&tokenizers, examples, &indices, most, (1, 1)) {
            assert!(example.source.len() <= most && example.target.len() <= most);
        }
    }
}
