//! Beam search: several hypotheses of each sentence side by side.

use burn::tensor::Device;
use regard_nn::{Rows, Tokens};
use regard_text::SpecialIds;

use super::group::{Group, Setting};
use super::rules::{Continuation, Open};
use super::{Hypothesis, LengthPenalty, Request, Rules, Steps, greedy, vector};

/// How wide search is, and what it ranks hypotheses by.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamOptions {
    /// Hypotheses of each sentence W, from 1; 1 is [`greedy`](super::greedy()).
    pub beam: usize,
    /// What makes hypotheses of different lengths comparable.
    pub length_penalty: LengthPenalty,
    /// Groups that are to differ.
    pub diversity: Diversity,
    /// What is added to the model's word.
    pub rules: Rules,
}

impl Default for BeamOptions {
    /// Greedy search, without a penalty.
    fn default() -> Self {
        Self {
            beam: 1,
            length_penalty: LengthPenalty::default(),
            diversity: Diversity::default(),
            rules: Rules::default(),
        }
    }
}

/// Hypotheses in groups, each of which shuns what those before it say.
///
/// At each step, groups choose one after the other. A token that earlier groups have chosen `n` times at this step loses
/// `strength n` where candidates of this group are compared.
///
/// # Differences
///
/// Vijayakumar et al. let the loss stay in the score of what was chosen; here it counts for the choice alone, so that scores of
/// all groups can be compared.
///
/// # References
///
/// Vijayakumar et al. Diverse Beam Search. 2016. <https://arxiv.org/abs/1610.02424>, with Hamming diversity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diversity {
    /// Groups, from 1; the beam is a multiple of it.
    pub groups: usize,
    /// Nats for each hypothesis of an earlier group that takes the same token.
    pub strength: f64,
}

impl Default for Diversity {
    fn default() -> Self {
        Self {
            groups: 1,
            strength: 0.0,
        }
    }
}

/// The best hypotheses that keeping W of each sentence at every step finds, at most W for each source and at least one, the
/// best first.
///
/// At each step the W hypotheses of a sentence are continued with every token. Of those that end, the ones among the W best are
/// finished; of the others, the W best are continued. A sentence is done once W hypotheses have ended and no live one can still
/// beat the worst of them, were all its further tokens certain and its length the one that the penalty favours most.
///
/// With [constraints](Request::constraints), the beam is divided among hypotheses by how many tokens of their phrases are
/// missing, one ends only if none is, and a token is not taken if then too little room were left for those that are.
///
/// # Behaviour
///
/// - `requests[b]` is asked of source `b`. Hypotheses that the limit stopped stand behind those that ended.
/// - Ties go to the lower id, then to the earlier hypothesis.
/// - Log-probabilities are sums in f64 of log-softmaxes in f32.
/// - The W rows of a sentence read one row of memory. A sentence that is done leaves the batch.
/// - A vocabulary may have fewer tokens than the beam hypotheses: it is then filled as far as there are continuations.
///
/// # Panics
///
/// If there are not as many requests as sources, a request has a [problem](Request::problem), the beam is 0, or no multiple of
/// its groups.
///
/// # References
///
/// Graves. Sequence Transduction with Recurrent Neural Networks. 2012. <https://arxiv.org/abs/1211.3711>; twice as many
/// candidates, and when to stop: Wu et al. 2016. <https://arxiv.org/abs/1609.08144>, section 7, and its implementation in
/// tensor2tensor, which also finishes hypotheses behind the W best. Constraints: Post, Vilar 2018.
/// <https://aclanthology.org/N18-1119>, and its successor Hu et al. 2019. <https://aclanthology.org/N19-1090>.
pub fn beam_search<M: Steps>(
    model: &M,
    source: &Tokens,
    requests: &[Request],
    special: SpecialIds,
    options: &BeamOptions,
) -> Vec<Vec<Hypothesis>> {
    assert_eq!(
        source.lengths.len(),
        requests.len(),
        "beam_search: a request for each source"
    );
    let memory = model.encode(source);
    beam_search_from(
        model,
        memory,
        requests,
        (special, options),
        &source.ids.device(),
    )
}

