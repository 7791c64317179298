//! Corpora, tokenizers and their files, from outside the crate.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod corpora;
mod given;
mod round_trip;
mod sampling;
mod spaces;
mod store;
mod tokenizers;

use std::path::PathBuf;

use tempfile::TempDir;

/// A directory of files for one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Enough English and French to train every kind of tokenizer on.
const LINES: [&str; 10] = [
    "Two young, white males are outside near many bushes.",
    "A little girl climbing into a wooden playhouse.",
    "Deux jeunes hommes blancs sont dehors près de buissons.",
    "L'arbre n'est pas dans l'eau : il est près de l'école !",
    "Several men in hard hats are operating a giant pulley system.",
    "Une petite fille grimpe dans une maisonnette en bois.",
    "The girls aren't climbing; the men's hats (2 of 14) are white.",
    "Qu'est-ce qu'il y a ? « Rien », dit-elle.",
    "Two men are standing at the stove preparing food...",
    "Deux hommes sont aux fourneaux, préparant à manger.",
];
