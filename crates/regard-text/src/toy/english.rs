//! The English reading of a sentence.

use super::lexicon::{Number, OWNERS, Tense, Verb};
use super::tree::{
    Agreement, Clause, Complement, Conjunction, Determiner, Group, Modal, Nominal, Phrase, Place,
    Polarity, Predicate, Question, Sentence, Tail,
};

/// Words before "a" has become "an".
pub(crate) type Words = Vec<&'static str>;

/// The sentence as text.
pub(crate) fn sentence(sentence: &Sentence) -> String {
    let mut out = Words::new();
    if let Some(time) = sentence.time {
        out.extend(time.words.english);
        out.push(",");
    }
    if let Some(kind) = sentence.question {
        if let Question::Word(english, _) = kind {
            out.push(english);
        }
        question(&mut out, &sentence.first);
    } else {
        clause(&mut out, &sentence.first);
    }
    for (connector, next) in &sentence.rest {
        out.extend(connector.words.english);
        clause(&mut out, next);
    }
    out.push(if sentence.question.is_some() {
        "?"
    } else {
        "."
    });
    join(&out)
}

fn join(words: &[&'static str]) -> String {
    let mut text = String::new();
    for (index, &word) in words.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(word);
        let next = words.get(index + 1).copied().unwrap_or_default();
        // "useful" begins with the sound of y; "honest" with a vowel.
        let vowel = next.starts_with(['a', 'e', 'i', 'o', 'u']) && next != "useful";
        if word == "a" && (vowel || next == "honest") {
            text.push('n');
        }
    }
    text
}

fn clause(out: &mut Words, clause: &Clause) {
    let agreement = clause.subject.agreement();
    phrase(out, &clause.subject);
    predicate(out, &clause.predicate, agreement);
    if let Some(also) = &clause.also {
        out.push("and");
        predicate(out, also, agreement);
    }
}

fn question(out: &mut Words, clause: &Clause) {
    let agreement = clause.subject.agreement();
    let verb = verb_words(
        clause.predicate.verb,
        clause.predicate.group,
        agreement,
        true,
    );
    out.extend(verb.auxiliary);
    phrase(out, &clause.subject);
    out.extend(verb.rest);
    after_verb(out, &clause.predicate);
}

fn predicate(out: &mut Words, predicate: &Predicate, agreement: Agreement) {
    let verb = verb_words(predicate.verb, predicate.group, agreement, false);
    out.extend(verb.auxiliary);
    out.extend(verb.rest);
    after_verb(out, predicate);
}

fn after_verb(out: &mut Words, predicate: &Predicate) {
    match &predicate.complement {
        Complement::None => {}
        Complement::Pronoun(pronoun) => out.push(pronoun.english_object),
        Complement::Phrase(object) => phrase(out, object),
        Complement::Adjective(degree, adjective) => {
            out.extend(degree.map(|(english, _)| english));
            out.push(adjective.english);
        }
        Complement::Equal(adjective, other) => {
            out.extend(["as", adjective.english, "as"]);
            phrase(out, other);
        }
        Complement::Clause(inner) => {
            out.push("that");
            clause(out, inner);
        }
    }
    if let Some(Place {
        preposition,
        phrase: place,
    }) = &predicate.place
    {
        out.extend(preposition.words.english);
        phrase(out, place);
    }
}

/// The words of a verb: what goes before the subject in a question, and the rest.
pub(crate) struct VerbWords {
    auxiliary: Option<&'static str>,
    rest: Words,
}

/// How many words the verb takes in a statement, or in a question.
pub(crate) fn verb_length(
    verb: &'static Verb,
    group: Group,
    agreement: Agreement,
    asked: bool,
) -> usize {
    let words = verb_words(verb, group, agreement, asked);
    usize::from(words.auxiliary.is_some()) + words.rest.len()
}

