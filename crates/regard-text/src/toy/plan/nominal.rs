//! Noun phrases of exactly so many words.

use super::super::english::verb_length;
use super::super::lexicon::{
    AREA, Adjective, BUILDING, Class, Frame, GROUND, LIVING, NUMERALS, Noun, Number, OWNERS,
    PERSON, PRONOUNS, TENSES,
};
use super::super::tree::{Complement, Conjunction, Determiner, Nominal, Phrase, Predicate, Tail};
use super::predicate::Setting;
use super::{DEEPEST, Planner, retry};

/// Where a noun phrase stands: it decides which determiners are good French there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Subject,
    Object,
    /// Direct object under negation, where "un" and "des" become "de".
    Negated,
    /// After a preposition, where a plural indefinite would meet "de".
    Safe,
    /// Before "of".
    Owned,
}

impl Planner<'_> {
    /// One noun or two.
    pub(super) fn phrase(
        &mut self,
        words: usize,
        mask: Class,
        role: Role,
        depth: usize,
    ) -> Option<Phrase> {
        if words < 2 {
            return None;
        }
        if words >= 5 && role != Role::Negated && self.draw.chance(18) {
            let first = self.draw.between(2, (words - 3).min(3));
            let left = retry(4, || self.head(first, mask, role))?;
            let right = retry(4, || self.nominal(words - 1 - first, mask, role, depth))?;
            let either = role != Role::Subject && self.draw.chance(25);
            let conjunction = if either {
                Conjunction::Or
            } else {
                Conjunction::And
            };
            let same = std::ptr::eq(left.noun, right.noun);
            return (!same).then_some(Phrase::Pair(left, conjunction, right));
        }
        retry(6, || self.nominal(words, mask, role, depth)).map(Phrase::Nominal)
    }

    /// A noun with what follows it.
    fn nominal(&mut self, words: usize, mask: Class, role: Role, depth: usize) -> Option<Nominal> {
        let relative = words >= 4 && depth < DEEPEST;
        let owned = words >= 5 && role != Role::Owned;
        let short = words <= 5;
        let dice = self.draw.below(100);
        if relative && dice < if short { 25 } else { 65 } {
            let head = self.head_length(words - 2);
            let nominal = self.head(head, mask, role)?;
            self.relative(nominal, words - head - 1, depth + 1)
        } else if owned && (dice > 80 || !short) {
            let head = self.head_length(words - 3);
            let mut nominal = self.head(head, mask, Role::Owned)?;
            let owners = match nominal.noun.class {
                AREA | GROUND => BUILDING | PERSON,
                _ => LIVING,
            };
            if role == Role::Negated && nominal.determiner != Determiner::The {
                return None;
            }
            if role == Role::Safe && nominal.determiner == Determiner::Some {
                return None;
            }
            let owner = self.nominal(words - head - 1, owners, Role::Safe, depth.max(1))?;
            let nested = matches!(owner.tail, Tail::Of(_));
            nominal.tail = Tail::Of(Box::new(owner));
            (!nested).then_some(nominal)
        } else {
            self.head(words, mask, role)
        }
    }

    fn head_length(&mut self, most: usize) -> usize {
        let wanted = match self.draw.below(10) {
            0..6 => 2,
            6..9 => 3,
            _ => 4,
        };
        wanted.min(most)
    }

    fn relative(&mut self, mut nominal: Nominal, words: usize, depth: usize) -> Option<Nominal> {
        if matches!(nominal.determiner, Determiner::NegatedA | Determiner::Any) {
            return None;
        }
        nominal.tail = if words >= 2 && self.draw.chance(50) {
            self.object_relative(nominal.noun, words)?
        } else {
            let setting = Setting {
                words,
                class: nominal.noun.class,
                agreement: nominal.agreement(),
                tenses: TENSES,
                depth,
                asked: false,
                affirmative: nominal.determiner == Determiner::Every,
            };
            Tail::SubjectRelative(Box::new(self.predicate(setting)?))
        };
        Some(nominal)
    }

    /// Subject and verb of "that the man sees".
    fn object_relative(&mut self, noun: &'static Noun, words: usize) -> Option<Tail> {
        let length = if words == 2 || self.draw.chance(30) {
            1
        } else {
            self.draw.between(2, words - 1)
        };
        let subject = if length == 1 {
            Phrase::Pronoun(&PRONOUNS[self.draw.below(PRONOUNS.len())])
        } else {
            self.phrase(length, LIVING, Role::Subject, DEEPEST)?
        };
        let class = subject.classes();
        let agreement = subject.agreement();
        let verb = self.draw.pick_where(&self.lexicon.verbs, |verb| {
            verb.frame == Frame::Direct
                && class & !verb.subject == 0
                && noun.class & !verb.object == 0
        })?;
        let setting = Setting {
            words: words - length,
            class,
            agreement,
            tenses: TENSES,
            depth: DEEPEST,
            asked: false,
            affirmative: subject.has_every(),
        };
        let group = self.group(verb, &setting)?;
        let predicate = Predicate {
            verb,
            group,
            complement: Complement::None,
            place: None,
        };
        (verb_length(verb, group, agreement, false) == setting.words)
            .then(|| Tail::ObjectRelative(Box::new((subject, predicate))))
    }

    /// Determiner, number, adjectives and noun.
    fn head(&mut self, words: usize, mask: Class, role: Role) -> Option<Nominal> {
        let noun = self
            .draw
            .pick_where(&self.lexicon.nouns, |noun| noun.class & mask != 0)?;
        let plural = !noun.mass && self.draw.chance(35);
        let number = if plural {
            Number::Plural
        } else {
            Number::Singular
        };
        let determiner = self.determiner(noun.mass, number, role);
        let taken = match determiner {
            Determiner::Bare => 0,
            Determiner::AllThe | Determiner::AFew => 2,
            _ => 1,
        };
        let mut free = words.checked_sub(taken + 1)?;
        let countable = matches!(
            determiner,
            Determiner::The | Determiner::This | Determiner::Owner(_) | Determiner::Bare
        );
        let numeral = if determiner == Determiner::Bare
            || (plural && countable && free > 0 && (free > 2 || self.draw.chance(30)))
        {
            free = free.checked_sub(1)?;
            Some(self.draw.pick(&NUMERALS))
        } else {
            None
        };
        let (mut before, mut after) = (None, None);
        let first = self.draw.chance(45);
        if free == 2 || (free == 1 && first) {
            before = Some(self.adjective(noun, true)?);
        }
        if free == 2 || (free == 1 && !first) {
            after = Some(self.adjective(noun, false)?);
        }
        (free <= 2).then_some(Nominal {
            determiner,
            number,
            numeral,
            before,
            after,
            noun,
            tail: Tail::None,
        })
    }

    fn adjective(&mut self, noun: &Noun, before: bool) -> Option<&'static Adjective> {
        self.draw.pick_where(&self.lexicon.adjectives, |adjective| {
            adjective.before == before && noun.class & !adjective.class == 0
        })
    }

    fn determiner(&mut self, mass: bool, number: Number, role: Role) -> Determiner {
        let plural = number == Number::Plural;
        let dice = self.draw.below(100);
        if dice < 42 {
            return Determiner::The;
        }
        let this = if dice < 50 {
            Some(Determiner::This)
        } else {
            None
        };
        let owner = Determiner::Owner(self.draw.below(OWNERS.len()));
        let indefinite = match role {
            Role::Negated if plural || mass => Determiner::Any,
            Role::Negated => Determiner::NegatedA,
            _ if plural || mass => Determiner::Some,
            _ => Determiner::A,
        };
        // A partitive or plural indefinite is no good after "de", a partitive no good as a subject.
        let definite_only =
            (role == Role::Safe && (plural || mass)) || (role == Role::Subject && mass);
        match (this, dice) {
            (Some(this), _) => this,
            (None, 50..73) if !definite_only => indefinite,
            _ if role == Role::Owned => Determiner::The,
            (None, 73..84) if plural && role == Role::Negated => {
                self.draw
                    .pick(&[Determiner::AllThe, Determiner::Many, Determiner::Bare])
            }
            (None, 73..84) if !mass && plural && role != Role::Safe => self.draw.pick(&[
                Determiner::AllThe,
                Determiner::Several,
                Determiner::AFew,
                Determiner::Many,
                Determiner::Bare,
            ]),
            (None, 73..78) if plural => Determiner::Bare,
            (None, 73..76) if !mass && !plural && role != Role::Negated => Determiner::Every,
            _ => owner,
        }
    }
}
