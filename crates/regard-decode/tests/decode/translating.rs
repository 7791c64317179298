//! One text, many, a stream of pieces, several threads: the same translations.

use regard_decode::{
    Bundle, BundleConfig, DecodeConfig, NBest, SearchKind, TokenStream, Translator,
};
use regard_nn::{Init, ModelConfig, RnnConfig, TransformerConfig, Tying};
use regard_text::corpus::Pair;
use regard_text::{TokenizerConfig, TokenizerKind, Tokenizers};
use std::thread;

use crate::scoring::{configured, pairs, translator};

fn sources() -> Vec<String> {
    pairs(24).into_iter().map(|pair| pair.0).collect()
}

#[test]
fn a_translator_is_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Translator>();
    sent::<TokenStream>();

    let translator = translator(5, 20);
    let sources = sources();
    let expected = translator.translate_batch(&sources).unwrap();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|first| {
                let (translator, sources) = (&translator, &sources);
                scope.spawn(move || {
                    // Each begins elsewhere.
                    let places = (0..sources.len()).map(|i| (first * 7 + i) % sources.len());
                    places
                        .map(|i| (i, translator.translate(&sources[i]).unwrap()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for thread in threads {
            for (i, found) in thread.join().unwrap() {
                assert_eq!(found.tokens, expected[i].tokens);
                let difference = found.log_probability - expected[i].log_probability;
                assert!(difference.abs() < 1e-4, "{difference}");
            }
        }
    });
}

#[test]
fn the_best_are_sorted_distinct_and_begin_with_the_translation() {
    let decode = DecodeConfig {
        beam: 4,
        ..DecodeConfig::default()
    };
    let translator = configured(5, 20, decode);
    let sources = sources();
    let all = translator.n_best(&sources, 4).unwrap();
    let best = translator.translate_batch(&sources).unwrap();
    for ((line, best), source) in all.iter().zip(best).zip(&sources) {
        let NBest { hypotheses, .. } = line;
        assert_eq!(hypotheses[0].text, best.text);
        assert_eq!(line.source_tokens, best.source_tokens);
        let expected = if source.is_empty() { 1 } else { 4 };
        assert_eq!(hypotheses.len(), expected, "{source}");
        for pair in hypotheses.windows(2) {
            let [first, second] = [&pair[0].found, &pair[1].found];
            // What the limit stopped stands behind what ended.
            assert!(
                (first.ended, first.score) >= (second.ended, second.score),
                "{hypotheses:?}"
            );
        }
        for (i, hypothesis) in hypotheses.iter().enumerate() {
            let mut others = hypotheses[i + 1..].iter();
            assert!(
                others.all(|other| (&other.found.ids, other.found.ended)
                    != (&hypothesis.found.ids, hypothesis.found.ended)),
                "{hypotheses:?}"
            );
        }
    }
    let two = translator.n_best(&sources, 2).unwrap();
    for (two, all) in two.iter().zip(&all) {
        assert_eq!(two.hypotheses, all.hypotheses[..two.hypotheses.len()]);
    }
    for n in [0, 5] {
        let message = translator.n_best(&sources, n).unwrap_err().to_string();
        let expected = format!("n_best: expected 1 to 4, the hypotheses of the beam, got {n}");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn a_hypothesis_looks_where_its_alignment_says() {
    let translator = translator(5, 20);
    let source = "a b c d";
    let line = translator.n_best(&[source], 1).unwrap().remove(0);
    let alignment = translator.align(source).unwrap();
    let found = &line.hypotheses[0].found;
    let weights = translator.attention(&line.source, found).unwrap();
    assert_eq!(Some(&weights), alignment.weights.as_ref());
    let rows = found.ids.len() + usize::from(found.ended);
    assert_eq!(weights.len(), rows * 5, "four tokens and the end");
    for row in weights.chunks(5) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
    }
}

/// Random weights say anything, halves of characters among it.
pub(crate) fn speaker(kind: TokenizerKind, model: &ModelConfig, seed: u64) -> Translator {
    let device = crate::device();
    let tokenizer = TokenizerConfig {
        kind,
        vocabulary: 280,
        ..TokenizerConfig::default()
    };
    let text = "un été à l'île, « déjà vu » ! \u{4e2d}\u{6587} \u{1f980} ?";
    let pair = Pair {
        source: text.to_owned(),
        target: text.to_owned(),
    };
    let tokenizers = Tokenizers::train(&tokenizer, &vec![pair; 9]).unwrap();
    let size = tokenizers.source().vocabulary_size();
    let bundle = Bundle {
        model: model.init(size, size, &Init::new(seed, &device)),
        tokenizers,
        config: BundleConfig {
            tokenizer,
            model: model.clone(),
            decode: DecodeConfig::default(),
        },
        step: None,
    };
    Translator::new(bundle, &device).unwrap()
}

#[test]
fn pieces_of_a_stream_are_the_greedy_translation() {
    let transformer = ModelConfig::Transformer(TransformerConfig {
        d_model: 8,
        n_heads: 2,
        d_ff: 12,
        encoder_layers: 1,
        decoder_layers: 1,
        tie: Tying::None,
        ..TransformerConfig::default()
    });
    let recurrent = ModelConfig::Bahdanau(RnnConfig {
        d_model: 8,
        tie: Tying::None,
        ..RnnConfig::default()
    });
    let mut pieces = 0;
    for kind in [
        TokenizerKind::Word,
        TokenizerKind::Bpe,
        TokenizerKind::Unigram,
        TokenizerKind::Byte,
    ] {
        for (seed, model) in [(1, &transformer), (2, &transformer), (3, &recurrent)] {
            let translator = speaker(kind, model, seed);
            for source in ["un été", "déjà vu \u{4e2d}", "? ! ?", "", "  "] {
                let stream: Vec<String> = translator.stream(source).collect();
                let whole = translator.translate(source).unwrap().text;
                assert_eq!(stream.concat(), whole, "{kind:?}, seed {seed}, {source}");
                assert!(stream.iter().all(|piece| !piece.is_empty()), "{stream:?}");
                pieces += stream.len();
            }
        }
    }
    assert!(pieces > 100, "only {pieces} pieces");
}

/// What `translate` finds with a beam of 1, for every key that matters there.
#[test]
fn a_stream_obeys_what_greedy_search_obeys() {
    let plain = DecodeConfig::default();
    let rules = [
        DecodeConfig {
            suppress: vec!["▁a".into(), "▁c".into(), "<unk>".into()],
            ..plain.clone()
        },
        DecodeConfig {
            suppress: vec!["</s>".into()],
            max_target_length: 4,
            ..plain.clone()
        },
        DecodeConfig {
            no_repeat_ngram: 1,
            ..plain.clone()
        },
        DecodeConfig {
            no_repeat_ngram: 2,
            ..plain.clone()
        },
        DecodeConfig {
            repetition_penalty: 3.0,
            ..plain.clone()
        },
        DecodeConfig {
            repetition_penalty: 0.3,
            ..plain.clone()
        },
        DecodeConfig {
            end_bias: 4.0,
            ..plain.clone()
        },
        DecodeConfig {
            end_bias: -4.0,
            ..plain.clone()
        },
        DecodeConfig {
            min_target_length: 7,
            ..plain.clone()
        },
        DecodeConfig {
            min_target_ratio: 1.5,
            max_target_ratio: 1.6,
            max_target_extra: 1,
            ..plain.clone()
        },
        DecodeConfig {
            max_target_length: 2,
            ..plain.clone()
        },
        DecodeConfig {
            max_source_length: 3,
            ..plain.clone()
        },
        DecodeConfig {
            no_repeat_ngram: 2,
            repetition_penalty: 1.5,
            end_bias: 1.0,
            suppress: vec!["▁b".into()],
            min_target_length: 2,
            ..plain.clone()
        },
    ];
    let mut changed = Vec::new();
    for seed in [5, 6, 8] {
        let told = |translator: &Translator| -> Vec<String> {
            let stream = |source: &String| translator.stream(source).collect();
            sources().iter().map(stream).collect()
        };
        let free = told(&translator(seed, 20));
        for (i, config) in rules.iter().enumerate() {
            let translator = configured(seed, 20, config.clone());
            let expected = translator.translate_batch(&sources()).unwrap();
            let found = told(&translator);
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(*found, expected.text, "{config:?}");
            }
            changed.extend((found != free).then_some(i));
        }
        // A second model is asked, too.
        let both = translator(seed, 20)
            .with_member(crate::scoring::bundle(seed + 1, 20, plain.clone()))
            .unwrap();
        let expected = both.translate_batch(&sources()).unwrap();
        let expected = expected.into_iter().map(|line| line.text);
        assert_eq!(told(&both), expected.collect::<Vec<_>>());
    }
    for (i, config) in rules.iter().enumerate() {
        assert!(changed.contains(&i), "{config:?} changes nothing");
    }
}

#[test]
fn a_stream_is_greedy_whatever_the_search_and_tells_of_cuts() {
    let greedy = translator(5, 20);
    let wide = translator(5, 20).with_beam(Some(5), None).unwrap();
    let drawing = |search| {
        let config = DecodeConfig {
            search,
            samples: 4,
            replace_unknown: true,
            ..DecodeConfig::default()
        };
        configured(5, 20, config)
    };
    let others = [SearchKind::Sample, SearchKind::Gumbel, SearchKind::Mbr].map(drawing);
    for source in sources() {
        let expected: String = greedy.stream(&source).collect();
        for other in others.iter().chain([&wide]) {
            assert_eq!(other.stream(&source).collect::<String>(), expected);
        }
    }
    assert!(!greedy.stream("a b").truncated());
    let narrow = translator(3, 6);
    assert!(narrow.stream("a b c d e f g").truncated());
    let mut begun = narrow.stream("a b");
    begun.next();
    assert!(format!("{begun:?}").starts_with("TokenStream"));
}
