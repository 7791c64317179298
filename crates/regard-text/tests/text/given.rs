//! Tokenizers that were made elsewhere, written by hand in the style of well-known ones.

use std::fs;

use proptest::prelude::*;
use regard_text::{
    Spaces, SpecialIds, TextError, Tokenizer, TokenizerConfig, TokenizerTrainer, Tokenizers,
};
use serde_json::{Value, json};

use crate::Files;

const END_OF_TEXT: &str = "<|endoftext|>";

fn special(tokens: &[(&str, u32)]) -> Value {
    let added = tokens.iter().map(|&(content, id)| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        })
    });
    added.collect()
}

/// Bytes as characters, in the order of GPT-2's vocabulary.
fn byte_characters() -> impl Iterator<Item = char> {
    ('!'..='~')
        .chain('\u{a1}'..='\u{ac}')
        .chain('\u{ae}'..='\u{ff}')
        .chain('\u{100}'..='\u{143}')
}

/// BPE on bytes, as of GPT-2: no padding, nothing unknown, one token for both ends.
fn gpt2() -> Value {
    let mut vocabulary: serde_json::Map<String, Value> = byte_characters()
        .enumerate()
        .map(|(id, character)| (character.to_string(), json!(id)))
        .collect();
    for (token, id) in [("Ġt", 256), ("he", 257), ("Ġthe", 258), (END_OF_TEXT, 259)] {
        vocabulary.insert(token.to_owned(), json!(id));
    }
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": special(&[(END_OF_TEXT, 259)]),
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocabulary,
            "merges": ["Ġ t", "h e", "Ġt he"]
        }
    })
}

/// `WordPiece`, as of BERT, which frames, cuts and pads.
fn bert() -> Value {
    let tokens = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "dog", "##s", "run", ".",
    ];
    let vocabulary: serde_json::Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| ((*token).to_owned(), json!(id)))
        .collect();
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"
        },
        "added_tokens": special(&[("[PAD]", 0), ("[UNK]", 1), ("[CLS]", 2), ("[SEP]", 3)]),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary
        }
    })
}

/// A unigram model, as of T5 and Marian: no token for the start.
fn t5() -> Value {
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": special(&[("<pad>", 0), ("</s>", 1), ("<unk>", 2)]),
        "normalizer": {"type": "NFKC"}, "pre_tokenizer": metaspace, "post_processor": null, "decoder": metaspace,
        "model": {
            "type": "Unigram", "unk_id": 2, "byte_fallback": false,
            "vocab": [
                ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["▁a", -2.5], ["a", -3.0],
                ["b", -3.0], ["▁ab", -4.0], ["ab", -3.5]
            ]
        }
    })
}

/// Whole words with some ids left out.
fn words(vocabulary: &Value) -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"}
    })
}

fn load_as(file: &Value, config: &TokenizerConfig) -> Result<Tokenizer, TextError> {
    let files = Files::new();
    Tokenizer::load_as(files.write("t.json", file.to_string()), config)
}

fn load(file: &Value) -> Tokenizer {
    load_as(file, &TokenizerConfig::default()).unwrap()
}

/// What one has to say about a tokenizer like GPT-2's.
fn gpt2_config() -> TokenizerConfig {
    let token = || Some(END_OF_TEXT.to_owned());
    TokenizerConfig {
        pad_token: token(),
        unknown_token: token(),
        ..TokenizerConfig::default()
    }
}

#[test]
fn byte_pairs_as_of_gpt2() {
    let tokenizer = load_as(&gpt2(), &gpt2_config()).unwrap();
    let text = " the hé\nthe";
    // Those of the single bytes are GPT-2's own.
    let ids = [258, 220, 71, 127, 102, 198, 83, 257];
    assert_eq!(tokenizer.encode(text), ids);
    assert_eq!(tokenizer.decode(&ids), text);
    assert_eq!(
        tokenizer.tokens(&ids),
        ["the", "\u{2581}", "h", "<0xC3>", "<0xA9>", "\\n", "t", "he"]
    );
    assert_eq!(
        (tokenizer.special(), tokenizer.vocabulary_size()),
        (
            SpecialIds {
                pad: 259,
                unknown: 259,
                start: 259,
                end: 259
            },
            260
        )
    );
    let spelled = tokenizer.encode(END_OF_TEXT);
    assert_eq!(spelled.len(), END_OF_TEXT.len());
    assert_eq!(tokenizer.decode(&spelled), END_OF_TEXT);
}

