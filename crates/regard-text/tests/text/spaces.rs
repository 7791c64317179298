//! White space of all kinds, and bytes, which keep it as it is.

use proptest::prelude::*;
use regard_text::{Spaces, Tokenizer, TokenizerConfig, TokenizerKind};

use crate::LINES;
use crate::tokenizers::{LEARNED, config, trained};

const QUESTION: &str = "Quoi\u{202f}? «\u{a0}Rien\u{a0}».";

/// All of Unicode's white space that ends no line, but for the tab and the ordinary space.
const KEPT: [char; 16] = [
    '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}',
    '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200a}', '\u{202f}', '\u{205f}', '\u{3000}',
];
/// The rest.
const NEVER_KEPT: [char; 9] = [
    ' ', '\t', '\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}',
];

fn keeping(kind: TokenizerKind) -> Tokenizer {
    let keeping = TokenizerConfig {
        spaces: Spaces::Keep,
        vocabulary: 2000,
        ..config(kind)
    };
    // Alone as well as after a space: for whole words, these are two.
    let alone = KEPT.map(|sign| format!("a{sign}a")).join(" ");
    let spaced = KEPT.map(String::from).join(" ");
    let lines = [alone.as_str(), &alone, &spaced, &spaced, QUESTION];
    Tokenizer::train(&keeping, lines.into_iter().chain(LINES)).unwrap()
}

#[test]
fn the_two_lists_are_all_of_white_space() {
    let all = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
    let spaces = all.filter(|sign| sign.is_whitespace());
    assert_eq!(spaces.count(), KEPT.len() + NEVER_KEPT.len());
    let listed = KEPT.iter().chain(&NEVER_KEPT);
    assert!(listed.into_iter().all(|sign| sign.is_whitespace()));
}

#[test]
fn french_punctuation_comes_back_where_spaces_are_kept() {
    for kind in LEARNED {
        let tokenizer = keeping(kind);
        let ids = tokenizer.encode(QUESTION);
        assert_eq!(tokenizer.decode(&ids), QUESTION, "{kind:?}");
        assert_ne!(ids, tokenizer.encode("Quoi ? « Rien »."), "{kind:?}");
        for sign in KEPT {
            let text = format!("Rien{sign}. {sign}");
            let ids = tokenizer.encode(&text);
            assert!(!ids.contains(&tokenizer.special().unknown), "{kind:?}");
            assert_eq!(tokenizer.decode(&ids), text, "{kind:?}");
        }
    }
}

#[test]
fn a_kept_space_that_training_never_saw_is_unknown() {
    let keeping = TokenizerConfig {
        spaces: Spaces::Keep,
        ..config(TokenizerKind::Bpe)
    };
    let tokenizer = Tokenizer::train(&keeping, LINES.into_iter()).unwrap();
    let ids = tokenizer.encode("Rien\u{a0}.");
    assert_eq!(ids.iter().filter(|&&id| id == 1).count(), 1);
}

#[test]
fn tabs_line_ends_and_runs_become_one_space_in_any_case() {
    for kind in LEARNED {
        for tokenizer in [keeping(kind), trained(kind)] {
            let plain = tokenizer.encode("Two men");
            for sign in NEVER_KEPT {
                let text = format!("{sign}Two {sign} men{sign}{sign}");
                assert_eq!(tokenizer.encode(&text), plain, "{kind:?} {sign:?}");
            }
            assert_eq!(tokenizer.encode("  Two   men  "), plain, "{kind:?}");
            assert!(tokenizer.encode(" \t\n ").is_empty(), "{kind:?}");
        }
    }
}

#[test]
fn all_of_white_space_becomes_one_space_by_default() {
    for kind in LEARNED {
        let tokenizer = trained(kind);
        let plain = tokenizer.encode("Two men");
        for sign in KEPT {
            let text = format!("{sign}Two{sign} {sign}men{sign}");
            assert_eq!(tokenizer.encode(&text), plain, "{kind:?} {sign:?}");
        }
    }
}

#[test]
fn nfkc_leaves_no_spaces_to_keep() {
    let config = TokenizerConfig {
        spaces: Spaces::Keep,
        nfkc: true,
        ..TokenizerConfig::default()
    };
    assert_eq!(
        config.problems(),
        [
            "`tokenizer.spaces`: expected `unify` with `tokenizer.nfkc`, which makes ordinary spaces of the others"
        ]
    );
}

proptest! {
    #[test]
    fn every_text_comes_back_from_its_bytes(text in any::<String>()) {
        let tokenizer = trained(TokenizerKind::Byte);
        let ids = tokenizer.encode(&text);
        let expected: Vec<u32> = text.bytes().map(|byte| u32::from(byte) + 4).collect();
        prop_assert_eq!(&ids, &expected);
        prop_assert_eq!(tokenizer.decode(&ids), text);
    }
}

#[test]
fn bytes_keep_nul_line_ends_and_spaces() {
    let tokenizer = trained(TokenizerKind::Byte);
    for text in [
        "\0",
        " a\r\n\0  b\t",
        "\u{feff}\u{a0}\u{2028}",
        "</s><pad>",
        "日本 🦀",
        "",
    ] {
        let ids = tokenizer.encode(text);
        assert_eq!(ids.len(), text.len());
        assert_eq!(tokenizer.decode(&ids), text);
    }
    assert_eq!(tokenizer.vocabulary_size(), 260);
}

#[test]
fn bytes_that_are_no_text_show_as_replaced() {
    let tokenizer = trained(TokenizerKind::Byte);
    assert_eq!(
        tokenizer.decode(&[0xc3 + 4, u32::from(b'a') + 4]),
        "\u{fffd}a"
    );
    assert_eq!(
        tokenizer.tokens(&tokenizer.encode("a é\n")),
        ["a", "\u{2581}", "<0xC3>", "<0xA9>", "\\n"]
    );
}

#[test]
fn bytes_need_no_text_to_be_known_but_room() {
    let whole = Tokenizer::train(&config(TokenizerKind::Byte), std::iter::empty()).unwrap();
    assert_eq!(whole.digest(), trained(TokenizerKind::Byte).digest());
    let small = TokenizerConfig {
        vocabulary: 259,
        ..config(TokenizerKind::Byte)
    };
    assert_eq!(
        small.problems(),
        ["`tokenizer.vocabulary`: expected 260 to 2147483647, got 259"]
    );
}
