use super::panel::panels;
use super::*;

fn points(values: &[(u64, f64)]) -> Vec<Point> {
    let point = |&(step, value): &(u64, f64)| Point { step, value };
    values.iter().map(point).collect()
}

fn score(name: &str, values: &[(u64, f64)]) -> Score {
    Score {
        name: name.into(),
        points: points(values),
    }
}

/// A run of a thousand logged steps and a few validations.
fn run(name: &str) -> Run {
    let logged = |f: fn(f64) -> f64| -> Vec<Point> {
        (1..=1_000)
            .map(|step| Point {
                step,
                value: f(step as f64),
            })
            .collect()
    };
    Run {
        name: name.into(),
        loss: logged(|step| 6.0 / (1.0 + step / 100.0) + (step * 7.0).sin() / 4.0),
        learning_rate: logged(|step| 1e-3 * (step / 100.0).min((100.0 / step).sqrt())),
        gradient_norm: logged(|step| 1.0 + (step * 3.0).cos() / 2.0),
        speed: logged(|_| 12_345.6),
        validation: vec![
            score("nats", &[(500, 1.25), (1_000, 1.5)]),
            score("perplexity", &[(500, 3.49), (1_000, 4.48)]),
            score("bleu", &[(500, 20.0), (1_000, 31.5)]),
        ],
    }
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
fn a_sheet_needs_nothing_but_itself() {
    for names in [
        &["one"] as &[&str],
        &["one", "two"],
        &["a", "b", "c", "d", "e", "f", "g"],
    ] {
        let runs: Vec<Run> = names.iter().map(|name| run(name)).collect();
        let (page, picture) = (html(&runs).unwrap(), svg(&runs).unwrap());
        for sheet in [&page, &picture] {
            check_nesting(sheet);
            let own = sheet.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            for foreign in [
                "http", "//", "<script", "<link", "<img", "@import", "url(", "NaN", "inf",
            ] {
                assert!(!own.contains(foreign), "{foreign}");
            }
            assert!(sheet.contains("prefers-color-scheme: dark"));
            let size = sheet.len();
            assert!(
                size < 200_000 * names.len(),
                "{size} bytes for {} runs",
                names.len()
            );
        }
        assert!(page.contains("@media print") && !picture.contains("var("));
        assert_eq!(page.matches("<svg class=\"chart\"").count(), 6);
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).collect();
        for rest in &mut ids {
            *rest = rest.split('"').next().unwrap();
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "every id is unique");
    }
}

#[test]
fn the_table_has_the_last_and_the_best() {
    let short = Run {
        loss: points(&[(50, 4.25), (100, 3.5), (150, 3.75)]),
        learning_rate: points(&[(50, 2e-5), (150, 0.0)]),
        validation: vec![
            score("nats", &[(100, 1.25)]),
            score("bleu", &[(50, 0.0), (100, 31.5), (150, 31.5)]),
            score("words_per_line", &[(100, -2.0)]),
        ],
        name: "short".into(),
        ..Run::default()
    };
    let expected = [
        "                   last  step   best  step",
        "training loss     3.750   150  3.500   100",
        "validation loss   1.250   100  1.250   100",
        "BLEU              31.50   150  31.50   100",
        "words per line   -2.000   100",
        "learning rate         0   150",
    ];
    let table = text(std::slice::from_ref(&short)).unwrap();
    assert_eq!(table.lines().collect::<Vec<_>>(), expected);

    let other = Run {
        name: "other".into(),
        loss: points(&[(7, 1.0)]),
        ..Run::default()
    };
    let both = text(&[short, other]).unwrap();
    let lines: Vec<Vec<&str>> = both
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["run", "last", "step", "best", "step"]);
    assert_eq!(lines[2], ["other", "1.000", "7", "1.000", "7"]);
}

#[test]
fn scores_of_every_name_have_a_chart_once() {
    let mut runs = [run("a"), run("b")];
    runs[1].validation.push(score("accuracy", &[(500, 0.5)]));
    let titles: Vec<String> = panels(&runs).into_iter().map(|panel| panel.title).collect();
    let expected = [
        "Loss, nats per token",
        "Perplexity",
        "BLEU",
        "Accuracy",
        "Gradient norm",
        "Learning rate",
        "Target tokens per second",
    ];
    assert_eq!(titles, expected);
    let [loss, .., accuracy] = &panels(&runs)[..4] else {
        panic!("{titles:?}");
    };
    assert_eq!((loss.curves.len(), accuracy.curves.len()), (4, 1));
}

#[test]
fn what_is_no_number_is_not_drawn_and_what_is_enormous_does_no_harm() {
    let mut odd = run("odd");
    odd.loss = points(&[(1, f64::NAN), (2, 1.0), (3, f64::INFINITY)]);
    odd.validation = vec![
        score("perplexity", &[(1, f64::MAX), (2, 7.0)]),
        score("nats", &[(1, f64::NAN)]),
        score("mystery", &[(1, f64::MAX), (2, -f64::MAX)]),
    ];
    let runs = [odd];
    for sheet in [
        html(&runs).unwrap(),
        svg(&runs).unwrap(),
        text(&runs).unwrap(),
    ] {
        assert!(!sheet.contains("NaN") && !sheet.contains("inf"), "{sheet}");
    }
    assert!(text(&runs).unwrap().contains("1.80e308"));
}

#[test]
fn names_from_outside_stay_text() {
    let evil = "</title><script>&\"'\u{1b}";
    let mut runs = [run(evil), run("b")];
    runs[0].validation.push(score("</text><b>", &[(1, 1.0)]));
    for sheet in [html(&runs).unwrap(), svg(&runs).unwrap()] {
        assert!(!sheet.contains("<script") && !sheet.contains("<b>"));
        check_nesting(&sheet);
    }
    assert!(!svg(&runs).unwrap().contains('\u{1b}'), "no XML holds it");
}

#[test]
fn runs_without_a_number_are_refused_by_name() {
    assert_eq!(text(&[]), Err(EvalError::NoRuns));
    let empty = Run {
        name: "new".into(),
        loss: points(&[(1, f64::NAN)]),
        ..Run::default()
    };
    let error = svg(&[run("a"), empty]).unwrap_err().to_string();
    assert_eq!(error, "run `new` has logged nothing yet");
    let error = html(&[run("a"), run("a")]).unwrap_err().to_string();
    assert!(error.starts_with("two runs are called `a`"), "{error}");
}

#[test]
fn the_picture_says_its_numbers_to_who_cannot_see_it() {
    let page = html(&[run("a")]).unwrap();
    for said in [
        "a in validation: 1.500 at step 1,000, best 1.250 at step 500.",
        "a: 31.50 at step 1,000, best 31.50 at step 1,000.",
        "a: 12,346 at step 1,000.",
    ] {
        assert!(page.contains(said), "{said}");
    }
}
