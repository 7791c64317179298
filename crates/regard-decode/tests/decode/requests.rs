//! What can be asked of a translator besides a translation.
use regard_decode::{Bundle, DecodeConfig, NBest, SearchKind, TextRequest, Translator, Utility};
use regard_eval::bleu::Bleu;
use regard_eval::chrf::Chrf;
use regard_eval::metric::{Metric, corpus};
use regard_eval::references::References;
use regard_text::corpus::{Example, Pair};
use regard_text::{TokenizerConfig, TokenizerKind, Tokenizers};

use crate::oracle::contains;
use crate::scoring::{bundle, configured, pairs, translator};

fn sources() -> Vec<String> {
    pairs(24).into_iter().map(|pair| pair.0).collect()
}

fn beam(beam: usize) -> DecodeConfig {
    DecodeConfig {
        beam,
        ..DecodeConfig::default()
    }
}

fn asked(text: &str, prefix: &str, phrases: &[&str]) -> TextRequest {
    TextRequest {
        text: text.into(),
        prefix: prefix.into(),
        phrases: phrases.iter().map(|&phrase| phrase.into()).collect(),
        number: 6,
    }
}

#[test]
fn prefixes_and_phrases_are_in_the_translation() {
    let translator = configured(5, 20, beam(4));
    for source in sources().iter().filter(|source| !source.is_empty()) {
        let request = asked(source, " b a", &["h g", "c", "c"]);
        let found = translator.answer(&[request], 4).unwrap().remove(0);
        for hypothesis in &found.hypotheses {
            let tokens = hypothesis.tokens.join(" ");
            assert!(tokens.starts_with("b a"), "{tokens}");
            for phrase in ["h g", "c"] {
                let ids = translator.tokenizers().target().encode(phrase);
                assert!(
                    contains(&hypothesis.found.ids, &ids),
                    "{phrase} in {tokens}"
                );
            }
        }
        let plain = translator.n_best(&[source], 4).unwrap().remove(0);
        let free = translator.answer(&[asked(source, "", &[])], 4).unwrap();
        assert_eq!(free[0], plain);
    }
    // Of nothing there is nothing to say.
    let empty = translator.answer(&[asked("", "a", &["b"])], 1).unwrap();
    assert_eq!(empty[0].hypotheses[0].text, "");
}

