//! Alignment error rate: how well links between words agree with links that people drew.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{EvalError, check_lines};

/// Which word of the source belongs to which of the target, both counted from 0.
type Link = (u32, u32);

/// What lines are called in errors.
const HYPOTHESIS: &str = "hypothesis alignment";
const REFERENCE: &str = "reference alignment";

/// Links of one line that people drew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Gold {
    sure: BTreeSet<Link>,
    /// The sure ones, too.
    possible: BTreeSet<Link>,
}

/// Alignments that people drew, one a line.
///
/// # Example
///
/// ```
/// use regard_eval::alignment::GoldAlignments;
///
/// let gold = GoldAlignments::parse(&["0-0 1?1 1?2"])?;
/// let score = gold.score(&["0-0 1-2"])?;
/// assert_eq!(score.alignment_error_rate, 0.0);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldAlignments {
    lines: Vec<Gold>,
}

impl GoldAlignments {
    /// Reads links in Pharaoh's format, `SOURCE-TARGET`, parted by white space. `-` is a sure link; `?` or `p` in its
    /// place is a possible one.
    ///
    /// # Errors
    ///
    /// [`EvalError::Link`] names line and token.
    pub fn parse<L: AsRef<str>>(lines: &[L]) -> Result<Self, EvalError> {
        let mut all = Vec::with_capacity(lines.len());
        for (i, line) in lines.iter().enumerate() {
            let mut gold = Gold::default();
            for (link, is_sure) in links(REFERENCE, i, line.as_ref(), &['-', '?', 'p'])? {
                gold.possible.insert(link);
                if is_sure {
                    gold.sure.insert(link);
                }
            }
            all.push(gold);
        }
        Ok(Self { lines: all })
    }

    /// Reads sure and possible links from lines of their own, all written `SOURCE-TARGET`. A sure link is possible,
    /// whether or not it is given again.
    ///
    /// # Errors
    ///
    /// [`EvalError::Link`] names line and token, [`EvalError::ReferenceCounts`] if there are not as many lines of both.
    pub fn parse_separate<L: AsRef<str>>(sure: &[L], possible: &[L]) -> Result<Self, EvalError> {
        if sure.len() != possible.len() {
            return Err(EvalError::ReferenceCounts {
                file: 2,
                lines: possible.len(),
                first: sure.len(),
            });
        }
        let mut all = Vec::with_capacity(sure.len());
        for (i, (sure, possible)) in sure.iter().zip(possible).enumerate() {
            let read = |side, line: &L| links(side, i, line.as_ref(), &['-']);
            let sure: BTreeSet<Link> = read("sure links", sure)?.map(|(link, _)| link).collect();
            let possible = read("possible links", possible)?.map(|(link, _)| link);
            all.push(Gold {
                possible: possible.chain(sure.iter().copied()).collect(),
                sure,
            });
        }
        Ok(Self { lines: all })
    }

    /// Scores alignments, one a line in Pharaoh's format; every link is written `SOURCE-TARGET`.
    ///
    /// With the links `A` of the hypothesis, sure links `S` and possible links `P`, which hold `S`, summed over all
    /// lines:
    ///
    /// ```text
    /// AER       = 100 (1 - (|A and S| + |A and P|) / (|A| + |S|))      0 is best, 0-100
    /// precision = 100 |A and P| / |A|
    /// recall    = 100 |A and S| / |S|
    /// ```
    ///
    /// # Behaviour
    ///
    /// - A link that is given twice counts once.
    /// - No link on either side is an error rate of 0; a precision or recall of nothing is 100.
    ///
    /// # Errors
    ///
    /// [`EvalError::LineCounts`], [`EvalError::NoLines`], and [`EvalError::Link`], which names line and token.
    ///
    /// # References
    ///
    /// Och, Ney. A Systematic Comparison of Various Statistical Alignment Models. 2003.
    /// <https://aclanthology.org/J03-1002>, section 6.
    pub fn score<L: AsRef<str>>(&self, hypotheses: &[L]) -> Result<AlignmentScore, EvalError> {
        self.scored(hypotheses, None)
    }

    /// As [`score`](Self::score), where it is known how many words source and target of each line have: a link to one that is not
    /// there is an error, on either side.
    ///
    /// # Errors
    ///
    /// Those of [`score`](Self::score), [`EvalError::LineCounts`] if there are not as many `lengths`, and
    /// [`EvalError::LinkOutside`].
    pub fn score_within<L: AsRef<str>>(
        &self,
        hypotheses: &[L],
        lengths: &[[usize; 2]],
    ) -> Result<AlignmentScore, EvalError> {
        check_lines(lengths.len(), self.lines.len())?;
        for (i, (gold, &lengths)) in self.lines.iter().zip(lengths).enumerate() {
            check_within(REFERENCE, i, &gold.possible, lengths)?;
        }
        self.scored(hypotheses, Some(lengths))
    }

