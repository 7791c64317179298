//! Writing so that a reader never sees half a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::DecodeError;

/// Writes `bytes` beside `path`, has the system put them on disk, and renames them into place.
///
/// # Errors
///
/// [`DecodeError::Write`] if any of it fails; what stood at `path` before is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), DecodeError> {
    let partial = partial_path(path);
    let written = write_synced(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| sync_directory(path.parent().unwrap_or(Path::new(""))));
    written.map_err(|source| {
        // The partial file would only take up the space that may be lacking; the error below tells the story.
        let _ = fs::remove_file(&partial);
        DecodeError::Write {
            path: path.into(),
            source,
        }
    })
}

/// Whether something could be written at `path` now; what stands there stays as it is.
///
/// # Errors
///
/// [`DecodeError::Write`] if not.
pub fn check_writable(path: &Path) -> Result<(), DecodeError> {
    let partial = partial_path(path);
    let checked = if path.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else {
        File::create(&partial).and_then(|_| fs::remove_file(&partial))
    };
    checked.map_err(|source| DecodeError::Write {
        path: path.into(),
        source,
    })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Has the system put the names in a directory on disk, where it can.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let here = Path::new(".");
        let path = if path.as_os_str().is_empty() {
            here
        } else {
            path
        };
        File::open(path)?.sync_all()
    } else {
        // Elsewhere a directory is no file; the system writes its names in its own time.
        Ok(())
    }
}

/// Where something stands until it is whole.
pub(crate) fn partial_path(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    fs::read(path).map_err(|source| DecodeError::Read {
        path: path.into(),
        source,
    })
}

pub(crate) fn read_text(path: &Path) -> Result<String, DecodeError> {
    fs::read_to_string(path).map_err(|source| DecodeError::Read {
        path: path.into(),
        source,
    })
}
