use super::*;

/// Buckets of so many sentences with `scores[bucket][run]`; resampling moves each score by up to `doubts[run]`, each run
/// in its own way.
fn told(names: &[&str], scores: &[&[f64]], doubts: &[f64], sentences: &[usize]) -> String {
    let spans = scores.iter().enumerate().map(|(bucket, scores)| Span {
        from: 1 + 10 * bucket,
        to: 10 + 10 * bucket,
        sentences: sentences[bucket],
        scores: scores.to_vec(),
        drawn: scores
            .iter()
            .enumerate()
            .map(|(run, score)| {
                (0..1_000)
                    .map(|i| {
                        let turn = (i * (2 * bucket + run + 3)) % 1_000;
                        score + doubts[run] * (turn as f64 / 500.0 - 1.0)
                    })
                    .collect()
            })
            .collect(),
    });
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Evidence::new(Measure::Bleu, names, spans.collect()).sentence()
}

/// The same with one doubt for all runs and many sentences.
fn sentence(names: &[&str], scores: &[&[f64]], doubt: f64) -> String {
    told(
        names,
        scores,
        &vec![doubt; names.len()],
        &vec![100; scores.len()],
    )
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
}

#[test]
fn a_growing_gap_is_told_with_both_ends() {
    let said = sentence(
        &["bottleneck", "bahdanau", "transformer"],
        &[
            &[97.0, 98.0, 99.5],
            &[80.0, 97.0, 98.0],
            &[45.0, 95.0, 98.25],
        ],
        0.4,
    );
    assert_eq!(
        said,
        "From the shortest sources (1 to 10 words) to the longest (21 to 30 words), \
         bottleneck loses 52.0 BLEU [51.4, 52.6], the most, and \
         transformer loses 1.2 BLEU [0.6, 1.9], the least, a difference of 50.8 BLEU [49.9, 51.6]; \
         transformer is 2.5 BLEU [1.9, 3.1] above bottleneck among the shortest and \
         53.2 BLEU [52.6, 53.9] among the longest."
    );
}

