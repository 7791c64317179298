//! Sentences of exactly so many English words, made at random from the top down.
//!
//! Every part is given the number of words it has to fill and fails if it cannot; whoever asked draws again.
//!
//! The English words must determine the French ones. What keeps it so, beside a lexicon without homonyms:
//! a noun takes either "of" or a relative clause, and only the last noun of a pair may take one, so that "that"
//! is always about the noun before it; a first predicate before "and" holds no clause; adverbs stand before
//! their verb; a clause after "that" belongs to a verb that takes nothing else.

mod nominal;
mod predicate;

use nominal::Role;
use predicate::Setting;

use super::draw::Draw;
use super::lexicon::{
    CONNECTORS, Class, Frame, LIVING, Lexicon, PERSON, PRONOUNS, QUESTIONS, TENSES, TIMES, Tense,
    lexicon,
};
use super::tree::{Clause, Determiner, Phrase, Question, Sentence};

/// Relative clauses are nested this deep at most.
const DEEPEST: usize = 2;

/// The fewest words of a sentence with its full stop.
pub(crate) const SHORTEST: usize = 3;

/// The most words of one clause.
const LONGEST_CLAUSE: usize = 16;

/// A sentence of exactly `words` words, the full stop included; `None` if the dice did not fall so.
pub(crate) fn sentence(words: usize, draw: &mut Draw) -> Option<Sentence> {
    Planner {
        draw,
        lexicon: lexicon(),
        dated: false,
    }
    .sentence(words)
}

struct Planner<'a> {
    draw: &'a mut Draw,
    lexicon: &'static Lexicon,
    /// A time stands at the head: "yesterday he usually slept" is to be avoided.
    dated: bool,
}

/// Draws until something fits, a few times.
fn retry<T>(times: usize, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    (0..times).find_map(|_| attempt())
}

impl Planner<'_> {
    fn sentence(&mut self, words: usize) -> Option<Sentence> {
        let mut left = words.checked_sub(1)?;
        if (3..=12).contains(&left) && self.draw.chance(10) {
            return self.question(left);
        }
        let mut time = None;
        if left >= 6 && self.draw.chance(12) {
            let chosen = &TIMES[self.draw.below(TIMES.len())];
            left = left.checked_sub(chosen.words.english.len() + 1)?;
            time = Some(chosen);
        }
        self.dated = time.is_some();
        let tenses = time.map_or(TENSES, |time| time.tenses);
        let mut length = self.cut(left);
        left -= length;
        let first = retry(100, || self.clause(length, tenses, 0, false))?;
        self.dated = false;
        let mut rest = Vec::new();
        let mut before = first.predicate.group.tense;
        let mut subordinate = false;
        while left > 0 {
            // "because ... when ... if" in a row loses its thread.
            let connector = self.draw.pick_where(&CONNECTORS, |connector| {
                connector.before.contains(&before) && !(subordinate && connector.is_subordinate())
            })?;
            subordinate = connector.is_subordinate();
            let tenses: &'static [Tense] = match (connector.same, before) {
                (false, _) => connector.after,
                (true, Tense::Present) => &[Tense::Present],
                (true, _) => &[Tense::Past],
            };
            left = left.checked_sub(connector.words.english.len())?;
            length = self.cut(left);
            left -= length;
            let clause = retry(100, || self.clause(length, tenses, 0, false))?;
            before = clause.predicate.group.tense;
            rest.push((connector, clause));
        }
        Some(Sentence {
            time,
            question: None,
            first,
            rest,
        })
    }

    /// How many of the words `left` go to the next clause: all, or few enough to leave room for another.
    fn cut(&mut self, left: usize) -> usize {
        const CLAUSE_AND_CONNECTOR: usize = 5;
        let splits = left >= 2 * CLAUSE_AND_CONNECTOR && self.draw.chance(35);
        if left > LONGEST_CLAUSE || splits {
            let most = (left - CLAUSE_AND_CONNECTOR).min(LONGEST_CLAUSE - 2);
            self.draw.between(3, most)
        } else {
            left
        }
    }

    fn question(&mut self, words: usize) -> Option<Sentence> {
        let word = if words > 3 && self.draw.chance(40) {
            Some(self.draw.pick(&QUESTIONS))
        } else {
            None
        };
        let (question, words) = match word {
            Some((english, french)) => (Question::Word(english, french), words - 1),
            None => (Question::YesNo, words),
        };
        let first = retry(100, || self.clause(words, TENSES, DEEPEST - 1, true))?;
        // "where is the cat tired" asks for nothing.
        if word.is_some_and(|(english, _)| english == "where")
            && first.predicate.verb.frame == Frame::Link
        {
            return None;
        }
        Some(Sentence {
            time: None,
            question: Some(question),
            first,
            rest: Vec::new(),
        })
    }

    fn clause(
        &mut self,
        words: usize,
        tenses: &'static [Tense],
        depth: usize,
        asked: bool,
    ) -> Option<Clause> {
        let longest = (words * 2 / 3).clamp(2, 9);
        let length = if words == 2 || self.draw.chance(25) {
            1
        } else {
            self.draw.between(2, longest)
        };
        let left = words.checked_sub(length)?;
        let subject = if length == 1 {
            Phrase::Pronoun(&PRONOUNS[self.draw.below(PRONOUNS.len())])
        } else {
            let mask = if self.draw.chance(80) {
                LIVING
            } else {
                Class::MAX
            };
            self.phrase(length, mask, Role::Subject, depth)?
        };
        let mut setting = Setting {
            words: left,
            class: subject.classes(),
            agreement: subject.agreement(),
            tenses,
            depth,
            asked,
            affirmative: subject.has_every(),
        };
        if depth == 0 && !asked && left >= 5 && self.draw.chance(15) {
            let words = self.draw.between(1, left - 3);
            setting.words = words;
            setting.depth = DEEPEST;
            let predicate = self.predicate(setting)?;
            setting.words = left - words - 1;
            setting.depth = 1;
            let also = self.predicate(setting)?;
            let same = std::ptr::eq(predicate.verb, also.verb);
            return (!same).then_some(Clause {
                subject,
                predicate,
                also: Some(also),
            });
        }
        let predicate = self.predicate(setting)?;
        Some(Clause {
            subject,
            predicate,
            also: None,
        })
    }
}

