//! Dirty input, by the million: nothing panics, and what is read in chunks is what is read at once.
//!
//! `REGARD_FUZZ_CASES` says how many cases, `REGARD_FUZZ_FIRST` which comes first; `scripts/fuzz.sh`
//! sets them. A case is a function of its number, which a failure tells.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use regard_text::corpus::{Pair, read_pairs};
use regard_text::store::ExampleStore;
use regard_text::{
    CorpusFiles, DataConfig, LongLines, TextError, TokenizerConfig, TokenizerKind, Tokenizers,
};

use crate::Files;

/// Pieces of which files are made, some of which are no text.
const PIECES: [&[u8]; 34] = [
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b"\t",
    b" ",
    b"a",
    b"one",
    b"d\xc3\xa9j\xc3\xa0",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xff",
    b"\xc3",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xc2\x85",
    b"\xe2\x80\xaf",
    b"\xc2\xa0",
    b"\x0b\x0c",
    b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
    b"\xcc\x81",
    b"@@ ",
    b"\xe2\x96\x81",
    b"</s>",
    b"\xe6\xbc\xa2\xe5\xad\x97",
    b"\xd0\xbf\xd1\x80",
    b"\x1b[2J",
    b"\xe2\x80\xae",
];

/// Rows of JSON, most of which are not what is asked for.
const JSON: [&[u8]; 16] = [
    br#"{"source": "a", "target": "b"}"#,
    br#"{"source": "a\nb", "target": "\u00e9\u0000"}"#,
    br#"{"source": "one", "target": "one", "more": [1, {"a": null}]}"#,
    br#"{"t": {"source": "a", "target": "b"}}"#,
    br#"{"source": 1, "target": "b"}"#,
    br#"{"source": null, "target": "b"}"#,
    br#"{"source": "a"}"#,
    br#"{"source": "\ud800", "target": "b"}"#,
    br#"{"source": "a", "target": "b""#,
    br#"{"source": "a", "source": "c", "target": "b"}"#,
    br#"["a", "b"]"#,
    br#""a""#,
    b"1e999",
    b"{}",
    b"nul",
    b"",
];

/// `SplitMix64`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % most as u64).unwrap()
    }

    fn one_in(&mut self, most: usize) -> bool {
        self.below(most) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A file with or without sense.
    fn content(&mut self, is_json: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(12) {
            match self.below(60) {
                0 if self.one_in(20) => bytes.resize(bytes.len() + 100_000, b'x'),
                0 => bytes.extend(b"[".repeat(200)),
                1..30 if is_json => {
                    bytes.extend_from_slice(self.of(&JSON));
                    bytes.push(b'\n');
                }
                2..12 => bytes.extend_from_slice(b"one two\tun deux\n"),
                _ => bytes.extend_from_slice(self.of(&PIECES)),
            }
        }
        bytes
    }

    fn damaged(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.is_empty() {
            return bytes;
        }
        let place = self.below(bytes.len());
        match self.below(3) {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 1 << self.below(8),
            _ => bytes.insert(place, u8::try_from(self.below(256)).unwrap()),
        }
        bytes
    }

    /// A file under one of the three names, whole or not.
    fn file(&mut self, directory: &Path, name: &str, is_json: bool) -> std::path::PathBuf {
        let content = self.content(is_json);
        let (name, mut bytes) = match self.below(4) {
            0 => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&content).unwrap();
                (format!("{name}.gz"), encoder.finish().unwrap())
            }
            1 => (
                format!("{name}.zst"),
                zstd::encode_all(&content[..], 1).unwrap(),
            ),
            _ => (name.to_owned(), content),
        };
        if self.one_in(3) {
            bytes = self.damaged(bytes);
        }
        let path = directory.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn corpus(&mut self, directory: &Path) -> CorpusFiles {
        match self.below(3) {
            0 => {
                let source = self.file(directory, "a.en", false);
                CorpusFiles::parallel(source, self.file(directory, "a.fr", false))
            }
            1 => CorpusFiles::tsv(self.file(directory, "a.tsv", false)),
            _ => {
                let mut files = CorpusFiles::jsonl(self.file(directory, "a.jsonl", true));
                if self.one_in(4) {
                    files.source_key = Some(self.of(&["", "/t/source", "/", "t"]).to_owned());
                }
                files
            }
        }
    }

    fn filters(&mut self, data: &mut DataConfig) {
        data.drop_duplicates = self.one_in(2);
        data.drop_identical = self.one_in(2);
        data.max_ratio = self.of(&[None, Some(1.0), Some(2.5)]);
        data.source_script = self
            .of(&[None, Some("latin"), Some("japanese")])
            .map(Into::into);
        data.target_script = self.of(&[None, Some("cyrillic")]).map(Into::into);
        data.max_length = self.of(&[1, 3, 65_535]);
        data.long = self.of(&[LongLines::Drop, LongLines::Truncate]);
    }
}

