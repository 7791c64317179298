//! Attention weights as a picture in a file of its own.

use crate::drawing::heat_map::HeatMap;
use crate::error::EvalError;
use crate::terminal::AttentionMap;

/// Draws an attention map as SVG: a row for each target token, a column for each source token, darker where the weight is
/// larger, from 0 to 1.
///
/// # Behaviour
///
/// - The file needs nothing else: no font, no script. It is light or dark as the reader's screen is.
/// - Weights below 0.01 and those that are not numbers leave their cell empty; weights above 1 are drawn as 1.
/// - Long labels are cut; white space in a token is drawn as U+2423, characters that steer a terminal as U+FFFD.
///
/// # Errors
///
/// [`EvalError::MapShape`] if there are not T x S weights.
///
/// # Example
///
/// ```
/// use regard_eval::{svg, terminal::AttentionMap};
///
/// let (source, target) = (["le".to_owned(), "chat".to_owned()], ["the".to_owned()]);
/// let map = AttentionMap { title: "cat", source: &source, target: &target, weights: &[0.25, 0.75] };
/// assert!(svg::attention_map(&map)?.contains("the \u{2190} chat: 0.75"));
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub fn attention_map(map: &AttentionMap<'_>) -> Result<String, EvalError> {
    map.check()?;
    let picture = HeatMap {
        id: "map",
        title: map.title,
        source: map.source,
        target: map.target,
        weights: map.weights,
    };
    Ok(picture.picture())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<'a>(title: &'a str, tokens: &'a [String], weights: &'a [f32]) -> AttentionMap<'a> {
        AttentionMap {
            title,
            source: tokens,
            target: tokens,
            weights,
        }
    }

    #[test]
    fn text_from_outside_stays_text_and_odd_weights_draw_nothing_odd() {
        let tokens = ["<b>&\"".to_owned(), "\x1b[31m\u{ffff}".to_owned()];
        let weights = [f32::NAN, -1.0, 7.0, 0.5];
        let picture = attention_map(&map("</title>", &tokens, &weights)).unwrap();
        for evil in ["<b>", "</title></title>", "\x1b", "\u{ffff}", "NaN"] {
            assert!(!picture.contains(evil), "{evil} in {picture}");
        }
        assert_eq!(picture.matches("class=\"weight\"").count(), 2);
        assert!(picture.contains("fill-opacity=\"1.00\""));
    }

    #[test]
    fn weights_that_do_not_fill_the_map_are_refused() {
        let tokens = ["a".to_owned()];
        let error = attention_map(&map("", &tokens, &[0.5, 0.5])).unwrap_err();
        assert!(
            error.to_string().contains("needs 1 weights, got 2"),
            "{error}"
        );
        let empty = attention_map(&map("", &[], &[])).unwrap();
        assert!(empty.ends_with("</svg>\n"));
    }
}