    fn scored<L: AsRef<str>>(
        &self,
        hypotheses: &[L],
        lengths: Option<&[[usize; 2]]>,
    ) -> Result<AlignmentScore, EvalError> {
        check_lines(hypotheses.len(), self.lines.len())?;
        let (mut found_sure, mut found_possible, mut given, mut sure) = (0, 0, 0, 0);
        for (i, (line, gold)) in hypotheses.iter().zip(&self.lines).enumerate() {
            let links: BTreeSet<Link> = links(HYPOTHESIS, i, line.as_ref(), &['-'])?
                .map(|(link, _)| link)
                .collect();
            if let Some(lengths) = lengths {
                check_within(HYPOTHESIS, i, &links, lengths[i])?;
            }
            found_sure += links.intersection(&gold.sure).count();
            found_possible += links.intersection(&gold.possible).count();
            given += links.len();
            sure += gold.sure.len();
        }
        let share = |part: usize, whole: usize| match whole {
            0 => 100.0,
            whole => 100.0 * part as f64 / whole as f64,
        };
        Ok(AlignmentScore {
            alignment_error_rate: 100.0 - share(found_sure + found_possible, given + sure),
            precision: share(found_possible, given),
            recall: share(found_sure, sure),
            links: given,
            sure,
        })
    }
}

/// How well alignments agree with those that people drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AlignmentScore {
    /// AER, 0-100; 0 is best.
    pub alignment_error_rate: f64,
    /// Links that are at least possible, percent.
    pub precision: f64,
    /// Sure links that were found, percent.
    pub recall: f64,
    /// Links of the hypotheses.
    pub links: usize,
    /// Sure links of the references.
    pub sure: usize,
}

/// Links of the line at `index`, each with whether its mark is that of a sure one.
fn links(
    side: &'static str,
    index: usize,
    line: &str,
    marks: &[char],
) -> Result<std::vec::IntoIter<(Link, bool)>, EvalError> {
    let mut links = Vec::new();
    for (i, token) in line.split_whitespace().enumerate() {
        let link = read(token, marks).ok_or_else(|| EvalError::Link {
            side,
            line: index + 1,
            place: i + 1,
            token: token.to_owned(),
            expected: if marks.len() > 1 {
                "a link like `0-2`, or `0?2` if it is but possible"
            } else {
                "a link like `0-2`"
            },
        })?;
        links.push(link);
    }
    Ok(links.into_iter())
}

/// Refuses links of the line at `index` to words that its sentences do not have.
fn check_within(
    side: &'static str,
    index: usize,
    links: &BTreeSet<Link>,
    lengths: [usize; 2],
) -> Result<(), EvalError> {
    let [source_words, target_words] = lengths;
    let is_outside =
        |link: &&Link| link.0 as usize >= source_words || link.1 as usize >= target_words;
    match links.iter().find(is_outside) {
        None => Ok(()),
        Some((source, target)) => Err(EvalError::LinkOutside {
            side,
            line: index + 1,
            link: format!("{source}-{target}"),
            source_words,
            target_words,
        }),
    }
}

