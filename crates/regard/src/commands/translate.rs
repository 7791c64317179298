//! `regard translate`

mod form;
mod jobs;
mod wishes;

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

pub(crate) use self::form::{Chunk, Form};
use self::jobs::{Jobs, process};
pub(crate) use self::wishes::Wishes;
use crate::cli::{Arguments, TranslateOptions};
use crate::commands::{load_for, warn_of_truncation};
use crate::failure::INTERRUPTED;
use crate::lines::{Lines, open_or_stdin};
use crate::output::{complain, count};
use crate::threads;

/// Lines translated together, at most: enough for full batches of similar length, little enough for constant memory.
const CHUNK: usize = 1_000;

/// Chunks for each worker that are read and not written.
const AHEAD: usize = 4;

type Input = Lines<Box<dyn Read + Send>>;

pub(crate) fn run(options: &TranslateOptions, arguments: &Arguments) -> Result<ExitCode> {
    let inputs = open_inputs(options)?;
    let wishes = Wishes::read(options)?;
    let translator = load_for(
        &options.run.run,
        options.run.checkpoint,
        &options.search,
        arguments,
    )?;
    let form = match (options.n_best, options.json) {
        (n, true) => Form::Json {
            n: n.unwrap_or(1),
            attention: options.attention,
        },
        (Some(n), false) => Form::NBest(n),
        (None, false) => Form::Text(options.alignment),
    };
    translator.check_n_best(form.hypotheses())?;
    let is_talk = options.input.is_empty() && io::stdin().is_terminal();
    let workers = if is_talk { 1 } else { options.workers };
    let pools = threads::shares(arguments.threads, workers)?;
    let (name, mut output) = open_output(options)?;
    let mut write = |text: &str| {
        let written = output.write_all(text.as_bytes());
        let flushed = written.and_then(|()| output.flush());
        flushed.with_context(|| format!("cannot write {name}"))
    };
    if is_talk {
        return pools[0].install(|| {
            converse(
                inputs,
                || prompt(arguments),
                |chunk| {
                    let rendered = form.render(&translator, &wishes, chunk)?;
                    warn_of_truncation(rendered.truncated, arguments);
                    write(&rendered.text)
                },
            )
        });
    }

    let jobs = Arc::new(Jobs::new(AHEAD * workers));
    let interrupted = close_on_signal(&jobs)?;
    let feeder = Arc::clone(&jobs);
    // Nobody waits for it: it may be waiting for a line that never comes.
    thread::spawn(move || feed(&feeder, inputs));
    let begun = Instant::now();
    let (mut lines, mut tokens, mut truncated) = (0, 0, 0);
    process(
        &jobs,
        &pools,
        |chunk| form.render(&translator, &wishes, &chunk),
        |rendered| {
            lines += rendered.lines;
            tokens += rendered.tokens;
            truncated += rendered.truncated;
            write(&rendered.text)
        },
    )?;
    warn_of_truncation(truncated, arguments);
    jobs.outcome()?;
    if !arguments.quiet {
        complain(&speed(lines, tokens, begun.elapsed().as_secs_f64()));
    }
    if interrupted.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// `tokens` are those of the best hypotheses.
fn speed(lines: usize, tokens: usize, seconds: f64) -> String {
    let seconds = seconds.max(1e-9);
    format!(
        "translated {} in {seconds:.2} s: {:.1} sentences/s, {:.0} tokens/s",
        count(lines, "line"),
        lines as f64 / seconds,
        tokens as f64 / seconds
    )
}

/// Reads all lines; where one is bad, those before it.
fn feed(jobs: &Jobs<Chunk>, inputs: Vec<Input>) {
    let mut first = 0;
    for mut input in inputs {
        loop {
            let (lines, status) = input.chunk(CHUNK);
            let read = lines.len();
            if read > 0 && !jobs.put(Chunk { first, lines }) {
                return;
            }
            first += read;
            if status.is_err() {
                return jobs.end(status);
            }
            if read == 0 {
                break;
            }
        }
    }
    jobs.end(Ok(()));
}

/// Answers each line before it reads the next.
fn converse(
    inputs: Vec<Input>,
    mut prompt: impl FnMut(),
    mut answer: impl FnMut(&Chunk) -> Result<()>,
) -> Result<ExitCode> {
    let mut first = 0;
    for mut input in inputs {
        loop {
            prompt();
            let (lines, status) = input.chunk(1);
            status?;
            if lines.is_empty() {
                break;
            }
            answer(&Chunk { first, lines })?;
            first += 1;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn prompt(arguments: &Arguments) {
    if !arguments.quiet {
        let mut stderr = io::stderr().lock();
        // Where it cannot be seen, nobody waits for it.
        let _ = stderr.write_all(b"> ").and_then(|()| stderr.flush());
    }
}

/// At the first signal to end, what has been begun is finished and written; at a second one the process ends.
fn close_on_signal(jobs: &Arc<Jobs<Chunk>>) -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let (seen, jobs) = (Arc::clone(&interrupted), Arc::clone(jobs));
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the user asked a second time")]
            std::process::exit(i32::from(INTERRUPTED));
        }
        jobs.close();
        complain("finishing the lines that have been begun; again to stop at once");
    })
    .context("cannot listen for signals")?;
    Ok(interrupted)
}

