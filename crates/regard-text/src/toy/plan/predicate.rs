//! What is said of the subject, in exactly so many words.

use super::super::english::verb_length;
use super::super::lexicon::{
    Class, DEGREES, Frame, LIVING, PERSON, PREPOSITIONS, PRONOUNS, Past, Slot, TENSES, Tense, Verb,
};
use super::super::tree::{Agreement, Complement, Group, Modal, Place, Polarity, Predicate};
use super::Planner;
use super::nominal::Role;

/// What a predicate has to fit.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub(super) words: usize,
    /// What the subject denotes: all bits of both nouns of a pair.
    pub(super) class: Class,
    pub(super) agreement: Agreement,
    pub(super) tenses: &'static [Tense],
    pub(super) depth: usize,
    pub(super) asked: bool,
    /// "every cat does not sleep" says two things.
    pub(super) affirmative: bool,
}

impl Planner<'_> {
    pub(super) fn predicate(&mut self, setting: Setting) -> Option<Predicate> {
        let verb = self.verb(&setting)?;
        let group = self.group(verb, &setting)?;
        let left = setting.words.checked_sub(verb_length(
            verb,
            group,
            setting.agreement,
            setting.asked,
        ))?;
        let (complement, place_words) = match verb.frame {
            Frame::Intransitive => (Complement::None, left),
            Frame::Direct => {
                let split = left >= 6 && self.draw.chance(30);
                let words = if split {
                    self.draw.between(2, left - 3)
                } else {
                    left
                };
                (self.object(verb, group, words, &setting)?, left - words)
            }
            Frame::Prepositional => {
                let phrase = self.phrase(left, verb.object, Role::Safe, setting.depth)?;
                (Complement::Phrase(phrase), 0)
            }
            Frame::Link if verb.is_be() && left >= 3 && self.draw.chance(50) => {
                (Complement::None, left)
            }
            Frame::Link => (self.quality(left, &setting)?, 0),
            Frame::Clause => {
                let words = left.checked_sub(1)?;
                let clause = self.clause(words, TENSES, setting.depth + 1, false)?;
                (Complement::Clause(Box::new(clause)), 0)
            }
        };
        let place = match place_words {
            0 => None,
            words => Some(self.place(words, &setting)?),
        };
        Some(Predicate {
            verb,
            group,
            complement,
            place,
        })
    }

    /// A verb the subject can have, with a frame that the words have room for.
    fn verb(&mut self, setting: &Setting) -> Option<&'static Verb> {
        let wanted = if setting.words == 1 {
            0
        } else {
            self.draw.below(100)
        };
        let frame = match wanted {
            0..20 => Frame::Intransitive,
            20..32 => Frame::Prepositional,
            32..50 => Frame::Link,
            50..58 if setting.depth == 0 && !setting.asked => Frame::Clause,
            _ => Frame::Direct,
        };
        if frame == Frame::Link && self.draw.chance(75) {
            return Some(&self.lexicon.be);
        }
        let verbs = &self.lexicon.verbs;
        self.draw.pick_where(verbs, |verb| {
            verb.frame == frame && setting.class & !verb.subject == 0
        })
    }

    pub(super) fn group(&mut self, verb: &Verb, setting: &Setting) -> Option<Group> {
        let mut group = Group {
            tense: Tense::Present,
            modal: None,
            polarity: Polarity::Positive,
            adverb: None,
        };
        // A past or negated "think" would change tense or mood after "que".
        if verb.frame == Frame::Clause {
            return setting.tenses.contains(&Tense::Present).then_some(group);
        }
        group.tense = match self.draw.below(10) {
            0..5 if setting.tenses.len() == 3 => Tense::Present,
            5..8 if setting.tenses.len() == 3 => Tense::Past,
            _ => self.draw.pick(setting.tenses),
        };
        if verb.frame != Frame::Link && setting.class & !LIVING == 0 && self.draw.chance(15) {
            group.modal = match self.draw.below(3) {
                0 if group.tense != Tense::Future => Some(Modal::Can),
                1 if group.tense == Tense::Present => Some(Modal::Must),
                _ => Some(Modal::Want),
            };
        }
        if !setting.affirmative {
            group.polarity = match self.draw.below(100) {
                0..14 if !setting.asked => Polarity::Not,
                14..20 => Polarity::Never,
                _ => Polarity::Positive,
            };
        }
        if group.polarity != Polarity::Never && self.draw.chance(20) {
            let adverbs = &self.lexicon.adverbs;
            let adverb = &adverbs[self.draw.below(adverbs.len())];
            let manner = adverb.slot == Slot::AfterVerb;
            let plain = group.polarity == Polarity::Positive && !setting.asked;
            let state = verb.frame == Frame::Link || verb.french_past == Past::Imperfect;
            let fits = if manner {
                plain && !state && setting.class & !LIVING == 0 && group.modal != Some(Modal::Want)
            } else {
                (plain || adverb.negatable) && !self.dated
            };
            if !fits {
                return None;
            }
            group.adverb = Some(adverb);
        }
        Some(group)
    }

    fn object(
        &mut self,
        verb: &Verb,
        group: Group,
        words: usize,
        setting: &Setting,
    ) -> Option<Complement> {
        if words != 1 {
            let negated = group.polarity != Polarity::Positive;
            let role = if negated { Role::Negated } else { Role::Object };
            return self
                .phrase(words, verb.object, role, setting.depth)
                .map(Complement::Phrase);
        }
        let pronoun = &PRONOUNS[self.draw.below(PRONOUNS.len())];
        let reflexive = match setting.agreement.person {
            0 | 2 => matches!(pronoun.person, 0 | 2),
            3 => pronoun.person == 3,
            _ => false,
        };
        (verb.object & PERSON != 0 && !reflexive).then_some(Complement::Pronoun(pronoun))
    }

    fn quality(&mut self, words: usize, setting: &Setting) -> Option<Complement> {
        let adjective = self
            .draw
            .pick_where(&self.lexicon.adjectives, |adjective| {
                setting.class & !adjective.class == 0 && (words == 1 || adjective.gradable)
            })?;
        match words {
            0 => None,
            1 => Some(Complement::Adjective(None, adjective)),
            2 => Some(Complement::Adjective(
                Some(self.draw.pick(&DEGREES)),
                adjective,
            )),
            _ => {
                let words = words.checked_sub(3)?;
                let other = self.phrase(words, setting.class, Role::Safe, setting.depth)?;
                Some(Complement::Equal(adjective, other))
            }
        }
    }

    fn place(&mut self, words: usize, setting: &Setting) -> Option<Place> {
        let preposition = &PREPOSITIONS[self.draw.below(PREPOSITIONS.len())];
        // A story is not "with the babies".
        if preposition.class == LIVING && setting.class & !LIVING != 0 {
            return None;
        }
        let words = words.checked_sub(preposition.words.english.len())?;
        let phrase = self.phrase(words, preposition.class, Role::Safe, setting.depth)?;
        Some(Place {
            preposition,
            phrase,
        })
    }
}
