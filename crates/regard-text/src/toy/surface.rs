//! French spelling where words meet: elision, contraction, possessives before vowels.

/// Words of the lexicon that begin with an h that blocks elision, and two numbers that do the same.
const BLOCKING: [&str; 8] = [
    "hache",
    "haie",
    "haricot",
    "hibou",
    "hérisson",
    "héros",
    "huit",
    "onze",
];

/// Words that lose their vowel before another, and what remains.
const ELIDING: [(&str, &str); 7] = [
    ("le", "l'"),
    ("la", "l'"),
    ("de", "d'"),
    ("ne", "n'"),
    ("je", "j'"),
    ("me", "m'"),
    ("que", "qu'"),
];

/// Whether a word begins with a vowel sound.
pub(crate) fn begins_with_vowel(word: &str) -> bool {
    let first = word.chars().next().unwrap_or(' ');
    "aâàeéèêiîïoôuûhœ".contains(first) && !BLOCKING.iter().any(|stem| word.starts_with(stem))
}

/// The words as text.
pub(crate) fn join(words: &[&'static str]) -> String {
    let mut text = String::new();
    let mut index = 0;
    while index < words.len() {
        let word = words[index];
        let next = words.get(index + 1).copied().unwrap_or_default();
        let after = words.get(index + 2).copied().unwrap_or_default();
        if let Some(contracted) = contraction(word, next, after) {
            text.push_str(contracted);
            index += 1;
        } else if let Some(elided) = elision(word, next) {
            text.push_str(elided);
            index += 1;
            continue;
        } else {
            text.push_str(before_vowel(word, next).unwrap_or(word));
        }
        text.push(' ');
        index += 1;
    }
    text.pop();
    text
}

fn elision(word: &str, next: &str) -> Option<&'static str> {
    if word == "si" && matches!(next, "il" | "ils") {
        return Some("s'");
    }
    let &(_, elided) = ELIDING.iter().find(|(full, _)| *full == word)?;
    begins_with_vowel(next).then_some(elided)
}

/// "de le" is "du" unless the article is elided.
fn contraction(word: &str, next: &str, after: &str) -> Option<&'static str> {
    match (word, next) {
        ("de", "le") if !begins_with_vowel(after) => Some("du"),
        ("à", "le") if !begins_with_vowel(after) => Some("au"),
        ("de", "les") => Some("des"),
        ("à", "les") => Some("aux"),
        _ => None,
    }
}

/// Determiners that change before a vowel instead of losing theirs.
fn before_vowel(word: &str, next: &str) -> Option<&'static str> {
    let changed = match word {
        "ma" => "mon",
        "sa" => "son",
        "ce" => "cet",
        _ => return None,
    };
    begins_with_vowel(next).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_words_meet() {
        for (words, expected) in [
            (&["le", "arbre"][..], "l'arbre"),
            (&["le", "hibou"], "le hibou"),
            (&["la", "huile"], "l'huile"),
            (&["de", "onze", "chats"], "de onze chats"),
            (&["de", "le", "chat"], "du chat"),
            (&["de", "le", "homme"], "de l'homme"),
            (&["de", "le", "héros"], "du héros"),
            (&["à", "le", "hôpital"], "à l'hôpital"),
            (&["à", "les", "hôtels"], "aux hôtels"),
            (&["de", "la", "épée"], "de l'épée"),
            (&["ma", "épée"], "mon épée"),
            (&["ma", "hache"], "ma hache"),
            (&["ce", "œuf"], "cet œuf"),
            (&["si", "ils"], "s'ils"),
            (&["si", "elle"], "si elle"),
            (&["parce", "que", "il", "ne", "aime"], "parce qu'il n'aime"),
        ] {
            assert_eq!(join(words), expected);
        }
    }
}
