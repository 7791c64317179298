//! What a reader of the numbers must know besides.

use super::finding::Measure;
use super::{Run, buckets};
use crate::drawing::numbers;

/// One sentence each; the last always stands.
pub(super) fn notes(
    measure: Measure,
    runs: &[Run],
    buckets: &[buckets::Sorted],
    empty: &[(usize, Option<usize>)],
) -> Vec<String> {
    let mut notes = Vec::new();
    for (from, to) in empty {
        let range = to.map_or_else(
            || format!("{from} words or more"),
            |to| numbers::words(*from, to),
        );
        notes.push(format!("No source has {range}: that bucket is left out."));
    }
    if measure == Measure::Chrf {
        notes.push(
            "The references of some bucket are shorter than four words, where BLEU is 0 whatever was said: the finding speaks of chrF.".into(),
        );
    }
    let mut ends = vec![&buckets[0], &buckets[buckets.len() - 1]];
    ends.dedup();
    for end in ends {
        let sentences = end.lines.len();
        if sentences < buckets::FEWEST {
            notes.push(format!(
                "The bucket of {} has {} of {} needed: nothing is concluded from it.",
                numbers::words(end.from, end.to),
                numbers::sentences(sentences),
                buckets::FEWEST
            ));
        }
    }
    let tokenizer = |run: &Run| run.facts.target_tokenizer.clone();
    if runs.iter().any(|run| tokenizer(run) != tokenizer(&runs[0])) {
        notes.push(
            "Perplexity is per token, and these runs cut the references into tokens differently: theirs do not compare.".into(),
        );
    }
    for run in runs {
        let truncated = run.sentences.iter().filter(|line| line.truncated).count();
        if truncated > 0 {
            notes.push(format!(
                "The perplexity of {} leaves out the ends of {}: their source or reference is longer than the run takes.",
                run.facts.run,
                numbers::sentences(truncated)
            ));
        }
    }
    notes.push(
        "Intervals cover the drawing of sentences only: the same model trained with another seed may differ by more.".into(),
    );
    notes
}
