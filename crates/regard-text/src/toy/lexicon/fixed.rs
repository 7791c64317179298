//! Closed classes: pronouns, numbers, prepositions, connectors, times. Always `(English, French)` words.

use super::{ANY, Class, FURNITURE, GROUND, Gender, Number, PLACE};

/// The words of one expression in both languages.
pub(crate) struct Two {
    pub(crate) english: &'static [&'static str],
    pub(crate) french: &'static [&'static str],
}

const fn two(english: &'static [&'static str], french: &'static [&'static str]) -> Two {
    Two { english, french }
}

/// The tense of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tense {
    Present,
    Past,
    Future,
}

use Tense::{Future, Past, Present};

/// Every tense.
pub(crate) const TENSES: &[Tense] = &[Present, Past, Future];

/// A personal pronoun. `person` counts as in `Conjugation`: je, il, nous, vous, ils.
pub(crate) struct Pronoun {
    pub(crate) person: usize,
    pub(crate) english: &'static str,
    pub(crate) english_object: &'static str,
    pub(crate) french: &'static str,
    pub(crate) french_object: &'static str,
    pub(crate) gender: Gender,
}

impl Pronoun {
    pub(crate) fn number(&self) -> Number {
        if self.person < 2 {
            Number::Singular
        } else {
            Number::Plural
        }
    }
}

const fn pronoun(
    person: usize,
    english: [&'static str; 2],
    french: [&'static str; 2],
    gender: Gender,
) -> Pronoun {
    Pronoun {
        person,
        english: english[0],
        english_object: english[1],
        french: french[0],
        french_object: french[1],
        gender,
    }
}

/// "I", "we" and "they" are masculine; "you" is "vous", several people.
pub(crate) static PRONOUNS: [Pronoun; 6] = [
    pronoun(0, ["i", "me"], ["je", "me"], Gender::Masculine),
    pronoun(1, ["he", "him"], ["il", "le"], Gender::Masculine),
    pronoun(1, ["she", "her"], ["elle", "la"], Gender::Feminine),
    pronoun(2, ["we", "us"], ["nous", "nous"], Gender::Masculine),
    pronoun(3, ["you", "you"], ["vous", "vous"], Gender::Masculine),
    pronoun(4, ["they", "them"], ["ils", "les"], Gender::Masculine),
];

/// A possessive: English word; French before masculine, feminine and plural nouns.
pub(crate) static OWNERS: [(&str, [&str; 3]); 6] = [
    ("my", ["mon", "ma", "mes"]),
    ("his", ["son", "sa", "ses"]),
    ("her", ["son", "sa", "ses"]),
    ("our", ["notre", "notre", "nos"]),
    ("your", ["votre", "votre", "vos"]),
    ("their", ["leur", "leur", "leurs"]),
];

/// Numbers from two on.
pub(crate) static NUMERALS: [(&str, &str); 24] = [
    ("two", "deux"),
    ("three", "trois"),
    ("four", "quatre"),
    ("five", "cinq"),
    ("six", "six"),
    ("seven", "sept"),
    ("eight", "huit"),
    ("nine", "neuf"),
    ("ten", "dix"),
    ("eleven", "onze"),
    ("twelve", "douze"),
    ("thirteen", "treize"),
    ("fourteen", "quatorze"),
    ("fifteen", "quinze"),
    ("sixteen", "seize"),
    ("seventeen", "dix-sept"),
    ("eighteen", "dix-huit"),
    ("nineteen", "dix-neuf"),
    ("twenty", "vingt"),
    ("thirty", "trente"),
    ("forty", "quarante"),
    ("fifty", "cinquante"),
    ("sixty", "soixante"),
    ("seventy", "soixante-dix"),
];

/// "Very" and its like.
pub(crate) static DEGREES: [(&str, &str); 3] = [
    ("very", "très"),
    ("too", "trop"),
    ("extremely", "extrêmement"),
];

/// A preposition of place or company and the nouns it stands before.
pub(crate) struct Preposition {
    pub(crate) words: Two,
    pub(crate) class: Class,
}

pub(crate) static PREPOSITIONS: [Preposition; 9] = [
    Preposition {
        words: two(&["in"], &["dans"]),
        class: PLACE,
    },
    Preposition {
        words: two(&["on"], &["sur"]),
        class: FURNITURE | GROUND,
    },
    Preposition {
        words: two(&["under"], &["sous"]),
        class: FURNITURE,
    },
    Preposition {
        words: two(&["behind"], &["derrière"]),
        class: CONCRETE,
    },
    Preposition {
        words: two(&["in", "front", "of"], &["devant"]),
        class: CONCRETE,
    },
    Preposition {
        words: two(&["near"], &["près", "de"]),
        class: CONCRETE,
    },
    Preposition {
        words: two(&["next", "to"], &["à", "côté", "de"]),
        class: CONCRETE,
    },
    Preposition {
        words: two(&["far", "from"], &["loin", "de"]),
        class: CONCRETE,
    },
    Preposition {
        words: two(&["with"], &["avec"]),
        class: super::LIVING,
    },
];

const CONCRETE: Class = ANY & !(super::FOOD | super::DRINK | super::TEXT);

/// A conjunction between clauses, and the tenses on its two sides that mean the same in both languages.
pub(crate) struct Connector {
    pub(crate) words: Two,
    pub(crate) before: &'static [Tense],
    pub(crate) after: &'static [Tense],
    /// Both sides have the same tense.
    pub(crate) same: bool,
}

impl Connector {
    /// Whether its clause depends on another.
    pub(crate) fn is_subordinate(&self) -> bool {
        self.words.english[0] != ","
    }
}

pub(crate) static CONNECTORS: [Connector; 6] = [
    Connector {
        words: two(&[",", "and"], &[",", "et"]),
        before: TENSES,
        after: TENSES,
        same: false,
    },
    Connector {
        words: two(&[",", "but"], &[",", "mais"]),
        before: TENSES,
        after: TENSES,
        same: false,
    },
    Connector {
        words: two(&["because"], &["parce", "que"]),
        before: TENSES,
        after: TENSES,
        same: false,
    },
    Connector {
        words: two(&["when"], &["quand"]),
        before: &[Present, Past],
        after: &[Present, Past],
        same: true,
    },
    Connector {
        words: two(&["while"], &["pendant", "que"]),
        before: &[Present],
        after: &[Present],
        same: true,
    },
    Connector {
        words: two(&["if"], &["si"]),
        before: &[Present, Future],
        after: &[Present],
        same: false,
    },
];

/// A time at the head of the sentence and the tenses it goes with.
pub(crate) struct Time {
    pub(crate) words: Two,
    pub(crate) tenses: &'static [Tense],
}

const fn time(
    tenses: &'static [Tense],
    english: &'static [&'static str],
    french: &'static [&'static str],
) -> Time {
    Time {
        words: two(english, french),
        tenses,
    }
}

