//! Where translations look.

use regard_nn::{AttentionKind, Pass, Tokens};
use regard_text::SpecialIds;

use super::{TextRequest, Translator};
use crate::{DecodeError, Hypothesis};

/// Where a translation looked: cross-attention of one layer, averaged over heads.
#[derive(Clone, Debug)]
pub struct Alignment {
    /// Tokens of the source, the end token included.
    pub source: Vec<String>,
    /// Tokens of the translation, the end token included if search reached it.
    pub target: Vec<String>,
    /// One row for each target token, one column for each source token; each row sums to at most 1, to less where local
    /// attention weakens what is far from its window's middle. `None` if the model has no cross-attention.
    pub weights: Option<Vec<f32>>,
    /// Whether the sentence was longer than `decode.max_source_length`, or than the model has positions, and cut.
    pub truncated: bool,
}

/// Which words of two sentences belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordLinks {
    /// A word of the source and one of the target, both counted from 0: sorted, none twice.
    pub links: Vec<(usize, usize)>,
    /// Whether source or target was longer than the model takes, and cut.
    pub truncated: bool,
}

impl Translator {
    /// Links the words of a source with those of its given translation: each token of the translation with the token of the source
    /// that it looks at most, in the last decoder layer, and so the words that they are of. Words are what white space parts.
    ///
    /// `None` if the model has no cross-attention.
    ///
    /// # References
    ///
    /// As links are drawn from attention by Garg et al. Jointly Learning to Align and Translate with Transformer Models. 2019.
    /// <https://arxiv.org/abs/1909.02074>, section 3, before anything is trained for it.
    pub fn link_words(&self, source: &str, target: &str) -> Option<WordLinks> {
        let (source, target) = (source.trim(), target.trim());
        let (sources, targets) = (self.tokenizers.source(), self.tokenizers.target());
        let mut ids = sources.encode(source);
        // The decoder reads the start token besides.
        let most = self.max_positions.map_or(usize::MAX, |most| most - 1);
        let mut said = targets.encode(target);
        let truncated = self.truncate(&mut ids) | (said.len() > most);
        said.truncate(most);
        let hypothesis = Hypothesis {
            ids: said,
            ended: true,
            ..Hypothesis::default()
        };
        let weights = self.attention(&ids, &hypothesis)?;
        let mut links = Vec::new();
        if !ids.is_empty() {
            let words = sources.words(source);
            let rows = weights.chunks(ids.len() + 1).zip(&hypothesis.ids);
            for ((row, _), word) in rows.zip(targets.words(target)) {
                links.push((words[most_attended(&row[..ids.len()])], word));
            }
        }
        links.sort_unstable();
        links.dedup();
        Some(WordLinks { links, truncated })
    }

    /// Translates one sentence and tells where each token of the translation looked, in the last decoder layer.
    ///
    /// # Errors
    ///
    /// None today, as [`translate_batch`](Self::translate_batch).
    pub fn align(&self, sentence: &str) -> Result<Alignment, DecodeError> {
        let line = self
            .answer(&[TextRequest::new(sentence, 0)], 1)?
            .swap_remove(0);
        let (ids, truncated) = (line.source, line.truncated);
        let best = line.hypotheses.into_iter().next();
        let hypothesis = best.map_or_else(Hypothesis::default, |best| best.found);
        let end = SpecialIds::TOKENS[3].to_string();
        let mut source = self.tokenizers.source().tokens(&ids);
        source.push(end.clone());
        let mut target = self.tokenizers.target().tokens(&hypothesis.ids);
        target.extend(hypothesis.ended.then_some(end));
        Ok(Alignment {
            source,
            target,
            weights: self.attention(&ids, &hypothesis),
            truncated,
        })
    }

    /// Where each token of a hypothesis looks: cross-attention of the last decoder layer that has some, averaged over heads,
    /// from one pass over the whole hypothesis.
    ///
    /// A row for each token, the end included if it was reached; a column for each id of the source and one for its end. `None`
    /// if the model has no cross-attention.
    pub fn attention(&self, source: &[u32], hypothesis: &Hypothesis) -> Option<Vec<f32>> {
        // The decoder reads one token behind what it says.
        let special = self.tokenizers.target().special();
        let mut target_in = vec![special.start];
        target_in.extend(&hypothesis.ids);
        if !hypothesis.ended {
            target_in.pop();
        }
        // Whether there is attention shows in a step, which is therefore made even where nothing was said.
        let rows = target_in.len();
        if rows == 0 {
            target_in.push(special.start);
        }
        let target_in = Tokens::new(&target_in, &[target_in.len()], &self.device);
        let pass = Pass::evaluation().with_attention();
        let (decoded, _) = self.forward(&self.source(&[source]), &target_in, &pass);
        let mut maps = decoded.attention.into_iter().rev();
        let last = maps.find(|map| map.kind == AttentionKind::Cross)?;
        let weights = last.weights.mean_dim(1).into_data(); // [1, 1, T, S]
        let columns = source.len() + 1;
        Some(weights.iter::<f32>().take(rows * columns).collect())
    }
}

/// The position with the largest weight, and of equals the first.
pub fn most_attended(weights: &[f32]) -> usize {
    let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let position = weights.iter().position(|&weight| weight >= largest);
    position.unwrap_or(0)
}
