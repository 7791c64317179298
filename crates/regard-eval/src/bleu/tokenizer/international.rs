//! The `intl` tokenizer: punctuation and symbols by their Unicode category.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::western::{rewrite_pairs, space_out};

fn is(c: char, group: GeneralCategoryGroup) -> bool {
    // Most text is letters and blanks.
    !c.is_ascii_alphabetic() && c != ' ' && c.general_category_group() == group
}

fn is_number(c: char) -> bool {
    is(c, GeneralCategoryGroup::Number)
}

fn is_punctuation(c: char) -> bool {
    is(c, GeneralCategoryGroup::Punctuation)
}

/// No blanks are put at the ends first: a full stop after a number that ends the line stays with it, as in
/// `mteval-v14.pl`.
pub(super) fn tokenize(line: &str) -> String {
    let line = rewrite_pairs(
        line,
        |a, b| !is_number(a) && is_punctuation(b),
        |a, b| [a, ' ', b, ' '],
    );
    let line = rewrite_pairs(
        &line,
        |a, b| is_punctuation(a) && !is_number(b),
        |a, b| [' ', a, ' ', b],
    );
    space_out(&line, |c| is(c, GeneralCategoryGroup::Symbol))
}
