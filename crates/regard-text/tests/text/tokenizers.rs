use std::fs;

use regard_text::corpus::Pair;
use regard_text::tokenizer::PieceCounter;
use regard_text::{
    SpecialIds, TextError, Tokenizer, TokenizerConfig, TokenizerKind, TokenizerTrainer, Tokenizers,
};

use crate::{Files, LINES};

pub(crate) const KINDS: [TokenizerKind; 6] = [
    TokenizerKind::Bpe,
    TokenizerKind::Unigram,
    TokenizerKind::WordPiece,
    TokenizerKind::Word,
    TokenizerKind::Character,
    TokenizerKind::Byte,
];

/// Those whose vocabulary comes from a text.
pub(crate) const LEARNED: [TokenizerKind; 5] = [
    TokenizerKind::Bpe,
    TokenizerKind::Unigram,
    TokenizerKind::WordPiece,
    TokenizerKind::Word,
    TokenizerKind::Character,
];

pub(crate) fn config(kind: TokenizerKind) -> TokenizerConfig {
    TokenizerConfig {
        kind,
        vocabulary: if kind == TokenizerKind::Byte {
            260
        } else {
            180
        },
        ..TokenizerConfig::default()
    }
}

pub(crate) fn trained(kind: TokenizerKind) -> Tokenizer {
    Tokenizer::train(&config(kind), LINES.into_iter()).unwrap()
}

fn saved(tokenizer: &Tokenizer) -> String {
    let files = Files::new();
    tokenizer.save(files.path("tokenizer.json")).unwrap();
    fs::read_to_string(files.path("tokenizer.json")).unwrap()
}

pub(crate) fn pairs() -> Vec<Pair> {
    let pair = |lines: &[&str]| Pair {
        source: lines[0].to_owned(),
        target: lines[1].to_owned(),
    };
    LINES.chunks_exact(2).map(pair).collect()
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    for kind in KINDS {
        let first = saved(&trained(kind));
        for _ in 0..8 {
            assert_eq!(saved(&trained(kind)), first, "{kind:?}");
        }
    }
}

#[test]
fn the_order_of_lines_does_not_matter() {
    for kind in KINDS {
        let backwards = Tokenizer::train(&config(kind), LINES.into_iter().rev()).unwrap();
        assert_eq!(saved(&backwards), saved(&trained(kind)), "{kind:?}");
    }
}

#[test]
fn chunks_and_threads_do_not_matter() {
    let lines = LINES.repeat(1000);
    for kind in KINDS {
        let whole = saved(&Tokenizer::train(&config(kind), lines.iter().copied()).unwrap());
        for (threads, size) in [(1, 1000), (2, 4097), (3, 7)] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let chunked = pool.install(|| {
                let mut counter = PieceCounter::new(&config(kind)).unwrap();
                for chunk in lines.chunks(size) {
                    counter.add(chunk).unwrap();
                }
                counter.finish().unwrap()
            });
            assert_eq!(saved(&chunked), whole, "{kind:?} {threads} {size}");
        }
    }
}

#[test]
fn a_trainer_fed_by_chunks_is_training_at_once() {
    for shared in [true, false] {
        let config = TokenizerConfig {
            shared,
            ..config(TokenizerKind::Bpe)
        };
        let at_once = Tokenizers::train(&config, &pairs()).unwrap();
        let mut trainer = TokenizerTrainer::new(&config).unwrap();
        for chunk in pairs().chunks(2) {
            trainer.add(chunk).unwrap();
        }
        let chunked = trainer.finish().unwrap();
        assert_eq!((chunked.is_shared(), at_once.is_shared()), (shared, shared));
        assert_eq!(chunked.source().digest(), at_once.source().digest());
        assert_eq!(chunked.target().digest(), at_once.target().digest());
    }
}

#[test]
fn a_sample_is_spread_evenly() {
    for (sample, pairs) in [
        (1, 1),
        (1, 10),
        (3, 10),
        (7, 10),
        (10, 10),
        (20, 10),
        (999, 1000),
    ] {
        let config = TokenizerConfig {
            sample,
            ..TokenizerConfig::default()
        };
        let taken: Vec<usize> = (0..pairs)
            .filter(|&index| config.takes(index, pairs))
            .collect();
        assert_eq!(taken.len(), sample.min(pairs), "{sample} of {pairs}");
        let steps = taken.windows(2).map(|two| two[1] - two[0]);
        let (least, most) = (steps.clone().min(), steps.max());
        assert!(
            most.unwrap_or(1) - least.unwrap_or(1) <= 1,
            "{sample} of {pairs}: {taken:?}"
        );
    }
    let config = TokenizerConfig {
        sample: usize::MAX - 1,
        ..TokenizerConfig::default()
    };
    assert!(config.takes(usize::MAX - 1, usize::MAX));
}

