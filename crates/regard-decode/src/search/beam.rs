//! Beam search: several hypotheses of each sentence side by side.

use burn::tensor::Device;
use regard_kernels::k_most_probable;
use regard_nn::{Pass, Rows, Seq2Seq, Tokens};
use regard_text::SpecialIds;

use super::finished::Finished;
use super::{Hypothesis, LengthPenalty, TargetLength, greedy_from, vector};

/// How wide search is, and what it ranks hypotheses by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamOptions {
    /// Hypotheses of each sentence W, from 1; 1 is [`greedy`](super::greedy()).
    pub beam: usize,
    /// What makes hypotheses of different lengths comparable.
    pub length_penalty: LengthPenalty,
}

/// The best hypotheses that keeping W of each sentence at every step finds, at most W for each source and at least one, the
/// best first.
///
/// At each step the W hypotheses of a sentence are continued with every token, and the 2 W most probable of all continuations
/// are candidates. Of those that end, the ones among the W best are finished; of the others, the W best are continued, and
/// there are as many, since no hypothesis ends twice. A sentence is done once W hypotheses have ended and no live one can still
/// beat the worst of them, were all its further tokens certain and its length the one that the penalty favours most.
///
/// # Behaviour
///
/// - `lengths[b]` bounds the hypotheses of source `b`. Hypotheses that the limit stopped stand behind those that ended.
/// - Ties go to the lower id, then to the earlier hypothesis.
/// - Log-probabilities are sums in f64 of log-softmaxes in f32.
/// - The W rows of a sentence read one row of memory. A sentence that is done leaves the batch.
/// - A vocabulary may have fewer tokens than the beam hypotheses: it is then filled as far as there are continuations.
///
/// # Panics
///
/// If there are not as many bounds as sources, or the beam is 0.
///
/// # References
///
/// Graves. Sequence Transduction with Recurrent Neural Networks. 2012. <https://arxiv.org/abs/1211.3711>; twice as many
/// candidates, and when to stop: Wu et al. 2016. <https://arxiv.org/abs/1609.08144>, section 7, and its implementation in
/// tensor2tensor, which also finishes hypotheses behind the W best.
pub fn beam_search<M: Seq2Seq>(
    model: &M,
    source: &Tokens,
    lengths: &[TargetLength],
    special: SpecialIds,
    options: &BeamOptions,
) -> Vec<Vec<Hypothesis>> {
    assert_eq!(
        source.lengths.len(),
        lengths.len(),
        "beam_search: bounds for each source"
    );
    let memory = model.encode(source, &Pass::evaluation());
    beam_search_from(
        model,
        memory,
        lengths,
        (special, options),
        &source.ids.device(),
    )
}

/// [`beam_search`], once the sources are encoded.
pub(crate) fn beam_search_from<M: Seq2Seq>(
    model: &M,
    mut memory: M::Memory,
    lengths: &[TargetLength],
    (special, options): (SpecialIds, &BeamOptions),
    device: &Device,
) -> Vec<Vec<Hypothesis>> {
    assert!(
        options.beam > 0,
        "beam_search: expected a beam of at least 1, got 0"
    );
    if options.beam == 1 {
        let found = greedy_from(model, memory, lengths, special, device);
        return found
            .into_iter()
            .map(|hypothesis| vec![scored(hypothesis, options.length_penalty)])
            .collect();
    }
    let pass = Pass::evaluation();
    let mut state = model.start(&memory);
    let mut found = vec![vec![Hypothesis::default()]; lengths.len()];
    let mut sentences: Vec<Sentence> = (0..lengths.len())
        .filter(|&source| lengths[source].most > 0)
        .map(|source| Sentence::new(source, lengths[source], options))
        .collect();
    if sentences.len() < lengths.len() && !sentences.is_empty() {
        let rows: Vec<usize> = sentences.iter().map(|sentence| sentence.source).collect();
        state = state.select(&rows);
        memory = memory.select(&rows);
    }

    while let Some(sentence) = sentences.first() {
        let width = sentence.live.len();
        let beams = || sentences.iter().flat_map(|sentence| &sentence.live);
        let tokens: Vec<u32> = beams()
            .map(|beam| beam.ids.last().copied().unwrap_or(special.start))
            .collect();
        let barred: Vec<_> = sentences
            .iter()
            .flat_map(|sentence| std::iter::repeat_n(sentence.barred(special.end), width))
            .collect();
        let step = model.step(vector(&tokens, device), &memory, state, &pass);
        let continuations = k_most_probable(step.logits, 2 * options.beam, &barred);

        // Which rows go on, of the memory and of the state.
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        let before = sentences.len();
        let continued = sentences.into_iter().zip(continuations.chunks(width));
        sentences = continued
            .enumerate()
            .filter_map(|(place, (mut sentence, continuations))| {
                let origins = sentence.advance(continuations, special.end);
                if sentence.is_done() {
                    found[sentence.source] = sentence.finished.into_best();
                    return None;
                }
                places.push(place);
                rows.extend(origins.into_iter().map(|beam| place * width + beam));
                Some(sentence)
            })
            .collect();
        state = step.state;
        if sentences.is_empty() {
            break;
        }
        if !rows.iter().copied().eq(0..before * width) {
            state = state.select(&rows);
        }
        if sentences.len() < before {
            memory = memory.select(&places);
        }
    }
    found
}

