use unicode_script::{Script, UnicodeScript};

/// A way of writing, by the name that a configuration gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writing(Vec<Script>);

impl Writing {
    /// `latin`, `cyrillic`, `han`, ...: any script of Unicode, by its name or its code of four
    /// letters; `japanese` and `korean` are written in several.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let scripts = match name.to_lowercase().as_str() {
            "japanese" | "jpan" => vec![Script::Han, Script::Hiragana, Script::Katakana],
            "korean" | "kore" => vec![Script::Hangul, Script::Han],
            lower => {
                let name = capitalised(lower);
                let script =
                    Script::from_full_name(&name).or_else(|| Script::from_short_name(&name));
                // Signs and marks that all writings share are no writing.
                vec![script.filter(|script| !is_shared(*script))?]
            }
        };
        Some(Self(scripts))
    }

    /// Whether at least half of the letters of `text` belong to it; a text without letters does.
    pub(crate) fn covers(&self, text: &str) -> bool {
        let (mut letters, mut ours) = (0_usize, 0_usize);
        for character in text.chars().filter(|character| character.is_alphabetic()) {
            let script = character.script();
            if !is_shared(script) {
                letters += 1;
                ours += usize::from(self.0.contains(&script));
            }
        }
        2 * ours >= letters
    }
}

fn is_shared(script: Script) -> bool {
    matches!(script, Script::Common | Script::Inherited | Script::Unknown)
}

/// Unicode's spelling: `old_italic` is `Old_Italic`.
fn capitalised(name: &str) -> String {
    let mut at_start = true;
    name.chars()
        .map(|character| {
            let spelled = if at_start {
                character.to_ascii_uppercase()
            } else {
                character
            };
            at_start = character == '_';
            spelled
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_go_by_name_and_by_code() {
        for name in [
            "latin",
            "Latin",
            "latn",
            "cyrillic",
            "old_italic",
            "han",
            "japanese",
        ] {
            assert!(Writing::named(name).is_some(), "{name}");
        }
        for name in [
            "",
            "lattin",
            "common",
            "zyyy",
            "inherited",
            "unknown",
            "zzzz",
        ] {
            assert!(Writing::named(name).is_none(), "{name}");
        }
        assert_eq!(Writing::named("latn"), Writing::named("Latin"));
    }

    #[test]
    fn half_of_the_letters_are_enough() {
        let covers = |name: &str, text: &str| Writing::named(name).unwrap().covers(text);
        assert!(covers("latin", "abcд"));
        assert!(covers("latin", "abдд"), "half");
        assert!(!covers("latin", "aддд"));
        assert!(covers("cyrillic", "Привет, world 12345!"));
        assert!(!covers("latin", "Привет, ok"));
    }

    #[test]
    fn what_is_no_letter_does_not_count() {
        let latin = Writing::named("latin").unwrap();
        for text in ["", "12 :-) 34", "\u{301}", "a 123456789 !!!"] {
            assert!(latin.covers(text), "{text}");
        }
    }

    #[test]
    fn a_language_may_have_several_scripts() {
        let japanese = Writing::named("japanese").unwrap();
        assert!(japanese.covers("漢字とカタカナ"));
        assert!(
            !Writing::named("han")
                .unwrap()
                .covers("ひらがなとカタカナ漢")
        );
        assert!(Writing::named("korean").unwrap().covers("한국어"));
        assert!(!japanese.covers("한국어"));
    }
}