#[test]
fn only_the_sample_is_learned_from() {
    let config = TokenizerConfig {
        sample: 2,
        ..config(TokenizerKind::Word)
    };
    let pair = |word: &str| Pair {
        source: word.to_owned(),
        target: word.to_owned(),
    };
    let tokenizers = Tokenizers::train(&config, &["a", "b", "c", "d"].map(pair)).unwrap();
    let known: Vec<&str> = ["a", "b", "c", "d"]
        .into_iter()
        .filter(|word| tokenizers.source().encode(word) != [1])
        .collect();
    assert_eq!(known, ["b", "d"]);
}

#[test]
fn saving_and_loading_is_the_identity() {
    for kind in KINDS {
        let (files, tokenizer) = (Files::new(), trained(kind));
        tokenizer.save(files.path("t.json")).unwrap();
        let loaded = Tokenizer::load(files.path("t.json")).unwrap();
        assert_eq!(saved(&loaded), saved(&tokenizer), "{kind:?}");
        assert_eq!(
            (loaded.special(), loaded.vocabulary_size()),
            (tokenizer.special(), tokenizer.vocabulary_size())
        );
        for line in LINES.into_iter().chain(["</s> zut 字 </s>"]) {
            assert_eq!(loaded.encode(line), tokenizer.encode(line), "{kind:?}");
        }
        assert_eq!(
            fs::read_dir(files.path("")).unwrap().count(),
            1,
            "nothing is left beside the file"
        );
    }
}

#[test]
fn special_ids_come_first() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        assert_eq!(tokenizer.special(), SpecialIds::default());
        assert_eq!(tokenizer.tokens(&[0, 1, 2, 3]), SpecialIds::TOKENS);
    }
}

#[test]
fn the_vocabulary_is_an_upper_bound() {
    for kind in LEARNED {
        for vocabulary in [8, 20, 60, 70, 100, 180, 8000] {
            let config = TokenizerConfig {
                vocabulary,
                ..config(kind)
            };
            let tokenizer = Tokenizer::train(&config, LINES.into_iter()).unwrap();
            let size = tokenizer.vocabulary_size();
            assert!(size <= vocabulary, "{kind:?}: {size} of {vocabulary}");
            let ids = tokenizer.encode_batch(&LINES).concat();
            assert!(ids.iter().all(|&id| (id as usize) < size), "{kind:?}");
        }
    }
}

#[test]
fn text_that_spells_a_special_token_is_text() {
    for kind in KINDS {
        let spelled = "a <s> b</s> <pad><unk> </s>";
        let lines = LINES.into_iter().chain([spelled, spelled, spelled]);
        let tokenizer = Tokenizer::train(
            &TokenizerConfig {
                vocabulary: 300,
                ..config(kind)
            },
            lines,
        )
        .unwrap();
        let ids = tokenizer.encode(spelled);
        assert!(
            ids.iter().all(|&id| id >= 4),
            "{kind:?}: {:?}",
            tokenizer.tokens(&ids)
        );
        assert_eq!(tokenizer.decode(&ids), spelled, "{kind:?}");
    }
}

#[test]
fn unseen_characters_become_unknown() {
    for kind in LEARNED {
        let tokenizer = trained(kind);
        let unknown = tokenizer.special().unknown;
        let ids = tokenizer.encode("Two 日本 men.");
        assert!(
            ids.contains(&unknown),
            "{kind:?}: {:?}",
            tokenizer.tokens(&ids)
        );
        assert!(tokenizer.decode(&ids).contains("<unk>"), "{kind:?}");
        assert!(tokenizer.encode("日").contains(&unknown), "{kind:?}");
    }
}

#[test]
fn unknown_words_stand_apart() {
    for kind in [TokenizerKind::Word, TokenizerKind::WordPiece] {
        let config = TokenizerConfig {
            vocabulary: 1000,
            ..config(kind)
        };
        let tokenizer = Tokenizer::train(&config, LINES.into_iter()).unwrap();
        assert_eq!(
            tokenizer.decode(&tokenizer.encode("Two 日本 men.")),
            "Two <unk> men.",
            "{kind:?}"
        );
    }
}