fn scored(mut hypothesis: Hypothesis, penalty: LengthPenalty) -> Hypothesis {
    hypothesis.score = penalty.score(hypothesis.log_probability, hypothesis.length());
    hypothesis
}

/// A hypothesis that is continued.
#[derive(Clone, Debug, Default)]
struct Beam {
    ids: Vec<u32>,
    /// Negative infinity where it only fills a row.
    log_probability: f64,
}

/// A continuation of a live hypothesis.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    log_probability: f64,
    id: u32,
    /// Which hypothesis it continues.
    beam: usize,
}

/// A sentence in the making.
#[derive(Debug)]
struct Sentence {
    /// Its place among the sources.
    source: usize,
    bounds: TargetLength,
    options: BeamOptions,
    /// As many as the beam after the first step, the most probable first. All have the same length.
    live: Vec<Beam>,
    finished: Finished,
}

impl Sentence {
    fn new(source: usize, bounds: TargetLength, options: &BeamOptions) -> Self {
        Self {
            source,
            bounds,
            options: *options,
            live: vec![Beam::default()],
            finished: Finished::new(options.beam),
        }
    }

    /// Tokens of the live hypotheses.
    fn length(&self) -> usize {
        self.live.first().map_or(0, |beam| beam.ids.len())
    }

    /// The end, where it comes too early.
    fn barred(&self, end: u32) -> Option<u32> {
        (self.length() < self.bounds.least).then_some(end)
    }

    /// Takes a step. `continuations[w]` are the most probable tokens behind hypothesis `w`, the best first. Which hypothesis
    /// each of the new ones continues.
    fn advance(&mut self, continuations: &[Vec<(u32, f64)>], end: u32) -> Vec<usize> {
        let width = self.options.beam;
        let (mut live, mut origins) = (Vec::new(), Vec::new());
        for (rank, candidate) in self.candidates(continuations).into_iter().enumerate() {
            let Candidate {
                log_probability,
                id,
                beam,
            } = candidate;
            let mut ids = self.live[beam].ids.clone();
            if id != end && live.len() < width {
                ids.push(id);
                live.push(Beam {
                    ids,
                    log_probability,
                });
                origins.push(beam);
            } else if id == end && rank < width {
                self.finish(ids, log_probability, true);
            }
        }
        let before = std::mem::replace(&mut self.live, live);
        let is_stuck = self.live.is_empty() && self.finished.is_empty();
        if is_stuck || self.length() == self.bounds.most {
            let last = if is_stuck {
                before
            } else {
                std::mem::take(&mut self.live)
            };
            for beam in last {
                self.finish(beam.ids, beam.log_probability, false);
            }
        }
        // A vocabulary may have fewer continuations than the beam has rows.
        if let (Some(last), Some(&origin)) = (self.live.last(), origins.last()) {
            let filling = Beam {
                log_probability: f64::NEG_INFINITY,
                ..last.clone()
            };
            self.live.resize(width, filling);
            origins.resize(width, origin);
        }
        origins
    }

    /// The best continuations, twice as many as the beam is wide.
    fn candidates(&self, continuations: &[Vec<(u32, f64)>]) -> Vec<Candidate> {
        let of_beam = |(beam, continuations): (usize, &Vec<(u32, f64)>)| {
            let before = self.live[beam].log_probability;
            let continued = continuations.iter().map(move |&(id, added)| Candidate {
                log_probability: before + added,
                id,
                beam,
            });
            // What fills a row is impossible; a model whose numbers went wrong is not believed.
            continued
                .filter(|candidate| candidate.log_probability > f64::NEG_INFINITY)
                .collect::<Vec<_>>()
        };
        let mut candidates: Vec<Candidate> =
            continuations.iter().enumerate().flat_map(of_beam).collect();
        candidates.sort_unstable_by(|a, b| {
            let by_probability = b.log_probability.total_cmp(&a.log_probability);
            by_probability
                .then(a.id.cmp(&b.id))
                .then(a.beam.cmp(&b.beam))
        });
        candidates.truncate(2 * self.options.beam);
        candidates
    }

    fn finish(&mut self, ids: Vec<u32>, log_probability: f64, ended: bool) {
        if log_probability > f64::NEG_INFINITY {
            let hypothesis = Hypothesis {
                ids,
                log_probability,
                score: 0.0,
                ended,
            };
            self.finished
                .add(scored(hypothesis, self.options.length_penalty));
        }
    }

    /// Whether nothing that may come would change what was found.
    fn is_done(&self) -> bool {
        let Some(best) = self.live.first() else {
            return true;
        };
        let least = self.length().max(self.bounds.least) + 1;
        // What has no room left for an end does not rank before what ended, and must wait for the limit.
        let bound = if least > self.bounds.most {
            f64::NEG_INFINITY
        } else {
            let lengths = [least, self.bounds.most];
            let penalty = self.options.length_penalty;
            penalty.best(best.log_probability, lengths)
        };
        !self.finished.would_take(bound)
    }
}
