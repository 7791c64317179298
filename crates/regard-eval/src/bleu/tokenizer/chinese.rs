//! The `zh` tokenizer: Chinese characters one by one, the rest by the rules for Western text.

use crate::space::is_python_space;
use crate::western::{space_out, space_out_punctuation, space_out_stops};

/// What sacreBLEU takes for a Chinese character.
///
/// Two of its ranges are meant for planes above the first but written with four digits, so that each is read as a
/// character and a digit. What comes of it is kept, for the scores are: all of U+2001 to U+2A6D is Chinese, dashes
/// and arrows too, and the rarer characters from U+20000 are not.
fn is_chinese(c: char) -> bool {
    matches!(c,
        '\u{2001}'..='\u{2a6d}'     // extension B was meant
        | '\u{2e80}'..='\u{2eff}'   // radicals
        | '\u{2f00}'..='\u{2fdf}'
        | '\u{2ff0}'..='\u{2fff}'   // structure
        | '\u{3000}'..='\u{303f}'   // punctuation
        | '\u{3100}'..='\u{312f}'   // phonetic symbols
        | '\u{31a0}'..='\u{31bf}'
        | '\u{31c0}'..='\u{31ef}'   // strokes
        | '\u{3200}'..='\u{33ff}'   // enclosed letters, compatibility
        | '\u{3400}'..='\u{4db5}'   // extension A
        | '\u{4e00}'..='\u{9fbb}'   // unified ideographs
        | '\u{f900}'..='\u{fa2d}'   // compatibility ideographs
        | '\u{fa30}'..='\u{fa6a}'
        | '\u{fa70}'..='\u{fad9}'
        | '\u{fe10}'..='\u{fe1f}'   // vertical forms
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}'   // full and half width
    )
}

pub(super) fn tokenize(line: &str) -> String {
    let line = space_out(line.trim_matches(is_python_space), is_chinese);
    space_out_stops(&space_out_punctuation(&line))
}