fn read(token: &str, marks: &[char]) -> Option<(Link, bool)> {
    let at = token.find(marks)?;
    let (source, rest) = token.split_at(at);
    // Marks are ASCII.
    let (mark, target) = rest.split_at(1);
    // `parse` would take a sign as well.
    let place = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    Some(((place(source)?, place(target)?), mark == "-"))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counted_by_hand() {
        // A = {0-0, 1-2, 2-1, 3-3}, S = {0-0, 2-2}, P = S and {1-2, 2-1}:
        // one link is sure, three are possible: 1 - (1 + 3) / (4 + 2) = 1/3.
        let gold = GoldAlignments::parse(&["0-0 2-2 1?2 2p1"]).unwrap();
        let score = gold.score(&["0-0 1-2 2-1 3-3"]).unwrap();
        assert!((score.alignment_error_rate - 100.0 / 3.0).abs() < 1e-12);
        assert_eq!((score.precision, score.recall), (75.0, 50.0));
        assert_eq!((score.links, score.sure), (4, 2));
    }

    #[test]
    fn separate_lines_say_the_same() {
        let mixed = GoldAlignments::parse(&["0-0 1?1", "", "2?3"]).unwrap();
        let separate = GoldAlignments::parse_separate(&["0-0", "", ""], &["1-1", "", "2-3"]);
        assert_eq!(mixed, separate.unwrap());
    }

    #[test]
    fn sums_go_over_all_lines() {
        let gold = GoldAlignments::parse(&["0-0", "0-0 1-1 2-2"]).unwrap();
        // 2 (0 + 3) / (1 + 3 + 1 + 3) of the links agree.
        let score = gold.score(&["1-1", "2-2 1-1 0-0 0-0"]).unwrap();
        assert_eq!(score.alignment_error_rate, 25.0);
    }

    #[test]
    fn nothing_said_where_nothing_is_to_say() {
        let gold = GoldAlignments::parse(&[""]).unwrap();
        let score = gold.score(&["  "]).unwrap();
        assert_eq!(
            (score.alignment_error_rate, score.precision, score.recall),
            (0.0, 100.0, 100.0)
        );
    }

    #[test]
    fn what_is_no_link_is_named_with_line_and_token() {
        for token in [
            "1",
            "1-",
            "-1",
            "1=2",
            "1--2",
            "+1-2",
            "1-2-3",
            "a-b",
            "1-99999999999",
            "\u{661}-1",
        ] {
            let lines = ["0-0".to_owned(), format!("0-0 1-1 {token}")];
            let error = GoldAlignments::parse(&lines).unwrap_err().to_string();
            let start = "reference alignment, line 2, token 3: expected a link like `0-2`";
            assert!(
                error.starts_with(start) && error.ends_with(&format!("`{token}`")),
                "{error}"
            );
        }
        let gold = GoldAlignments::parse(&["0-0"]).unwrap();
        let error = gold.score(&["0?0"]).unwrap_err().to_string();
        assert!(
            error.starts_with("hypothesis alignment, line 1, token 1"),
            "{error}"
        );
    }

    #[test]
    fn sides_of_different_length_are_refused() {
        let gold = GoldAlignments::parse(&["0-0"]).unwrap();
        assert!(matches!(
            gold.score(&["", ""]),
            Err(EvalError::LineCounts { .. })
        ));
        assert!(GoldAlignments::parse_separate(&["0-0"], &[]).is_err());
    }

    #[test]
    fn links_to_words_that_are_not_there_are_named() {
        let gold = GoldAlignments::parse(&["0-0", "0-0 1?2"]).unwrap();
        let lengths = [[1, 1], [2, 3]];
        let hypotheses = ["0-0", "1-2"];
        let within = gold.score_within(&hypotheses, &lengths).unwrap();
        assert_eq!(within, gold.score(&hypotheses).unwrap());
        for (hypothesis, lengths, expected) in [
            (
                "0-3",
                [2, 3],
                "hypothesis alignment, line 2: expected links between the 2 and 3 words of its sentences, counted from 0, got 0-3",
            ),
            (
                "2-0",
                [2, 3],
                "hypothesis alignment, line 2: expected links between the 2 and 3 words of its sentences, counted from 0, got 2-0",
            ),
            (
                "0-0",
                [2, 2],
                "reference alignment, line 2: expected links between the 2 and 2 words of its sentences, counted from 0, got 1-2",
            ),
        ] {
            let error = gold.score_within(&["0-0", hypothesis], &[[1, 1], lengths]);
            assert_eq!(error.unwrap_err().to_string(), expected);
        }
        assert!(matches!(
            gold.score_within(&hypotheses, &lengths[..1]),
            Err(EvalError::LineCounts { .. })
        ));
    }

    proptest! {
        #[test]
        fn perfect_alignments_have_no_error_and_possible_links_are_no_fault(
            sure in prop::collection::vec((0_u32..9, 0_u32..9), 1..9),
            possible in prop::collection::vec((0_u32..9, 0_u32..9), 0..9),
        ) {
            let write = |links: &[Link], mark: &str| -> String {
                let links = links.iter();
                links.fold(String::new(), |line, (source, target)| format!("{line} {source}{mark}{target}"))
            };
            let gold = [write(&sure, "-") + &write(&possible, "?")];
            let gold = GoldAlignments::parse(&gold).unwrap();
            let exact = gold.score(&[write(&sure, "-")]).unwrap();
            prop_assert_eq!(exact.alignment_error_rate, 0.0);
            let more = gold.score(&[write(&sure, "-") + &write(&possible, "-")]).unwrap();
            prop_assert_eq!((more.precision, more.recall), (100.0, 100.0));
            prop_assert!(more.alignment_error_rate.abs() < 1e-12);
        }
    }
}
