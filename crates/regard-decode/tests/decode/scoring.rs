//! How well a model predicts given translations: each pair by itself, whatever it is scored with.
use regard_decode::{Bundle, BundleConfig, DecodeConfig, Likelihood, Translator};
use regard_nn::{Init, ModelConfig, PositionKind, TransformerConfig, Tying};
use regard_text::corpus::{Example, Pair};
use regard_text::{TokenizerConfig, TokenizerKind, Tokenizers};

const LETTERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A model with random weights that knows eight letters and as many positions.
pub(crate) fn translator(seed: u64, max_positions: usize) -> Translator {
    configured(seed, max_positions, DecodeConfig::default())
}

pub(crate) fn configured(seed: u64, max_positions: usize, decode: DecodeConfig) -> Translator {
    Translator::new(bundle(seed, max_positions, decode), &crate::device()).unwrap()
}

pub(crate) fn bundle(seed: u64, max_positions: usize, decode: DecodeConfig) -> Bundle {
    let device = crate::device();
    let tokenizer = TokenizerConfig {
        kind: TokenizerKind::Word,
        ..TokenizerConfig::default()
    };
    let text = LETTERS.join(" ");
    let pair = Pair {
        source: text.clone(),
        target: text,
    };
    let tokenizers = Tokenizers::train(&tokenizer, &[pair]).unwrap();
    let model = ModelConfig::Transformer(TransformerConfig {
        d_model: 8,
        n_heads: 2,
        d_ff: 12,
        encoder_layers: 1,
        decoder_layers: 1,
        positions: PositionKind::Learned,
        max_positions: Some(max_positions),
        // Tied embeddings would have it repeat what it reads.
        tie: Tying::None,
        ..TransformerConfig::default()
    });
    let size = tokenizers.source().vocabulary_size();
    Bundle {
        model: model.init(size, size, &Init::new(seed, &device)),
        tokenizers,
        config: BundleConfig {
            tokenizer,
            model,
            decode,
        },
        step: Some(0),
    }
}

/// Texts of 0 to 11 letters.
pub(crate) fn pairs(n: usize) -> Vec<(String, String)> {
    let letters = |i: usize, length: usize| {
        let letters = (0..length).map(|j| LETTERS[(i * 3 + j * 5) % 8]);
        letters.collect::<Vec<_>>().join(" ")
    };
    (0..n)
        .map(|i| (letters(i, i % 12), letters(i + 1, i * 7 % 12)))
        .collect()
}

#[test]
fn a_pair_alone_is_a_pair_among_many() {
    let translator = translator(3, 20);
    // More target tokens than have their logits at one time.
    let pairs = pairs(200);
    let together = translator.score(&pairs).unwrap();
    for (pair, scored) in pairs.iter().zip(&together) {
        let alone = &translator.score(std::slice::from_ref(pair)).unwrap()[0];
        assert_eq!(scored.tokens(), pair.1.split_whitespace().count() + 1);
        let (among, alone) = (scored.nats(), alone.nats());
        assert!(
            (among - alone).abs() < 1e-4 * alone,
            "{pair:?}: {among} among others, {alone} alone"
        );
        assert!(!scored.truncated && among > 0.0);
        assert!(scored.token_log_probabilities.iter().all(|&p| p < 0.0));
    }
    assert!(
        together
            .windows(2)
            .any(|pair| (pair[0].nats() - pair[1].nats()).abs() > 0.1),
        "pairs differ"
    );
    assert_eq!(translator.score::<&str, &str>(&[]).unwrap(), []);
}