#[test]
fn what_cannot_be_asked_is_told_with_its_line() {
    let translator = configured(5, 8, beam(2));
    let long = "a b c d e f g h a";
    for (request, expected) in [
        (
            asked("a b", long, &[]),
            "line 7: a prefix of 9 tokens, but a translation may have at most 8",
        ),
        (
            asked("a b", "a b c", &["d e f", "g h a"]),
            "line 7: phrases of 6 tokens must appear, but a translation has room for 5 behind its prefix",
        ),
        (
            asked("a", "", &["a", " "]),
            "line 7: a phrase without a word must appear",
        ),
        (
            asked("a", "", &["a house"]),
            "line 7: the phrase `a house` has something that the vocabulary has no token for",
        ),
        (
            asked("a", "house", &[]),
            "line 7: the prefix `house` has something that the vocabulary has no token for",
        ),
    ] {
        let error = translator.answer(&[request], 1).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    for search in [SearchKind::Sample, SearchKind::Gumbel] {
        let sampling = DecodeConfig {
            search,
            ..DecodeConfig::default()
        };
        let error = configured(5, 20, sampling).answer(&[asked("a", "", &["b"])], 1);
        let expected = "line 7: phrases can be asked of `decode.search = \"beam\"` only";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}

/// Whatever search adds, the log-probability is the one that reading the tokens gives.
#[test]
fn no_option_changes_a_log_probability() {
    let plain = beam(4);
    for config in [
        plain.clone(),
        DecodeConfig {
            groups: 2,
            ..plain.clone()
        },
        DecodeConfig {
            end_bias: 2.0,
            no_repeat_ngram: 2,
            ..plain.clone()
        },
        DecodeConfig {
            repetition_penalty: 2.0,
            min_target_ratio: 1.0,
            ..plain.clone()
        },
        DecodeConfig {
            suppress: vec!["▁a".into(), "<unk>".into()],
            ..plain.clone()
        },
        DecodeConfig {
            coverage_penalty: 0.5,
            ..plain.clone()
        },
        DecodeConfig {
            search: SearchKind::Sample,
            samples: 4,
            top_p: 0.8,
            ..plain.clone()
        },
        DecodeConfig {
            search: SearchKind::Mbr,
            samples: 8,
            temperature: 0.7,
            ..plain
        },
    ] {
        let translator = configured(5, 20, config.clone());
        let n = config.hypotheses();
        for line in translator.n_best(&sources(), n).unwrap() {
            let scores: Vec<f64> = line.hypotheses.iter().map(|one| one.found.score).collect();
            let ended: Vec<bool> = line.hypotheses.iter().map(|one| one.found.ended).collect();
            let is_sorted = |i: usize| scores[i - 1] >= scores[i] || (ended[i - 1] && !ended[i]);
            assert!((1..scores.len()).all(is_sorted), "{config:?}: {scores:?}");
            for hypothesis in line.hypotheses.iter().filter(|one| one.found.ended) {
                let example = Example {
                    source: line.source.clone(),
                    target: hypothesis.found.ids.clone(),
                };
                let read = translator.score_ids(vec![example]).unwrap()[0].log_probability();
                let difference = hypothesis.found.log_probability - read;
                assert!(difference.abs() < 1e-4, "{config:?}: {difference}");
                assert!(
                    !(config.suppress.contains(&"▁a".into())
                        && hypothesis.tokens.contains(&"a".into()))
                );
            }
        }
    }
}

#[test]
fn coverage_is_what_attention_says() {
    let beta = 0.3;
    let plain = configured(5, 20, beam(4));
    let config = DecodeConfig {
        coverage_penalty: beta,
        ..beam(4)
    };
    let covering = configured(5, 20, config);
    let (mut moved, sources) = (0, sources());
    let lines = plain.n_best(&sources, 4).unwrap();
    for (line, covered) in lines.iter().zip(covering.n_best(&sources, 4).unwrap()) {
        if line.source.is_empty() {
            continue;
        }
        for after in &covered.hypotheses {
            let before = line
                .hypotheses
                .iter()
                .find(|one| one.found.ids == after.found.ids);
            let weights = plain.attention(&line.source, &after.found).unwrap();
            let columns = line.source.len() + 1;
            let mut total = 0.0;
            for s in 0..columns {
                let looked: f32 = weights.iter().skip(s).step_by(columns).sum();
                total += f64::from(looked).clamp(1e-9, 1.0).ln();
            }
            let expected = before.unwrap().found.score + beta * total;
            assert!((after.found.score - expected).abs() < 1e-4);
        }
        moved += usize::from(line.hypotheses[0].found.ids != covered.hypotheses[0].found.ids);
    }
    assert!(moved > 0, "coverage never mattered");
}

#[test]
fn least_risk_chooses_among_the_samples() {
    let sampling = DecodeConfig {
        search: SearchKind::Sample,
        samples: 12,
        ..DecodeConfig::default()
    };
    let drawn = configured(5, 20, sampling.clone())
        .n_best(&sources(), 12)
        .unwrap();
    let config = DecodeConfig {
        search: SearchKind::Mbr,
        ..sampling
    };
    let chosen = configured(5, 20, config).n_best(&sources(), 12).unwrap();
    for (drawn, chosen) in drawn.iter().zip(&chosen) {
        let texts = |line: &NBest| -> Vec<Vec<u32>> {
            let mut ids: Vec<_> = line
                .hypotheses
                .iter()
                .map(|one| one.found.ids.clone())
                .collect();
            ids.sort();
            ids.dedup();
            ids
        };
        assert_eq!(texts(drawn), texts(chosen), "the same samples");
        let mut scores = chosen.hypotheses.iter().map(|one| one.found.score);
        assert!(
            scores.all(|score| (0.0..=100.0 + 1e-9).contains(&score)) || chosen.source.is_empty()
        );
    }
    let problem = DecodeConfig {
        search: SearchKind::Mbr,
        ..DecodeConfig::default()
    }
    .problems();
    assert_eq!(
        problem,
        ["samples: expected at least 2 to be compared by `search = \"mbr\"`, got 1"]
    );
}

/// Each sample against each, as one reads the definition.
#[test]
fn least_risk_is_the_best_mean_of_its_utility() {
    let sampling = DecodeConfig {
        search: SearchKind::Sample,
        samples: 12,
        temperature: 0.7,
        ..DecodeConfig::default()
    };
    let drawn = configured(5, 20, sampling.clone())
        .n_best(&sources(), 12)
        .unwrap();
    let bleu = Bleu::default().with_effective_order(true);
    let chrf = Chrf::default();
    let mut choices = Vec::new();
    for (utility, metric) in [
        (Utility::Chrf, &chrf as &dyn Metric),
        (Utility::Bleu, &bleu as &dyn Metric),
    ] {
        let config = DecodeConfig {
            search: SearchKind::Mbr,
            utility,
            ..sampling.clone()
        };
        let chosen = configured(5, 20, config).n_best(&sources(), 12).unwrap();
        for (drawn, chosen) in drawn.iter().zip(&chosen) {
            if drawn.source.is_empty() {
                continue;
            }
            let texts: Vec<&str> = drawn.hypotheses.iter().map(|one| &*one.text).collect();
            let mean = |text: &str| {
                let all = texts.iter().map(|other| {
                    let reference = References::single(std::slice::from_ref(other));
                    corpus(metric, &[text], &reference).unwrap().score
                });
                all.sum::<f64>() / texts.len() as f64
            };
            let best = texts.iter().map(|text| mean(text)).fold(0.0, f64::max);
            for one in &chosen.hypotheses {
                let difference = one.found.score - mean(&one.text);
                assert!(difference.abs() < 1e-9, "{utility:?}: {difference}");
            }
            assert!((chosen.hypotheses[0].found.score - best).abs() < 1e-9);
        }
        let texts = chosen
            .into_iter()
            .map(|line| line.hypotheses[0].text.clone());
        choices.push(texts.collect::<Vec<_>>());
    }
    assert_ne!(choices[0], choices[1], "the utility matters");
}

#[test]
fn a_translator_asks_several_models() {
    let device = crate::device();
    let sources = sources();
    let alone = configured(5, 20, beam(3));
    let expected = alone.translate_batch(&sources).unwrap();
    let twice = configured(5, 20, beam(3))
        .with_member(bundle(5, 20, beam(1)))
        .unwrap();
    for (found, expected) in twice
        .translate_batch(&sources)
        .unwrap()
        .iter()
        .zip(&expected)
    {
        assert_eq!(found.tokens, expected.tokens);
        assert!((found.log_probability - expected.log_probability).abs() < 1e-4);
    }
    let both = configured(5, 20, beam(3))
        .with_member(bundle(9, 12, beam(1)))
        .unwrap();
    let found = both.translate_batch(&sources).unwrap();
    assert_ne!(found, expected);
    assert!(
        found.iter().all(|line| line.tokens.len() <= 12),
        "the fewest positions"
    );

    let kind = TokenizerConfig {
        kind: TokenizerKind::Word,
        ..TokenizerConfig::default()
    };
    let pair = Pair {
        source: "other words".into(),
        target: "other words".into(),
    };
    let other = Bundle {
        tokenizers: Tokenizers::train(&kind, &[pair]).unwrap(),
        ..bundle(5, 20, beam(1))
    };
    let error = Translator::new(bundle(5, 20, beam(1)), &device)
        .unwrap()
        .with_member(other);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("expected runs with the same tokenizers")
    );
}

#[test]
fn unknown_tokens_become_the_words_that_they_look_at() {
    let (mut unknown, mut replaced) = (0, 0);
    for seed in 1..9 {
        let plain = translator(seed, 20);
        let config = DecodeConfig {
            replace_unknown: true,
            ..DecodeConfig::default()
        };
        let replacing = configured(seed, 20, config);
        let sources = ["a Haus b", "Katze Hund", "c d e", "Haus"];
        let before = plain.translate_batch(&sources).unwrap();
        let after = replacing.translate_batch(&sources).unwrap();
        for ((before, after), source) in before.iter().zip(&after).zip(sources) {
            assert_eq!(
                before.tokens, after.tokens,
                "tokens say what the model said"
            );
            unknown += usize::from(before.text.contains("<unk>"));
            assert!(!after.text.contains("<unk>"), "{}", after.text);
            let of_source = |word: &str| source.split(' ').any(|other| other == word);
            let said: Vec<&str> = before.text.split(' ').collect();
            for (said, word) in said.iter().zip(after.text.split(' ')) {
                if *said == "<unk>" {
                    assert!(of_source(word), "{word} is no word of {source}");
                    replaced += 1;
                } else {
                    assert_eq!(*said, word);
                }
            }
        }
    }
    assert!(unknown > 3 && replaced > 3, "{unknown} and {replaced}");
}

#[test]
fn names_that_are_no_tokens_cannot_be_suppressed() {
    let config = DecodeConfig {
        suppress: vec!["▁a".into(), "house".into()],
        ..DecodeConfig::default()
    };
    let error = Translator::new(bundle(5, 20, config), &crate::device()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("suppress: `house` is no token of the target vocabulary")
    );
}