const DATED: &[Tense] = &[Past, Future];

pub(crate) static TIMES: [Time; 30] = [
    time(&[Past], &["yesterday"], &["hier"]),
    time(&[Past], &["last", "week"], &["la", "semaine", "dernière"]),
    time(&[Past], &["last", "year"], &["l'année", "dernière"]),
    time(&[Future], &["tomorrow"], &["demain"]),
    time(
        &[Future],
        &["next", "week"],
        &["la", "semaine", "prochaine"],
    ),
    time(&[Future], &["next", "year"], &["l'année", "prochaine"]),
    time(&[Present], &["now"], &["maintenant"]),
    time(TENSES, &["today"], &["aujourd'hui"]),
    time(&[Present], &["every", "morning"], &["chaque", "matin"]),
    time(&[Present], &["every", "evening"], &["chaque", "soir"]),
    time(&[Present], &["in", "spring"], &["au", "printemps"]),
    time(&[Present], &["in", "summer"], &["en", "été"]),
    time(&[Present], &["in", "autumn"], &["en", "automne"]),
    time(&[Present], &["in", "winter"], &["en", "hiver"]),
    time(DATED, &["on", "monday"], &["lundi"]),
    time(DATED, &["on", "tuesday"], &["mardi"]),
    time(DATED, &["on", "wednesday"], &["mercredi"]),
    time(DATED, &["on", "thursday"], &["jeudi"]),
    time(DATED, &["on", "friday"], &["vendredi"]),
    time(DATED, &["on", "saturday"], &["samedi"]),
    time(DATED, &["on", "sunday"], &["dimanche"]),
    time(DATED, &["in", "january"], &["en", "janvier"]),
    time(DATED, &["in", "february"], &["en", "février"]),
    time(DATED, &["in", "march"], &["en", "mars"]),
    time(DATED, &["in", "april"], &["en", "avril"]),
    time(DATED, &["in", "june"], &["en", "juin"]),
    time(DATED, &["in", "july"], &["en", "juillet"]),
    time(DATED, &["in", "august"], &["en", "août"]),
    time(DATED, &["in", "october"], &["en", "octobre"]),
    time(DATED, &["in", "december"], &["en", "décembre"]),
];

/// Words that open a question; none is a plain yes-or-no question.
pub(crate) static QUESTIONS: [(&str, &str); 3] =
    [("where", "où"), ("when", "quand"), ("why", "pourquoi")];
