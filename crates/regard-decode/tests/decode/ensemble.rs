//! Several models together.
use regard_decode::{BeamOptions, Ensemble, Hypothesis, Request, TargetLength, beam_search};
use regard_nn::{Init, Model, each_model};
use regard_text::SpecialIds;

use crate::hypotheses::{SOURCES, VOCABULARY, models, read_tokens, tokens};
use crate::oracle::same;

fn search(models: &[&Model], beam: usize) -> Vec<Vec<Hypothesis>> {
    let device = crate::device();
    let request = Request::from(TargetLength { least: 1, most: 8 });
    let requests = vec![request; SOURCES.len()];
    let options = BeamOptions {
        beam,
        ..BeamOptions::default()
    };
    let (source, special) = (tokens(&SOURCES, &device), SpecialIds::default());
    if let [model] = models {
        return each_model!(model, model => beam_search(model, &source, &requests, special, &options));
    }
    let ensemble = Ensemble::new(models.to_vec());
    beam_search(&ensemble, &source, &requests, special, &options)
}

fn all() -> Vec<Model> {
    let device = crate::device();
    let models = models().into_iter().zip(3..);
    models
        .map(|((_, config), seed)| config.init(VOCABULARY, VOCABULARY, &Init::new(seed, &device)))
        .collect()
}

#[test]
fn a_model_with_itself_is_the_model() {
    for model in &all() {
        for beam in [1, 3] {
            let alone = search(&[model], beam);
            for (found, expected) in search(&[model, model], beam).iter().zip(&alone) {
                same(found, expected, "twice");
            }
        }
    }
}

/// Transformers with recurrent models, and three of them.
#[test]
fn the_distribution_is_the_mean() {
    let device = crate::device();
    let models = all();
    for together in [vec![0, 3], vec![1, 2], vec![4, 5, 1]] {
        let members: Vec<&Model> = together.iter().map(|&i| &models[i]).collect();
        for beam in [1, 4] {
            for (source, found) in SOURCES.iter().zip(search(&members, beam)) {
                for one in &found {
                    let each: Vec<Vec<f64>> = members
                        .iter()
                        .map(|model| read_tokens(model, source, one, &device))
                        .collect();
                    let mean = |token: usize| {
                        let sum: f64 = each.iter().map(|of_one| of_one[token].exp()).sum();
                        (sum / each.len() as f64).ln()
                    };
                    let expected: f64 = (0..each[0].len()).map(mean).sum();
                    assert!(
                        (one.log_probability - expected).abs() < 1e-4,
                        "{one:?}, {expected}"
                    );
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "Ensemble: expected models, got none")]
fn nobody_says_nothing() {
    search(&[], 2);
}
