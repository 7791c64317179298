//! Examples on disk: the same as in memory, found again, made anew when they must be.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use regard_text::corpus::{Example, Reason, encode_pairs};
use regard_text::store::{ExampleStore, Origin};
use regard_text::toy::{Generate, Split, Task};
use regard_text::{CorpusFiles, DataConfig, TextError, TokenizerConfig, TokenizerKind, Tokenizers};

use crate::Files;

/// Pairs of letters in a TSV, the cache beside it.
struct Corpus {
    files: Files,
    data: DataConfig,
    tokenizers: Tokenizers,
}

fn rows(from: usize, to: usize) -> String {
    let word = |i: usize| {
        "abcdefghij"
            .chars()
            .cycle()
            .skip(i * i % 10)
            .take(i % 7 + 1)
    };
    (from..to)
        .flat_map(|i| word(i).chain(['\t']).chain(word(i + 3)).chain(['\n']))
        .collect()
}

impl Corpus {
    fn new() -> Self {
        let files = Files::new();
        let data = DataConfig {
            train: Some(CorpusFiles::tsv(files.write("train.tsv", rows(0, 100)))),
            cache: files.path("cache"),
            ..DataConfig::default()
        };
        let config = TokenizerConfig {
            kind: TokenizerKind::Character,
            ..TokenizerConfig::default()
        };
        let tokenizers = data
            .training_pairs()
            .unwrap()
            .train_tokenizers(&config)
            .unwrap();
        Self {
            files,
            data,
            tokenizers,
        }
    }

    /// Made so long ago that its time can be trusted.
    fn age(&self, seconds: u64) {
        let file = fs::File::options()
            .write(true)
            .open(self.files.path("train.tsv"))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
            .unwrap();
    }

    fn try_open(&self) -> Result<ExampleStore, TextError> {
        ExampleStore::open(&mut self.data.training_pairs()?, &self.tokenizers)
    }

    fn open(&self) -> ExampleStore {
        self.try_open().unwrap()
    }

    /// The one file with examples.
    fn file(&self) -> PathBuf {
        self.open().path().to_owned()
    }

    fn in_memory(&self) -> Vec<Example> {
        let (pairs, _) = self.data.read(Split::Train).unwrap().unwrap();
        encode_pairs(&self.tokenizers, &pairs, &self.data).0
    }
}

fn all(store: &ExampleStore) -> Vec<Example> {
    let indices: Vec<u32> = (0..store.lengths().len())
        .map(|i| u32::try_from(i).unwrap())
        .collect();
    store.read(&indices).unwrap()
}

#[test]
fn what_is_read_is_what_was_encoded() {
    let corpus = Corpus::new();
    let expected = corpus.in_memory();
    for origin in [Origin::Made, Origin::Found] {
        let store = corpus.open();
        assert_eq!(*store.origin(), origin);
        assert_eq!(all(&store), expected);
        let lengths: Vec<_> = expected.iter().map(Example::lengths).collect();
        let kept = store.lengths().iter();
        let kept: Vec<_> = kept
            .map(|&(s, t)| (usize::from(s), usize::from(t)))
            .collect();
        assert_eq!(kept, lengths);
        assert_eq!((store.report().read, store.report().kept()), (100, 100));
    }
}

#[test]
fn examples_come_in_the_order_asked_for() {
    let corpus = Corpus::new();
    let (store, expected) = (corpus.open(), corpus.in_memory());
    let read = store.read(&[99, 0, 7, 0]).unwrap();
    for (example, index) in read.iter().zip([99, 0, 7, 0]) {
        assert_eq!(*example, expected[index]);
    }
    assert!(store.read(&[]).unwrap().is_empty());
}

#[test]
fn the_digest_is_that_of_lengths_and_ids() {
    let corpus = Corpus::new();
    let sides = corpus
        .in_memory()
        .into_iter()
        .flat_map(|example| [example.source, example.target]);
    let numbers = sides.flat_map(|side| {
        let ids = side.clone().into_iter().map(u64::from);
        std::iter::once(side.len() as u64).chain(ids)
    });
    let expected = regard_text::digest(numbers.flat_map(u64::to_le_bytes));
    assert_eq!(corpus.open().digest(), expected);
    assert_eq!(corpus.open().longest_text(), 0, "no text is kept");
}

