use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::*;

fn tokens(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn draw(title: &str, target: &str, source: &str, weights: &[f32], style: Style) -> String {
    let (target, source) = (tokens(target), tokens(source));
    let map = AttentionMap {
        title,
        source: &source,
        target: &target,
        weights,
    };
    attention_map(&map, &style).unwrap()
}

const WEIGHTS: [f32; 9] = [0.80, 0.15, 0.05, 0.00, 0.20, 0.60, 0.12, 0.48, 0.40];

#[test]
fn rows_are_target_tokens_and_columns_source_tokens() {
    let drawn = draw(
        "cross, layer 1",
        "le livre rouge",
        "the red book",
        &WEIGHTS,
        Style::default(),
    );
    let expected = "\
cross, layer 1
           b
       t r o
       h e o
       e d k
   le │██░░·
livre │· ░░▓▓
rouge │░░▒▒▒▒
·  0.00  ░░ 0.20  ▒▒ 0.40  ▓▓ 0.60  ██ 0.80
";
    assert_eq!(drawn, expected);
}

#[test]
fn wide_characters_stay_in_their_columns() {
    let weights = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0];
    let drawn = draw("zh", "我们 go", "公园 a 。", &weights, Style::default());
    let expected = "\
zh
      公
      园a 。
我们 │██· ·
  go │· ████
·  0.00  ░░ 0.25  ▒▒ 0.50  ▓▓ 0.75  ██ 1.00
";
    assert_eq!(drawn, expected);
}

#[test]
fn columns_that_do_not_fit_follow_below() {
    let weights = [1.0, 0.0, 0.0, 0.5, 0.0];
    let style = Style {
        width: 13,
        colour: false,
    };
    let drawn = draw("a title too long", "word", "a b c d e", &weights, style);
    let expected = "\
a title too …
source 1-3 o…
      a b c
word │██· ·

source 4-5 o…
      d e
word │▒▒·
·  0.00
░░ 0.25
▒▒ 0.50
▓▓ 0.75
██ 1.00
";
    assert_eq!(drawn, expected);
}

#[test]
fn colour_is_added_to_the_shade_not_instead_of_it() {
    let style = Style {
        colour: true,
        ..Style::default()
    };
    let drawn = draw("", "x", "a b", &[1.0, 0.0], style);
    let row = drawn.lines().nth(1).unwrap();
    assert_eq!(row, "x │\x1b[38;5;160m██\x1b[0m\x1b[38;5;244m·\x1b[0m");
    assert_eq!(
        strip_colour(&drawn),
        draw("", "x", "a b", &[1.0, 0.0], Style::default())
    );
}

#[test]
fn weights_that_are_no_numbers_are_shown_as_such() {
    let weights = [f32::NAN, f32::INFINITY, -1.0, 0.5];
    let drawn = draw("", "x", "a b c d", &weights, Style::default());
    assert_eq!(drawn.lines().nth(1), Some("x │? ? · ██"));
}

#[test]
fn maps_without_weight_and_small_weights_have_a_legend() {
    let last = |weights: &[f32]| {
        draw("", "x", "a b", weights, Style::default())
            .lines()
            .last()
            .map(str::to_owned)
    };
    assert_eq!(last(&[0.0, 0.0]).as_deref(), Some("·  0.00"));
    assert_eq!(
        last(&[0.004, 0.0]).as_deref(),
        Some("·  0e0  ░░ 1e-3  ▒▒ 2e-3  ▓▓ 3e-3  ██ 4e-3")
    );
}

#[test]
fn empty_sides_draw_no_cells() {
    let source = tokens("a b");
    let map = AttentionMap {
        title: "t",
        source: &source,
        target: &[],
        weights: &[],
    };
    let drawn = attention_map(&map, &Style::default()).unwrap();
    assert_eq!(drawn, "t\n  a b\n·  0.00\n");
    let map = AttentionMap {
        title: "t",
        source: &[],
        target: &source,
        weights: &[],
    };
    assert_eq!(
        attention_map(&map, &Style::default()).unwrap(),
        "t\n·  0.00\n"
    );
}

#[test]
fn a_wrong_number_of_weights_and_a_width_too_small_are_errors() {
    let source = tokens("a b");
    let map = AttentionMap {
        title: "",
        source: &source,
        target: &source,
        weights: &[1.0; 3],
    };
    assert_eq!(
        attention_map(&map, &Style::default())
            .unwrap_err()
            .to_string(),
        "an attention map of 2 target x 2 source tokens needs 4 weights, got 3"
    );
    let map = AttentionMap {
        weights: &[1.0; 4],
        ..map
    };
    assert_eq!(
        attention_map(
            &map,
            &Style {
                width: 11,
                colour: false
            }
        )
        .unwrap_err()
        .to_string(),
        "an attention map needs a width of at least 12 columns, got 11"
    );
}

fn strip_colour(text: &str) -> String {
    text.split('\x1b')
        .enumerate()
        .map(|(i, part)| {
            if i == 0 {
                part
            } else {
                part.split_once('m').unwrap().1
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        title in ".{0,40}",
        source in prop::collection::vec(".{0,15}|[a-z]{1,9}|[\u{4e00}-\u{4e80}]{1,4}", 0..40),
        target in prop::collection::vec(".{0,15}|[a-z]{1,40}|[\u{4e00}-\u{4e80}]{1,20}", 0..5),
        width in MINIMUM_WIDTH..100,
        colour: bool,
        (factor, exponent) in (0.0f32..1.0, -30i32..30),
    ) {
        let weights: Vec<f32> = (0..source.len() * target.len())
            .map(|i| (i % 7) as f32 * factor * 10.0f32.powi(exponent))
            .collect();
        let map = AttentionMap { title: &title, source: &source, target: &target, weights: &weights };
        let drawn = attention_map(&map, &Style { width, colour }).unwrap();
        for line in strip_colour(&drawn).lines() {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
            prop_assert_eq!(line.trim_end(), line);
        }
    }
}