/// Search adds up the very log-probabilities that scoring its translation does.
#[test]
fn a_translation_is_as_probable_as_search_said() {
    let sources: Vec<String> = pairs(12).into_iter().map(|pair| pair.0).skip(1).collect();
    let mut compared = 0;
    for seed in 0..20 {
        let beam = if seed % 2 == 0 { 1 } else { 4 };
        let translator = translator(seed, 20)
            .with_beam(Some(beam), Some(1.0))
            .unwrap();
        for (source, found) in sources
            .iter()
            .zip(translator.translate_batch(&sources).unwrap())
        {
            // Search that stopped at the limit never said the end, and some tokens are no text.
            let is_text = found
                .tokens
                .iter()
                .all(|token| LETTERS.contains(&token.as_str()));
            let scored = &translator.score(&[(source, &found.text)]).unwrap()[0];
            let limit = DecodeConfig::default().target_limit(found.source_tokens.len());
            if is_text && found.tokens.len() < limit.min(20) {
                let difference = scored.nats() + found.log_probability;
                assert!(difference.abs() < 1e-4, "{source}: {found:?} {scored:?}");
                let score = found.log_probability / ((5 + scored.tokens()) as f64 / 6.0);
                assert!((found.score - score).abs() < 1e-9, "{source}: {found:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 2, "only {compared} could be compared");
}

/// Hypotheses whose text would be cut into other tokens, and those that no end was said of, are scored by their ids.
#[test]
fn every_hypothesis_is_as_probable_as_its_ids() {
    let sources: Vec<String> = pairs(12).into_iter().map(|pair| pair.0).skip(1).collect();
    let (mut ended, mut cut) = (0, 0);
    for seed in 0..6 {
        // Positions for all that search may say, and the end.
        let translator = translator(seed, 40).with_beam(Some(4), None).unwrap();
        for line in translator.n_best(&sources, 4).unwrap() {
            let examples = line.hypotheses.iter().map(|hypothesis| Example {
                source: line.source.clone(),
                target: hypothesis.found.ids.clone(),
            });
            let scored = translator.score_ids(examples.collect()).unwrap();
            for (hypothesis, scored) in line.hypotheses.iter().zip(scored) {
                let found = &hypothesis.found;
                let said = found.ids.len() + usize::from(found.ended);
                let expected: f64 = scored.token_log_probabilities[..said].iter().sum();
                let difference = found.log_probability - expected;
                assert!(difference.abs() < 1e-4, "{hypothesis:?}, {scored:?}");
                *(if found.ended { &mut ended } else { &mut cut }) += 1;
            }
        }
    }
    assert!(ended > 5 && cut > 5, "{ended} and {cut}");
}

#[test]
fn likelihoods_add_up() {
    let likelihood = Likelihood {
        token_log_probabilities: vec![-0.5, -1.0, -1.5],
        truncated: false,
    };
    assert_eq!((likelihood.tokens(), likelihood.nats()), (3, 3.0));
    assert!((likelihood.perplexity() - 1_f64.exp()).abs() < 1e-12);
}

#[test]
fn ids_outside_the_vocabulary_are_refused() {
    let translator = translator(3, 20);
    for (source, target) in [(vec![4, 12], vec![4]), (vec![4], vec![5, 99])] {
        let refused = translator.score_ids(vec![Example { source, target }]);
        let message = refused.unwrap_err().to_string();
        assert!(
            message.ends_with("is not one of the 12 of the vocabulary"),
            "{message}"
        );
    }
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let translator = translator(3, 6);
    let scored = translator
        .score(&[
            ("a b c d e", "a b c d e"),
            ("a b c d e f", "a"),
            ("a", "a b c d e f"),
        ])
        .unwrap();
    let told: Vec<_> = scored
        .iter()
        .map(|line| (line.truncated, line.tokens()))
        .collect();
    assert_eq!(told, [(false, 6), (true, 2), (true, 6)]);
    let cut = &translator.score(&[("a", "a b c d e")]).unwrap()[0];
    assert!((cut.nats() - scored[2].nats()).abs() < 1e-4);
}

#[test]
fn a_beam_is_asked_for_and_refused_by_name() {
    let refused = |beam, penalty| {
        let asked = translator(3, 20).with_beam(beam, penalty);
        asked.unwrap_err().to_string()
    };
    // Eight letters and the special tokens.
    assert_eq!(
        refused(Some(13), None),
        "translating as asked for is not possible:\n  beam: expected at most 12, the tokens of the vocabulary, got 13"
    );
    assert_eq!(
        refused(Some(0), Some(f64::NAN)),
        "translating as asked for is not possible:\n  beam: expected at least 1, got 0\n  \
         length_penalty: expected a number from -10 to 10, got NaN"
    );
    translator(3, 20).with_beam(Some(12), Some(-10.0)).unwrap();
    translator(3, 20).with_beam(None, None).unwrap();
}

/// Small batches and large ones, and a beam that is larger than a batch may be, translate alike.
#[test]
fn batches_count_hypotheses_and_change_nothing() {
    let sources: Vec<String> = pairs(30).into_iter().map(|pair| pair.0).collect();
    let translate = |batch_tokens, beam| {
        let decode = DecodeConfig {
            batch_tokens,
            beam,
            ..DecodeConfig::default()
        };
        let translations = configured(5, 20, decode).translate_batch(&sources).unwrap();
        let texts = translations.into_iter().map(|found| found.tokens);
        texts.collect::<Vec<_>>()
    };
    for beam in [1, 3, 12] {
        let expected = translate(4096, beam);
        for batch_tokens in [1, 20, 100] {
            assert_eq!(translate(batch_tokens, beam), expected);
        }
    }
    assert_ne!(
        translate(4096, 1),
        translate(4096, 12),
        "a beam finds others"
    );
}