#[test]
fn texts_are_kept_for_tokenizers_that_sample() {
    let mut corpus = Corpus::new();
    let config = TokenizerConfig {
        vocabulary: 40,
        dropout: 0.3,
        ..TokenizerConfig::default()
    };
    let trained = corpus
        .data
        .training_pairs()
        .unwrap()
        .train_tokenizers(&config)
        .unwrap();
    corpus.tokenizers = trained.sampled(&config).unwrap();
    let (pairs, _) = corpus.data.read(Split::Train).unwrap().unwrap();
    let store = corpus.open();
    let read = store.read_with_text(&[5, 99]).unwrap();
    assert_eq!(read[0].1, pairs[5]);
    assert_eq!(read[1].1, pairs[99]);
    assert_eq!(all(&store), corpus.in_memory());
    let bytes = |pair: &regard_text::corpus::Pair| pair.source.len() + pair.target.len();
    assert_eq!(store.longest_text(), pairs.iter().map(bytes).max().unwrap());
}

#[test]
fn a_time_that_changes_alone_is_no_change() {
    let corpus = Corpus::new();
    corpus.age(100);
    assert_eq!(*corpus.open().origin(), Origin::Made);
    corpus.age(50);
    assert_eq!(*corpus.open().origin(), Origin::Found);
}

#[test]
fn changed_content_is_seen_by_its_size_its_time_or_right_after() {
    let corpus = Corpus::new();
    let content = rows(0, 100);
    let changed = content.replacen('a', "b", 1);
    // Another size; the same size at another time; the same size at what may be the same time.
    for (text, age) in [(rows(0, 99), 100), (content, 50), (changed, 0)] {
        corpus.open();
        corpus.files.write("train.tsv", text);
        corpus.age(age);
        let store = corpus.open();
        assert!(
            matches!(store.origin(), Origin::Renewed { reason } if reason.contains("train.tsv` has changed")),
            "{:?}",
            store.origin()
        );
        assert_eq!(all(&store), corpus.in_memory());
    }
}

#[test]
fn every_setting_that_matters_has_its_own_examples() {
    let mut corpus = Corpus::new();
    corpus.open();
    let changes: [fn(&mut DataConfig); 6] = [
        |data| data.max_length = 5,
        |data| data.long = regard_text::LongLines::Truncate,
        |data| data.max_ratio = Some(2.0),
        |data| data.drop_duplicates = true,
        |data| data.drop_identical = true,
        |data| data.source_script = Some("latin".into()),
    ];
    for change in changes {
        let before = corpus.data.clone();
        change(&mut corpus.data);
        assert_eq!(*corpus.open().origin(), Origin::Made);
        assert_eq!(*corpus.open().origin(), Origin::Found);
        corpus.data = before;
        assert_eq!(
            *corpus.open().origin(),
            Origin::Found,
            "the others are still there"
        );
    }
    let config = TokenizerConfig {
        vocabulary: 9,
        kind: TokenizerKind::Character,
        ..TokenizerConfig::default()
    };
    corpus.tokenizers = corpus
        .data
        .training_pairs()
        .unwrap()
        .train_tokenizers(&config)
        .unwrap();
    assert_eq!(*corpus.open().origin(), Origin::Made);
    corpus.data.batch_tokens = 7;
    assert_eq!(
        *corpus.open().origin(),
        Origin::Found,
        "this one does not matter"
    );
}