impl Phrase {
    fn classes(&self) -> Class {
        match self {
            Self::Pronoun(_) => PERSON,
            Self::Nominal(one) => one.noun.class,
            Self::Pair(left, _, right) => left.noun.class | right.noun.class,
        }
    }

    fn has_every(&self) -> bool {
        match self {
            Self::Pronoun(_) => false,
            Self::Nominal(one) => one.determiner == Determiner::Every,
            Self::Pair(left, _, right) => {
                left.determiner == Determiner::Every || right.determiner == Determiner::Every
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{english, french};
    use super::*;

    /// With few words the same English comes about in many ways: each must come to the same French.
    #[test]
    fn english_determines_french_even_among_few_words() {
        let lexicon: &'static Lexicon = Box::leak(Box::new(Lexicon::of_few_words()));
        let mut draw = Draw::new(5, 0, 0);
        let mut french_of = BTreeMap::new();
        let mut repeated = 0;
        for index in 0..400_000 {
            let words = 4 + index % 14;
            let mut planner = Planner {
                draw: &mut draw,
                lexicon,
                dated: false,
            };
            let Some(sentence) = planner.sentence(words) else {
                continue;
            };
            let source = english::sentence(&sentence);
            let target = french::sentence(&sentence);
            match french_of.get(&source) {
                None => drop(french_of.insert(source, target)),
                Some(first) => {
                    assert_eq!(*first, target, "two readings of `{source}`");
                    repeated += 1;
                }
            }
        }
        assert!(
            repeated > 20_000,
            "only {repeated} repetitions: nothing was tested"
        );
    }

    #[test]
    fn a_sentence_has_the_words_it_was_asked_for() {
        let mut draw = Draw::new(2, 0, 0);
        for words in (SHORTEST..=60).chain([120]) {
            let sentence = retry(10_000, || sentence(words, &mut draw)).unwrap();
            assert_eq!(english::sentence(&sentence).split(' ').count(), words);
        }
    }
}
