//! Pickles, as far as a state dict needs them.
//!
//! A pickle is a program for a small machine. This one knows the instructions that `torch.save` writes and calls
//! nothing: the few names that a state dict has a use for are known here, any other is an error. Objects are numbers
//! of nodes, so that a pickle of n bytes makes at most n nodes however it repeats itself.

use std::collections::BTreeMap;

/// What a state dict holds under a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// A tensor, whose numbers stand elsewhere in the file.
    Tensor(View),
    /// Something else, in words.
    Other(&'static str),
}

/// Where the elements of a tensor stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub(super) storage: Storage,
    /// Of the first element.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// From an element to the next along each axis.
    pub(super) strides: Vec<usize>,
}

/// Elements of one type in a row, which several tensors may look at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) element: Element,
    pub(super) key: String,
    pub(super) elements: usize,
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F16,
    BF16,
    /// One that is not read, as PyTorch calls it.
    Other(&'static str),
}

/// What a pickle may name.
#[derive(Clone, Copy, Debug)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

const GLOBALS: [(&str, &str, Global); 13] = [
    ("collections", "OrderedDict", Global::OrderedDict),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    (
        "torch._utils",
        "_rebuild_parameter",
        Global::RebuildParameter,
    ),
    ("torch", "FloatStorage", Global::Storage(Element::F32)),
    ("torch", "HalfStorage", Global::Storage(Element::F16)),
    ("torch", "BFloat16Storage", Global::Storage(Element::BF16)),
    (
        "torch",
        "DoubleStorage",
        Global::Storage(Element::Other("float64")),
    ),
    (
        "torch",
        "LongStorage",
        Global::Storage(Element::Other("int64")),
    ),
    (
        "torch",
        "IntStorage",
        Global::Storage(Element::Other("int32")),
    ),
    (
        "torch",
        "ShortStorage",
        Global::Storage(Element::Other("int16")),
    ),
    (
        "torch",
        "CharStorage",
        Global::Storage(Element::Other("int8")),
    ),
    (
        "torch",
        "ByteStorage",
        Global::Storage(Element::Other("uint8")),
    ),
    (
        "torch",
        "BoolStorage",
        Global::Storage(Element::Other("bool")),
    ),
];

/// Bounds on what is copied, so that a pickle cannot have a long thing copied many times; no tensor comes near.
const MOST_AXES: usize = 64;
const LONGEST_KEY: usize = 64;

/// Everything under a name in the dictionary that a pickle describes.
///
/// # Errors
///
/// In words, if it is damaged, describes something else or names what a state dict has no use for.
pub(super) fn entries(pickle: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let (nodes, root) = Machine::new(pickle).run()?;
    let Node::Dictionary(pairs) = &nodes[root] else {
        let got = nodes[root].in_words();
        return Err(format!("expected a dictionary of tensors, got {got}"));
    };
    let mut entries = BTreeMap::new();
    for &(key, value) in pairs {
        let Node::Text(name) = &nodes[key] else {
            let got = nodes[key].in_words();
            return Err(format!("expected names of tensors to be text, got {got}"));
        };
        let entry = match &nodes[value] {
            Node::Tensor(view) => Entry::Tensor(view.clone()),
            other => Entry::Other(other.in_words()),
        };
        if entries.insert((*name).to_owned(), entry).is_some() {
            return Err(format!("it names `{name}` twice"));
        }
    }
    Ok(entries)
}

/// An object.
#[derive(Clone, Debug)]
enum Node<'a> {
    None,
    Truth,
    Whole(i64),
    Number,
    Text(&'a str),
    Tuple(Vec<usize>),
    List,
    Dictionary(Vec<(usize, usize)>),
    Global(Global),
    Storage(Storage),
    Tensor(View),
}

impl Node<'_> {
    fn in_words(&self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Truth => "true or false",
            Self::Whole(_) | Self::Number => "a number",
            Self::Text(_) => "text",
            Self::Tuple(_) => "a tuple",
            Self::List => "a list",
            Self::Dictionary(_) => "a dictionary",
            Self::Global(_) => "a class",
            Self::Storage(_) => "a storage without a shape",
            Self::Tensor(_) => "a tensor",
        }
    }
}

struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    nodes: Vec<Node<'a>>,
    stack: Vec<usize>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, usize>,
}

impl<'a> Machine<'a> {
    fn new(pickle: &'a [u8]) -> Self {
        Self {
            pickle,
            at: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
        }
    }

