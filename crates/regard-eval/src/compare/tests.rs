use proptest::prelude::*;
use serde_json::Value;

use super::page::{Example, ExampleRun, example_lines, html};
use super::*;
use crate::exact::exact_match;

/// `lines` sources of 3 to 32 words; run `r` says each word wrong that stands behind `reach[r]`.
fn runs_that_forget(lines: usize, reach: &[usize]) -> (Vec<String>, Vec<String>, Vec<Run>) {
    let sources: Vec<String> = (0..lines)
        .map(|i| {
            let words = (0..3 + i % 30).map(|j| format!("w{}", (i * 7 + j * 3) % 97));
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    let references: Vec<String> = sources.iter().map(|line| line.replace('w', "v")).collect();
    let runs = reach.iter().enumerate().map(|(r, &reach)| Run {
        facts: facts(&format!("run-{r}")),
        sentences: references
            .iter()
            .map(|reference| {
                let words: Vec<&str> = reference.split(' ').collect();
                let wrong = words.len().saturating_sub(reach);
                let right = words.iter().take(reach).copied();
                let said: Vec<&str> = right.chain(std::iter::repeat_n("x", wrong)).collect();
                Sentence {
                    hypothesis: said.join(" "),
                    nats: 0.1 * words.len() as f64 + wrong as f64,
                    tokens: words.len() + 1,
                    truncated: false,
                }
            })
            .collect(),
    });
    let runs = runs.collect();
    (sources, references, runs)
}

fn facts(run: &str) -> Facts {
    Facts {
        run: run.into(),
        model: "transformer".into(),
        target_tokenizer: "words".into(),
        parameters: 1_294_976,
        training_seconds: Some(102.0),
        training_tokens_per_second: Some(17_530.4),
        decoding_tokens_per_second: 18_258.0,
        peak_memory_mib: None,
    }
}

fn compared(sources: &[String], references: &[String], runs: &[Run]) -> Comparison {
    let test = TestSet {
        sources,
        references,
    };
    compare(test, runs, &Options::default()).unwrap()
}

fn forgetful(reach: &[usize]) -> Comparison {
    let (sources, references, runs) = runs_that_forget(240, reach);
    compared(&sources, &references, &runs)
}

#[test]
fn scores_are_those_of_the_metrics() {
    let (sources, references, runs) = runs_that_forget(60, &[5, 100]);
    let options = Options {
        edges: Some(vec![3, 11, 21]),
        seed: 1,
        ..Options::default()
    };
    let test = TestSet {
        sources: &sources,
        references: &references,
    };
    let comparison = compare(test, &runs, &options).unwrap();
    let said: Vec<&String> = runs[0]
        .sentences
        .iter()
        .map(|line| &line.hypothesis)
        .collect();
    let whole = comparison.runs[0].scores;
    let bleu = Bleu::default().corpus(&said, &references).unwrap().score;
    let chrf = Chrf::default().corpus(&said, &references).unwrap().score;
    let exact = exact_match(&said, &references).unwrap();
    assert_eq!(
        (
            whole.bleu.to_bits(),
            whole.chrf.to_bits(),
            whole.exact_match.to_bits()
        ),
        (bleu.to_bits(), chrf.to_bits(), exact.to_bits())
    );
    let sum = |number: fn(&Sentence) -> f64| runs[0].sentences.iter().map(number).sum::<f64>();
    let perplexity = (sum(|line| line.nats) / sum(|line| line.tokens as f64)).exp();
    assert!((whole.perplexity - perplexity).abs() < 1e-9);

    let in_bucket: Vec<usize> = (0..60)
        .filter(|&i| (11..=20).contains(&sources[i].split(' ').count()))
        .collect();
    let bucket = &comparison.buckets[1];
    assert_eq!(
        (bucket.from, bucket.to, bucket.sentences),
        (11, 20, in_bucket.len())
    );
    let pick = |lines: &[&String]| {
        in_bucket
            .iter()
            .map(|&i| lines[i].clone())
            .collect::<Vec<_>>()
    };
    let references: Vec<&String> = references.iter().collect();
    let bleu = Bleu::default()
        .corpus(&pick(&said), &pick(&references))
        .unwrap();
    assert_eq!(bucket.runs[0].scores.bleu.to_bits(), bleu.score.to_bits());
    let [low, high] = bucket.runs[0].scores.bleu_interval;
    assert!(low < bleu.score && bleu.score < high);
    // A run that is always right leaves no doubt.
    assert_eq!(bucket.runs[1].scores.exact_match_interval, [100.0, 100.0]);
}

#[test]
fn the_order_of_the_lines_changes_nothing() {
    let (sources, references, runs) = runs_that_forget(90, &[4, 9]);
    let expected = compared(&sources, &references, &runs);
    // 37 and 90 have no common divisor.
    let order: Vec<usize> = (0..90).map(|i| i * 37 % 90).collect();
    let pick = |lines: &[String]| order.iter().map(|&i| lines[i].clone()).collect::<Vec<_>>();
    let mut shuffled = runs.clone();
    for run in &mut shuffled {
        run.sentences = order.iter().map(|&i| run.sentences[i].clone()).collect();
    }
    let got = compared(&pick(&sources), &pick(&references), &shuffled);
    assert_eq!(got, expected);
}

#[test]
fn the_finding_follows_the_numbers() {
    let said = forgetful(&[4, 100]).finding;
    assert!(
        said.contains("run-0 loses") && said.contains("run-1 loses 0.0 BLEU [0.0, 0.0]"),
        "{said}"
    );
    let turned = forgetful(&[100, 4]).finding;
    assert!(
        turned.contains("run-1 loses") && turned.contains("run-0 is") && turned != said,
        "{turned}"
    );
    let equal = forgetful(&[6, 6]).finding;
    assert!(
        equal.contains("no two runs differ in BLEU beyond the intervals"),
        "{equal}"
    );
    let alone = forgetful(&[6]).finding;
    assert!(
        alone.contains("run-0 loses") && alone.contains(": it goes from"),
        "{alone}"
    );
}

#[test]
fn short_references_are_judged_by_chrf() {
    let (sources, references) = (vec!["a b".to_owned(); 50], vec!["c d".to_owned(); 50]);
    let sentence = Sentence {
        hypothesis: "c d".into(),
        nats: 1.0,
        tokens: 3,
        truncated: false,
    };
    let runs = [Run {
        facts: facts("run"),
        sentences: vec![sentence; 50],
    }];
    let comparison = compared(&sources, &references, &runs);
    assert!(
        comparison.finding.contains("chrF"),
        "{}",
        comparison.finding
    );
    assert!(comparison.notes[0].contains("shorter than four words"));
}

#[test]
fn notes_tell_what_the_numbers_leave_out() {
    let (sources, references, mut runs) = runs_that_forget(30, &[5, 9]);
    // As many tokens, but other ones.
    runs[1].facts.target_tokenizer = "letters".into();
    runs[1].sentences[3].truncated = true;
    runs[1].sentences[7].truncated = true;
    let options = Options {
        edges: Some(vec![3, 28, 50, 60]),
        ..Options::default()
    };
    let test = TestSet {
        sources: &sources,
        references: &references,
    };
    let notes = compare(test, &runs, &options).unwrap().notes;
    let expected = [
        "50 to 59 words",
        "60 words or more",
        "The bucket of 28 to 49 words has 5 sentences of 20 needed",
        "do not compare",
        "The perplexity of run-1 leaves out the ends of 2 sentences",
        "another seed",
    ];
    for (note, part) in notes.iter().zip(expected) {
        assert!(note.contains(part), "{notes:?}");
    }
    assert_eq!(notes.len(), expected.len());
    // The same tokenizer on both sides, all in one bucket of 30.
    let (sources, references, runs) = runs_that_forget(30, &[5, 9]);
    assert_eq!(compared(&sources, &references, &runs).notes.len(), 1);
}

#[test]
fn lower_case_is_that_of_the_metrics() {
    let (sources, references, mut runs) = runs_that_forget(60, &[5, 100]);
    for line in runs.iter_mut().flat_map(|run| &mut run.sentences) {
        line.hypothesis = line.hypothesis.to_uppercase();
    }
    let with = |lowercase| {
        let test = TestSet {
            sources: &sources,
            references: &references,
        };
        let options = Options {
            lowercase,
            ..Options::default()
        };
        compare(test, &runs, &options).unwrap()
    };
    let (mixed, lower) = (with(false), with(true));
    assert_eq!(mixed.runs[1].scores.exact_match, 0.0);
    let scores = lower.runs[1].scores;
    assert_eq!(scores.exact_match, 100.0);
    assert!(scores.bleu > 99.9 && scores.chrf > 99.9, "{scores:?}");
    let said: Vec<&String> = runs[0]
        .sentences
        .iter()
        .map(|line| &line.hypothesis)
        .collect();
    let chrf = Chrf::default().with_lowercase(true);
    let chrf = chrf.corpus(&said, &references).unwrap();
    assert_eq!(lower.runs[0].scores.chrf.to_bits(), chrf.score.to_bits());
    let signatures = &lower.signatures;
    assert_eq!(signatures.chrf, chrf.signature);
    for signature in [&signatures.bleu, &signatures.exact_match] {
        assert!(signature.contains("case:lc"), "{signature}");
    }
    assert_eq!(mixed.signatures.exact_match, "nrefs:1|case:mixed");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (sources, references, runs) = runs_that_forget(5, &[5, 9]);
    let error = |sources: &[String], runs: &[Run], edges: Option<Vec<usize>>| {
        let test = TestSet {
            sources,
            references: &references,
        };
        let options = Options {
            edges,
            ..Options::default()
        };
        compare(test, runs, &options).unwrap_err()
    };
    assert_eq!(error(&sources, &[], None), EvalError::NoRuns);
    assert!(matches!(
        error(&sources[1..], &runs, None),
        EvalError::LineCounts { .. }
    ));
    let twice = [runs[0].clone(), runs[0].clone()];
    let name = "run-0".to_owned();
    assert_eq!(error(&sources, &twice, None), EvalError::SameName { name });
    let mut short = runs.clone();
    short[1].sentences.pop();
    assert!(matches!(
        error(&sources, &short, None),
        EvalError::LineCounts { .. }
    ));
    for edges in [vec![], vec![3, 3], vec![9, 3]] {
        assert_eq!(
            error(&sources, &runs, Some(edges.clone())),
            EvalError::Edges { edges }
        );
    }
}

#[test]
fn json_has_the_keys_that_scripts_read() {
    let json = serde_json::to_value(forgetful(&[5, 9])).unwrap();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        keys(&json),
        "buckets finding notes runs sentences signatures"
    );
    assert_eq!(
        keys(&json["buckets"][0]),
        "from mean_words runs sentences to"
    );
    let scores = "bleu bleu_interval chrf chrf_interval exact_match exact_match_interval";
    assert_eq!(
        keys(&json["buckets"][0]["runs"][1]),
        format!("{scores} perplexity perplexity_interval run")
    );
    assert_eq!(
        keys(&json["runs"][0]),
        "bleu bleu_interval chrf chrf_interval decoding_tokens_per_second exact_match \
         exact_match_interval model parameters peak_memory_mib perplexity perplexity_interval run \
         target_tokenizer training_seconds training_tokens_per_second"
    );
    assert_eq!(keys(&json["signatures"]), "bleu chrf exact_match intervals");
}

#[test]
fn the_table_has_a_line_for_each_bucket_and_run() {
    let comparison = forgetful(&[5, 9]);
    let text = table::text(&comparison);
    let buckets = comparison.buckets.len();
    assert_eq!(buckets, 6);
    assert_eq!(
        text.matches("run-0").count(),
        buckets + 2 + comparison.finding.matches("run-0").count()
    );
    for part in [
        "words  sentences  run ",
        "\n3-7 ",
        "\nall    240        run-0",
        "1,294,976",
        "1 min 42 s",
        "17,530",
        "18,258",
        "BLEU nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp",
        "chrF2 nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no",
        "exact match nrefs:1|case:mixed",
        "intervals bootstrap:percentile|level:95|resamples:1000|seed:0",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(text.ends_with(&format!("\n{}\n", comparison.finding)));
    assert!(text.lines().all(|line| line == line.trim_end()));
}

fn tokens(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// One sentence, of whose two source tokens a translation `c d` looked at each with `weights`.
fn page(names: &[&str], source: &str, weights: &[f32]) -> String {
    drawn(names, source, "c d", Some(weights.to_vec()))
}

fn drawn(names: &[&str], source: &str, said: &str, weights: Option<Vec<f32>>) -> String {
    let mut comparison = forgetful(&vec![6; names.len()]);
    for (i, name) in names.iter().enumerate() {
        comparison.runs[i].facts.run = (*name).to_owned();
    }
    let run = ExampleRun {
        translation: said.to_owned(),
        source: tokens(source),
        target: said.split_whitespace().map(str::to_owned).collect(),
        weights,
    };
    let example = Example {
        source: source.to_owned(),
        reference: "e f".into(),
        runs: vec![run; names.len()],
    };
    html(&comparison, &[example]).unwrap()
}

/// Tags open and close in pairs, those without content left out.
fn check_nesting(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !matches!(name, "meta" | "!DOCTYPE") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_but_itself() {
    for names in [&["one"] as &[&str], &["one", "two"], &["a", "b", "c", "d"]] {
        let page = page(names, "a b", &[0.25, 0.75, 1.0, 0.0]);
        check_nesting(&page);
        for foreign in ["http", "//", "<script", "<link", "<img", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert_eq!(page.matches("<svg class=\"chart\"").count(), 4);
        assert_eq!(page.matches("<svg class=\"heat\"").count(), names.len());
        assert!(page.contains("c \u{2190} b: 0.75"), "weights are told");
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
        // Every picture has a title and a description, under names of their own.
        let ids: Vec<&str> = page
            .split(" id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        for reference in page.split("aria-labelledby=\"").skip(1) {
            for id in reference.split('"').next().unwrap().split(' ') {
                assert!(ids.contains(&id), "{id}");
            }
        }
    }
}

#[test]
fn text_from_outside_stays_text() {
    let evil = "</title><script>alert(1)</script>&\"'";
    let page = page(&["one", evil], &format!("{evil} b"), &[0.5, 0.5, 0.5, 0.5]);
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"));
    check_nesting(&page);
}

#[test]
fn a_run_without_attention_says_so_in_words() {
    let bottleneck = "vectors whose number and size do not grow with the sentence";
    for said in ["c d", ""] {
        let page = drawn(&["one"], "a b", said, None);
        assert!(page.contains(bottleneck) && !page.contains("class=\"heat\""));
    }
    // With attention and nothing to say there is nothing to draw either, for another reason.
    let silent = drawn(&["one"], "a b", "", Some(Vec::new()));
    assert!(!silent.contains(bottleneck) && !silent.contains("class=\"heat\""));
    assert!(silent.contains("No token was said"));
}

#[test]
fn weights_that_do_not_fill_a_map_are_refused() {
    let comparison = forgetful(&[6]);
    let run = ExampleRun {
        translation: String::new(),
        source: tokens("a b"),
        target: tokens("c"),
        weights: Some(vec![1.0]),
    };
    let example = Example {
        source: String::new(),
        reference: String::new(),
        runs: vec![run],
    };
    let error = html(&comparison, &[example]).unwrap_err();
    assert!(
        matches!(error, EvalError::MapShape { weights: 1, .. }),
        "{error}"
    );
}

#[test]
fn examples_are_short_middling_and_long() {
    let (sources, references, runs) = runs_that_forget(240, &[6]);
    let comparison = compared(&sources, &references, &runs);
    let lengths: Vec<usize> = example_lines(&comparison, &sources)
        .into_iter()
        .map(|line| sources[line].split(' ').count())
        .collect();
    let within = |(length, bucket): (&usize, usize)| {
        let bucket = &comparison.buckets[bucket];
        (bucket.from..=bucket.to).contains(length)
    };
    assert!(lengths.iter().zip([0, 3, 5]).all(within), "{lengths:?}");
    let one = compared(
        &sources[..1],
        &references[..1],
        &[Run {
            facts: facts("run"),
            sentences: runs[0].sentences[..1].to_vec(),
        }],
    );
    assert_eq!(example_lines(&one, &sources[..1]), [0]);
}

#[test]
fn lines_without_a_word_are_no_examples() {
    let (mut sources, references, runs) = runs_that_forget(60, &[6]);
    for blank in &mut sources[..25] {
        "  ".clone_into(blank);
    }
    let comparison = compared(&sources, &references, &runs);
    assert_eq!(comparison.buckets[0].from, 0);
    let lines = example_lines(&comparison, &sources);
    assert!(lines.iter().all(|&line| line >= 25), "{lines:?}");
    sources[25..].fill(String::new());
    let comparison = compared(&sources, &references, &runs);
    assert!(example_lines(&comparison, &sources).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whatever_is_said_makes_a_report(
        lines in prop::collection::vec((".{0,20}", ".{0,20}", ".{0,20}", 0.0_f64..1e3), 1..30),
        seed: u64,
    ) {
        let sources: Vec<String> = lines.iter().map(|line| line.0.clone()).collect();
        let references: Vec<String> = lines.iter().map(|line| line.1.clone()).collect();
        let sentences = lines.iter().map(|(_, _, hypothesis, nats)| Sentence {
            hypothesis: hypothesis.clone(),
            nats: *nats,
            tokens: 1,
            truncated: false,
        });
        let run = Run { facts: facts("run"), sentences: sentences.collect() };
        let test = TestSet { sources: &sources, references: &references };
        let comparison = compare(test, &[run], &Options { seed, ..Options::default() }).unwrap();
        let json = serde_json::to_string(&comparison).unwrap();
        prop_assert!(!json.contains("\"bleu\":null") && !json.contains("_interval\":[null"));
        prop_assert!(!comparison.finding.contains("NaN"));
        let page = html(&comparison, &[]).unwrap();
        prop_assert!(!page.contains("NaN") && !page.contains("inf"), "{}", page);
        prop_assert!(!table::text(&comparison).contains("NaN"));
    }
}