#[test]
fn word_pieces_as_of_bert() {
    let tokenizer = load(&bert());
    let ids = [4, 5, 6, 7, 8];
    assert_eq!(tokenizer.encode("The dogs run."), ids);
    assert_eq!(tokenizer.decode(&ids), "the dogs run.");
    assert_eq!(
        tokenizer.decode(&[2, 4, 5, 6, 3, 0, 0]),
        "the dogs",
        "frames are silent"
    );
    assert_eq!(tokenizer.tokens(&ids), ["the", "dog", "s", "run", "."]);
    assert_eq!(tokenizer.encode("The [SEP] zut"), [4, 1, 1, 1, 1]);
    assert_eq!(
        tokenizer.special(),
        SpecialIds {
            pad: 0,
            unknown: 1,
            start: 2,
            end: 3
        }
    );
}

#[test]
fn pieces_as_of_t5_and_marian() {
    let tokenizer = load(&t5());
    // Best: `▁ab` -4, and `▁` `b` `a` -8.
    let ids = [7, 3, 6, 5];
    assert_eq!(tokenizer.encode("ab ba"), ids);
    assert_eq!(tokenizer.decode(&ids), "ab ba");
    assert_eq!(
        tokenizer.special(),
        SpecialIds {
            pad: 0,
            unknown: 2,
            start: 0,
            end: 1
        }
    );
    // The model has a piece `</s>`, as these files do; text must not end a sentence by it.
    assert_eq!(tokenizer.encode("a</s>zz"), [4, 2, 2]);
}

#[test]
fn given_tokenizers_can_be_sampled() {
    let dropping = TokenizerConfig {
        dropout: 0.5,
        file: Some("t.json".into()),
        ..gpt2_config()
    };
    let drawing = TokenizerConfig {
        alpha: Some(0.1),
        file: Some("t.json".into()),
        ..TokenizerConfig::default()
    };
    for (file, config, text) in [(gpt2(), dropping, " the the"), (t5(), drawing, "ab ab")] {
        let tokenizer = load_as(&file, &config).unwrap().sampled(&config).unwrap();
        let cuts: Vec<_> = (0..50)
            .map(|key| tokenizer.encode_sampled(text, key))
            .collect();
        assert!(cuts.iter().any(|ids| *ids != tokenizer.encode(text)));
        assert!(cuts.iter().all(|ids| tokenizer.decode(ids) == text));
    }
}

#[test]
fn a_file_that_asks_for_dropout_does_not_get_it() {
    let mut file = gpt2();
    file["model"]["dropout"] = json!(0.9);
    let tokenizer = load_as(&file, &gpt2_config()).unwrap();
    assert!(!tokenizer.is_sampled());
    for _ in 0..20 {
        assert_eq!(tokenizer.encode(" the the"), [258, 258]);
    }
    assert_eq!(
        tokenizer.digest(),
        load_as(&gpt2(), &gpt2_config()).unwrap().digest()
    );
}

#[test]
fn ids_that_are_left_out_count() {
    let file = words(&json!({"<pad>": 0, "<unk>": 1, "</s>": 3, "un": 10}));
    let tokenizer = load(&file);
    assert_eq!(tokenizer.vocabulary_size(), 11);
    assert_eq!(tokenizer.encode("un deux"), [10, 1]);
    let file = words(&json!({"<pad>": 0, "<unk>": 1, "</s>": 3, "un": 4_000_000_000_u32}));
    let error = load_as(&file, &TokenizerConfig::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is not a tokenizer: it has 4 tokens, but ids up to 4000000000"),
        "{error}"
    );
}