fn open_inputs(options: &TranslateOptions) -> Result<Vec<Input>> {
    if options.input.is_empty() {
        return Ok(vec![open_or_stdin(None)?]);
    }
    let paths = options.input.iter();
    paths.map(|path| open_or_stdin(Some(path))).collect()
}

/// Where translations go, and its name in errors.
fn open_output(options: &TranslateOptions) -> Result<(String, BufWriter<Box<dyn Write + Send>>)> {
    let Some(path) = &options.output else {
        let stdout: Box<dyn Write + Send> = Box::new(io::stdout());
        return Ok(("standard output".into(), BufWriter::new(stdout)));
    };
    if options.input.iter().any(|input| same_file(input, path)) {
        bail!(
            "`{}` is both input and output; write to another file",
            path.display()
        );
    }
    let name = format!("`{}`", path.display());
    let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
    Ok((name, BufWriter::new(Box::new(file))))
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::Cursor;

    fn typed(text: &[u8]) -> Vec<Input> {
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(text.to_vec()));
        vec![Lines::new("terminal", reader)]
    }

    #[test]
    fn each_line_is_answered_before_the_next_is_asked_for() {
        let said = RefCell::new(Vec::new());
        let answer = |chunk: &Chunk| {
            said.borrow_mut()
                .push(format!("{} {:?}", chunk.first, chunk.lines));
            Ok(())
        };
        converse(
            typed(b"a\n\nb c\n"),
            || said.borrow_mut().push(">".into()),
            answer,
        )
        .unwrap();
        let expected = [">", "0 [\"a\"]", ">", "1 [\"\"]", ">", "2 [\"b c\"]", ">"];
        assert_eq!(said.into_inner(), expected);
        let error = converse(typed(b"a\n\xff\n"), || (), |_| Ok(())).unwrap_err();
        assert!(
            error.to_string().contains("line 2 of `terminal`"),
            "{error}"
        );
    }

    #[test]
    fn numbers_of_lines_go_on_from_one_file_to_the_next() {
        let jobs = Jobs::new(9);
        let inputs = [typed(b"a\nb\n"), typed(b"c"), typed(b""), typed(b"d\n")];
        feed(&jobs, inputs.into_iter().flatten().collect());
        let pools = threads::shares(Some(1), 1).unwrap();
        let mut chunks = Vec::new();
        let leave = |chunk: Chunk| {
            chunks.push((chunk.first, chunk.lines.concat()));
            Ok(())
        };
        process(&jobs, &pools, Ok, leave).unwrap();
        let expected = [(0, "ab"), (2, "c"), (3, "d")];
        assert_eq!(
            chunks,
            expected.map(|(first, text)| (first, text.to_owned()))
        );
    }

    #[test]
    fn speed_counts_lines_and_tokens() {
        let expected = "translated 1 line in 2.00 s: 0.5 sentences/s, 4 tokens/s";
        assert_eq!(speed(1, 8, 2.0), expected);
        assert!(speed(0, 0, 0.0).starts_with("translated 0 lines in 0.00 s"));
    }
}