#[test]
fn words_are_cut_at_punctuation_and_after_apostrophes() {
    let config = TokenizerConfig {
        vocabulary: 1000,
        ..config(TokenizerKind::Word)
    };
    let tokenizer = Tokenizer::train(&config, LINES.into_iter()).unwrap();
    let cut = |text| tokenizer.tokens(&tokenizer.encode(text)).join("|");
    assert_eq!(cut("near many bushes."), "near|many|bushes|.");
    assert_eq!(
        cut("L'arbre n'est pas dans l'eau :"),
        "L'|arbre|n'|est|pas|dans|l'|eau|:"
    );
    assert_eq!(cut("(2 of 14) food..."), "(|2|of|14|)|food|.|.|.");
    assert_eq!(cut("« Rien », dit-elle."), "«|Rien|»|,|dit|-|elle|.");
    let commands = ["turn_left, _run"; 3];
    let tokenizer = Tokenizer::train(&config, commands.into_iter()).unwrap();
    let ids = tokenizer.encode(commands[0]);
    assert_eq!(tokenizer.tokens(&ids), ["turn_left", ",", "_run"]);
    assert_eq!(tokenizer.decode(&ids), commands[0]);
}

#[test]
fn pieces_never_join_a_word_and_its_punctuation() {
    let lines = ["bushes. bushes. bushes."; 9];
    for kind in [
        TokenizerKind::Bpe,
        TokenizerKind::Unigram,
        TokenizerKind::WordPiece,
    ] {
        let tokenizer = Tokenizer::train(&config(kind), lines.into_iter()).unwrap();
        let ids = tokenizer.encode("bushes.");
        assert_eq!(tokenizer.tokens(&ids).last().unwrap(), ".", "{kind:?}");
        assert_eq!(tokenizer.decode(&ids), "bushes.", "{kind:?}");
    }
    let tokenizer = Tokenizer::train(&config(TokenizerKind::Bpe), lines.into_iter()).unwrap();
    assert_eq!(
        tokenizer.tokens(&tokenizer.encode("bushes. bushes.")),
        ["bushes", ".", "bushes", "."]
    );
}

#[test]
fn characters_show_their_spaces() {
    let tokenizer = trained(TokenizerKind::Character);
    let ids = tokenizer.encode("a girl");
    assert_eq!(tokenizer.tokens(&ids).concat(), "a\u{2581}girl");
    assert_eq!(ids.len(), 6);
}

#[test]
fn padding_start_and_end_are_silent() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        let SpecialIds {
            pad, start, end, ..
        } = tokenizer.special();
        let framed = [vec![start], tokenizer.encode(LINES[0]), vec![end, pad, pad]].concat();
        assert_eq!(
            tokenizer.decode(&framed),
            tokenizer.decode(&tokenizer.encode(LINES[0])),
            "{kind:?}"
        );
        assert_eq!(tokenizer.decode(&[start, end]), "");
    }
}

#[test]
fn ids_outside_the_vocabulary_do_no_harm() {
    let tokenizer = trained(TokenizerKind::Bpe);
    assert_eq!(tokenizer.decode(&[1_000_000]), "");
    assert_eq!(tokenizer.tokens(&[1_000_000]), ["#1000000"]);
}

#[test]
fn lower_case_and_nfkc_are_asked_for() {
    for kind in KINDS {
        let folded = TokenizerConfig {
            lowercase: true,
            nfkc: true,
            vocabulary: 300,
            ..config(kind)
        };
        let tokenizer = Tokenizer::train(&folded, LINES.into_iter()).unwrap();
        assert_eq!(
            tokenizer.encode("ＴＷＯ ﬁlle"),
            tokenizer.encode("two fille"),
            "{kind:?}"
        );
        let plain = trained(kind);
        assert_ne!(plain.encode("Two"), plain.encode("two"), "{kind:?}");
    }
}

#[test]
fn white_space_of_any_kind_is_one_space() {
    for kind in LEARNED {
        let tokenizer = trained(kind);
        let plain = tokenizer.encode("Two men are white");
        assert_eq!(
            tokenizer.encode("  Two\u{a0}men \u{202f}\tare  white\u{2028}"),
            plain,
            "{kind:?}"
        );
        assert!(
            tokenizer.encode(" \u{a0}").is_empty() && tokenizer.encode("").is_empty(),
            "{kind:?}"
        );
    }
}

#[test]
fn a_batch_is_its_lines_alone() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        let lines = LINES.repeat(50);
        let alone: Vec<_> = lines.iter().map(|line| tokenizer.encode(line)).collect();
        assert_eq!(tokenizer.encode_batch(&lines), alone, "{kind:?}");
    }
}

#[test]
fn a_very_long_line_is_encoded() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        assert!(
            !tokenizer.encode(&"x".repeat(100_000)).is_empty(),
            "{kind:?}"
        );
        let words = "men ".repeat(10_000);
        assert!(tokenizer.encode(&words).len() >= 10_000, "{kind:?}");
    }
}