#[test]
fn special_tokens_are_found_under_the_names_given() {
    let file = words(&json!({"_": 0, "?": 1, "(": 2, ")": 3, "un": 4, "<s>": 5}));
    let named = |token: &str| Some(token.to_owned());
    let config = TokenizerConfig {
        pad_token: named("_"),
        unknown_token: named("?"),
        start_token: named("("),
        end_token: named(")"),
        ..TokenizerConfig::default()
    };
    let tokenizer = load_as(&file, &config).unwrap();
    assert_eq!(tokenizer.special(), SpecialIds::default());
    // Other special tokens are words like all others.
    assert_eq!(tokenizer.decode(&[2, 4, 5, 3, 0]), "un <s>");
}

#[test]
fn a_missing_special_token_is_named_with_its_candidates() {
    let error = load_as(&gpt2(), &TokenizerConfig::default()).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "t.json` has no token for padding: expected one of `<pad>`, `[PAD]`, `<PAD>`, `<|pad|>`, `<blank>`"
        ),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "`tokenizer.pad_token` says which of its tokens it is"
    );
    let (absent, default) = (|| Some("[NOT]".to_owned()), TokenizerConfig::default);
    for (expected, config) in [
        (
            "pad_token",
            TokenizerConfig {
                pad_token: absent(),
                ..default()
            },
        ),
        (
            "unknown_token",
            TokenizerConfig {
                unknown_token: absent(),
                ..default()
            },
        ),
        (
            "start_token",
            TokenizerConfig {
                start_token: absent(),
                ..default()
            },
        ),
        (
            "end_token",
            TokenizerConfig {
                end_token: absent(),
                ..default()
            },
        ),
    ] {
        let error = load_as(&t5(), &config).unwrap_err();
        assert!(
            matches!(&error, TextError::MissingToken { key, .. } if *key == expected),
            "{error:?}"
        );
        assert!(error.to_string().ends_with("expected `[NOT]`"), "{error}");
    }
}

#[test]
fn what_is_given_is_stored_in_the_run() {
    let files = Files::new();
    let path = files.write("gpt2.json", gpt2().to_string());
    let shared = TokenizerConfig {
        file: Some(path.clone()),
        ..gpt2_config()
    };
    let source_file = files.write("bert.json", bert().to_string());
    let target_file = files.write("t5.json", t5().to_string());
    let separate = TokenizerConfig {
        shared: false,
        source_file: Some(source_file.clone()),
        target_file: Some(target_file.clone()),
        ..TokenizerConfig::default()
    };
    for (config, name) in [(shared, "one"), (separate, "two")] {
        let trainer = TokenizerTrainer::new(&config).unwrap();
        assert!(!trainer.needs_pairs());
        let given = trainer.finish().unwrap();
        let run = files.path(name);
        fs::create_dir(&run).unwrap();
        given.save(&run).unwrap();
        let loaded = Tokenizers::load(&run, &config).unwrap();
        assert_eq!(
            (given.is_shared(), loaded.is_shared()),
            (name == "one", name == "one")
        );
        for (loaded, given) in [
            (loaded.source(), given.source()),
            (loaded.target(), given.target()),
        ] {
            assert_eq!(loaded.digest(), given.digest());
            assert_eq!(loaded.special(), given.special());
            assert_eq!(loaded.encode(" the ab."), given.encode(" the ab."));
        }
        // Pairs make no difference.
        let trained = Tokenizers::train(&config, &[]).unwrap();
        assert_eq!(trained.target().digest(), given.target().digest());
    }
    fs::remove_file(&path).unwrap();
    let config = TokenizerConfig {
        file: Some(path),
        ..gpt2_config()
    };
    let error = Tokenizers::given(&config).unwrap_err();
    assert!(matches!(error, TextError::Read { .. }), "{error:?}");
    assert!(Tokenizers::load(files.path("one"), &config).is_ok());
}

#[test]
fn without_a_file_nothing_is_given() {
    assert!(
        Tokenizers::given(&TokenizerConfig::default())
            .unwrap()
            .is_none()
    );
}

