//! `align`: links between words, and how far they agree with those that people drew.

use serde_json::Value;

use crate::support::{Place, keys};

const SOURCE: &str = "a b c\nd e\n\nz y x w\n";

fn align(place: &Place, more: &[&str]) -> String {
    let files = ["--source", "source", "--target", "target"];
    let arguments = [&["align", "runs/tiny"][..], &files, more].concat();
    place.run(&arguments).succeeds()
}

/// The untrained run, and files to be aligned.
fn place() -> Place {
    let place = Place::with_run();
    place.write("source", SOURCE);
    place.write("target", "c b\nd\te  f\na\n\n");
    place
}

#[test]
fn every_word_of_a_translation_has_a_link() {
    let place = place();
    let links = align(&place, &[]);
    let lines: Vec<&str> = links.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[2..], ["", ""], "nothing to link");
    for (line, [sources, targets]) in lines.iter().zip([[3, 2], [2, 3]]) {
        let mut linked = Vec::new();
        for link in line.split(' ') {
            let (source, target) = link.split_once('-').unwrap();
            assert!(source.parse::<usize>().unwrap() < sources, "{line}");
            linked.push(target.parse::<usize>().unwrap());
        }
        // Here a word is a token.
        linked.sort_unstable();
        assert_eq!(linked, (0..targets).collect::<Vec<_>>(), "{line}");
    }
    place.write("pairs.tsv", "a b c\tc b\nd e\td e f\n\ta\nz y x w\t\n");
    let of_tsv = place.run(&["align", "runs/tiny", "--tsv", "pairs.tsv"]);
    assert_eq!(of_tsv.succeeds(), links);
}

/// What a model says itself, read again, looks where it looked.
#[test]
fn own_translations_are_aligned_as_translating_says() {
    let place = place();
    // So that every token is a word of the text.
    let suppress = "decode.suppress=[\"<pad>\", \"<s>\"]";
    let told = [
        "translate",
        "runs/tiny",
        "--alignment",
        "hard",
        "--set",
        suppress,
    ];
    let told = place.run_on(&told, SOURCE).succeeds();
    let (mut target, mut expected) = (String::new(), Vec::new());
    for line in told.lines() {
        let (text, links) = line.split_once("|||").unwrap();
        target.extend([text.trim(), "\n"]);
        let mut links: Vec<&str> = links.split_whitespace().collect();
        links.sort_unstable();
        expected.push(links);
    }
    place.write("target", target);
    let mut compared = 0;
    for (line, expected) in align(&place, &[]).lines().zip(&expected) {
        let mut links: Vec<&str> = line.split_whitespace().collect();
        links.sort_unstable();
        assert_eq!(links, *expected);
        compared += links.len();
    }
    assert!(compared > 6, "{compared}");
}

#[test]
fn agreement_is_that_of_the_links() {
    let place = place();
    let own = align(&place, &[]);
    place.write("own", &own);
    assert_eq!(
        align(&place, &["--gold", "own"]),
        "AER 0.00 (precision 100.00, recall 100.00)\n5 links, 5 sure in the gold alignment, 4 sentences\n"
    );
    // As in the library: A = {0-0, 1-2, 2-1, 3-3}, S = {0-0, 2-2}, P = S and {1-2, 2-1}.
    place.write("links", "0-0 1-2 2-1 3-3\n");
    place.write("gold", "0-0 2-2 1?2 2p1\n");
    let score = ["align", "--links", "links", "--gold", "gold"];
    let said = "AER 33.33 (precision 75.00, recall 50.00)\n4 links, 2 sure in the gold alignment, 1 sentence\n";
    assert_eq!(place.run(&score).succeeds(), said);
    place.write("pair.tsv", "a b c d\te f g h\n");
    let within = [&score[..], &["--tsv", "pair.tsv"]].concat();
    assert_eq!(place.run(&within).succeeds(), said);
    let json = place.run(&[&score[..], &["--json"]].concat()).succeeds();
    let json: Value = serde_json::from_str(&json).unwrap();
    let expected = [
        "alignment_error_rate",
        "links",
        "precision",
        "recall",
        "sentences",
        "sure",
    ];
    assert_eq!(keys(&json), expected);
    assert!((json["alignment_error_rate"].as_f64().unwrap() - 100.0 / 3.0).abs() < 1e-9);
    assert_eq!(json["sentences"], 1);
}

#[test]
fn what_cannot_be_aligned_is_an_error() {
    let place = place();
    let files = ["--source", "source", "--target", "target"];
    let with_gold = [&["align", "runs/tiny", "--gold", "gold"][..], &files].concat();
    for (gold, problems) in [
        ("0-0\n\n", &["has 4 lines", "has 2"][..]),
        ("", &["`gold`", "empty"]),
        (
            "0-0\n0=1\n\n\n",
            &[
                "cannot use `gold`",
                "reference alignment, line 2, token 1: expected a link like `0-2`, or `0?2` if it is but possible, got `0=1`",
            ],
        ),
        (
            "0-0\n0-1 2-1\n\n\n",
            &[
                "reference alignment, line 2: expected links between the 2 and 3 words of its sentences, counted from 0, got 2-1",
            ],
        ),
        (
            "\n\n0?0\n\n",
            &["line 3: expected links between the 0 and 1 words"],
        ),
    ] {
        place.write("gold", gold);
        let ran = place.run(&with_gold);
        ran.fails(problems);
        assert_eq!(ran.stdout, "", "{gold}");
    }
    place.write("gold", "0-0\n\n\n\n");
    for (links, problems) in [
        ("0-0\n", &["`links` has 1 line", "`gold` has 4"][..]),
        (
            "0-0\n1?1\n\n\n",
            &[
                "cannot score `links`",
                "hypothesis alignment, line 2, token 1: expected a link like `0-2`, got `1?1`",
            ],
        ),
        (
            "0-0\n0-3\n\n\n",
            &["hypothesis alignment, line 2: expected links between the 2 and 3 words"],
        ),
    ] {
        place.write("links", links);
        let score = ["align", "--links", "links", "--gold", "gold"];
        place.run(&[&score[..], &files].concat()).fails(problems);
    }
    for (arguments, problem) in [
        (&["align"][..], "<RUN>"),
        (
            &["align", "runs/tiny"],
            "give --source and --target, or --tsv",
        ),
        (&["align", "--links", "links"], "--gold"),
        (
            &["align", "runs/tiny", "--links", "links"],
            "cannot be used with",
        ),
        (&["align", "runs/tiny", "--source", "source"], "--target"),
        (
            &["align", "runs/tiny", "--tsv", "nowhere"],
            "cannot read `nowhere`",
        ),
    ] {
        place.run(arguments).fails(&[problem]);
    }

    let place = Place::with_model("kind = \"bottleneck\"\nd_model = 16");
    place.run(&["train", "tiny.toml"]).succeeds();
    let align = ["align", "runs/tiny", "--tsv", "held-out.tsv"];
    place
        .run(&align)
        .fails(&["aligning needs a model with attention, and `runs/tiny` has none"]);
}
