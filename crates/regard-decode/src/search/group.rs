//! Hypotheses of one sentence that compete with each other.

use super::banks::allocate;
use super::constraints::Progress;
use super::finished::Finished;
use super::rules::{Continuation, Open};
use super::{Hypothesis, LengthPenalty, Request};

/// A hypothesis that is continued.
#[derive(Clone, Debug)]
pub(super) struct Beam {
    pub(super) ids: Vec<u32>,
    log_probability: f64,
    /// The sum of what its tokens were ranked by; negative infinity where it only fills a row.
    rank: f64,
    progress: Progress,
}

/// What stays the same for all steps of a sentence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) request: &'a Request,
    pub(super) penalty: LengthPenalty,
    /// What the end token's rank has more than its log-probability.
    pub(super) end_bias: f64,
    pub(super) end: u32,
}

/// As many hypotheses as the group is wide, and those of them that are finished.
#[derive(Debug)]
pub(super) struct Group {
    width: usize,
    /// As many as the group is wide after the first step, the best first, fillers last. All have the same length.
    pub(super) live: Vec<Beam>,
    finished: Finished,
}

/// A continuation of a live hypothesis.
#[derive(Clone, Debug)]
struct Candidate {
    id: u32,
    /// Which hypothesis it continues.
    beam: usize,
    log_probability: f64,
    rank: f64,
    /// The rank, less what others have said.
    favour: f64,
    progress: Progress,
}

impl Group {
    pub(super) fn new(width: usize, request: &Request) -> Self {
        let beam = Beam {
            ids: Vec::new(),
            log_probability: 0.0,
            rank: 0.0,
            progress: Progress::new(&request.constraints),
        };
        Self {
            width,
            live: vec![beam],
            finished: Finished::new(width),
        }
    }

