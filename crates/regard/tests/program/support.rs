//! A place on disk with a program in it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

/// The path of the program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_regard");

/// Learns to copy a few letters, with dropout; far too small and too short to succeed.
pub(crate) const TINY: &str = r#"
[data]
generate = { task = "copy", pairs = 200, seed = 1, max_length = 6 }
valid = { tsv = "held-out.tsv" }
test = { tsv = "held-out.tsv" }
batch_tokens = 256

[tokenizer]
kind = "word"
vocabulary = 40

[model]
kind = "transformer"
d_model = 16
n_heads = 2
d_ff = 32
encoder_layers = 1
decoder_layers = 1

[train]
steps = 4
warmup = 2
log_every = 1
validate_every = 2
checkpoint_every = 2

[decode]
max_source_length = 20
"#;

/// The configuration with other training data.
pub(crate) fn tiny_on(train: &str) -> String {
    let generate = r#"generate = { task = "copy", pairs = 200, seed = 1, max_length = 6 }"#;
    assert!(TINY.contains(generate));
    TINY.replace(generate, &format!("train = {train}"))
}

/// An empty directory that the program works in; it goes when this is dropped.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// With `tiny.toml` and what it names.
    pub(crate) fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        place.write("tiny.toml", TINY);
        place.write("held-out.tsv", "a b c\ta b c\nd e\td e\nz\tz\n");
        place
    }

    /// With the finished run `runs/tiny`.
    pub(crate) fn with_run() -> Self {
        let place = Self::new();
        place.run(&["train", "tiny.toml"]).succeeds();
        place
    }

    /// With another `[model]` in `tiny.toml`.
    pub(crate) fn with_model(model: &str) -> Self {
        let place = Self::new();
        let (before, rest) = TINY.split_once("[model]").expect("a model");
        let (_, behind) = rest.split_once("[train]").expect("training");
        let text = format!("{before}[model]\n{model}\n[train]{behind}");
        place.write("tiny.toml", text);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Steps of the lines of a log.
    pub(crate) fn logged(&self, name: &str) -> Vec<u64> {
        let step =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_u64();
        self.text(name)
            .lines()
            .map(|line| step(line).unwrap())
            .collect()
    }

    /// The names in `runs/tiny/checkpoints`.
    pub(crate) fn checkpoints(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("runs/tiny/checkpoints")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn copy_run(&self, from: &str, to: &str) {
        copy_directory(&self.path(from), &self.path(to));
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_on(arguments, "")
    }

    /// Runs the program with `input` on its standard input.
    pub(crate) fn run_on(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ran {
        Ran::new(&self.command(arguments).write_stdin(input).output().unwrap())
    }

    /// Runs the program with environment variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        Ran::new(&command.envs(variables.iter().copied()).output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.directory.path()).args(arguments);
        command
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        std::process::Command::new(PROGRAM)
            .current_dir(self.directory.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Reads one line of what the program writes, and goes away.
    pub(crate) fn read_a_line(&self, arguments: &[&str]) -> (String, Ran) {
        let mut child = std::process::Command::new(PROGRAM)
            .current_dir(self.directory.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        (first, Ran::new(&child.wait_with_output().unwrap()))
    }

    /// Waits until a file has so many lines.
    pub(crate) fn wait_for_lines(&self, name: &str, lines: usize) {
        let begun = Instant::now();
        let count = || fs::read_to_string(self.path(name)).map_or(0, |text| text.lines().count());
        while count() < lines {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{name} has {} lines",
                count()
            );
            sleep(Duration::from_millis(1));
        }
    }
}

/// The keys of an object, sorted.
pub(crate) fn keys(object: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a process said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(output: &std::process::Output) -> Self {
        let ran = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        };
        assert!(
            !ran.stderr.contains("panicked"),
            "a panic reached the user: {ran:#?}"
        );
        ran
    }

    /// Exit 0; gives back what came on stdout.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// Exit 2 and an error with all of `parts` in it; nothing else is called an error.
    #[track_caller]
    pub(crate) fn fails(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:#?}");
        assert_eq!(self.stderr.matches("error:").count(), 1, "{self:#?}");
        self.says(parts);
    }

    /// `parts` are on stderr.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` in {self:#?}");
        }
    }
}
