//! What is left out of the training pairs, and what their owner is warned of.

use regard_text::corpus::{Pair, ReadReport, Reason, Warning, inspect};
use regard_text::store::ExampleStore;
use regard_text::{CorpusFiles, DataConfig, TextError, TokenizerConfig, TokenizerKind};

use crate::Files;

/// A configuration that trains on `rows`, with the files that it needs.
fn data(rows: &str) -> (Files, DataConfig) {
    let files = Files::new();
    let data = DataConfig {
        train: Some(CorpusFiles::tsv(files.write("train.tsv", rows))),
        cache: files.path("cache"),
        ..DataConfig::default()
    };
    (files, data)
}

/// Sources of the pairs that are left, after tokenizing by characters, and what became of the others.
fn kept(data: &DataConfig) -> (Vec<String>, ReadReport) {
    let config = TokenizerConfig {
        kind: TokenizerKind::Character,
        ..TokenizerConfig::default()
    };
    let mut pairs = data.training_pairs().unwrap();
    let tokenizers = pairs.train_tokenizers(&config).unwrap();
    let store = ExampleStore::open(&mut pairs, &tokenizers).unwrap();
    let indices: Vec<u32> = (0..store.lengths().len())
        .map(|i| u32::try_from(i).unwrap())
        .collect();
    let examples = store.read(&indices).unwrap();
    let sources = examples
        .iter()
        .map(|example| tokenizers.source().decode(&example.source));
    (sources.collect(), store.report().clone())
}

#[test]
fn without_a_wish_nothing_but_empty_sides_is_left_out() {
    let (_files, data) = data("a\ta\na\ta\nб\tabcdefghijkl\n\tx\n");
    let (sources, report) = kept(&data);
    assert_eq!(sources, ["a", "a", "б"]);
    assert_eq!(
        (report.read, report.dropped(), report.dropped_empty),
        (4, 1, 1)
    );
}

#[test]
fn each_filter_leaves_out_its_own_and_counts_it() {
    let rows = "one\tun\n two \t deux\ntwo\tdeux\nsame\t same \nдва\tdeux\nthree\tтри\nfour\tquatre-quatre\none\tun\n";
    let (_files, mut data) = data(rows);
    data.drop_duplicates = true;
    let (sources, report) = kept(&data);
    assert_eq!(sources, ["one", "two", "same", "два", "three", "four"]);
    assert_eq!(report.dropped_duplicate, 2);
    let shown: Vec<_> = report
        .shown
        .iter()
        .map(|shown| (shown.reason, shown.place.rsplit(':').next().unwrap()))
        .collect();
    assert_eq!(shown, [(Reason::Duplicate, "3"), (Reason::Duplicate, "8")]);

    data.drop_identical = true;
    data.source_script = Some("latin".into());
    data.target_script = Some("Latin".into());
    data.max_ratio = Some(3.0);
    let (sources, report) = kept(&data);
    assert_eq!(sources, ["one", "two"]);
    let counts = Reason::ALL.map(|reason| report.count(reason));
    //                  empty, script, identical, duplicate, long, ratio, truncated
    assert_eq!(counts, [0, 2, 1, 2, 0, 1, 0]);
    assert_eq!((report.read, report.kept()), (8, 2));
    assert_eq!(report.shown.len(), 6);
    let ratio = report.shown.last().unwrap();
    assert_eq!(
        (ratio.reason, &*ratio.source, &*ratio.target),
        (Reason::Ratio, "four", "quatre-quatre")
    );
    assert!(ratio.place.ends_with("train.tsv:7"), "{}", ratio.place);
}

#[test]
fn a_ratio_may_be_reached() {
    let (_files, mut data) = data("ab\tabcd\nabcd\tab\nab\tabcde\n");
    data.max_ratio = Some(2.0);
    assert_eq!(kept(&data).0, ["ab", "abcd"]);
    // Counted before anything is cut.
    data.max_length = 4;
    data.long = regard_text::LongLines::Truncate;
    assert_eq!(kept(&data).0, ["ab", "abcd"]);
}

