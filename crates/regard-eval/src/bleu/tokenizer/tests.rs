use super::*;
use crate::space::words;

fn cut(tokenizer: Tokenizer, line: &str) -> Vec<String> {
    words(&tokenizer.tokenize(line))
        .map(str::to_owned)
        .collect()
}

fn tokens(line: &str) -> Vec<String> {
    cut(Tokenizer::V13a, line)
}

#[test]
fn stops_part_from_words_but_not_from_numbers() {
    assert_eq!(tokens("It costs 1,000.5."), ["It", "costs", "1,000.5", "."]);
    assert_eq!(tokens(".5, 3.x"), [".", "5", ",", "3", ".", "x"]);
}

#[test]
fn hyphens_part_only_after_a_digit() {
    assert_eq!(
        tokens("well-known 5-4 x-4"),
        ["well-known", "5", "-", "4", "x-4"]
    );
}

#[test]
fn escapes_are_undone_in_order() {
    assert_eq!(tokens("&amp;lt;"), ["<"]);
    assert_eq!(tokens("&amp;quot;"), ["&", "quot", ";"]);
    assert_eq!(tokens("a<skipped>b"), ["ab"]);
    assert_eq!(tokens("line-\nbreak\nhere"), ["linebreak", "here"]);
}

#[test]
fn words_part_at_what_python_calls_white_space() {
    let line = "a\u{a0}b\u{202f}c\u{2028}d\u{1c}e\u{85}f\u{200b}g\u{feff}h\u{3000}";
    assert_eq!(
        tokens(line),
        ["a", "b", "c", "d", "e", "f\u{200b}g\u{feff}h"]
    );
}

#[test]
fn only_ascii_digits_are_digits() {
    assert_eq!(tokens("\u{0661}.\u{0662}"), ["\u{0661}", ".", "\u{0662}"]);
}

#[test]
fn equals_sacrebleu_on_the_lines_of_the_fixture() {
    #[derive(serde::Deserialize)]
    struct Fixture {
        lines: Vec<Line>,
    }
    #[derive(serde::Deserialize)]
    struct Line {
        line: String,
        tokens: Vec<String>,
    }
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../../tests/fixtures/bleu.json")).unwrap();
    assert!(!fixture.lines.is_empty());
    for case in fixture.lines {
        assert_eq!(tokens(&case.line), case.tokens, "line {:?}", case.line);
    }
}

#[test]
fn international_parts_punctuation_and_symbols_of_every_script() {
    let cut = |line| cut(Tokenizer::International, line);
    assert_eq!(
        cut("\u{ab}a\u{bb}, b\u{3002}"),
        ["\u{ab}", "a", "\u{bb}", ",", "b", "\u{3002}"]
    );
    assert_eq!(cut("3.14\u{20ac}"), ["3.14", "\u{20ac}"]);
    assert_eq!(cut("\u{661}.\u{662}"), ["\u{661}.\u{662}"]);
    // The full stop has no neighbour behind it and a number before it.
    assert_eq!(cut("in 1999."), ["in", "1999."]);
    assert_eq!(cut("&quot;"), ["&", "quot", ";"]);
}

#[test]
fn characters_leave_white_space_out() {
    assert_eq!(
        cut(Tokenizer::Characters, " a\u{301} b\u{a0}."),
        ["a", "\u{301}", "b", "."]
    );
}

#[test]
fn chinese_stands_one_by_one() {
    let cut = |line| cut(Tokenizer::Chinese, line);
    assert_eq!(
        cut("\u{6211}\u{4eec}ok,1,000"),
        ["\u{6211}", "\u{4eec}", "ok", ",", "1,000"]
    );
    assert_eq!(cut("&lt;\u{2014}"), ["&", "lt", ";", "\u{2014}"]);
    assert_eq!(cut("\u{20000}\u{20001}"), ["\u{20000}\u{20001}"]);
}

#[test]
fn none_parts_at_white_space_only() {
    assert_eq!(cut(Tokenizer::None, " a,b  c. "), ["a,b", "c."]);
}

#[test]
fn names_are_read_back_and_others_refused() {
    for tokenizer in Tokenizer::ALL {
        assert_eq!(tokenizer.name().parse::<Tokenizer>(), Ok(tokenizer));
    }
    let error = "spm".parse::<Tokenizer>().unwrap_err().to_string();
    assert!(
        error.contains("`spm`") && error.contains("13a, intl, char, zh, none"),
        "{error}"
    );
}