#[test]
fn any_damage_to_summary_or_index_is_seen_and_any_to_a_record_is_an_error() {
    let corpus = Corpus::new();
    let whole = fs::read(corpus.file()).unwrap();
    let expected = corpus.in_memory();
    let records: usize = expected
        .iter()
        .map(|e| 2 * (e.source.len() + e.target.len()) + 4)
        .sum();
    for place in (0..whole.len())
        .step_by(17)
        .chain(whole.len() - 40..whole.len())
    {
        let mut damaged = whole.clone();
        damaged[place] ^= 4;
        fs::write(corpus.file(), &damaged).unwrap();
        let store = corpus.open();
        if place < records {
            let indices: Vec<u32> = (0..100).collect();
            let error = store.read(&indices).unwrap_err();
            assert!(matches!(error, TextError::CacheDamaged { .. }), "{error:?}");
            assert!(error.hint().is_some());
            fs::remove_file(corpus.file()).unwrap();
        } else {
            assert!(
                matches!(store.origin(), Origin::Renewed { .. }),
                "byte {place}"
            );
            assert_eq!(all(&store), expected);
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_is_made_anew() {
    let corpus = Corpus::new();
    let whole = fs::read(corpus.file()).unwrap();
    for length in (0..whole.len())
        .step_by(13)
        .chain(whole.len() - 35..whole.len())
    {
        fs::write(corpus.file(), &whole[..length]).unwrap();
        assert!(
            matches!(corpus.open().origin(), Origin::Renewed { .. }),
            "{length} bytes"
        );
        assert_eq!(fs::read(corpus.file()).unwrap().len(), whole.len());
    }
    let mut longer = whole.clone();
    longer.extend_from_slice(&whole);
    fs::write(corpus.file(), longer).unwrap();
    assert!(matches!(corpus.open().origin(), Origin::Renewed { .. }));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let corpus = Corpus::new();
    let store = corpus.open();
    fs::File::options()
        .write(true)
        .open(store.path())
        .unwrap()
        .set_len(10)
        .unwrap();
    assert!(matches!(
        store.read(&[99]),
        Err(TextError::CacheDamaged { .. })
    ));
}

#[test]
fn a_build_that_fails_leaves_nothing_behind() {
    let corpus = Corpus::new();
    corpus.files.write("train.tsv", rows(0, 50) + "no tab\n");
    assert!(matches!(
        corpus.try_open(),
        Err(TextError::Columns { line: 51, .. })
    ));
    let names = fs::read_dir(&corpus.data.cache).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"]);
}

#[test]
fn a_cache_that_cannot_be_written_says_what_to_do() {
    let mut corpus = Corpus::new();
    corpus.data.cache = corpus.files.write("file", "").join("cache");
    let error = corpus.try_open().unwrap_err();
    assert!(matches!(error, TextError::CacheWrite { .. }), "{error:?}");
    assert!(error.to_string().contains("file/cache"), "{error}");
    assert!(error.hint().unwrap().contains("`data.cache`"));
}

#[test]
fn generated_pairs_go_the_same_way() {
    let files = Files::new();
    let generate = Generate {
        pairs: 30,
        ..Generate::new(Task::Reverse)
    };
    let data = DataConfig {
        generate: Some(generate.clone()),
        cache: files.path("cache"),
        ..DataConfig::default()
    };
    let mut pairs = data.training_pairs().unwrap();
    let tokenizers = pairs.train_tokenizers(&TokenizerConfig::default()).unwrap();
    let store = ExampleStore::open(&mut pairs, &tokenizers).unwrap();
    assert_eq!((store.lengths().len(), store.origin()), (30, &Origin::Made));
    let read = data.read(Split::Train).unwrap().unwrap().0;
    assert_eq!(all(&store), encode_pairs(&tokenizers, &read, &data).0);
    let again = ExampleStore::open(&mut data.training_pairs().unwrap(), &tokenizers).unwrap();
    assert_eq!(*again.origin(), Origin::Found);
    let other = DataConfig {
        generate: Some(Generate {
            seed: 2,
            ..generate
        }),
        ..data
    };
    let other = ExampleStore::open(&mut other.training_pairs().unwrap(), &tokenizers).unwrap();
    assert_eq!(*other.origin(), Origin::Made);
}

#[test]
fn many_chunks_are_one_corpus() {
    let mut corpus = Corpus::new();
    // Some 40,000 rows, one long enough to end a chunk by itself.
    let long = "x".repeat(5 << 20);
    let text = rows(0, 20_000) + &format!("{long}\t{long}\n\n") + &rows(20_000, 40_000);
    corpus.files.write("train.tsv", text);
    let store = corpus.open();
    let expected = corpus.in_memory();
    assert_eq!(expected.len(), 40_000);
    assert_eq!(all(&store), expected);
    let report = store.report();
    assert_eq!(
        (report.read, report.dropped_long, report.dropped_empty),
        (40_002, 1, 1)
    );
    let places: Vec<&str> = report
        .shown
        .iter()
        .map(|shown| shown.place.rsplit(':').next().unwrap())
        .collect();
    assert_eq!(places, ["20002", "20001"]);
    assert_eq!(report.shown[0].reason, Reason::Empty);
    corpus.data.long = regard_text::LongLines::Truncate;
    assert_eq!(all(&corpus.open()), corpus.in_memory());
}

#[test]
fn two_that_open_at_once_get_the_same() {
    let corpus = Corpus::new();
    let stores = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| corpus.open())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    let made = stores
        .iter()
        .filter(|store| *store.origin() == Origin::Made)
        .count();
    assert_eq!(made, 1, "the others wait for it");
    for store in &stores {
        assert_eq!(all(store), corpus.in_memory());
    }
}

#[test]
fn threads_change_nothing() {
    let corpus = Corpus::new();
    let file = corpus.file();
    let bytes = |threads| {
        fs::remove_file(&file).unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| corpus.open().digest().to_owned())
    };
    assert_eq!(bytes(1), bytes(5));
}
