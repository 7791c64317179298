//! What hypotheses are judged by: one right answer for each line, or several.

use crate::error::{EvalError, check_lines};

/// References, one or more for each line.
///
/// # Example
///
/// ```
/// use regard_eval::references::References;
///
/// let (first, second) = (["a cat", "a dog"], ["one cat", "one dog"]);
/// let references = References::of_files(&[&first, &second])?;
/// assert_eq!(references.line(1), ["a dog", "one dog"]);
/// assert_eq!(references.number(), Some(2));
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct References<'a> {
    texts: Vec<&'a str>,
    /// Where the references of each line end.
    ends: Vec<usize>,
}

impl<'a> References<'a> {
    /// One reference for each line.
    pub fn single<R: AsRef<str>>(lines: &'a [R]) -> Self {
        Self {
            texts: lines.iter().map(AsRef::as_ref).collect(),
            ends: (1..=lines.len()).collect(),
        }
    }

    /// Line `n` of every file is a reference of line `n`; an empty line is one, too.
    ///
    /// # Errors
    ///
    /// [`EvalError::NoReference`] if there is no file, [`EvalError::ReferenceCounts`] if a file has another number of
    /// lines than the first.
    pub fn of_files<R: AsRef<str>>(files: &[&'a [R]]) -> Result<Self, EvalError> {
        let Some((first, others)) = files.split_first() else {
            return Err(EvalError::NoReference { line: 1 });
        };
        for (i, file) in others.iter().enumerate() {
            if file.len() != first.len() {
                return Err(EvalError::ReferenceCounts {
                    file: i + 2,
                    lines: file.len(),
                    first: first.len(),
                });
            }
        }
        let texts = (0..first.len())
            .flat_map(|line| files.iter().map(move |file| file[line].as_ref()))
            .collect();
        Ok(Self {
            texts,
            ends: (1..=first.len()).map(|n| n * files.len()).collect(),
        })
    }

    /// As many references as a line has, which may differ from line to line.
    ///
    /// # Errors
    ///
    /// [`EvalError::NoReference`] if a line has none.
    pub fn of_lines<L: AsRef<[R]>, R: AsRef<str> + 'a>(lines: &'a [L]) -> Result<Self, EvalError> {
        let mut all = Self {
            texts: Vec::with_capacity(lines.len()),
            ends: Vec::with_capacity(lines.len()),
        };
        for (i, line) in lines.iter().enumerate() {
            let line = line.as_ref();
            if line.is_empty() {
                return Err(EvalError::NoReference { line: i + 1 });
            }
            all.texts.extend(line.iter().map(AsRef::as_ref));
            all.ends.push(all.texts.len());
        }
        Ok(all)
    }

    /// How many lines have references.
    pub fn lines(&self) -> usize {
        self.ends.len()
    }

    /// The references of the line at `index`, counted from 0; at least one.
    ///
    /// # Panics
    ///
    /// If there is no such line.
    pub fn line(&self, index: usize) -> &[&'a str] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[index]]
    }

    /// How many references each line has; `None` if lines differ.
    pub fn number(&self) -> Option<usize> {
        let count = |line: usize| self.line(line).len();
        let first = if self.lines() == 0 { 1 } else { count(0) };
        (1..self.lines())
            .all(|line| count(line) == first)
            .then_some(first)
    }

    /// Each hypothesis with its references.
    pub(crate) fn pair<'s, H: AsRef<str>>(
        &'s self,
        hypotheses: &'s [H],
    ) -> Result<impl Iterator<Item = (&'s str, &'s [&'a str])>, EvalError> {
        check_lines(hypotheses.len(), self.lines())?;
        let pairs = hypotheses.iter().enumerate();
        Ok(pairs.map(|(i, hypothesis)| (hypothesis.as_ref(), self.line(i))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ways_to_give_the_same() {
        let (first, second) = (["a", "b"], ["c", "d"]);
        let files = References::of_files(&[&first, &second]).unwrap();
        assert_eq!(
            files,
            References::of_lines(&[["a", "c"], ["b", "d"]]).unwrap()
        );
        let one = References::of_files(&[&first]).unwrap();
        assert_eq!(one, References::single(&first));
        assert_eq!((files.number(), one.number()), (Some(2), Some(1)));
    }

    #[test]
    fn lines_may_have_different_numbers_of_references() {
        let lines = [vec!["a"], vec!["b", "c"]];
        let references = References::of_lines(&lines).unwrap();
        assert_eq!(references.line(1), ["b", "c"]);
        assert_eq!(references.number(), None);
    }

    #[test]
    fn a_line_without_reference_is_named() {
        let error = References::of_lines(&[vec!["a"], vec![]]).unwrap_err();
        assert_eq!(error, EvalError::NoReference { line: 2 });
        assert!(References::of_files::<&str>(&[]).is_err());
    }

    #[test]
    fn a_file_of_another_length_is_named() {
        let error = References::of_files(&[&["a", "b"][..], &["c"]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "reference file 2 has 1 lines, but the first has 2: line n of each is a reference of line n"
        );
    }
}
