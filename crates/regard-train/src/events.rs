//! Event files that `TensorBoard` reads.
//!
//! A file is a row of records, each a length, its checksum, an event in protocol-buffer form, and the checksum of that
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>). An event is a time, a step, and either the version of the
//! format, the start of a session, or scalars; these few fields are written here by hand.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use regard_decode::{RunDirectory, write_atomically};
use serde::Serialize;

use crate::TrainError;
use crate::log::numbers;

/// The event file of one session of a run.
///
/// Every session has a file of its own, since `TensorBoard`, which may be watching, remembers how far it has read in each.
/// It begins by saying at which step the session starts, on which `TensorBoard` forgets what it has read of later steps;
/// [`cut_back`] sees to it that the files have none either.
#[derive(Debug)]
pub(crate) struct Events {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Events {
    /// A new file, for the steps behind `step`.
    pub(crate) fn begin(run: &RunDirectory, step: u64) -> Result<Self, TrainError> {
        let directory = run.tensorboard();
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| TrainError::Write { path, source }
        };
        fs::create_dir_all(&directory).map_err(failed(&directory))?;
        // TensorBoard reads files in the order of their names; the clock may have been set back.
        let earlier = event_files(&directory)?.into_iter();
        let latest = earlier.filter_map(|path| time_of(&path)).max();
        let time = (now().as_secs()).max(latest.map_or(0, |latest| latest + 1));
        let path = directory.join(format!("{PREFIX}{time:010}.regard"));
        let file = File::create(&path).map_err(failed(&path))?;
        let mut events = Self {
            path,
            file: BufWriter::new(file),
        };
        events.write_event(&event(0, |event| string(event, 3, "brain.Event:2")))?;
        let start = |event: &mut Vec<u8>| message(event, 7, |session| integer(session, 1, 1));
        events.write_event(&event(step + 1, start))?;
        Ok(events)
    }

    /// Every number of a line of the logs as a scalar `group/key`.
    pub(crate) fn write(&mut self, group: &str, line: &impl Serialize) -> Result<(), TrainError> {
        let (step, numbers) = numbers(line);
        let scalars = |summary: &mut Vec<u8>| {
            for (key, number) in &numbers {
                message(summary, 1, |value| {
                    string(value, 1, &format!("{group}/{key}"));
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "the format knows single precision only"
                    )]
                    float(value, 2, *number as f32);
                });
            }
        };
        self.write_event(&event(step, |event| message(event, 5, scalars)))
    }

    /// Has the system put every event on disk.
    pub(crate) fn sync(&self) -> Result<(), TrainError> {
        let synced = self.file.get_ref().sync_data();
        synced.map_err(|source| self.failed(source))
    }

    fn write_event(&mut self, event: &[u8]) -> Result<(), TrainError> {
        let written = self
            .file
            .write_all(&record(event))
            .and_then(|()| self.file.flush());
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> TrainError {
        TrainError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

/// Takes the events of later steps than `step`, and half a record at the end, out of all event files; a file that holds no
/// scalar any more goes.
pub(crate) fn cut_back(run: &RunDirectory, step: u64) -> Result<(), TrainError> {
    for path in event_files(&run.tensorboard())? {
        let failed = |source| TrainError::Write {
            path: path.clone(),
            source,
        };
        let bytes = fs::read(&path).map_err(failed)?;
        let whole = records(&bytes);
        let kept: Vec<&[u8]> = whole
            .iter()
            .copied()
            .filter(|event| step_of(event) <= step)
            .collect();
        if !kept.iter().any(|event| has_scalars(event)) {
            fs::remove_file(&path).map_err(failed)?;
        } else if kept.iter().map(|event| event.len() + FRAME).sum::<usize>() < bytes.len() {
            let records: Vec<u8> = kept.iter().flat_map(|event| record(event)).collect();
            write_atomically(&path, &records)?;
        }
    }
    Ok(())
}

const PREFIX: &str = "events.out.tfevents.";

/// The event files there are, by name.
fn event_files(directory: &Path) -> Result<Vec<PathBuf>, TrainError> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            paths.push(entry?.path());
        }
        Ok(paths)
    };
    let mut paths = list().map_err(|source| TrainError::Write {
        path: directory.into(),
        source,
    })?;
    paths.retain(|path| time_of(path).is_some());
    paths.sort();
    Ok(paths)
}

/// The seconds in the name of an event file of ours.
fn time_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let time = name.strip_prefix(PREFIX)?.strip_suffix(".regard")?;
    time.parse().ok()
}

fn now() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Bytes of a record besides its event.
const FRAME: usize = 16;

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let checksums = [checksum(&length), checksum(event)];
    [&length, &checksums[0][..], event, &checksums[1]].concat()
}

/// The events of the whole records at the beginning of `bytes`.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(12) {
        let (length, check) = head.split_at(8);
        let length = length.try_into().map_or(u64::MAX, u64::from_le_bytes);
        let event = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length));
        let Some((event, (event_check, rest))) =
            event.and_then(|(event, rest)| Some((event, rest.split_at_checked(4)?)))
        else {
            break;
        };
        if check != checksum(&head[..8]) || event_check != checksum(event) {
            break;
        }
        events.push(event);
        bytes = rest;
    }
    events
}

/// CRC-32C, masked as the format wants it: a checksum of data that holds checksums.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32c::crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Wire types of protocol buffers.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

fn event(step: u64, what: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut event = Vec::new();
    varint(&mut event, 1 << 3 | FIXED_64);
    event.extend(now().as_secs_f64().to_le_bytes());
    integer(&mut event, 2, step);
    what(&mut event);
    event
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn integer(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, value);
}

fn float(out: &mut Vec<u8>, field: u64, value: f32) {
    varint(out, field << 3 | FIXED_32);
    out.extend(value.to_le_bytes());
}