    /// All nodes, and which of them is the object.
    fn run(mut self) -> Result<(Vec<Node<'a>>, usize), String> {
        loop {
            let at = self.at;
            let [instruction] = self.array()?;
            match instruction {
                b'.' => {
                    let root = self.pop()?;
                    return Ok((self.nodes, root));
                }
                b'q' | b'r' | 0x94 | b'h' | b'j' => self.memo(instruction)?,
                b'N' | b'G' | b'K' | b'M' | b'J' | b'X' | 0x88 | 0x89 | 0x8a | 0x8c => {
                    let value = self.value(instruction)?;
                    self.push(value);
                }
                b'(' => self.marks.push(self.stack.len()),
                b')' | b't' | b']' | b'}' | 0x85..=0x87 => {
                    let container = self.container(instruction)?;
                    self.push(container);
                }
                b'a' | b'e' | b's' | b'u' | b'b' => self.fill(instruction)?,
                b'c' | 0x93 | b'Q' | b'R' => {
                    let made = self.make(instruction)?;
                    self.push(made);
                }
                // The protocol, and the length of a frame: all of the pickle is here already.
                0x80 => {
                    self.take(1)?;
                }
                0x95 => {
                    self.take(8)?;
                }
                other => {
                    return Err(format!(
                        "its pickle has the instruction {other:#04x} at byte {at}, which no state dict needs"
                    ));
                }
            }
        }
    }

