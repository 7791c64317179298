//! Texts cut at random: BPE dropout, and pieces drawn from a unigram model.

use std::sync::LazyLock;

use proptest::prelude::*;
use regard_text::{Tokenizer, TokenizerConfig, TokenizerKind, Tokenizers};

use crate::LINES;
use crate::tokenizers::{KINDS, config, pairs, trained};

fn dropping(dropout: f64) -> Tokenizer {
    let config = TokenizerConfig {
        dropout,
        ..config(TokenizerKind::Bpe)
    };
    trained(TokenizerKind::Bpe).sampled(&config).unwrap()
}

fn drawing(alpha: f64) -> Tokenizer {
    let config = TokenizerConfig {
        alpha: Some(alpha),
        ..config(TokenizerKind::Unigram)
    };
    trained(TokenizerKind::Unigram).sampled(&config).unwrap()
}

/// Small enough that no draw is smaller.
static NEARLY_NEVER: LazyLock<Tokenizer> = LazyLock::new(|| dropping(f64::MIN_POSITIVE));
static SOMETIMES: LazyLock<Tokenizer> = LazyLock::new(|| dropping(0.3));
static NEARLY_ALWAYS: LazyLock<Tokenizer> = LazyLock::new(|| dropping(1.0 - 1e-12));
static BEST: LazyLock<Tokenizer> = LazyLock::new(|| drawing(1e5));
static DRAWN: LazyLock<Tokenizer> = LazyLock::new(|| drawing(0.2));

proptest! {
    #[test]
    fn without_dropout_sampling_is_encoding(text in any::<String>(), key in any::<u64>()) {
        prop_assert_eq!(NEARLY_NEVER.encode_sampled(&text, key), NEARLY_NEVER.encode(&text));
    }

    #[test]
    fn with_a_large_alpha_sampling_is_encoding(text in any::<String>(), key in any::<u64>()) {
        prop_assert_eq!(BEST.encode_sampled(&text, key), BEST.encode(&text));
    }

    #[test]
    fn a_sampled_text_spells_the_same(text in any::<String>(), key in any::<u64>()) {
        for tokenizer in [&*SOMETIMES, &*DRAWN] {
            let (plain, sampled) = (tokenizer.encode(&text), tokenizer.encode_sampled(&text, key));
            prop_assert_eq!(tokenizer.decode(&sampled), tokenizer.decode(&plain));
        }
    }
}

#[test]
fn lines_are_cut_as_ever_where_nothing_is_left_to_chance() {
    for line in LINES {
        for tokenizer in [&*NEARLY_NEVER, &*BEST] {
            assert_eq!(tokenizer.encode_sampled(line, 5), tokenizer.encode(line));
        }
    }
}

#[test]
fn with_all_merges_dropped_characters_are_left() {
    for line in LINES {
        let ids = NEARLY_ALWAYS.encode_sampled(line, 11);
        // Marks stand for the spaces, and there is one more before the first word.
        assert_eq!(ids.len(), line.chars().count() + 1, "{line}");
        assert_eq!(NEARLY_ALWAYS.decode(&ids), line);
    }
}

#[test]
fn the_same_key_gives_the_same_ids_on_any_thread() {
    for tokenizer in [&*SOMETIMES, &*DRAWN] {
        let cut = |key| {
            let ids = LINES.map(|line| tokenizer.encode_sampled(line, key));
            ids.to_vec()
        };
        let here = cut(1);
        let elsewhere: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| cut(1))).collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.collect()
        });
        assert!(elsewhere.iter().all(|there| *there == here));
        assert_ne!(cut(2), here);
    }
}

#[test]
fn equal_words_of_a_text_are_cut_apart_from_each_other() {
    for tokenizer in [&*SOMETIMES, &*DRAWN] {
        let ids = tokenizer.encode_sampled(&"operating ".repeat(40), 3);
        let once = tokenizer.encode_sampled("operating", 3);
        assert_ne!(ids, once.repeat(40));
    }
}

#[test]
fn a_smaller_alpha_makes_more_tokens() {
    let tokens = |alpha| {
        let tokenizer = drawing(alpha);
        let ids = |key| {
            LINES
                .map(|line| tokenizer.encode_sampled(line, key))
                .concat()
        };
        (0..50).map(|key| ids(key).len()).sum::<usize>()
    };
    let counts = [100.0, 1.0, 0.3, 0.01].map(tokens);
    assert!(counts.is_sorted_by(|less, more| less < more), "{counts:?}");
}