fn verb_words(verb: &'static Verb, group: Group, agreement: Agreement, asked: bool) -> VerbWords {
    let (base, third, past): (&'static str, &'static str, &'static str) =
        if group.modal == Some(Modal::Want) {
            ("want", "wants", "wanted")
        } else {
            (&verb.base, &verb.third, &verb.past)
        };
    let is_third = agreement.person == 1;
    let mut negation = match group.polarity {
        Polarity::Positive => None,
        Polarity::Not => Some("not"),
        Polarity::Never => Some("never"),
    };
    let auxiliary = match (group.modal, group.tense) {
        (Some(Modal::Can), Tense::Past) => Some("could"),
        (Some(Modal::Can), _) if negation == Some("not") && !asked => {
            negation = None;
            Some("cannot")
        }
        (Some(Modal::Can), _) => Some("can"),
        (Some(Modal::Must), _) => Some("must"),
        (_, Tense::Future) => Some("will"),
        (None, tense) if verb.is_be() => Some(be(agreement, tense)),
        _ if negation != Some("not") && !asked => None,
        (_, Tense::Past) => Some("did"),
        _ if is_third => Some("does"),
        _ => Some("do"),
    };
    let mut rest = Words::new();
    rest.extend(negation);
    rest.extend(group.adverb.map(|adverb| adverb.english));
    match (auxiliary, group.tense) {
        (Some("am" | "is" | "are" | "was" | "were"), _) => {}
        (Some(_), _) => rest.push(base),
        (None, Tense::Past) => rest.push(past),
        (None, _) => rest.push(if is_third { third } else { base }),
    }
    if group.modal == Some(Modal::Want) {
        rest.extend(["to", &verb.base]);
    }
    rest.extend(verb.particle);
    VerbWords { auxiliary, rest }
}

fn be(agreement: Agreement, tense: Tense) -> &'static str {
    match (tense, agreement.person) {
        (Tense::Past, 0 | 1) => "was",
        (Tense::Past, _) => "were",
        (_, 0) => "am",
        (_, 1) => "is",
        _ => "are",
    }
}

fn phrase(out: &mut Words, phrase: &Phrase) {
    match phrase {
        Phrase::Pronoun(pronoun) => out.push(pronoun.english),
        Phrase::Nominal(one) => nominal(out, one),
        Phrase::Pair(left, conjunction, right) => {
            nominal(out, left);
            out.push(if *conjunction == Conjunction::And {
                "and"
            } else {
                "or"
            });
            nominal(out, right);
        }
    }
}

fn nominal(out: &mut Words, nominal: &Nominal) {
    determiner(out, nominal);
    out.extend(nominal.numeral.map(|(english, _)| english));
    out.extend(nominal.before.map(|adjective| adjective.english));
    out.extend(nominal.after.map(|adjective| adjective.english));
    out.push(&nominal.noun.english[usize::from(nominal.number == Number::Plural)]);
    match &nominal.tail {
        Tail::None => {}
        Tail::Of(owner) => {
            out.push("of");
            self::nominal(out, owner);
        }
        Tail::SubjectRelative(inner) => {
            out.push("that");
            predicate(out, inner, nominal.agreement());
        }
        Tail::ObjectRelative(inner) => {
            out.push("that");
            phrase(out, &inner.0);
            predicate(out, &inner.1, inner.0.agreement());
        }
    }
}

fn determiner(out: &mut Words, nominal: &Nominal) {
    let plural = nominal.number == Number::Plural;
    match nominal.determiner {
        Determiner::The => out.push("the"),
        Determiner::AllThe => out.extend(["all", "the"]),
        Determiner::A | Determiner::NegatedA => out.push("a"),
        Determiner::Some => out.push("some"),
        Determiner::Any => out.push("any"),
        Determiner::This => out.push(if plural { "these" } else { "this" }),
        Determiner::Every => out.push("every"),
        Determiner::Several => out.push("several"),
        Determiner::AFew => out.extend(["a", "few"]),
        Determiner::Many => out.push("many"),
        Determiner::Owner(index) => out.push(OWNERS[index].0),
        Determiner::Bare => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_becomes_an_by_sound() {
        for (words, expected) in [
            (vec!["a", "apple"], "an apple"),
            (vec!["a", "cat"], "a cat"),
            (vec!["a", "useful", "axe"], "a useful axe"),
            (vec!["a", "honest", "owl"], "an honest owl"),
            (vec!["a", "few", "apples"], "a few apples"),
        ] {
            assert_eq!(join(&words), expected);
        }
    }
}
