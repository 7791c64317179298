use std::fs::File;
use std::hash::Hasher;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::Lengths;
use super::key::Stamp;
use super::record::Layout;
use crate::corpus::ReadReport;

/// Raised whenever the file changes its form, or text would be cut or filtered otherwise.
pub(super) const FORMAT: u32 = 1;

/// The last bytes of a whole file.
const MAGIC: [u8; 8] = *b"regardEX";

/// Bytes behind the summary.
const END: usize = 32;

/// Bytes of an entry of the index.
const ENTRY: usize = 8;

/// What a file holds and what it was made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) format: u32,
    /// The settings that rule which examples there are, as JSON.
    pub(super) settings: String,
    /// When the corpus files were looked at, in nanoseconds since 1970.
    pub(super) noted: u64,
    pub(super) files: Vec<Stamp>,
    pub(super) examples: u64,
    /// Bytes of all records.
    pub(super) records: u64,
    /// Over lengths and ids of all examples.
    pub(super) digest: String,
    pub(super) report: ReadReport,
}

/// One entry of the index.
pub(super) fn entry(lengths: Lengths, size: u32) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..2].copy_from_slice(&lengths.0.to_le_bytes());
    bytes[2..4].copy_from_slice(&lengths.1.to_le_bytes());
    bytes[4..].copy_from_slice(&size.to_le_bytes());
    bytes
}

/// Writes all that comes behind the records.
pub(super) fn write_end(out: &mut impl Write, index: &[u8], summary: &Summary) -> io::Result<()> {
    let summary = serde_json::to_vec(summary)?;
    let mut sizes = [0; 16];
    sizes[..8].copy_from_slice(&(summary.len() as u64).to_le_bytes());
    sizes[8..].copy_from_slice(&XxHash3_64::oneshot(index).to_le_bytes());
    out.write_all(index)?;
    out.write_all(&summary)?;
    out.write_all(&sizes)?;
    out.write_all(&hash_of(&summary, &sizes).to_le_bytes())?;
    out.write_all(&MAGIC)
}

fn hash_of(summary: &[u8], sizes: &[u8; 16]) -> u64 {
    let mut hasher = XxHash3_64::new();
    hasher.write(summary);
    hasher.write(sizes);
    hasher.finish()
}

/// Summary, lengths and places of the records; or what is wrong with the file.
pub(super) fn read(
    file: &mut File,
    layout: Layout,
) -> Result<(Summary, Vec<Lengths>, Vec<u64>), String> {
    let failed = |error: io::Error| error.to_string();
    let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let before_end = size.checked_sub(END as u64).ok_or("it is cut off")?;
    file.seek(SeekFrom::Start(before_end)).map_err(failed)?;
    let mut end = [0; END];
    file.read_exact(&mut end).map_err(failed)?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| end[at + i]));
    if end[24..] != MAGIC {
        return Err("it is cut off".into());
    }
    let length = number(0);
    let before_summary = before_end.checked_sub(length).ok_or("its end is damaged")?;
    file.seek(SeekFrom::Start(before_summary)).map_err(failed)?;
    let mut json = Vec::new();
    file.take(length).read_to_end(&mut json).map_err(failed)?;
    let sizes = std::array::from_fn(|i| end[i]);
    if hash_of(&json, &sizes) != number(16) {
        return Err("its summary is damaged".into());
    }
    let summary: Summary = serde_json::from_slice(&json)
        .map_err(|error| format!("it is of another version ({error})"))?;
    if summary.format != FORMAT {
        return Err(format!("it is of version {}, not {FORMAT}", summary.format));
    }
    let expected = summary.examples.checked_mul(ENTRY as u64);
    let expected = expected.and_then(|index| index.checked_add(summary.records));
    if expected != Some(before_summary) {
        return Err("its parts do not add up".into());
    }
    file.seek(SeekFrom::Start(summary.records))
        .map_err(failed)?;
    let (lengths, places) = read_index(file, &summary, layout, number(8))?;
    Ok((summary, lengths, places))
}

fn read_index(
    file: &File,
    summary: &Summary,
    layout: Layout,
    hash: u64,
) -> Result<(Vec<Lengths>, Vec<u64>), String> {
    let examples = usize::try_from(summary.examples).map_err(|error| error.to_string())?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut hasher = XxHash3_64::new();
    let mut lengths = Vec::with_capacity(examples);
    let mut places = Vec::with_capacity(examples + 1);
    let mut place = 0_u64;
    places.push(place);
    let mut block = vec![0; (1 << 16) * ENTRY];
    while lengths.len() < examples {
        let entries = (examples - lengths.len()).min(1 << 16);
        let bytes = &mut block[..entries * ENTRY];
        reader
            .read_exact(bytes)
            .map_err(|error| error.to_string())?;
        hasher.write(bytes);
        for &[a, b, c, d, size @ ..] in bytes.as_chunks::<ENTRY>().0 {
            let (source, target) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            let size = u32::from_le_bytes(size);
            let least = layout.ids_size((source, target)) as u64;
            if u64::from(size) < least || !layout.text && u64::from(size) != least {
                return Err("its index is damaged".into());
            }
            place += u64::from(size);
            lengths.push((source, target));
            places.push(place);
        }
    }
    if hasher.finish() != hash || place != summary.records {
        return Err("its index is damaged".into());
    }
    Ok((lengths, places))
}