#[test]
fn more_dropout_makes_more_tokens() {
    let tokens = |dropout| {
        let tokenizer = dropping(dropout);
        let ids = |key| {
            LINES
                .map(|line| tokenizer.encode_sampled(line, key))
                .concat()
        };
        (0..50).map(|key| ids(key).len()).sum::<usize>()
    };
    let counts = [0.0, 0.1, 0.3, 0.6, 0.95].map(tokens);
    assert!(counts.is_sorted_by(|less, more| less < more), "{counts:?}");
}

#[test]
fn what_a_file_holds_does_not_sample() {
    let config = TokenizerConfig {
        dropout: 0.5,
        ..config(TokenizerKind::Bpe)
    };
    let files = crate::Files::new();
    let sampled = Tokenizers::train(&config, &pairs())
        .unwrap()
        .sampled(&config)
        .unwrap();
    sampled.save(files.path("")).unwrap();
    let loaded = Tokenizers::load(files.path(""), &config).unwrap();
    assert!(sampled.source().is_sampled() && sampled.target().is_sampled());
    assert!(!loaded.source().is_sampled() && !loaded.target().is_sampled());
    assert_eq!(loaded.source().digest(), sampled.source().digest());
    assert_eq!(
        loaded.source().encode_sampled(LINES[0], 1),
        loaded.source().encode(LINES[0])
    );
    let again = loaded.sampled(&config).unwrap();
    assert!(again.is_shared());
    assert_eq!(
        again.source().encode_sampled(LINES[0], 1),
        sampled.source().encode_sampled(LINES[0], 1)
    );
}

#[test]
fn without_a_wish_for_it_nothing_samples() {
    for kind in KINDS {
        let tokenizer = trained(kind).sampled(&config(kind)).unwrap();
        assert!(!tokenizer.is_sampled(), "{kind:?}");
        assert_eq!(
            tokenizer.encode_sampled(LINES[0], 1),
            tokenizer.encode(LINES[0])
        );
    }
}

#[test]
fn dropout_is_a_probability_and_for_bpe() {
    for dropout in [1.0, -0.1, f64::NAN, f64::INFINITY] {
        let config = TokenizerConfig {
            dropout,
            ..TokenizerConfig::default()
        };
        assert_eq!(
            config.problems(),
            [format!(
                "`tokenizer.dropout`: expected a probability in [0, 1), got {dropout}"
            )]
        );
    }
    for kind in &KINDS[1..] {
        let config = TokenizerConfig {
            kind: *kind,
            dropout: 0.1,
            ..TokenizerConfig::default()
        };
        assert_eq!(
            config.problems(),
            ["`tokenizer.dropout`: expected 0 unless `tokenizer.kind` is `bpe`, got 0.1"]
        );
    }
    let config = TokenizerConfig {
        dropout: 0.1,
        ..config(TokenizerKind::Bpe)
    };
    let error = trained(TokenizerKind::Word).sampled(&config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`tokenizer.dropout`: expected 0, since the tokenizer is a list of words, not byte-pair encoding"
    );
}

#[test]
fn alpha_is_above_zero_and_for_unigram() {
    for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let config = TokenizerConfig {
            kind: TokenizerKind::Unigram,
            alpha: Some(alpha),
            ..TokenizerConfig::default()
        };
        assert_eq!(
            config.problems(),
            [format!(
                "`tokenizer.alpha`: expected a number above 0, got {alpha}"
            )]
        );
    }
    let config = TokenizerConfig {
        alpha: Some(0.2),
        ..TokenizerConfig::default()
    };
    assert_eq!(
        config.problems(),
        ["`tokenizer.alpha`: expected none unless `tokenizer.kind` is `unigram`, got 0.2"]
    );
    let config = TokenizerConfig {
        kind: TokenizerKind::Unigram,
        ..config
    };
    let error = trained(TokenizerKind::Bpe).sampled(&config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`tokenizer.alpha`: expected none, since the tokenizer is byte-pair encoding, not a unigram model"
    );
}
