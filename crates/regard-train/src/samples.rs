//! What the model says of a few sentences, and what it looks at, at every validation.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use regard_decode::{DecodeError, RunDirectory, Translator, write_atomically};
use regard_eval::svg;
use regard_eval::terminal::AttentionMap;
use regard_text::corpus::Pair;

use crate::TrainError;

/// `n` pairs, evenly spread over a corpus that may be sorted, in its order; all where there are fewer.
pub(crate) fn choose(pairs: &[Pair], n: usize) -> Vec<Pair> {
    let n = n.min(pairs.len());
    // The middle of each n-th part.
    let place = |i: usize| (2 * i + 1) * pairs.len() / (2 * n);
    (0..n).map(|i| pairs[place(i)].clone()).collect()
}

/// Translates `pairs` and writes `samples/step-N.txt`, and `attention/step-N-I.svg` for each that a model with attention says
/// something of. Gives back the translations.
pub(crate) fn write(
    run: &RunDirectory,
    step: u64,
    translator: &Translator,
    pairs: &[Pair],
) -> Result<Vec<String>, TrainError> {
    for directory in [run.samples(), run.attention()] {
        fs::create_dir_all(&directory).map_err(|source| TrainError::Write {
            path: directory,
            source,
        })?;
    }
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let translations = translator.translate_batch(&sources)?;
    let mut text = format!("step {step}\n");
    for (number, (pair, translation)) in (1..).zip(pairs.iter().zip(&translations)) {
        let _ = write!(
            text,
            "\nsource      {}\nreference   {}\ntranslation {}\n",
            pair.source, pair.target, translation.text
        );
        let alignment = translator.align(&pair.source)?;
        let weights = alignment.weights.filter(|weights| !weights.is_empty());
        if let Some(weights) = weights {
            let map = AttentionMap {
                title: &format!("step {step}: {}", pair.source),
                source: &alignment.source,
                target: &alignment.target,
                weights: &weights,
            };
            let path = run.attention_map(step, number);
            let picture = svg::attention_map(&map).map_err(|error| TrainError::Damaged {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            write_atomically(&path, picture.as_bytes())?;
        }
    }
    write_atomically(&run.sample(step), text.as_bytes())?;
    Ok(translations.into_iter().map(|said| said.text).collect())
}

/// Removes what was written at later steps than `step`.
pub(crate) fn cut_back(run: &RunDirectory, step: u64) -> Result<(), TrainError> {
    for directory in [run.samples(), run.attention()] {
        for path in list(&directory)? {
            if step_of(&path).is_some_and(|later| later > step) {
                fs::remove_file(&path).map_err(|source| TrainError::Write { path, source })?;
            }
        }
    }
    Ok(())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, TrainError> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let listed = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    listed.map_err(|source| {
        TrainError::Decode(DecodeError::Read {
            path: directory.into(),
            source,
        })
    })
}

/// N of `step-N.txt` and `step-N-I.svg`.
fn step_of(path: &Path) -> Option<u64> {
    let name = path.file_stem()?.to_str()?.strip_prefix("step-")?;
    let digits = name.split('-').next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_pairs_are_evenly_spread() {
        let pairs: Vec<Pair> = (0..100)
            .map(|i| Pair {
                source: i.to_string(),
                target: String::new(),
            })
            .collect();
        let chosen = |all: usize, n: usize| -> Vec<String> {
            let chosen = choose(&pairs[..all], n);
            chosen.into_iter().map(|pair| pair.source).collect()
        };
        assert_eq!(chosen(100, 4), ["12", "37", "62", "87"]);
        assert_eq!(chosen(3, 5), ["0", "1", "2"]);
        assert_eq!(chosen(100, 1), ["50"]);
        assert!(chosen(0, 3).is_empty() && chosen(9, 0).is_empty());
    }

    #[test]
    fn files_of_later_steps_go_and_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(directory.path());
        cut_back(&run, 0).unwrap();
        fs::create_dir_all(run.samples()).unwrap();
        fs::create_dir_all(run.attention()).unwrap();
        let [kept, later] = [500, 1_000_500].map(|step| run.sample(step));
        let [kept_map, later_map] = [500, 501].map(|step| run.attention_map(step, 12));
        let foreign = run.samples().join("notes.txt");
        for path in [&kept, &later, &kept_map, &later_map, &foreign] {
            fs::write(path, "").unwrap();
        }
        cut_back(&run, 500).unwrap();
        assert!(kept.exists() && kept_map.exists() && foreign.exists());
        assert!(!later.exists() && !later_map.exists());
    }
}
