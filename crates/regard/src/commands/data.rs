//! `regard data`

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use regard_decode::write_atomically;
use regard_text::toy::{Generate, Split, Task};

use crate::cli::{Arguments, DataOptions, TaskName};
use crate::output::complain;

pub(crate) fn run(options: &DataOptions, arguments: &Arguments) -> Result<ExitCode> {
    let task = match options.task {
        TaskName::Toy => Task::Toy,
        TaskName::Reverse => Task::Reverse,
        TaskName::Copy => Task::Copy,
        TaskName::Sort => Task::Sort,
    };
    let mut generate = Generate::new(task);
    generate.pairs = options.pairs.unwrap_or(generate.pairs);
    generate.seed = arguments.seed.unwrap_or(generate.seed);
    generate.max_length = options.max_length;

    // All are made before the first is written: nobody wants the half of a corpus.
    let mut files = Vec::new();
    for split in Split::ALL {
        files.push((split, generate.lines(split)?));
    }
    let directory = &options.out;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create `{}`", directory.display()))?;
    let files: Vec<_> = files
        .into_iter()
        .map(|(split, lines)| (directory.join(format!("{}.tsv", split.name())), lines))
        .collect();
    for (path, lines) in &files {
        if path.exists() && fs::read(path).ok().as_deref() != Some(lines.as_bytes()) {
            bail!(
                "`{}` is there already and holds something else; choose another directory with --out, or remove it",
                path.display()
            );
        }
    }
    for (path, lines) in files {
        write_atomically(&path, lines.as_bytes())?;
        if !arguments.quiet {
            complain(&format!(
                "{}: {} pairs",
                path.display(),
                lines.lines().count()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