fn characters() -> Tokenizers {
    let config = TokenizerConfig {
        kind: TokenizerKind::Character,
        ..TokenizerConfig::default()
    };
    let pair = Pair {
        source: "one two".into(),
        target: "un deux".into(),
    };
    Tokenizers::train(&config, &[pair]).unwrap()
}

/// An error must have something to say, on one line or a few.
fn is_told(error: &TextError) {
    assert!(!error.to_string().is_empty());
    let _ = error.hint();
}

/// Reads a corpus in both ways.
fn reading(draw: &mut Draw, directory: &Path) {
    let files = draw.corpus(directory);
    let mut data = DataConfig {
        train: Some(files.clone()),
        ..DataConfig::default()
    };
    let at_once = read_pairs(&files);
    let in_chunks = || -> Result<Vec<Pair>, TextError> {
        let mut stream = data.training_pairs()?;
        let chunks: Vec<Vec<Pair>> = stream.by_ref().collect::<Result<_, _>>()?;
        let kept = chunks.concat();
        assert_eq!(stream.report().kept(), kept.len());
        Ok(kept)
    };
    match (&at_once, in_chunks()) {
        (Ok((pairs, report)), Ok(chunks)) => {
            assert_eq!(*pairs, chunks);
            assert_eq!(report.kept(), pairs.len());
        }
        (Err(one), Err(other)) => {
            is_told(one);
            assert_eq!(one.to_string(), other.to_string());
        }
        (one, other) => panic!("one way of reading gave {one:?}, the other {other:?}"),
    }
    draw.filters(&mut data);
    let filtered = || -> Result<usize, TextError> {
        let mut stream = data.training_pairs()?;
        let mut kept = 0;
        for chunk in stream.by_ref() {
            kept += chunk?.len();
        }
        let report = stream.report();
        assert_eq!(
            (report.kept(), report.read),
            (kept, kept + report.dropped())
        );
        Ok(kept)
    };
    if let Err(error) = filtered() {
        is_told(&error);
    }
}

/// Opens a cache, damages it, and opens it again.
fn caching(draw: &mut Draw, directory: &Path, tokenizers: &Tokenizers) {
    let mut data = DataConfig {
        train: Some(draw.corpus(directory)),
        cache: directory.join("cache"),
        ..DataConfig::default()
    };
    draw.filters(&mut data);
    let open = || ExampleStore::open(&mut data.training_pairs()?, tokenizers);
    let all = |store: &ExampleStore| -> Vec<u32> {
        (0..store.lengths().len())
            .map(|i| u32::try_from(i).unwrap())
            .collect()
    };
    let store = match open() {
        Ok(store) => store,
        Err(error) => return is_told(&error),
    };
    let examples = store.read(&all(&store)).unwrap();
    let bytes = draw.damaged(fs::read(store.path()).unwrap());
    fs::write(store.path(), bytes).unwrap();
    // Whatever was hit: the same examples, or an error that says so.
    let again = open().unwrap();
    match again.read(&all(&again)) {
        Ok(read) => assert_eq!(read, examples),
        Err(error) => {
            assert!(matches!(error, TextError::CacheDamaged { .. }), "{error:?}");
            is_told(&error);
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn cases(work: impl Fn(&mut Draw, &Path) + Sync) {
    let first = number("REGARD_FUZZ_FIRST", 0);
    let files = Files::new();
    (first..first + number("REGARD_FUZZ_CASES", 300))
        .into_par_iter()
        .for_each(|case| {
            // Of its own: a thread that waits in one case may begin another.
            let directory = files.path(&case.to_string());
            fs::create_dir_all(&directory).unwrap();
            let done = catch_unwind(AssertUnwindSafe(|| {
                work(
                    &mut Draw(case.wrapping_mul(0x5851_f42d_4c95_7f2d)),
                    &directory,
                );
            }));
            assert!(done.is_ok(), "case {case}: the panic is above");
            fs::remove_dir_all(&directory).unwrap();
        });
}

#[test]
fn fuzz_reading() {
    cases(reading);
}

#[test]
fn fuzz_caches() {
    let tokenizers = characters();
    cases(|draw, directory| caching(draw, directory, &tokenizers));
}
