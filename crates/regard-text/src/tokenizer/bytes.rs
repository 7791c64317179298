//! How byte-level vocabularies write bytes: each byte is one printable character, as in GPT-2's
//! `encoder.py`, so that any text is spelled and nothing is unknown.

use std::fmt::Write;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::tokenizer::Result;

use super::WORD_START;

/// Bytes there are.
pub(super) const COUNT: usize = 256;

/// A model that knows `reserved` tokens, then the bytes in their order, and no merge.
pub(super) fn model(reserved: &[&str]) -> Result<BPE> {
    let reserved = reserved.iter().map(|&token| token.to_owned());
    let bytes = (0..=u8::MAX).map(|byte| character(byte).to_string());
    let numbered: Vocab = reserved.chain(bytes).zip(0..).collect();
    BPE::builder()
        .vocab_and_merges(numbered, Vec::new())
        .build()
}

/// Whether tokens are written in bytes.
pub(super) fn are_written(decoder: Option<&DecoderWrapper>) -> bool {
    match decoder {
        Some(DecoderWrapper::ByteLevel(_)) => true,
        Some(DecoderWrapper::Sequence(steps)) => steps
            .get_decoders()
            .iter()
            .any(|step| are_written(Some(step))),
        _ => false,
    }
}

/// A token as a reader should see it: its text without the space before it, or else its bytes.
pub(super) fn shown(token: &str) -> String {
    let Some(bytes) = token.chars().map(byte).collect::<Option<Vec<u8>>>() else {
        return token.to_owned();
    };
    match std::str::from_utf8(&bytes) {
        Ok(" ") => WORD_START.to_string(),
        Ok(text) => {
            let word = text.strip_prefix(' ').unwrap_or(text);
            let seen = |sign: char| {
                if sign.is_control() {
                    sign.escape_default().to_string()
                } else {
                    sign.to_string()
                }
            };
            word.chars().map(seen).collect()
        }
        Err(_) => bytes.iter().fold(String::new(), |mut shown, byte| {
            write!(shown, "<0x{byte:02X}>").expect("a string takes what is written");
            shown
        }),
    }
}

/// The character that stands for a byte: itself if it can be seen, else one from U+0100 on.
fn character(byte: u8) -> char {
    let unseen = match byte {
        0..=0x20 => byte,
        0x7f..=0xa0 => byte - 0x7f + 0x21,
        0xad => 0x43,
        _ => return char::from(byte),
    };
    char::from_u32(0x100 + u32::from(unseen)).expect("no surrogate is below U+0144")
}

/// The byte that a character stands for.
fn byte(character: char) -> Option<u8> {
    let unseen = match u32::from(character) {
        code @ 0x100..=0x120 => code - 0x100,
        code @ 0x121..=0x142 => code - 0x121 + 0x7f,
        0x143 => 0xad,
        code => code,
    };
    let byte = u8::try_from(unseen).ok()?;
    (self::character(byte) == character).then_some(byte)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    use super::*;

    #[test]
    fn bytes_are_written_as_tokenizers_does() {
        let ours: HashSet<char> = (0..=u8::MAX).map(character).collect();
        assert_eq!(ours, ByteLevel::alphabet().into_iter().collect());
        // The space and the line end, as one knows them from GPT-2's files.
        assert_eq!((character(b' '), character(b'\n')), ('Ġ', 'Ċ'));
    }

    #[test]
    fn a_byte_is_read_as_it_is_written() {
        for value in 0..=u8::MAX {
            assert_eq!(byte(character(value)), Some(value));
        }
        for foreign in [' ', '\n', '\u{a0}', '\u{ad}', '\u{144}', '字'] {
            assert_eq!(byte(foreign), None);
        }
    }

    #[test]
    fn tokens_show_as_text_where_they_are_text() {
        for (token, expected) in [
            ("Ġthe", "the"),
            ("the", "the"),
            ("Ġ", "\u{2581}"),
            ("ĠĠ", " "),
            ("Ã©", "é"),
            ("Ã", "<0xC3>"),
            ("Ċ", "\\n"),
            ("字", "字"),
        ] {
            assert_eq!(shown(token), expected);
        }
    }
}
