//! What can be wrong with the lines and numbers a metric or a picture is given.

use thiserror::Error;

/// Why a metric or a picture could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Line `n` of one side belongs to line `n` of the other, so the counts must be equal.
    #[error(
        "{hypotheses} hypothesis lines but {references} reference lines: line n of one side is \
         judged by line n of the other, so the counts must be equal"
    )]
    LineCounts {
        /// Number of hypothesis lines given.
        hypotheses: usize,
        /// Number of reference lines given.
        references: usize,
    },

    /// A line without a reference cannot be judged.
    #[error("line {line} has no reference: each line needs at least one")]
    NoReference {
        /// The line, counted from 1.
        line: usize,
    },

    /// Files of references belong together line by line.
    #[error(
        "reference file {file} has {lines} lines, but the first has {first}: line n of each is a \
         reference of line n"
    )]
    ReferenceCounts {
        /// Which file, counted from 1.
        file: usize,
        /// Its lines.
        lines: usize,
        /// Lines of the first file.
        first: usize,
    },

    /// A name of a tokenizer that is none.
    #[error("unknown tokenizer `{name}`; expected one of 13a, intl, char, zh, none")]
    Tokenizer {
        /// The name given.
        name: String,
    },

    /// A value of smoothing that makes no score.
    #[error("smoothing `{method}` needs a finite value of at least 0, got {value}")]
    Smoothing {
        /// The method's name.
        method: &'static str,
        /// The value given.
        value: String,
    },

    /// Orders of chrF that cannot be counted.
    #[error(
        "chrF counts n-grams of up to {} characters and {} words, of one kind at least; got \
         {characters} characters and {words} words",
        crate::chrf::MAX_CHARACTER_ORDER,
        crate::chrf::MAX_WORD_ORDER
    )]
    ChrfOrders {
        /// Characters asked for.
        characters: usize,
        /// Words asked for.
        words: usize,
    },

    /// A test of significance without trials tells nothing.
    #[error("a test of significance needs at least one trial, got 0")]
    NoTrials,

    /// A token of an alignment that is no link.
    #[error("{side}, line {line}, token {place}: expected {expected}, got `{token}`")]
    Link {
        /// Which lines: hypothesis, reference, or possible links.
        side: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// The token in the line, counted from 1.
        place: usize,
        /// The token.
        token: String,
        /// What a link looks like there.
        expected: &'static str,
    },

    /// A link to a word that is not there.
    #[error(
        "{side}, line {line}: expected links between the {source_words} and {target_words} words of its sentences, counted from 0, \
         got {link}"
    )]
    LinkOutside {
        /// Which lines: hypothesis or reference.
        side: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// The link, as `SOURCE-TARGET`.
        link: String,
        /// Words of the source.
        source_words: usize,
        /// Words of the target.
        target_words: usize,
    },

    /// A score over no sentences is not a number.
    #[error("no lines to score: hypotheses and references are both empty")]
    NoLines,

    /// There is nothing to compare.
    #[error("no runs to compare")]
    NoRuns,

    /// Two runs could not be told apart.
    #[error("two runs are called `{name}`; runs side by side need names that differ")]
    SameName {
        /// Their name.
        name: String,
    },

    /// There is nothing to draw of a run.
    #[error("run `{name}` has logged nothing yet")]
    NothingLogged {
        /// Its name.
        name: String,
    },

    /// Buckets begin one after the other.
    #[error("edges of buckets must ascend, each above the one before, got {edges:?}")]
    Edges {
        /// The edges given.
        edges: Vec<usize>,
    },

    /// The weights do not fill a `[target, source]` map.
    #[error(
        "an attention map of {target_tokens} target x {source_tokens} source tokens needs {} \
         weights, got {weights}", .target_tokens * .source_tokens
    )]
    MapShape {
        /// Number of target tokens, the rows.
        target_tokens: usize,
        /// Number of source tokens, the columns.
        source_tokens: usize,
        /// Number of weights given.
        weights: usize,
    },

    /// The map has no room for a label and a cell side by side.
    #[error("an attention map needs a width of at least {minimum} columns, got {width}")]
    TooNarrow {
        /// Columns asked for.
        width: usize,
        /// The smallest width that can be drawn.
        minimum: usize,
    },
}

/// Refuses two sides that cannot be judged line by line.
pub(crate) fn check_lines(hypotheses: usize, references: usize) -> Result<(), EvalError> {
    if hypotheses != references {
        return Err(EvalError::LineCounts {
            hypotheses,
            references,
        });
    }
    if hypotheses == 0 {
        return Err(EvalError::NoLines);
    }
    Ok(())
}
