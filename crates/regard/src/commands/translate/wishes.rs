//! What is asked of translations, from files.

use anyhow::{Context, Result, bail};
use regard_decode::TextRequest;

use crate::cli::TranslateOptions;
use crate::lines::{read, read_tsv};

/// Beginnings and phrases for each line, and phrases for words of any line. Nothing, by default.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    prefixes: Option<Vec<String>>,
    /// Phrases of each line, a TAB between them.
    phrases: Option<Vec<String>>,
    /// Words of a source in a row, and the phrase that must then appear.
    terms: Vec<(Vec<String>, String)>,
}

impl Wishes {
    pub(crate) fn read(options: &TranslateOptions) -> Result<Self> {
        let lines = |path: &Option<std::path::PathBuf>| path.as_deref().map(read).transpose();
        let mut terms = Vec::new();
        if let Some(path) = &options.terminology {
            let (sources, targets) = read_tsv(path)?;
            for (i, (source, target)) in sources.iter().zip(targets).enumerate() {
                let words: Vec<String> = words(source).map(str::to_lowercase).collect();
                if words.is_empty() || target.trim().is_empty() {
                    bail!(
                        "`{}`, line {}: expected words, a TAB and their translation, got an empty side",
                        path.display(),
                        i + 1
                    );
                }
                terms.push((words, target));
            }
        }
        Ok(Self {
            prefixes: lines(&options.prefixes)?,
            phrases: lines(&options.phrases)?,
            terms,
        })
    }

    /// What is asked of the line with this number.
    pub(crate) fn of_line(&self, line: &str, number: usize) -> Result<TextRequest> {
        let mut request = TextRequest::new(line, number as u64);
        let of_file = |lines: &Option<Vec<String>>, flag: &str| {
            match lines {
            None => Ok(String::new()),
            Some(lines) => lines.get(number).cloned().with_context(|| {
                format!(
                    "{flag} has {} lines, but there is a line {} to translate; give it one for each, empty ones where nothing is asked",
                    lines.len(),
                    number + 1
                )
            }),
        }
        };
        request.prefix = of_file(&self.prefixes, "--prefixes")?;
        let phrases = of_file(&self.phrases, "--phrases")?;
        let asked = phrases
            .split('\t')
            .filter(|phrase| !phrase.trim().is_empty());
        request.phrases.extend(asked.map(str::to_owned));
        if !self.terms.is_empty() {
            let said: Vec<String> = words(line).map(str::to_lowercase).collect();
            for (term, phrase) in &self.terms {
                if said.windows(term.len()).any(|window| window == term) {
                    request.phrases.push(phrase.clone());
                }
            }
        }
        Ok(request)
    }
}

/// What stands between white space, without punctuation around it.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace();
    words
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_as_words_whatever_their_case() {
        let wishes = Wishes {
            phrases: Some(vec!["x\t y \t".into(), String::new()]),
            terms: vec![
                (vec!["old".into(), "tree".into()], "vieil arbre".into()),
                (vec!["cat".into()], "chat".into()),
            ],
            ..Wishes::default()
        };
        let phrases = |line, number| wishes.of_line(line, number).unwrap().phrases;
        assert_eq!(phrases("a category , an oldtree", 1), [""; 0]);
        assert_eq!(phrases("The OLD tree, (cat).", 1), ["vieil arbre", "chat"]);
        assert_eq!(phrases("old cat tree", 0), ["x", " y ", "chat"]);
        let error = wishes.of_line("a", 2).unwrap_err().to_string();
        assert!(
            error.starts_with("--phrases has 2 lines, but there is a line 3"),
            "{error}"
        );
    }
}
