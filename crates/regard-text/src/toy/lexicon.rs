//! The words of the toy language pair: one English lemma, one French lemma, every form spelled out.
//!
//! The tables in the modules below are what a person edits; [`lexicon`] inflects them once. What belongs
//! here: spelling and word classes. What does not: word order (see `english` and `french`).

mod adjectives;
mod adverbs;
mod conjugation;
mod fixed;
mod nouns;
mod verbs;

use std::sync::LazyLock;

pub(crate) use adjectives::Adjective;
pub(crate) use adverbs::{Adverb, Slot};
pub(crate) use conjugation::{Conjugation, conjugate};
pub(crate) use fixed::{
    CONNECTORS, Connector, DEGREES, NUMERALS, OWNERS, PREPOSITIONS, PRONOUNS, Preposition, Pronoun,
    QUESTIONS, TENSES, TIMES, Tense, Time,
};
pub(crate) use nouns::Noun;
pub(crate) use verbs::{Frame, Past, Verb};

/// Grammatical gender of a French noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gender {
    Masculine,
    Feminine,
}

/// Grammatical number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Singular,
    Plural,
}

/// What a noun denotes, as a set of bits; verbs, adjectives and prepositions say which they take.
pub(crate) type Class = u16;

pub(crate) const PERSON: Class = 1;
pub(crate) const ANIMAL: Class = 1 << 1;
pub(crate) const OBJECT: Class = 1 << 2;
pub(crate) const FURNITURE: Class = 1 << 3;
pub(crate) const FOOD: Class = 1 << 4;
pub(crate) const DRINK: Class = 1 << 5;
pub(crate) const TEXT: Class = 1 << 6;
pub(crate) const BUILDING: Class = 1 << 7;
pub(crate) const AREA: Class = 1 << 8;
pub(crate) const GROUND: Class = 1 << 9;
pub(crate) const PLANT: Class = 1 << 10;
pub(crate) const LIVING: Class = PERSON | ANIMAL;
pub(crate) const PLACE: Class = BUILDING | AREA;
pub(crate) const GOODS: Class = OBJECT | FURNITURE | FOOD | DRINK | TEXT;
pub(crate) const ANY: Class = Class::MAX;

/// All content words, inflected.
pub(crate) struct Lexicon {
    pub(crate) nouns: Vec<Noun>,
    pub(crate) verbs: Vec<Verb>,
    pub(crate) be: Verb,
    pub(crate) adjectives: Vec<Adjective>,
    pub(crate) adverbs: Vec<Adverb>,
    pub(crate) modals: Modals,
}

/// The French verbs that stand before an infinitive or a participle.
pub(crate) struct Modals {
    pub(crate) have: Conjugation,
    pub(crate) can: Conjugation,
    pub(crate) must: Conjugation,
    pub(crate) want: Conjugation,
}

impl Lexicon {
    fn new() -> Self {
        Self {
            nouns: nouns::all(),
            verbs: verbs::all(),
            be: verbs::be(),
            adjectives: adjectives::all(),
            adverbs: adverbs::all(),
            modals: Modals {
                have: conjugate("avoir"),
                can: conjugate("pouvoir"),
                must: conjugate("devoir"),
                want: conjugate("vouloir"),
            },
        }
    }

    /// A lexicon in which sentences repeat themselves.
    #[cfg(test)]
    pub(crate) fn of_few_words() -> Self {
        let mut few = Self::new();
        few.nouns
            .retain(|noun| ["man", "woman", "bread", "garden"].contains(&&*noun.english[0]));
        few.verbs.retain(|verb| {
            [
                "leave", "sleep", "see", "like", "eat", "talk", "become", "think",
            ]
            .contains(&&*verb.base)
        });
        few.adjectives
            .retain(|adjective| ["old", "black", "tired"].contains(&adjective.english));
        few.adverbs
            .retain(|adverb| ["often", "slowly"].contains(&adverb.english));
        few
    }
}

/// The lexicon, built on first use.
pub(crate) fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);
    &LEXICON
}

/// The English ending `-s` of nouns and of the third person.
fn english_s(base: &str) -> String {
    let before_y = base
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    if let Some(stem) = before_y {
        format!("{stem}ies")
    } else if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|end| base.ends_with(end))
    {
        format!("{base}es")
    } else {
        format!("{base}s")
    }
}

/// `singular/plural`, or a singular and the rule that makes its plural.
fn with_plural(entry: &str, rule: impl Fn(&str) -> String) -> [String; 2] {
    match entry.split_once('/') {
        Some((singular, plural)) => [singular.to_owned(), plural.to_owned()],
        None => [entry.to_owned(), rule(entry)],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Every English form with the entry it belongs to.
    fn english_forms() -> Vec<(String, String)> {
        let words = lexicon();
        let mut forms = Vec::new();
        for noun in &words.nouns {
            let entry = format!("noun {}", noun.english[0]);
            forms.extend(
                noun.english
                    .iter()
                    .map(|form| (form.clone(), entry.clone())),
            );
        }
        for verb in &words.verbs {
            // "think that" and "think about" share their forms; the particle tells them apart.
            let entry = format!("verb {}", verb.base);
            for form in [&verb.base, &verb.third, &verb.past] {
                forms.push((form.clone(), entry.clone()));
            }
        }
        for adjective in &words.adjectives {
            forms.push((
                adjective.english.to_owned(),
                "adjective".to_owned() + adjective.english,
            ));
        }
        for adverb in &words.adverbs {
            forms.push((
                adverb.english.to_owned(),
                "adverb".to_owned() + adverb.english,
            ));
        }
        forms
    }

    #[test]
    fn there_are_over_three_hundred_content_words() {
        let words = lexicon();
        let count =
            words.nouns.len() + words.verbs.len() + words.adjectives.len() + words.adverbs.len();
        assert!(count >= 300, "only {count} content words");
    }

    #[test]
    fn an_english_form_belongs_to_one_entry() {
        let mut owner = BTreeMap::new();
        for (form, entry) in english_forms() {
            let first = owner.entry(form.clone()).or_insert_with(|| entry.clone());
            assert_eq!(*first, entry, "`{form}` is a form of two words");
        }
    }

    #[test]
    fn english_nouns_and_verbs_show_number_and_tense() {
        for noun in lexicon().nouns.iter().filter(|noun| !noun.mass) {
            assert_ne!(noun.english[0], noun.english[1]);
        }
        for verb in &lexicon().verbs {
            assert_ne!(verb.base, verb.past, "{}", verb.base);
        }
    }

    #[test]
    fn a_french_lemma_translates_one_english_lemma() {
        let words = lexicon();
        let mut seen = BTreeMap::new();
        let nouns = words
            .nouns
            .iter()
            .map(|n| ("noun", &n.french[0], &n.english[0]));
        let verbs = words
            .verbs
            .iter()
            .map(|v| ("verb", &v.french.infinitive, &v.base));
        for (kind, french, english) in nouns.chain(verbs) {
            let first = *seen.entry((kind, french)).or_insert(english);
            assert_eq!(
                first, english,
                "{kind} `{french}` stands for two English words"
            );
        }
    }

    #[test]
    fn english_endings() {
        for (base, expected) in [
            ("cat", "cats"),
            ("box", "boxes"),
            ("watch", "watches"),
            ("glass", "glasses"),
            ("story", "stories"),
            ("key", "keys"),
        ] {
            assert_eq!(english_s(base), expected);
        }
    }
}