#[test]
fn filters_that_leave_nothing_say_so() {
    let (_files, mut data) = data("a\tb\n\tc\n");
    data.source_script = Some("cyrillic".into());
    let error = data.training_pairs().unwrap().next().unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            TextError::NoPairs {
                read: 2,
                blank: 1,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("1 have a blank side, the filters of `[data]` drop the others"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`regard check`"));
}

#[test]
fn the_tokenizer_learns_from_what_is_left() {
    let (_files, mut data) = data("abc\tabc\nxyz\tuvw\n");
    data.drop_identical = true;
    let config = TokenizerConfig {
        kind: TokenizerKind::Character,
        ..TokenizerConfig::default()
    };
    let tokenizers = data
        .training_pairs()
        .unwrap()
        .train_tokenizers(&config)
        .unwrap();
    // Four special ids and six letters.
    assert_eq!(tokenizers.source().vocabulary_size(), 10);
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<Pair> {
    let owned = |&(source, target): &(&str, &str)| Pair {
        source: source.into(),
        target: target.into(),
    };
    pairs.iter().map(owned).collect()
}

#[test]
fn held_out_sources_in_the_training_pairs_are_told() {
    let (_files, data) = data("one\tun\ntwo\tdeux\nthree\ttrois\n");
    let valid = pairs(&[("four", "quatre")]);
    let test = pairs(&[("five", "cinq"), (" two ", "2"), ("one", "un")]);
    let parts = [("valid", &valid[..]), ("test", &test[..])];
    let warnings = inspect(&mut data.training_pairs().unwrap(), &parts).unwrap();
    let expected = Warning::HeldOut {
        part: "test".into(),
        found: 2,
        pairs: 3,
        shown: vec![" two ".into(), "one".into()],
    };
    assert_eq!(warnings, [expected]);
}

#[test]
fn text_that_was_cut_before_is_told() {
    let (_files, whole) = data("a little one\tun petit\n@@home\tx@@\n");
    assert!(
        inspect(&mut whole.training_pairs().unwrap(), &[])
            .unwrap()
            .is_empty()
    );
    for (row, mark) in [
        ("a lit@@ tle\tx\n", "@@ "),
        ("x\t\u{2581}a \u{2581}lit tle\n", "\u{2581}"),
    ] {
        let rows = "plain\tplain\n".repeat(99) + row;
        let (_files, data) = data(&rows);
        let warnings = inspect(&mut data.training_pairs().unwrap(), &[]).unwrap();
        assert!(
            matches!(&warnings[..], [Warning::Segmented { mark: found, found: 1, pairs: 100, .. }] if *found == mark),
            "{warnings:?}"
        );
        let rare = rows + "plain\tplain\n";
        let (_files, rare) = self::data(&rare);
        assert!(
            inspect(&mut rare.training_pairs().unwrap(), &[])
                .unwrap()
                .is_empty(),
            "one in 101"
        );
    }
}

#[test]
fn sides_that_are_swapped_are_told() {
    let (_files, mut data) = data("да\tyes\nнет\tno\nmaybe\tможет\n");
    data.source_script = Some("latin".into());
    data.target_script = Some("cyrillic".into());
    let warnings = inspect(&mut data.training_pairs().unwrap(), &[]).unwrap();
    assert_eq!(warnings, [Warning::Swapped { found: 2, pairs: 3 }]);
}

#[test]
fn what_the_vocabulary_cannot_spell_is_counted_by_side() {
    let (files, data) = data("ab\tcd\n");
    let config = TokenizerConfig {
        kind: TokenizerKind::Character,
        ..TokenizerConfig::default()
    };
    let tokenizers = data
        .training_pairs()
        .unwrap()
        .train_tokenizers(&config)
        .unwrap();
    files.write("train.tsv", "axyb\tcd\n");
    let store = ExampleStore::open(&mut data.training_pairs().unwrap(), &tokenizers).unwrap();
    let [source, target] = store.unknown();
    assert_eq!(
        (source.unknown, source.tokens, target.unknown, target.tokens),
        (2, 4, 0, 2)
    );
    assert!((source.percent() - 50.0).abs() < 1e-12);
}
