//! One corpus to score, as `scripts/parity/metrics.py` writes it, and every figure of the answer.

use std::error::Error;

use regard_eval::bleu::{Bleu, Smoothing};
use regard_eval::chrf::Chrf;
use regard_eval::error_rate::ErrorRate;
use regard_eval::metric::{Metric, corpus, sentences};
use regard_eval::references::References;
use regard_eval::significance::{Options, Test, compare};
use regard_eval::ter::Ter;
use serde::{Deserialize, Serialize};

/// A metric by sacreBLEU's names of its settings; those of other metrics are left out.
#[derive(Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "sacreBLEU has these switches"
)]
pub(crate) struct Request {
    metric: String,
    #[serde(default)]
    lowercase: bool,
    #[serde(default)]
    tokenize: String,
    #[serde(default)]
    smooth_method: String,
    #[serde(default)]
    smooth_value: f64,
    #[serde(default)]
    effective_order: bool,
    #[serde(default)]
    char_order: usize,
    #[serde(default)]
    word_order: usize,
    #[serde(default)]
    beta: u32,
    #[serde(default)]
    whitespace: bool,
    #[serde(default)]
    eps_smoothing: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    no_punct: bool,
    #[serde(default)]
    asian_support: bool,
    #[serde(default)]
    case_sensitive: bool,
    hypotheses: Vec<String>,
    /// Of each line.
    references: Vec<Vec<String>>,
    /// Another system, to be compared with the hypotheses.
    #[serde(default)]
    system: Vec<String>,
    #[serde(default)]
    test: String,
    #[serde(default)]
    trials: usize,
}

/// Every figure.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) signature: String,
    /// What the score displays as, without its signature.
    pub(crate) line: String,
    /// Scores and what they are made of, of the corpus and then of each sentence.
    pub(crate) figures: Vec<f64>,
    pub(crate) p_value: Option<f64>,
}

impl Request {
    pub(crate) fn answer(&self) -> Result<Answer, Box<dyn Error>> {
        let references = References::of_lines(&self.references)?;
        let metric = self.metric()?;
        let score = corpus(metric.as_ref(), &self.hypotheses, &references)?;
        let mut line = score.to_string();
        let mut figures = vec![score.score];
        if self.metric == "bleu" {
            let bleu = self.bleu()?.corpus_of(&self.hypotheses, &references)?;
            line = bleu.to_string();
            figures.extend([bleu.score, bleu.brevity_penalty]);
            figures.extend(bleu.precisions);
            let counts = [bleu.hypothesis_length, bleu.reference_length].into_iter();
            let counts = counts.chain(bleu.matches).chain(bleu.totals);
            figures.extend(counts.map(|count| count as f64));
        } else if self.metric == "chrf" {
            figures.push(self.chrf()?.corpus_of(&self.hypotheses, &references)?.score);
        }
        figures.extend(sentences(metric.as_ref(), &self.hypotheses, &references)?);
        Ok(Answer {
            line: line.replace(&format!("|{}", score.signature), ""),
            signature: score.signature,
            figures,
            p_value: self.p_value(metric.as_ref(), &references)?,
        })
    }

    fn p_value(
        &self,
        metric: &dyn Metric,
        references: &References<'_>,
    ) -> Result<Option<f64>, Box<dyn Error>> {
        let test = match self.test.as_str() {
            "bs" => Test::Bootstrap,
            "ar" => Test::Randomisation,
            _ => return Ok(None),
        };
        let options = Options {
            trials: self.trials,
            ..Options::new(test)
        };
        let result = compare(metric, &self.hypotheses, &self.system, references, &options)?;
        Ok(Some(result.p_value))
    }

    fn metric(&self) -> Result<Box<dyn Metric>, Box<dyn Error>> {
        Ok(match self.metric.as_str() {
            "bleu" => Box::new(self.bleu()?),
            "chrf" => Box::new(self.chrf()?),
            "ter" => Box::new(
                Ter::default()
                    .with_normalized(self.normalized)
                    .with_no_punctuation(self.no_punct)
                    .with_asian_support(self.asian_support)
                    .with_case_sensitive(self.case_sensitive),
            ),
            "wer" => Box::new(ErrorRate::words().with_lowercase(self.lowercase)),
            "cer" => Box::new(ErrorRate::characters().with_lowercase(self.lowercase)),
            other => return Err(format!("unknown metric `{other}`").into()),
        })
    }

    fn bleu(&self) -> Result<Bleu, Box<dyn Error>> {
        let smoothing = match self.smooth_method.as_str() {
            "exp" => Smoothing::Exponential,
            "floor" => Smoothing::Floor(self.smooth_value),
            "add-k" => Smoothing::AddK(self.smooth_value),
            "none" => Smoothing::None,
            other => return Err(format!("unknown smoothing `{other}`").into()),
        };
        Ok(Bleu::default()
            .with_lowercase(self.lowercase)
            .with_tokenizer(self.tokenize.parse()?)
            .with_effective_order(self.effective_order)
            .with_smoothing(smoothing)?)
    }

    fn chrf(&self) -> Result<Chrf, Box<dyn Error>> {
        Ok(Chrf::default()
            .with_orders(self.char_order, self.word_order)?
            .with_beta(self.beta)
            .with_lowercase(self.lowercase)
            .with_whitespace(self.whitespace)
            .with_epsilon_smoothing(self.eps_smoothing))
    }
}
