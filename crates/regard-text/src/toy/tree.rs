//! What a sentence of the toy pair says, before either language has put it in order.
//!
//! One tree, two readings: `english` and `french` each walk it. Where a tree could be read back from its
//! English words in two ways, the two must be the same in French; the restrictions that see to it are in `plan`.

use super::lexicon::{
    Adjective, Adverb, Connector, Gender, Noun, Number, Preposition, Pronoun, Tense, Time, Verb,
};

/// A whole sentence.
pub(crate) struct Sentence {
    pub(crate) time: Option<&'static Time>,
    pub(crate) question: Option<Question>,
    pub(crate) first: Clause,
    pub(crate) rest: Vec<(&'static Connector, Clause)>,
}

/// A question: yes-or-no, or with a word of its own (English, French).
#[derive(Clone, Copy)]
pub(crate) enum Question {
    YesNo,
    Word(&'static str, &'static str),
}

/// Subject and what is said of it.
pub(crate) struct Clause {
    pub(crate) subject: Phrase,
    pub(crate) predicate: Predicate,
    /// "... and sleeps".
    pub(crate) also: Option<Predicate>,
}

/// A verb with everything that belongs to it.
pub(crate) struct Predicate {
    pub(crate) verb: &'static Verb,
    pub(crate) group: Group,
    pub(crate) complement: Complement,
    pub(crate) place: Option<Place>,
}

/// How the verb is said.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) tense: Tense,
    pub(crate) modal: Option<Modal>,
    pub(crate) polarity: Polarity,
    pub(crate) adverb: Option<&'static Adverb>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modal {
    Can,
    Must,
    Want,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polarity {
    Positive,
    Not,
    Never,
}

/// What the verb's frame asks for.
pub(crate) enum Complement {
    /// Nothing; or the object is what a relative clause is about.
    None,
    Pronoun(&'static Pronoun),
    Phrase(Phrase),
    /// An adjective, perhaps with "very" (English, French).
    Adjective(Option<(&'static str, &'static str)>, &'static Adjective),
    /// "as big as ...".
    Equal(&'static Adjective, Phrase),
    Clause(Box<Clause>),
}

/// "in the garden".
pub(crate) struct Place {
    pub(crate) preposition: &'static Preposition,
    pub(crate) phrase: Phrase,
}

/// A subject, an object, what follows a preposition.
pub(crate) enum Phrase {
    Pronoun(&'static Pronoun),
    Nominal(Nominal),
    Pair(Nominal, Conjunction, Nominal),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conjunction {
    And,
    Or,
}

/// A noun with what surrounds it.
pub(crate) struct Nominal {
    pub(crate) determiner: Determiner,
    pub(crate) number: Number,
    /// English, French.
    pub(crate) numeral: Option<(&'static str, &'static str)>,
    pub(crate) before: Option<&'static Adjective>,
    pub(crate) after: Option<&'static Adjective>,
    pub(crate) noun: &'static Noun,
    pub(crate) tail: Tail,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Determiner {
    The,
    AllThe,
    A,
    Some,
    /// "a" and "any" of an object under negation: French has "de" for both.
    NegatedA,
    Any,
    This,
    Every,
    Several,
    AFew,
    Many,
    /// An index of `OWNERS`.
    Owner(usize),
    /// Nothing but a numeral.
    Bare,
}

/// What follows the noun. Never two of these, so that a relative clause is always about the word before it.
pub(crate) enum Tail {
    None,
    Of(Box<Nominal>),
    /// "that sleeps".
    SubjectRelative(Box<Predicate>),
    /// "that the man sees".
    ObjectRelative(Box<(Phrase, Predicate)>),
}

/// What a verb or an adjective agrees with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// As in `Conjugation`: je, il, nous, vous, ils.
    pub(crate) person: usize,
    pub(crate) number: Number,
    pub(crate) gender: Gender,
}

impl Agreement {
    pub(crate) fn third(number: Number, gender: Gender) -> Self {
        let person = if number == Number::Singular { 1 } else { 4 };
        Self {
            person,
            number,
            gender,
        }
    }

    pub(crate) fn of_pronoun(pronoun: &Pronoun) -> Self {
        Self {
            person: pronoun.person,
            number: pronoun.number(),
            gender: pronoun.gender,
        }
    }
}

impl Nominal {
    pub(crate) fn agreement(&self) -> Agreement {
        Agreement::third(self.number, self.noun.gender)
    }
}

impl Phrase {
    /// Two nouns are feminine together only if both are.
    pub(crate) fn agreement(&self) -> Agreement {
        match self {
            Self::Pronoun(pronoun) => Agreement::of_pronoun(pronoun),
            Self::Nominal(nominal) => nominal.agreement(),
            Self::Pair(left, _, right) => {
                let gender = if left.noun.gender == right.noun.gender {
                    left.noun.gender
                } else {
                    Gender::Masculine
                };
                Agreement::third(Number::Plural, gender)
            }
        }
    }
}