/// [`beam_search`], once the sources are encoded.
pub(crate) fn beam_search_from<M: Steps>(
    model: &M,
    mut memory: M::Memory,
    requests: &[Request],
    (special, options): (SpecialIds, &BeamOptions),
    device: &Device,
) -> Vec<Vec<Hypothesis>> {
    check(requests, options);
    if options.beam == 1
        && requests
            .iter()
            .all(|request| request.constraints.is_empty())
    {
        let rules = &options.rules;
        let found = greedy::greedy_from(model, memory, requests, (special, rules), device);
        return found
            .into_iter()
            .map(|mut hypothesis| {
                let penalty = options.length_penalty;
                hypothesis.score = penalty.score(hypothesis.score, hypothesis.length());
                vec![hypothesis]
            })
            .collect();
    }
    let mut state = model.start(&memory);
    let mut found = vec![vec![Hypothesis::default()]; requests.len()];
    let mut sentences: Vec<Sentence> = (0..requests.len())
        .filter(|&source| requests[source].length.most > 0)
        .map(|source| Sentence::new(source, &requests[source], options, special.end))
        .collect();
    if sentences.len() < requests.len() && !sentences.is_empty() {
        let rows: Vec<usize> = sentences.iter().map(|sentence| sentence.source).collect();
        state = state.select(&rows);
        memory = memory.select(&rows);
    }

    while let Some(sentence) = sentences.first() {
        let width = sentence.rows();
        let open: Vec<Open> = sentences.iter().flat_map(Sentence::open).collect();
        let last = |open: &Open| open.ids.last().copied().unwrap_or(special.start);
        let tokens: Vec<u32> = open.iter().map(last).collect();
        let step = model.step(vector(&tokens, device), &memory, state);
        let (rules, most) = (&options.rules, 2 * options.beam);
        let continuations = rules.continuations(step.logits, most, &open, special.end);

        // Which rows go on, of the memory and of the state.
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        let before = sentences.len();
        let continued = sentences.into_iter().zip(continuations.chunks(width));
        sentences = continued
            .enumerate()
            .filter_map(|(place, (mut sentence, continuations))| {
                let origins = sentence.advance(continuations);
                if sentence.is_done() {
                    let source = sentence.source;
                    found[source] = sentence.into_best();
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

fn check(requests: &[Request], options: &BeamOptions) {
    assert!(
        options.beam > 0,
        "beam_search: expected a beam of at least 1, got 0"
    );
    let groups = options.diversity.groups;
    assert!(
        groups > 0 && options.beam.is_multiple_of(groups),
        "beam_search: expected a beam that is a multiple of {groups} groups, got {}",
        options.beam
    );
    for request in requests {
        if let Some(problem) = request.problem() {
            panic!("beam_search: {problem}");
        }
    }
}

/// A sentence in the making.
#[derive(Debug)]
struct Sentence<'a> {
    /// Its place among the sources.
    source: usize,
    groups: Vec<Group>,
    setting: Setting<'a>,
    /// Nats that a token loses for each time it was taken by an earlier group.
    strength: f64,
    beam: usize,
}

impl<'a> Sentence<'a> {
    fn new(source: usize, request: &'a Request, options: &BeamOptions, end: u32) -> Self {
        let Diversity { groups, strength } = options.diversity;
        let group = |_| Group::new(options.beam / groups, request);
        Self {
            source,
            groups: (0..groups).map(group).collect(),
            setting: Setting {
                request,
                penalty: options.length_penalty,
                end_bias: options.rules.end_bias,
                end,
            },
            strength,
            beam: options.beam,
        }
    }

    /// Before the first token all groups have the same hypothesis, in one row.
    fn is_new(&self) -> bool {
        self.groups[0].live[0].ids.is_empty()
    }

    fn rows(&self) -> usize {
        if self.is_new() { 1 } else { self.beam }
    }

    fn open(&self) -> impl Iterator<Item = Open<'_>> {
        let groups = if self.is_new() { 1 } else { self.groups.len() };
        let groups = self.groups[..groups].iter();
        groups.flat_map(|group| group.open(self.setting.request))
    }

    /// Takes a step. Which row each of the new ones continues.
    fn advance(&mut self, continuations: &[Vec<Continuation>]) -> Vec<usize> {
        let is_new = self.is_new();
        let mut origins = Vec::new();
        let mut said: Vec<u32> = Vec::new();
        let width = self.beam / self.groups.len();
        for (i, group) in self.groups.iter_mut().enumerate() {
            let first = if is_new { 0 } else { i * width };
            let own = &continuations[first..first + group.live.len()];
            let strength = self.strength;
            let displeasure = |id| {
                let times = said.iter().filter(|&&other| other == id).count();
                strength * times as f64
            };
            let chosen = group.advance(own, displeasure, self.setting);
            origins.extend(chosen.into_iter().map(|beam| first + beam));
            said.extend(group.live.iter().filter_map(|beam| beam.ids.last()));
        }
        origins
    }

    fn is_done(&self) -> bool {
        self.groups.iter().all(|group| group.is_done(self.setting))
    }

    /// What all groups have found, the best first, nothing twice.
    fn into_best(self) -> Vec<Hypothesis> {
        let mut best: Vec<Hypothesis> = Vec::new();
        for hypothesis in self.groups.into_iter().flat_map(Group::into_best) {
            let is_known = |other: &Hypothesis| {
                (&other.ids, other.ended) == (&hypothesis.ids, hypothesis.ended)
            };
            if !best.iter().any(is_known) {
                best.push(hypothesis);
            }
        }
        // Stable: of equals the one that was found first.
        best.sort_by(Hypothesis::order);
        best
    }
}