    /// What is to be continued.
    pub(super) fn open<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = Open<'a>> {
        self.live.iter().map(move |beam| {
            let mut open = Open::new(&beam.ids, request);
            open.may_end &= beam.progress.missing == 0;
            open.wanted = beam.progress.next(&request.constraints);
            open
        })
    }

    /// Takes a step. `continuations[w]` may follow hypothesis `w`, the best first; `displeasure` is what a token's rank loses.
    /// Which hypothesis each of the new ones continues.
    pub(super) fn advance(
        &mut self,
        continuations: &[Vec<Continuation>],
        displeasure: impl Fn(u32) -> f64,
        setting: Setting,
    ) -> Vec<usize> {
        let candidates = self.candidates(continuations, displeasure, setting);
        let whole = candidates
            .iter()
            .filter(|candidate| candidate.progress.missing == 0);
        for candidate in whole.take(self.width) {
            if candidate.id == setting.end {
                let ids = self.live[candidate.beam].ids.clone();
                let sums = [candidate.log_probability, candidate.rank];
                self.finish(ids, sums, true, setting.penalty);
            }
        }
        let going: Vec<Candidate> = candidates
            .into_iter()
            .filter(|candidate| candidate.id != setting.end)
            // Alone, a hypothesis ends where its end is the best that may come: that is greedy search.
            .filter(|_| self.width > 1 || self.finished.is_empty())
            .collect();
        let total = setting.request.constraints.iter().map(Vec::len).sum();
        let missing: Vec<usize> = going.iter().map(|one| one.progress.missing).collect();
        let (mut live, mut origins) = (Vec::new(), Vec::new());
        for place in allocate(&missing, total, self.width) {
            let candidate = &going[place];
            let mut ids = self.live[candidate.beam].ids.clone();
            ids.push(candidate.id);
            live.push(Beam {
                ids,
                log_probability: candidate.log_probability,
                rank: candidate.rank,
                progress: candidate.progress.clone(),
            });
            origins.push(candidate.beam);
        }
        self.stop(&mut live, setting);
        self.fill(live, &mut origins);
        origins
    }

    /// Finishes what has nowhere to go, or no room.
    fn stop(&mut self, live: &mut Vec<Beam>, setting: Setting) {
        let is_stuck = live.is_empty() && self.finished.is_empty();
        let stopped = if is_stuck {
            self.live.clone()
        } else if live
            .first()
            .is_some_and(|beam| beam.ids.len() == setting.request.length.most)
        {
            std::mem::take(live)
        } else {
            return;
        };
        for beam in stopped {
            if beam.rank > f64::NEG_INFINITY {
                let sums = [beam.log_probability, beam.rank];
                self.finish(beam.ids, sums, false, setting.penalty);
            }
        }
    }

    fn finish(
        &mut self,
        ids: Vec<u32>,
        [log_probability, rank]: [f64; 2],
        ended: bool,
        penalty: LengthPenalty,
    ) {
        self.finished.add(Hypothesis {
            score: penalty.score(rank, ids.len() + usize::from(ended)),
            ids,
            log_probability,
            ended,
        });
    }

    /// Every row has a hypothesis, and there may be fewer continuations than rows.
    fn fill(&mut self, live: Vec<Beam>, origins: &mut Vec<usize>) {
        let before = std::mem::replace(&mut self.live, live);
        let filler = match (self.live.last(), before.into_iter().next()) {
            (Some(last), _) => last.clone(),
            // Nothing goes on, but other groups may: any token will do.
            (None, Some(mut beam)) => {
                beam.ids.push(beam.ids.last().copied().unwrap_or(0));
                origins.push(0);
                beam
            }
            (None, None) => return,
        };
        let filler = Beam {
            rank: f64::NEG_INFINITY,
            ..filler
        };
        if let Some(&origin) = origins.last() {
            self.live.resize(self.width, filler);
            origins.resize(self.width, origin);
        }
    }

    /// What may come, the best first, ties by id and then by hypothesis: whatever may be kept or finished is among them.
    fn candidates(
        &self,
        continuations: &[Vec<Continuation>],
        displeasure: impl Fn(u32) -> f64,
        Setting { request, end, .. }: Setting,
    ) -> Vec<Candidate> {
        let phrases = &request.constraints;
        let mut candidates = Vec::new();
        for (beam, continuations) in continuations.iter().enumerate() {
            let before = &self.live[beam];
            let room = request.length.most - before.ids.len();
            for &Continuation {
                id,
                log_probability,
                rank,
            } in continuations
            {
                let progress = if phrases.is_empty() || id == end {
                    before.progress.clone()
                } else {
                    before.progress.advanced(phrases, &before.ids, id)
                };
                let rank = before.rank + rank;
                // What fills a row is impossible; a model whose numbers went wrong is not believed.
                if rank > f64::NEG_INFINITY && progress.missing < room.max(1) {
                    candidates.push(Candidate {
                        id,
                        beam,
                        log_probability: before.log_probability + log_probability,
                        rank,
                        favour: rank - displeasure(id),
                        progress,
                    });
                }
            }
        }
        candidates.sort_unstable_by(|a, b| {
            let by_favour = b.favour.total_cmp(&a.favour);
            by_favour.then(a.id.cmp(&b.id)).then(a.beam.cmp(&b.beam))
        });
        candidates
    }

    /// Whether nothing that may come would change what was found.
    pub(super) fn is_done(&self, setting: Setting) -> bool {
        let ranks = self.live.iter().map(|beam| beam.rank);
        let best = ranks.fold(f64::NEG_INFINITY, f64::max);
        if best.is_infinite() {
            return true;
        }
        let length = self.live.first().map_or(0, |beam| beam.ids.len());
        let bounds = setting.request.length;
        let least = length.max(bounds.least) + 1;
        // What has no room left for an end does not rank before what ended, and must wait for the limit.
        let bound = if least > bounds.most {
            f64::NEG_INFINITY
        } else {
            let best = best + setting.end_bias.max(0.0);
            setting.penalty.best(best, [least, bounds.most])
        };
        !self.finished.would_take(bound)
    }

    pub(super) fn into_best(self) -> Vec<Hypothesis> {
        self.finished.into_best()
    }
}