fn string(out: &mut Vec<u8>, field: u64, value: &str) {
    message(out, field, |out| out.extend(value.as_bytes()));
}

fn message(out: &mut Vec<u8>, field: u64, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    varint(out, field << 3 | BYTES);
    varint(out, inner.len() as u64);
    out.extend(inner);
}

/// The step of an event; 0 where it does not say.
fn step_of(event: &[u8]) -> u64 {
    let step = fields(event).into_iter().find(|(field, ..)| *field == 2);
    step.map_or(0, |(_, value, _)| value)
}

fn has_scalars(event: &[u8]) -> bool {
    fields(event).iter().any(|(field, ..)| *field == 5)
}

/// The fields of a message up to the first that is damaged: number, integer (or length), bytes.
fn fields(mut message: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut fields = Vec::new();
    while let Some((tag, rest)) = read_varint(message) {
        let field = match tag & 7 {
            VARINT => read_varint(rest).map(|(value, rest)| (value, &rest[..0], rest)),
            FIXED_64 => rest
                .split_at_checked(8)
                .map(|(value, rest)| (0, value, rest)),
            FIXED_32 => rest
                .split_at_checked(4)
                .map(|(value, rest)| (0, value, rest)),
            BYTES => read_varint(rest).and_then(|(length, rest)| {
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                Some((length, value, rest))
            }),
            _ => None,
        };
        let Some((value, bytes, rest)) = field else {
            break;
        };
        fields.push((tag >> 3, value, bytes));
        message = rest;
    }
    fields
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(place).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Line {
        step: u64,
        nats: f64,
        bleu: Option<f64>,
    }

    /// `(step, tag, value)` of every scalar of every file, in order.
    fn scalars(run: &RunDirectory) -> Vec<(u64, String, f32)> {
        let mut scalars = Vec::new();
        for path in event_files(&run.tensorboard()).unwrap() {
            for event in records(&fs::read(path).unwrap()) {
                for (_, _, summary) in fields(event).into_iter().filter(|field| field.0 == 5) {
                    for (_, _, value) in fields(summary) {
                        let value = fields(value);
                        let tag = String::from_utf8(value[0].2.to_vec()).unwrap();
                        let number = f32::from_le_bytes(value[1].2.try_into().unwrap());
                        scalars.push((step_of(event), tag, number));
                    }
                }
            }
        }
        scalars
    }

    fn line(step: u64) -> Line {
        Line {
            step,
            nats: step as f64 / 8.0,
            bleu: None,
        }
    }

    fn session(run: &RunDirectory, from: u64, to: u64) {
        cut_back(run, from).unwrap();
        let mut events = Events::begin(run, from).unwrap();
        for step in from + 1..=to {
            events.write("train", &line(step)).unwrap();
        }
        events.sync().unwrap();
    }

    fn run() -> (tempfile::TempDir, RunDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(directory.path());
        (directory, run)
    }

    #[test]
    fn a_record_is_what_the_format_says() {
        // The checksums of an empty event, by Python's `google_crc32c` and the formula of the format.
        let expected = [
            [0, 0, 0, 0, 0, 0, 0, 0].as_slice(),
            &[0x29, 0x03, 0x98, 0x07],
            &[0xd8, 0xea, 0x82, 0xa2],
        ];
        assert_eq!(record(&[]), expected.concat());
        let mut number = Vec::new();
        integer(&mut number, 2, 300);
        assert_eq!(number, [0x10, 0xac, 0x02], "the encoding guide's example");
        let mut text = Vec::new();
        string(&mut text, 2, "testing");
        assert_eq!(text, b"\x12\x07testing", "another");
    }

    #[test]
    fn events_have_every_number_of_a_line() {
        let (_directory, run) = run();
        let mut events = Events::begin(&run, 0).unwrap();
        let bleu = Some(31.5);
        events
            .write("validation", &Line { bleu, ..line(4) })
            .unwrap();
        let expected = [("validation/bleu", 31.5), ("validation/nats", 0.5)];
        let expected = expected.map(|(tag, value)| (4, tag.to_owned(), value));
        assert_eq!(scalars(&run), expected);
    }

    #[test]
    fn a_resumed_run_has_every_step_once() {
        let (_directory, run) = run();
        session(&run, 0, 7);
        session(&run, 4, 9);
        session(&run, 9, 10);
        let steps: Vec<u64> = scalars(&run).iter().map(|scalar| scalar.0).collect();
        assert_eq!(steps, (1..=10).collect::<Vec<u64>>());
        assert_eq!(event_files(&run.tensorboard()).unwrap().len(), 3);
        // From the start again: files without a scalar go.
        session(&run, 0, 2);
        assert_eq!(scalars(&run).len(), 2);
        assert_eq!(event_files(&run.tensorboard()).unwrap().len(), 1);
    }

    #[test]
    fn half_a_record_goes_and_other_files_stay() {
        let (_directory, run) = run();
        session(&run, 0, 3);
        let path = event_files(&run.tensorboard()).unwrap().remove(0);
        let whole = fs::read(&path).unwrap();
        fs::write(run.tensorboard().join("events.out.tfevents.1.host"), "mine").unwrap();
        for missing in 1..40 {
            fs::write(&path, &whole[..whole.len() - missing]).unwrap();
            cut_back(&run, 10).unwrap();
            assert_eq!(scalars(&run).len(), 2, "{missing} bytes less");
        }
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&path, damaged).unwrap();
        cut_back(&run, 10).unwrap();
        assert_eq!(scalars(&run).len(), 2, "a wrong checksum");
        assert!(
            run.tensorboard()
                .join("events.out.tfevents.1.host")
                .exists()
        );
    }
}
