use twox_hash::XxHash3_64;

use super::Lengths;
use crate::Tokenizers;
use crate::corpus::{Example, Pair};

/// Bytes of the hash behind a record.
const CHECK: usize = 4;

/// How the records of a file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Ids have 32 bits, not 16.
    pub(super) wide: bool,
    /// The text is kept behind the ids.
    pub(super) text: bool,
}

impl Layout {
    /// What these tokenizers need.
    pub(super) fn of(tokenizers: &Tokenizers) -> Self {
        let sides = [tokenizers.source(), tokenizers.target()];
        let most = sides
            .map(crate::Tokenizer::vocabulary_size)
            .into_iter()
            .max();
        Self {
            wide: most > Some(1 << 16),
            text: sides.iter().any(|side| side.is_sampled()),
        }
    }

    /// Bytes of a record without text.
    pub(super) fn ids_size(self, lengths: Lengths) -> usize {
        let ids = usize::from(lengths.0) + usize::from(lengths.1);
        ids * if self.wide { 4 } else { 2 } + CHECK
    }

    /// Appends a record to `bytes`.
    pub(super) fn pack(self, example: &Example, pair: &Pair, bytes: &mut Vec<u8>) {
        let begin = bytes.len();
        for &id in example.source.iter().chain(&example.target) {
            let id = id.to_le_bytes();
            bytes.extend_from_slice(if self.wide { &id } else { &id[..2] });
        }
        if self.text {
            // A line has at most 16 MiB.
            let length = u32::try_from(pair.source.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(pair.source.as_bytes());
            bytes.extend_from_slice(pair.target.as_bytes());
        }
        let check = check(&bytes[begin..]);
        bytes.extend_from_slice(&check);
    }

    /// Reads what [`pack`](Self::pack) wrote; what is wrong with it otherwise.
    pub(super) fn unpack(self, bytes: &[u8], lengths: Lengths) -> Result<(Example, Pair), String> {
        let (bytes, stored) = bytes.split_last_chunk::<CHECK>().ok_or("it is cut off")?;
        if check(bytes) != *stored {
            return Err("its hash is another".into());
        }
        let short = "it is too short for its lengths";
        let (ids, text) = bytes
            .split_at_checked(self.ids_size(lengths) - CHECK)
            .ok_or(short)?;
        let ids: Vec<u32> = if self.wide {
            ids.as_chunks()
                .0
                .iter()
                .map(|&id| u32::from_le_bytes(id))
                .collect()
        } else {
            let ids = ids.as_chunks().0.iter();
            ids.map(|&id| u32::from(u16::from_le_bytes(id))).collect()
        };
        let (source, target) = ids.split_at(usize::from(lengths.0));
        let example = Example {
            source: source.to_vec(),
            target: target.to_vec(),
        };
        if !self.text {
            return Ok((example, Pair::default()));
        }
        let (length, text) = text.split_first_chunk().ok_or(short)?;
        let text = str::from_utf8(text).map_err(|error| error.to_string())?;
        let (source, target) = text
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or(short)?;
        let pair = Pair {
            source: source.to_owned(),
            target: target.to_owned(),
        };
        Ok((example, pair))
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let [a, b, c, d, ..] = XxHash3_64::oneshot(bytes).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_and_damage_is_seen(
            source in prop::collection::vec(any::<u16>(), 0..9),
            target in prop::collection::vec(any::<u16>(), 0..9),
            texts: (String, String), wide: bool, text: bool, damage: prop::sample::Index, bit in 0..8_u8,
        ) {
            let ids = |ids: &[u16]| ids.iter().map(|&id| u32::from(id) << if wide { 15 } else { 0 }).collect();
            let example = Example { source: ids(&source), target: ids(&target) };
            let pair = if text { Pair { source: texts.0, target: texts.1 } } else { Pair::default() };
            let length = |ids: &[u16]| u16::try_from(ids.len()).unwrap();
            let lengths = (length(&source), length(&target));
            let layout = Layout { wide, text };
            let mut bytes = Vec::new();
            layout.pack(&example, &pair, &mut bytes);
            if !text {
                prop_assert_eq!(bytes.len(), layout.ids_size(lengths));
            }
            prop_assert_eq!(layout.unpack(&bytes, lengths), Ok((example, pair)));
            for end in 0..bytes.len() {
                prop_assert!(layout.unpack(&bytes[..end], lengths).is_err());
            }
            let place = damage.index(bytes.len());
            bytes[place] ^= 1_u8 << bit;
            prop_assert!(layout.unpack(&bytes, lengths).is_err());
        }
    }
}
