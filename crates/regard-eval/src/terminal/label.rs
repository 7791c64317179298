//! Tokens as labels: made safe for a terminal, cut to a width, written downward.

use unicode_width::UnicodeWidthStr;

use super::CELL;

/// Rows that labels written downward may take; enough for most words, and half a screen.
const TALLEST: usize = 12;

const CUT: char = '\u{2026}';
const CUT_DOWNWARD: &str = "\u{22ee}";
const SPACE: char = '\u{2423}';
const REPLACEMENT: char = '\u{fffd}';

/// Carries a combining mark that has no letter of its own, as Unicode's charts do.
const DOTTED_CIRCLE: char = '\u{25cc}';

/// Invisible characters that only choose how their neighbours look; without them every character
/// keeps the width it has alone.
fn only_joins(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Characters that steer the terminal or the direction of its text, or show nothing at all.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn clean(text: &str, space: char) -> String {
    let characters = text.chars().filter(|&c| !only_joins(c)).map(|c| {
        if c.is_whitespace() {
            space
        } else if steers(c) {
            REPLACEMENT
        } else {
            c
        }
    });
    let mut out: String = characters.collect();
    let first = out.chars().next().map_or(0, char::len_utf8);
    if first > 0 && out[..first].width() == 0 {
        out.insert(0, DOTTED_CIRCLE);
    }
    out
}

/// A token with nothing hidden in it.
pub(crate) fn visible(token: &str) -> String {
    clean(token, SPACE)
}

/// A title that keeps its blanks.
pub(crate) fn on_one_line(title: &str) -> String {
    clean(title, ' ')
}

/// `text` in at most `limit` columns; an ellipsis takes the place of what is cut.
pub(crate) fn fit(text: &str, limit: usize) -> String {
    if text.width() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    // Widths do not simply add up (a ligature is narrower than its letters): measure prefixes.
    let end = text
        .char_indices()
        .map(|(start, c)| start + c.len_utf8())
        .take_while(|&end| text[..end].width() <= room)
        .last()
        .unwrap_or(0);
    format!("{}{CUT}", &text[..end])
}

/// A label in pieces of one cell each: a character with the marks that combine with it.
fn pieces(label: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for c in label.chars() {
        if let Some(last) = pieces.last_mut() {
            let width = last.width();
            last.push(c);
            if last.width() <= width {
                continue;
            }
            last.pop();
        }
        pieces.push(c.to_string());
    }
    for piece in &mut pieces {
        // A skin tone on its own would colour the emoji in the cell before it and take its width.
        let is_skin_tone = piece.starts_with(|c| matches!(c, '\u{1f3fb}'..='\u{1f3ff}'));
        if is_skin_tone || piece.width() > CELL {
            *piece = REPLACEMENT.to_string();
        }
    }
    if pieces.len() > TALLEST {
        pieces.truncate(TALLEST - 1);
        pieces.push(CUT_DOWNWARD.to_owned());
    }
    pieces
}

/// The lines of a heading in which each token runs downward and ends right above its column.
///
/// Every line is exactly as wide as the columns below it.
pub(super) fn downward(tokens: &[String]) -> Vec<String> {
    let labels: Vec<Vec<String>> = tokens.iter().map(|token| pieces(&visible(token))).collect();
    let height = labels.iter().map(Vec::len).max().unwrap_or(0);
    let line = |row: usize| {
        let mut line = String::new();
        for label in &labels {
            let piece = (row + label.len())
                .checked_sub(height)
                .map_or("", |i| &label[i]);
            line.push_str(piece);
            line.extend(std::iter::repeat_n(' ', CELL - piece.width()));
        }
        line
    };
    (0..height).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_cut_by_columns_not_characters() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdef", 5), "abcd\u{2026}");
        assert_eq!(
            fit("\u{6211}\u{4eec}\u{53bb}", 5),
            "\u{6211}\u{4eec}\u{2026}"
        );
        assert_eq!(fit("\u{6211}\u{4eec}\u{53bb}", 4), "\u{6211}\u{2026}");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}\u{2026}");
    }

    #[test]
    fn nothing_in_a_token_is_hidden_or_steers_the_terminal() {
        assert_eq!(visible("a b\t"), "a\u{2423}b\u{2423}");
        assert_eq!(visible("\x1b[31m\u{202e}"), "\u{fffd}[31m\u{fffd}");
        assert_eq!(visible("\u{301}a"), "\u{25cc}\u{301}a");
        assert_eq!(on_one_line("a b\nc"), "a b c");
    }

    #[test]
    fn a_cell_holds_a_character_with_its_marks() {
        assert_eq!(pieces("e\u{301}t\u{e9}"), ["e\u{301}", "t", "\u{e9}"]);
        assert_eq!(pieces("\u{1f44d}\u{1f3fd}!"), ["\u{1f44d}\u{1f3fd}", "!"]);
        assert_eq!(pieces("\u{1f3fd}"), ["\u{fffd}"]);
    }

    #[test]
    fn tall_labels_are_cut_with_a_mark() {
        let label = pieces("internationalisation");
        assert_eq!(label.len(), TALLEST);
        assert_eq!(label.last().map(String::as_str), Some(CUT_DOWNWARD));
        assert_eq!(pieces("abcdefghijkl").concat(), "abcdefghijkl");
    }

    proptest! {
        #[test]
        fn heading_lines_are_as_wide_as_their_columns(
            tokens in prop::collection::vec("[a-z\u{300}-\u{304}\u{644}\u{627}\u{1100}-\u{1112}\u{1160}-\u{1170}\u{4e00}-\u{4e20}\u{1f3fb}-\u{1f3ff}\u{1f440}-\u{1f450}\u{1f1e6}-\u{1f1ff}\u{200b}-\u{200f}\u{fe0f} \t]{0,15}|\\PC{0,5}", 0..12)
        ) {
            for line in downward(&tokens) {
                prop_assert_eq!(line.width(), CELL * tokens.len(), "{:?}", line);
            }
        }

        #[test]
        fn fitted_labels_keep_to_their_limit(text in ".{0,30}", limit in 1usize..20) {
            prop_assert!(fit(&visible(&text), limit).width() <= limit);
        }
    }
}
