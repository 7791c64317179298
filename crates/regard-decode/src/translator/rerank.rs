//! Hypotheses that are ranked by more than their probability.

use regard_eval::bleu::Bleu;
use regard_eval::chrf::Chrf;
use regard_eval::metric::Metric;

use super::{TextHypothesis, Translator};
use crate::Utility;

impl Translator {
    /// Adds the coverage penalty to the score of each hypothesis of a source, and sorts them anew.
    ///
    /// ```text
    /// score + beta sum over source positions s of ln min(1, sum over target positions t of a[t][s])
    /// ```
    ///
    /// `a` is the cross-attention of the last layer, mean over heads, from one pass over each finished hypothesis. Of a model
    /// without cross-attention nothing changes.
    ///
    /// # Differences
    ///
    /// Wu et al. do not say whether what is unfinished is ranked by it, too; here it is not, so that search carries no maps. A
    /// position that nothing looked at counts as one that 10^-9 looked at.
    ///
    /// # References
    ///
    /// Wu et al. 2016. <https://arxiv.org/abs/1609.08144>, equation 14.
    pub(super) fn cover(&self, source: &[u32], hypotheses: &mut [TextHypothesis]) {
        for hypothesis in hypotheses.iter_mut() {
            if let Some(weights) = self.attention(source, &hypothesis.found) {
                let covered = coverage(&weights, source.len() + 1);
                hypothesis.found.score += self.config.coverage_penalty * covered;
            }
        }
        // Stable: of equals the one that search ranked first.
        hypotheses.sort_by(|a, b| a.found.order(&b.found));
    }
}

/// The sum of ln min(1, what column s has together) over the columns.
fn coverage(weights: &[f32], columns: usize) -> f64 {
    let column = |s: usize| -> f64 {
        let weights = weights.iter().skip(s).step_by(columns);
        weights.map(|&weight| f64::from(weight)).sum()
    };
    (0..columns).map(|s| column(s).clamp(1e-9, 1.0).ln()).sum()
}

/// Sorts samples of one source by the mean of what they score with each of them as the reference: minimum Bayes risk. That mean,
/// from 0 to 100, becomes the score.
///
/// ```text
/// score(h) = 1/N sum over all samples r of utility(h, r)
/// ```
///
/// A sample that was drawn twice counts twice as a reference, and stays as one hypothesis.
///
/// # References
///
/// Eikema, Aziz. Is MAP Decoding All You Need? COLING 2020. <https://aclanthology.org/2020.coling-main.398>
pub(super) fn least_risk(samples: Vec<TextHypothesis>, utility: Utility) -> Vec<TextHypothesis> {
    let metric: &dyn Metric = match utility {
        Utility::Chrf => &Chrf::default(),
        Utility::Bleu => &Bleu::default().with_effective_order(true),
    };
    let texts: Vec<String> = samples.iter().map(|sample| sample.text.clone()).collect();
    let mut hypotheses: Vec<TextHypothesis> = Vec::new();
    for mut hypothesis in samples {
        if hypotheses
            .iter()
            .any(|other| other.found.ids == hypothesis.found.ids)
        {
            continue;
        }
        let score = |text: &String| metric.score_of(&metric.count(&hypothesis.text, &[text]));
        hypothesis.found.score = texts.iter().map(score).sum::<f64>() / texts.len() as f64;
        hypotheses.push(hypothesis);
    }
    hypotheses.sort_by(|a, b| b.found.score.total_cmp(&a.found.score));
    hypotheses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hypothesis;

    #[test]
    fn coverage_hand_computed() {
        // Columns have 1.1, 0.6 and 0.3 together.
        let covered = coverage(&[0.5, 0.4, 0.1, 0.6, 0.2, 0.2], 3);
        assert!((covered - (0.6_f64.ln() + 0.3_f64.ln())).abs() < 1e-6);
        assert!((coverage(&[], 1) - 1e-9_f64.ln()).abs() < 1e-9);
    }

    fn sample(id: u32, text: &str) -> TextHypothesis {
        TextHypothesis {
            found: Hypothesis {
                ids: vec![id],
                ..Hypothesis::default()
            },
            text: text.into(),
            tokens: Vec::new(),
        }
    }

    #[test]
    fn the_sample_most_like_the_others_comes_first() {
        let texts = [
            (1, "a dog"),
            (2, "the cat sat"),
            (3, "the cat sits"),
            (2, "the cat sat"),
            (4, ""),
        ];
        let sorted = least_risk(
            texts.map(|(id, text)| sample(id, text)).into(),
            Utility::Chrf,
        );
        let ids: Vec<u32> = sorted.iter().map(|one| one.found.ids[0]).collect();
        assert_eq!(ids, [2, 3, 1, 4]);
        // Of five references two are itself; nothing is like the empty one.
        assert!(sorted[0].found.score > 40.0 && sorted[3].found.score < 1e-9);
        let one = least_risk(vec![sample(7, "x y"), sample(7, "x y")], Utility::Chrf);
        assert_eq!(one.len(), 1);
        assert!((one[0].found.score - 100.0).abs() < 1e-9);
    }

    /// Of `a b c d` and `a b c e`, three of four words, two of three pairs, one of two triples and none of one quadruple agree,
    /// which counts as half a one: (3/4 2/3 1/2 1/2)^(1/4). `a b` has all it says, in half the length: exp(1 - 4/2). Against
    /// `a b`, a longer one has two of four, one of three, none of two and none of one: half a one and a quarter, 1/4 of each.
    #[test]
    fn bleu_hand_computed() {
        let texts = [(1, "a b c d"), (2, "a b c e"), (3, "a b"), (4, "x")];
        let samples = texts.map(|(id, text)| sample(id, text)).into();
        let sorted = least_risk(samples, Utility::Bleu);
        let near = 100.0 * (0.75 * (2.0 / 3.0) * 0.5 * 0.5_f64).powf(0.25);
        let longer = 100.0 * (0.5 * (1.0 / 3.0) * 0.25 * 0.25_f64).powf(0.25);
        let shorter = 100.0 * (-1.0_f64).exp();
        let expected = [
            (1, (100.0 + near + longer) / 4.0),
            (2, (100.0 + near + longer) / 4.0),
            (3, (100.0 + 2.0 * shorter) / 4.0),
            (4, 25.0),
        ];
        for (one, (id, score)) in sorted.iter().zip(expected) {
            assert_eq!(one.found.ids, [id]);
            assert!(
                (one.found.score - score).abs() < 1e-9,
                "{id}: {}",
                one.found.score
            );
        }
    }
}
