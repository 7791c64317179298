//! Zip files, as far as `torch.save` needs them: nothing is compressed.
//!
//! Only what stands in the directory behind the entries is believed, and only after it is held to the length of the
//! file: no length that a file claims makes anything large.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::DecodeError;

/// Most bytes of comment behind the directory, by the format.
const MOST_COMMENT: u64 = 0xffff;
/// What stands in a field whose value needs more than 32 bits and stands elsewhere.
const ELSEWHERE: u64 = 0xffff_ffff;

const LOCAL: &[u8] = b"PK\x03\x04";
const DIRECTORY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const LONG_END: &[u8] = b"PK\x06\x06";
const LONG_END_PLACE: &[u8] = b"PK\x06\x07";

/// A zip file whose directory has been read.
pub(super) struct Archive<R> {
    path: PathBuf,
    file: R,
    length: u64,
    entries: BTreeMap<String, Entry>,
}

/// Where an entry stands.
#[derive(Clone, Copy)]
struct Entry {
    /// Of its own header.
    at: u64,
    length: u64,
    /// 0 if it was never computed, which `torch.save` can be told.
    checksum: u32,
    is_stored: bool,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of `file`, which messages call `path`.
    pub(super) fn open(path: &Path, mut file: R) -> Result<Self, DecodeError> {
        let length = file.seek(SeekFrom::End(0)).map_err(|source| {
            let path = path.into();
            DecodeError::Read { path, source }
        })?;
        let mut archive = Self {
            path: path.into(),
            file,
            length,
            entries: BTreeMap::new(),
        };
        archive.entries = archive.directory()?;
        Ok(archive)
    }

    /// Names of all entries, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Length of an entry in bytes; `None` if there is none of that name.
    pub(super) fn length_of(&self, name: &str) -> Option<u64> {
        Some(self.entries.get(name)?.length)
    }

    /// The bytes of an entry.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, DecodeError> {
        let Some(&entry) = self.entries.get(name) else {
            return Err(self.damaged(format!("it has no `{name}`")));
        };
        if !entry.is_stored {
            return Err(self.damaged(format!(
                "`{name}` is compressed, which `torch.save` never does"
            )));
        }
        let header = self.bytes(entry.at, 30)?;
        if !header.starts_with(LOCAL) {
            return Err(self.damaged(format!("`{name}` does not begin where its directory says")));
        }
        let begin = entry.at + 30 + u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let bytes = self.bytes(begin, entry.length)?;
        if entry.checksum != 0 && crc32fast::hash(&bytes) != entry.checksum {
            return Err(self.damaged(format!("the checksum of `{name}` is wrong")));
        }
        Ok(bytes)
    }

    fn directory(&mut self) -> Result<BTreeMap<String, Entry>, DecodeError> {
        let (begin, length) = self.place_of_directory()?;
        let directory = self.bytes(begin, length)?;
        let mut rest = directory.as_slice();
        let mut entries = BTreeMap::new();
        while !rest.is_empty() {
            let Some((name, entry, behind)) = directory_entry(rest) else {
                return Err(self.damaged("its directory is damaged".into()));
            };
            if entries.insert(name.clone(), entry).is_some() {
                return Err(self.damaged(format!("it has two entries `{name}`")));
            }
            rest = behind;
        }
        Ok(entries)
    }

    /// Begin and length of the directory.
    fn place_of_directory(&mut self) -> Result<(u64, u64), DecodeError> {
        let from = self.length.saturating_sub(22 + MOST_COMMENT);
        let tail = self.bytes(from, self.length - from)?;
        // A comment may hold anything: the end is where the length of the comment comes out right.
        let is_end = |&at: &usize| {
            let end = &tail[at..];
            end.starts_with(END) && end.len() == 22 + usize::from(u16_at(end, 20))
        };
        let Some(at) = (0..tail.len().saturating_sub(21)).rev().find(is_end) else {
            return Err(self.damaged("the end is missing: the file is cut off".into()));
        };
        let end = &tail[at..];
        let short = (u64::from(u32_at(end, 16)), u64::from(u32_at(end, 12)));
        let Some(before) = at
            .checked_sub(20)
            .filter(|&b| tail[b..].starts_with(LONG_END_PLACE))
        else {
            return Ok(short);
        };
        let place = u64_at(&tail[before..], 8);
        let long = self.bytes(place, 56)?;
        if long.starts_with(LONG_END) {
            Ok((u64_at(&long, 48), u64_at(&long, 40)))
        } else {
            Err(self.damaged("its directory is not where its end says".into()))
        }
    }

    /// `length` bytes of the file, if it has so many.
    fn bytes(&mut self, begin: u64, length: u64) -> Result<Vec<u8>, DecodeError> {
        if begin
            .checked_add(length)
            .is_none_or(|end| end > self.length)
        {
            return Err(self.damaged("it ends too early: the file is cut off or damaged".into()));
        }
        let mut read = || -> io::Result<Vec<u8>> {
            let length = usize::try_from(length).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            self.file.seek(SeekFrom::Start(begin))?;
            self.file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|source| DecodeError::Read {
            path: self.path.clone(),
            source,
        })
    }

    pub(super) fn damaged(&self, reason: String) -> DecodeError {
        DecodeError::Checkpoint {
            path: self.path.clone(),
            reason,
        }
    }
}

/// The first entry of a directory, its name, and what stands behind it.
fn directory_entry(bytes: &[u8]) -> Option<(String, Entry, &[u8])> {
    if bytes.len() < 46 || !bytes.starts_with(DIRECTORY) {
        return None;
    }
    let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(bytes, at)));
    let name_end = 46 + name;
    let extra_end = name_end + extra;
    let behind = bytes.get(extra_end + comment..)?;
    let [stored, length, at] = [20, 24, 42].map(|at| u64::from(u32_at(bytes, at)));
    let mut entry = Entry {
        at,
        length,
        checksum: u32_at(bytes, 16),
        is_stored: u16_at(bytes, 10) == 0 && stored == length,
    };
    // In this order, each where its field above says so.
    let mut long = long_fields(&bytes[name_end..extra_end]);
    if length == ELSEWHERE {
        entry.length = long.next()?;
    }
    if stored == ELSEWHERE {
        entry.is_stored &= long.next()? == entry.length;
    }
    if at == ELSEWHERE {
        entry.at = long.next()?;
    }
    let name = String::from_utf8(bytes[46..name_end].to_vec()).ok()?;
    Some((name, entry, behind))
}

/// The 64-bit numbers among the extra fields of an entry.
fn long_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut numbers = Vec::new();
    while extra.len() >= 4 {
        let (kind, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let end = extra.len().min(4 + length);
        if kind == 1 {
            let (longs, _) = extra[4..end].as_chunks::<8>();
            numbers = longs.iter().map(|&long| u64::from_le_bytes(long)).collect();
            break;
        }
        extra = &extra[end..];
    }
    numbers.into_iter()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