#[test]
fn files_that_do_not_go_together_are_refused() {
    let path = || Some("t.json".into());
    let default = TokenizerConfig::default;
    let cases = [
        (
            TokenizerConfig {
                source_file: path(),
                shared: false,
                ..default()
            },
            "`tokenizer`: expected `file`, or `source_file` and `target_file`, got only `source_file`",
        ),
        (
            TokenizerConfig {
                target_file: path(),
                ..default()
            },
            "`tokenizer`: expected `file`, or `source_file` and `target_file`, got only `target_file`",
        ),
        (
            TokenizerConfig {
                file: path(),
                target_file: path(),
                ..default()
            },
            "`tokenizer`: expected `file`, or `source_file` and `target_file`, got `file` together with the others",
        ),
        (
            TokenizerConfig {
                file: path(),
                shared: false,
                ..default()
            },
            "`tokenizer.shared`: expected true with `tokenizer.file`, got false",
        ),
        (
            TokenizerConfig {
                source_file: path(),
                target_file: path(),
                ..default()
            },
            "`tokenizer.shared`: expected false with `tokenizer.source_file`, got true",
        ),
        (
            TokenizerConfig {
                file: path(),
                lowercase: true,
                ..default()
            },
            "`tokenizer.lowercase`: expected false for a tokenizer from a file, which says itself how text is normalised",
        ),
        (
            TokenizerConfig {
                file: path(),
                nfkc: true,
                ..default()
            },
            "`tokenizer.nfkc`: expected false for a tokenizer from a file, which says itself how text is normalised",
        ),
        (
            TokenizerConfig {
                file: path(),
                spaces: Spaces::Keep,
                ..default()
            },
            "`tokenizer.spaces`: expected `unify` for a tokenizer from a file, which says itself how text is normalised",
        ),
        (
            TokenizerConfig {
                end_token: Some("<end>".to_owned()),
                ..default()
            },
            "`tokenizer.end_token`: expected none unless the tokenizer comes from a file, got `<end>`",
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(config.problems(), [expected]);
        assert!(Tokenizers::train(&config, &[]).is_err());
    }
}

#[test]
fn merges_that_make_no_token_are_named() {
    for (prefix, merge, expected) in [
        (
            "",
            "h the",
            "it merges `h` and `the`, but has no token `hthe`",
        ),
        (
            "##",
            "h e",
            "it merges `h` with `e`, which does not begin with `##`",
        ),
    ] {
        let mut file = gpt2();
        file["model"]["continuing_subword_prefix"] = json!(prefix);
        file["model"]["merges"] = json!([merge]);
        let error = load_as(&file, &gpt2_config()).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

/// Puts `value` at node number `place` of a JSON tree, counted from the root.
fn disturb(node: &mut Value, place: &mut usize, value: &Value) {
    if *place == 0 {
        *node = value.clone();
    }
    *place = place.wrapping_sub(1);
    let children: Vec<&mut Value> = match node {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        if *place == usize::MAX {
            return;
        }
        disturb(child, place, value);
    }
}

proptest! {
    #[test]
    fn a_file_with_anything_wrong_in_it_is_an_error_or_a_tokenizer(
        which in 0_usize..4,
        place in 0_usize..400,
        value in prop::sample::select(vec![
            json!(null), json!(0), json!(-1), json!(1e300), json!(u64::MAX), json!(3_000_000_000_u64), json!(""),
            json!("a"), json!("##"), json!("\u{2581}\u{10ffff}"), json!([]), json!({}), json!(true), json!(["a", "b"]),
            json!([["a", 1.0]]), json!({"a": 0}), json!({"type": "BPE"}),
        ]),
    ) {
        let words = words(&json!({"<pad>": 0, "<unk>": 1, "</s>": 3, "un": 10}));
        let mut file = [gpt2(), bert(), t5(), words][which].clone();
        disturb(&mut file, &mut { place }, &value);
        for config in [gpt2_config(), TokenizerConfig::default()] {
            let Ok(tokenizer) = load_as(&file, &config) else { continue };
            let ids = tokenizer.encode("The the\u{a0}ab \0é</s>");
            tokenizer.decode(&ids);
            tokenizer.tokens(&ids);
            prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocabulary_size()));
        }
    }
}
