use std::sync::LazyLock;

use proptest::prelude::*;
use regard_text::{Tokenizer, TokenizerConfig, TokenizerKind};

use crate::LINES;
use crate::tokenizers::{KINDS, config};

const SIGNS: &str = "abcdeéèàçôœßABCÉ0123456789.,;:!?'’\"«»()-–/%&<>[]#@_*+=$€…";

/// One of each kind, all of which know the characters above.
static ALL: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let spelled: String = SIGNS
        .chars()
        .flat_map(|sign| [sign, sign, ' ', sign, ' '])
        .collect();
    let lines: Vec<&str> = LINES.into_iter().chain([SIGNS, &spelled]).collect();
    let train = |kind| {
        Tokenizer::train(
            &TokenizerConfig {
                vocabulary: 400,
                ..config(kind)
            },
            lines.iter().copied(),
        )
        .unwrap()
    };
    KINDS.into_iter().map(train).collect()
});

static SPELLERS: LazyLock<Vec<(TokenizerKind, &Tokenizer)>> = LazyLock::new(|| {
    let spells =
        |kind: &TokenizerKind| !matches!(kind, TokenizerKind::Word | TokenizerKind::WordPiece);
    KINDS
        .into_iter()
        .zip(ALL.iter())
        .filter(|(kind, _)| spells(kind))
        .collect()
});

/// Words of known characters with single spaces between them.
fn known_text() -> impl Strategy<Value = String> {
    let signs: Vec<char> = SIGNS.chars().collect();
    let word = prop::collection::vec(prop::sample::select(signs), 1..9);
    prop::collection::vec(word.prop_map(String::from_iter), 0..9).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn decoding_gives_back_known_text(text in known_text()) {
        for (kind, tokenizer) in SPELLERS.iter() {
            prop_assert_eq!(&tokenizer.decode(&tokenizer.encode(&text)), &text, "{:?}", kind);
        }
    }

    #[test]
    fn the_pieces_of_a_word_are_the_word(text in known_text(), space in "[ \t]{1,3}") {
        let spaced = text.replace(' ', &space);
        for (kind, tokenizer) in SPELLERS.iter() {
            // Bytes say every space.
            let text = if *kind == TokenizerKind::Byte { &text } else { &spaced };
            let ids = tokenizer.encode(text);
            let words = tokenizer.words(text);
            prop_assert_eq!(ids.len(), words.len());
            prop_assert!(words.is_sorted());
            for (number, word) in text.split_whitespace().enumerate() {
                let own = ids.iter().zip(&words).filter(|one| *one.1 == number);
                let own: Vec<u32> = own.map(|one| *one.0).collect();
                let said = tokenizer.decode(&own);
                prop_assert_eq!(said.trim(), word, "{:?}: {:?}", kind, words);
            }
        }
        // Those that may not know a word have a piece of it all the same.
        for tokenizer in ALL.iter() {
            let words = tokenizer.words(&spaced);
            prop_assert!(words.is_sorted());
            for number in 0..spaced.split_whitespace().count() {
                prop_assert!(words.contains(&number), "{}: {:?}", spaced, words);
            }
        }
    }

    #[test]
    fn encoding_what_was_decoded_changes_nothing_more(text in known_text()) {
        for (kind, tokenizer) in SPELLERS.iter() {
            let ids = tokenizer.encode(&text);
            prop_assert_eq!(tokenizer.encode(&tokenizer.decode(&ids)), ids, "{:?}", kind);
        }
    }

    #[test]
    fn any_text_gives_ids_of_the_vocabulary_and_never_a_special_one(text in any::<String>()) {
        for tokenizer in ALL.iter() {
            let unknown = tokenizer.special().unknown;
            for id in tokenizer.encode(&text) {
                prop_assert!((id as usize) < tokenizer.vocabulary_size());
                prop_assert!(id == unknown || !tokenizer.special().is_silent(id));
            }
        }
    }

    #[test]
    fn any_ids_give_text(
        ids in prop::collection::vec(any::<u32>(), 0..20),
        small in prop::collection::vec(0_u32..400, 0..20),
    ) {
        for tokenizer in ALL.iter() {
            tokenizer.decode(&ids);
            tokenizer.decode(&small);
            prop_assert_eq!(tokenizer.tokens(&small).len(), small.len());
        }
    }
}

#[test]
fn the_training_text_comes_back_from_every_kind() {
    for kind in KINDS {
        let whole = TokenizerConfig {
            vocabulary: 2000,
            ..config(kind)
        };
        let tokenizer = Tokenizer::train(&whole, LINES.into_iter()).unwrap();
        for line in LINES {
            assert_eq!(tokenizer.decode(&tokenizer.encode(line)), line, "{kind:?}");
        }
    }
}
