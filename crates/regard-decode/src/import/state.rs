//! A state dict that `torch.save` wrote.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;

use burn::tensor::{bf16, f16};

use super::archive::Archive;
use super::pickle::{Element, Entry, Storage, View, entries};
use crate::DecodeError;

/// Most bytes of a pickle. A state dict takes some two hundred for a tensor.
const MOST_BYTES: u64 = 1 << 26;

/// The tensors of a file, which are read when they are asked for.
pub(super) struct StateDict<R> {
    archive: Archive<R>,
    /// What all names in the archive begin with.
    folder: String,
    pub(super) entries: BTreeMap<String, Entry>,
    /// The storage that was read last: the tensors of a recurrent layer may share one.
    last: Option<(String, Vec<u8>)>,
}

impl<R: Read + Seek> StateDict<R> {
    /// Reads the names and shapes in `file`, which messages call `path`.
    pub(super) fn open(path: &Path, file: R) -> Result<Self, DecodeError> {
        let mut archive = Archive::open(path, file)?;
        let folders: Vec<&str> = archive
            .names()
            .filter_map(|name| name.strip_suffix("data.pkl"))
            .filter(|folder| folder.is_empty() || folder.ends_with('/'))
            .collect();
        let [folder] = folders.as_slice() else {
            let reason = format!(
                "expected a zip file with one `data.pkl`, as `torch.save` writes it, got one with {}",
                folders.len()
            );
            return Err(archive.damaged(reason));
        };
        let folder = (*folder).to_owned();

        let order = format!("{folder}byteorder");
        if archive.length_of(&order).is_some() && archive.read(&order)? != b"little" {
            return Err(archive.damaged("its numbers have their highest byte first".into()));
        }
        let pickle = format!("{folder}data.pkl");
        if let Some(length) = archive
            .length_of(&pickle)
            .filter(|&length| length > MOST_BYTES)
        {
            let reason = format!("its pickle has {length} bytes, more than any state dict needs");
            return Err(archive.damaged(reason));
        }
        let pickle = archive.read(&pickle)?;
        let entries = entries(&pickle).map_err(|reason| archive.damaged(reason))?;
        Ok(Self {
            archive,
            folder,
            entries,
            last: None,
        })
    }

    /// Where the tensor `name` stands, if there is one of this shape and of a type that is read; else what is wrong.
    pub(super) fn find(&self, name: &str, shape: Option<&[usize]>) -> Result<&View, String> {
        let view = match self.entries.get(name) {
            Some(Entry::Tensor(view)) => view,
            Some(Entry::Other(got)) => {
                return Err(format!("`{name}`: expected a tensor, got {got}"));
            }
            None => return Err(format!("`{name}`: missing")),
        };
        if let Element::Other(got) = view.storage.element {
            return Err(format!(
                "`{name}`: expected float32, float16 or bfloat16, got {got}"
            ));
        }
        match shape.filter(|shape| view.shape != *shape) {
            Some(shape) => Err(format!(
                "`{name}`: expected shape {shape:?}, got {:?}",
                view.shape
            )),
            None => Ok(view),
        }
    }

    /// The numbers of a tensor, the last axis fastest.
    pub(super) fn values(&mut self, view: &View) -> Result<Vec<f32>, DecodeError> {
        let Storage {
            element,
            key,
            elements,
        } = &view.storage;
        let read: fn(&[u8]) -> f32 = match element {
            Element::F32 => |bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Element::F16 => |bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            Element::BF16 => |bytes| bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            Element::Other(name) => {
                return Err(self.archive.damaged(format!("{name} is not read")));
            }
        };
        let size = if *element == Element::F32 { 4 } else { 2 };
        let name = format!("{}data/{key}", self.folder);
        let bytes = match self.last.take() {
            Some((last, bytes)) if last == name => bytes,
            _ => self.archive.read(&name)?,
        };
        if elements.checked_mul(size) != Some(bytes.len()) {
            let got = bytes.len();
            let reason =
                format!("`{name}`: expected {elements} numbers of {size} bytes, got {got} bytes");
            return Err(self.archive.damaged(reason));
        }
        let Some(places) = places(view) else {
            let reason = format!("a tensor reaches beyond the {elements} numbers of `{name}`");
            return Err(self.archive.damaged(reason));
        };
        let values = places.map(|at| read(&bytes[at * size..])).collect();
        self.last = Some((name, bytes));
        Ok(values)
    }
}

/// Places of a tensor's elements in its storage, in order; `None` if one is outside.
fn places(view: &View) -> Option<impl Iterator<Item = usize>> {
    let View {
        storage,
        offset,
        shape,
        strides,
    } = view.clone();
    let is_empty = shape.contains(&0);
    let mut last = offset;
    for (&length, &stride) in shape.iter().zip(&strides).filter(|_| !is_empty) {
        last = last.checked_add((length - 1).checked_mul(stride)?)?;
    }
    if !is_empty && last >= storage.elements {
        return None;
    }
    let count = shape.iter().try_fold(1_usize, |all, &n| all.checked_mul(n));
    let count = if is_empty { 0 } else { count? };
    let mut index = vec![0; shape.len()];
    let mut at = offset;
    Some((0..count).map(move |_| {
        let place = at;
        // To the next element: the last axis that has one moves, those behind it begin again.
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at = at.wrapping_add(strides[axis]);
            if index[axis] < shape[axis] {
                break;
            }
            at = at.wrapping_sub(strides[axis].wrapping_mul(shape[axis]));
            index[axis] = 0;
        }
        place
    }))
}