#[test]
fn odd_text_trains_every_kind() {
    let long = "ab".repeat(50_000);
    for kind in KINDS {
        for lines in [
            vec!["a"],
            vec!["."],
            vec!["a", "\0", "\u{2581}", "日本語", "e\u{301}"],
            vec![long.as_str(), "b"],
            vec![long.as_str()],
        ] {
            Tokenizer::train(&config(kind), lines.into_iter()).unwrap();
        }
    }
}

#[test]
fn no_text_is_an_error() {
    for kind in LEARNED {
        for lines in [vec![], vec![""], vec![" ", "\u{a0}"]] {
            let error = Tokenizer::train(&config(kind), lines.into_iter()).unwrap_err();
            assert!(matches!(error, TextError::NoText), "{kind:?}: {error:?}");
        }
    }
}

#[test]
fn a_vocabulary_without_room_is_refused() {
    for vocabulary in [0, 4, 7, usize::MAX] {
        let config = TokenizerConfig {
            vocabulary,
            ..TokenizerConfig::default()
        };
        let error = Tokenizer::train(&config, LINES.into_iter()).unwrap_err();
        assert!(
            error.to_string().contains("`tokenizer.vocabulary`"),
            "{error}"
        );
    }
}

#[test]
fn a_sample_of_nothing_is_refused() {
    let config = TokenizerConfig {
        sample: 0,
        ..TokenizerConfig::default()
    };
    assert_eq!(
        config.problems(),
        ["`tokenizer.sample`: expected at least 1, got 0"]
    );
    assert!(TokenizerTrainer::new(&config).is_err());
}

#[test]
fn one_file_for_a_shared_vocabulary_and_two_for_separate_ones() {
    for (shared, names) in [
        (true, vec!["tokenizer.json"]),
        (
            false,
            vec!["source-tokenizer.json", "target-tokenizer.json"],
        ),
    ] {
        let files = Files::new();
        let config = TokenizerConfig {
            shared,
            ..config(TokenizerKind::Bpe)
        };
        let both = Tokenizers::train(&config, &pairs()).unwrap();
        both.save(files.path("")).unwrap();
        let mut written: Vec<_> = fs::read_dir(files.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        written.sort();
        assert_eq!(written, names);
        let loaded = Tokenizers::load(files.path(""), &config).unwrap();
        assert_eq!((both.is_shared(), loaded.is_shared()), (shared, shared));
        assert_eq!(
            loaded.source().encode(LINES[0]),
            both.source().encode(LINES[0])
        );
        assert_eq!(
            loaded.target().encode(LINES[0]),
            both.target().encode(LINES[0])
        );
        assert_eq!(
            loaded.source().encode(LINES[0]) == loaded.target().encode(LINES[0]),
            shared
        );
    }
}

#[test]
fn a_foreign_or_broken_file_is_named() {
    let files = Files::new();
    let missing = Tokenizer::load(files.path("no.json")).unwrap_err();
    assert!(
        matches!(&missing, TextError::Read { path, .. } if path.ends_with("no.json")),
        "{missing:?}"
    );
    let whole = saved(&trained(TokenizerKind::Bpe));
    for bytes in [
        b"".as_slice(),
        b"{}",
        b"\xff\xfe",
        &whole.as_bytes()[..whole.len() / 2],
    ] {
        let error = Tokenizer::load(files.write("t.json", bytes)).unwrap_err();
        assert!(
            matches!(&error, TextError::NotATokenizer { path, .. } if path.ends_with("t.json")),
            "{error:?}"
        );
        assert!(error.hint().is_some());
    }
    let error = Tokenizer::load(files.write("t.json", whole.replace("</s>", "<end>"))).unwrap_err();
    assert!(
        matches!(
            error,
            TextError::MissingToken {
                key: "end_token",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let files = Files::new();
    let error = trained(TokenizerKind::Word)
        .save(files.path("no/such/place.json"))
        .unwrap_err();
    assert!(
        matches!(&error, TextError::Write { path, .. } if path.ends_with("place.json")),
        "{error:?}"
    );
}

#[test]
fn special_ids_of_a_loaded_file_are_its_own() {
    let files = Files::new();
    let json = saved(&trained(TokenizerKind::Word))
        .replace("<pad>", "<x>")
        .replace("</s>", "<pad>")
        .replace("<x>", "</s>");
    let tokenizer = Tokenizer::load(files.write("t.json", json)).unwrap();
    assert_eq!(
        tokenizer.special(),
        SpecialIds {
            pad: 3,
            unknown: 1,
            start: 2,
            end: 0
        }
    );
}