#[test]
fn other_numbers_give_another_sentence() {
    // The same runs, the other way round: the bottleneck is best throughout and gains.
    let said = sentence(
        &["bottleneck", "bahdanau"],
        &[&[60.0, 59.9], &[75.0, 40.0]],
        0.5,
    );
    for part in [
        "bahdanau loses 19.9 BLEU",
        "and bottleneck gains 15.0 BLEU",
        ", a difference of 34.9 BLEU [",
        "among the shortest no two runs differ in BLEU beyond the intervals",
        "among the longest bottleneck is 35.0 BLEU",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(!said.contains("the most"), "{said}");
}

#[test]
fn equal_runs_do_not_differ() {
    let said = sentence(&["a", "b"], &[&[50.0, 50.0], &[40.0, 40.0]], 1.0);
    assert!(
        said.contains("no run loses more than another beyond the intervals (a loses 10.0 BLEU"),
        "{said}"
    );
    assert!(
        said.ends_with(
            "no two runs differ in BLEU beyond the intervals, \
             neither among the shortest nor among the longest."
        ),
        "{said}"
    );
    // Without any doubt, too.
    let same = sentence(&["a", "b"], &[&[50.0, 50.0], &[50.0, 50.0]], 0.0);
    assert!(
        same.contains("(a loses 0.0 BLEU [0.0, 0.0], b loses 0.0 BLEU [0.0, 0.0])"),
        "{same}"
    );
}

#[test]
fn wide_intervals_leave_no_difference() {
    let scores: [&[f64]; 2] = [&[50.0, 52.0], &[45.0, 42.0]];
    let wide = sentence(&["a", "b"], &scores, 20.0);
    assert!(
        wide.contains("no run loses more than another beyond the intervals")
            && wide.contains("a loses 5.0 BLEU [-"),
        "{wide}"
    );
    let narrow = sentence(&["a", "b"], &scores, 0.1);
    assert!(
        narrow.contains("b loses 10.0 BLEU") && narrow.contains("a is 3.0 BLEU"),
        "{narrow}"
    );
}

#[test]
fn best_and_worst_may_change_places() {
    let said = sentence(&["a", "b"], &[&[90.0, 50.0], &[30.0, 70.0]], 0.5);
    for part in [
        "among the shortest a is 40.0 BLEU",
        "among the longest b is 40.0 BLEU",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
}

#[test]
fn a_gap_may_close() {
    let said = sentence(&["a", "b"], &[&[90.0, 50.0], &[30.0, 30.0]], 0.5);
    assert!(
        said.contains("among the shortest a is 40.0 BLEU")
            && said.ends_with("among the longest no two runs differ in BLEU beyond the intervals."),
        "{said}"
    );
}

#[test]
fn one_run_is_compared_with_itself() {
    let said = sentence(&["only"], &[&[90.0], &[70.0]], 0.5);
    assert!(
        said.contains("only loses 20.0 BLEU") && said.ends_with("it goes from 90.0 to 70.0."),
        "{said}"
    );
    assert_eq!(
        sentence(&["only"], &[&[90.0]], 0.0),
        "All sources are in one bucket of 1 to 10 words, so length shows nothing; \
         only has 90.0 BLEU [90.0, 90.0]."
    );
}

#[test]
fn one_bucket_still_tells_the_runs_apart() {
    let said = sentence(&["a", "b"], &[&[90.0, 80.0]], 0.5);
    assert!(
        said.contains("length shows nothing; a is 10.0 BLEU") && said.ends_with("above b."),
        "{said}"
    );
    let said = sentence(&["a", "b"], &[&[80.0, 80.0]], 0.5);
    assert!(
        said.ends_with("no two runs differ in BLEU beyond the intervals."),
        "{said}"
    );
}

#[test]
fn a_difference_between_runs_in_the_middle_is_no_negative() {
    // Highest and lowest of the first are drowned in the doubt of `a`; `b` and `c` are 5 apart for sure.
    let doubts = [30.0, 0.1, 0.1];
    let names = ["a", "b", "c"];
    let one_bucket = told(&names, &[&[52.0, 50.0, 45.0]], &doubts, &[100]);
    says(
        &one_bucket,
        &[
            "; b (a cannot be told from it) is 5.0 BLEU [",
            " above c (a cannot be told from it).",
        ],
    );
    let scores: [&[f64]; 2] = [&[50.0, 50.0, 50.0], &[40.0, 45.0, 49.0]];
    let two = told(&names, &scores, &doubts, &[100; 2]);
    says(
        &two,
        &[
            ", b loses 5.0 BLEU [",
            "] (a cannot be told from it), and c loses 1.0 BLEU [",
            "], the least (a cannot be told from it), a difference of 4.0 BLEU [",
            "among the shortest no two runs differ in BLEU beyond the intervals, \
             among the longest c (a cannot be told from it) is 4.0 BLEU [",
        ],
    );
    assert!(!two.contains("the most"), "a loses more than b: {two}");
}

#[test]
fn every_run_that_equals_an_extreme_is_named() {
    let names = ["low", "a", "b", "c"];
    let scores: [&[f64]; 2] = [&[50.0, 90.0, 90.1, 90.2], &[20.0, 80.0, 80.1, 80.3]];
    let said = sentence(&names, &scores, 1.0);
    says(
        &said,
        &[
            "low loses 30.0 BLEU [",
            "], the most, and c loses 9.9 BLEU [",
            "], the least (a and b cannot be told from it), a difference of 20.1 BLEU [",
            "among the shortest c (a and b cannot be told from it) is 40.2 BLEU [",
            "among the longest c (a and b cannot be told from it) is 60.3 BLEU [",
        ],
    );
    assert!(said.ends_with("] above low."), "{said}");
}

#[test]
fn who_gains_most_does_not_lose_least() {
    let scores: [&[f64]; 2] = [&[50.0, 50.0, 50.0], &[51.0, 60.0, 70.0]];
    let said = sentence(&["a", "b", "c"], &scores, 0.1);
    says(
        &said,
        &[
            "a gains 1.0 BLEU [",
            "], the least, and c gains 20.0 BLEU [",
        ],
    );
    assert!(said.contains("], the most, a difference of 19.0"), "{said}");
}

#[test]
fn nothing_is_sure_of_too_few_sentences() {
    let scores: [&[f64]; 2] = [&[90.0, 91.0], &[80.0, 20.0]];
    let with = |sentences: [usize; 2]| told(&["a", "b"], &scores, &[0.1; 2], &sentences);
    says(
        &with([20, 19]),
        &[
            "an end has too few sentences to say which run loses more (a loses 10.0 BLEU [",
            "among the shortest b is 1.0 BLEU [",
            "among the longest there are too few sentences to tell the runs apart.",
        ],
    );
    says(
        &with([19, 20]),
        &[
            "among the shortest there are too few",
            "among the longest a is",
        ],
    );
    says(
        &with([20, 20]),
        &["b loses 71.0 BLEU", "among the longest a is 60.0 BLEU"],
    );
    let one = told(&["a", "b"], &scores[..1], &[0.1; 2], &[1]);
    assert!(
        one.ends_with("; there are too few sentences to tell the runs apart."),
        "{one}"
    );
}