    /// Keeps the top of the stack, or brings back what was kept.
    fn memo(&mut self, instruction: u8) -> Result<(), String> {
        let place = match instruction {
            b'q' | b'h' => self.array::<1>()?[0].into(),
            b'r' | b'j' => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).map_err(|_| damaged())?,
        };
        if matches!(instruction, b'h' | b'j') {
            let node = self.memo.get(&place).ok_or_else(damaged)?;
            self.stack.push(*node);
        } else {
            let top = self.stack.last().ok_or_else(damaged)?;
            self.memo.insert(place, *top);
        }
        Ok(())
    }

    fn value(&mut self, instruction: u8) -> Result<Node<'a>, String> {
        Ok(match instruction {
            b'N' => Node::None,
            b'G' => {
                self.take(8)?;
                Node::Number
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length)?
            }
            0x8c => {
                let [length] = self.array()?;
                self.text(length.into())?
            }
            b'K' => Node::Whole(self.array::<1>()?[0].into()),
            b'M' => Node::Whole(u16::from_le_bytes(self.array()?).into()),
            b'J' => Node::Whole(i32::from_le_bytes(self.array()?).into()),
            0x8a => Node::Whole(self.long()?),
            _ => Node::Truth,
        })
    }

    fn container(&mut self, instruction: u8) -> Result<Node<'a>, String> {
        Ok(match instruction {
            b')' => Node::Tuple(Vec::new()),
            b']' => Node::List,
            b'}' => Node::Dictionary(Vec::new()),
            b't' => Node::Tuple(self.above_mark()?),
            _ => Node::Tuple(self.topmost(usize::from(instruction - 0x84))?),
        })
    }

    /// Puts what is on top of the stack into what is below.
    fn fill(&mut self, instruction: u8) -> Result<(), String> {
        let parts = match instruction {
            b'a' | b'b' => self.topmost(1)?,
            b's' => self.topmost(2)?,
            _ => self.above_mark()?,
        };
        let container = self.stack.last().ok_or_else(damaged)?;
        match (instruction, &mut self.nodes[*container]) {
            (b's' | b'u', Node::Dictionary(pairs)) => {
                let (new, []) = parts.as_chunks::<2>() else {
                    return Err(damaged());
                };
                pairs.extend(new.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            // What a list holds is of no use here, nor what a dictionary knows besides: the versions of modules.
            (b'a' | b'e', Node::List) | (b'b', Node::Dictionary(_)) => Ok(()),
            _ => Err(damaged()),
        }
    }

    fn make(&mut self, instruction: u8) -> Result<Node<'a>, String> {
        match instruction {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Ok(Node::Global(global(module, name)?))
            }
            b'Q' => {
                let id = self.pop()?;
                Ok(Node::Storage(self.storage(id)?))
            }
            _ => {
                let (second, first) = (self.pop()?, self.pop()?);
                match (instruction, &self.nodes[first], &self.nodes[second]) {
                    (0x93, Node::Text(module), Node::Text(name)) => {
                        Ok(Node::Global(global(module, name)?))
                    }
                    (b'R', Node::Global(callable), _) => self.called(*callable, second),
                    _ => Err(damaged()),
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let rest = &self.pickle[self.at..];
        let (bytes, _) = rest
            .split_at_checked(length)
            .ok_or("its pickle is cut off")?;
        self.at += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| damaged())
    }

    /// Up to the end of the line.
    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.pickle[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.unwrap_or(rest.len()) + 1)?;
        std::str::from_utf8(&line[..line.len() - 1]).map_err(|_| damaged())
    }

    fn text(&mut self, length: u32) -> Result<Node<'a>, String> {
        let length = usize::try_from(length).map_err(|_| damaged())?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        Ok(Node::Text(text))
    }

    /// A number of any length, its lowest byte first.
    fn long(&mut self) -> Result<i64, String> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Err("its pickle holds a number of more than 64 bits".into());
        }
        let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut wide = [if is_negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    fn push(&mut self, node: Node<'a>) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// Takes `count` objects from the stack, not from below a mark.
    fn topmost(&mut self, count: usize) -> Result<Vec<usize>, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count);
        let from = from.filter(|&from| from >= floor).ok_or_else(damaged)?;
        Ok(self.stack.split_off(from))
    }

    fn pop(&mut self) -> Result<usize, String> {
        Ok(self.topmost(1)?[0])
    }

    fn above_mark(&mut self) -> Result<Vec<usize>, String> {
        let mark = self.marks.pop().ok_or_else(damaged)?;
        Ok(self.stack.split_off(mark))
    }

    /// What a tuple `("storage", class, key, device, elements)` describes.
    fn storage(&self, id: usize) -> Result<Storage, String> {
        let unknown = || "its pickle refers to something that is no storage of a tensor".to_owned();
        let [kind, class, key, _, elements] = self.tuple(id).ok_or_else(unknown)?;
        match [kind, class, key, elements].map(|part| &self.nodes[part]) {
            [
                Node::Text("storage"),
                Node::Global(Global::Storage(element)),
                Node::Text(key),
                Node::Whole(elements),
            ] if key.len() <= LONGEST_KEY => Ok(Storage {
                element: *element,
                key: (*key).to_owned(),
                elements: usize::try_from(*elements).map_err(|_| damaged())?,
            }),
            _ => Err(unknown()),
        }
    }

    /// What a call of a known name gives.
    fn called(&self, callable: Global, arguments: usize) -> Result<Node<'a>, String> {
        match callable {
            Global::OrderedDict => {
                let [] = self.tuple(arguments).ok_or_else(damaged)?;
                Ok(Node::Dictionary(Vec::new()))
            }
            Global::RebuildTensor => self.tensor(arguments),
            Global::RebuildParameter => {
                let [tensor, _, _] = self.tuple(arguments).ok_or_else(damaged)?;
                match &self.nodes[tensor] {
                    Node::Tensor(view) => Ok(Node::Tensor(view.clone())),
                    _ => Err(damaged()),
                }
            }
            Global::Storage(_) => Err(damaged()),
        }
    }

    /// Of `(storage, offset, shape, strides, requires_grad, hooks)`, and sometimes more.
    fn tensor(&self, arguments: usize) -> Result<Node<'a>, String> {
        let Node::Tuple(parts) = &self.nodes[arguments] else {
            return Err(damaged());
        };
        let &[storage, offset, shape, strides, ..] = parts.as_slice() else {
            return Err(damaged());
        };
        let Node::Storage(storage) = &self.nodes[storage] else {
            return Err(damaged());
        };
        let view = View {
            storage: storage.clone(),
            offset: self.size(offset)?,
            shape: self.sizes(shape)?,
            strides: self.sizes(strides)?,
        };
        if view.shape.len() == view.strides.len() {
            Ok(Node::Tensor(view))
        } else {
            Err(damaged())
        }
    }

    fn tuple<const N: usize>(&self, node: usize) -> Option<[usize; N]> {
        match &self.nodes[node] {
            Node::Tuple(parts) => parts.as_slice().try_into().ok(),
            _ => None,
        }
    }

    fn sizes(&self, node: usize) -> Result<Vec<usize>, String> {
        match &self.nodes[node] {
            Node::Tuple(parts) if parts.len() <= MOST_AXES => {
                parts.iter().map(|&part| self.size(part)).collect()
            }
            _ => Err(damaged()),
        }
    }

    fn size(&self, node: usize) -> Result<usize, String> {
        match self.nodes[node] {
            Node::Whole(size) => usize::try_from(size).map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }
}

fn global(module: &str, name: &str) -> Result<Global, String> {
    let known = GLOBALS
        .iter()
        .find(|known| (known.0, known.1) == (module, name));
    known.map(|known| known.2).ok_or_else(|| {
        format!(
            "its pickle names `{module}.{name}`, which no state dict needs; nothing of it was run"
        )
    })
}

fn damaged() -> String {
    "its pickle is damaged".into()
}
