//! The French reading of a sentence.

use super::lexicon::{Conjugation, Gender, Number, OWNERS, Past, Slot, Tense, Verb, lexicon};
use super::surface;
use super::tree::{
    Agreement, Clause, Complement, Conjunction, Determiner, Group, Modal, Nominal, Phrase,
    Polarity, Predicate, Question, Sentence, Tail,
};

type Words = Vec<&'static str>;

/// The sentence as text.
pub(crate) fn sentence(sentence: &Sentence) -> String {
    let mut out = Words::new();
    if let Some(time) = sentence.time {
        out.extend(time.words.french);
        out.push(",");
    }
    if let Some(kind) = sentence.question {
        if let Question::Word(_, french) = kind {
            out.push(french);
        }
        out.extend(["est-ce", "que"]);
    }
    clause(&mut out, &sentence.first);
    for (connector, next) in &sentence.rest {
        out.extend(connector.words.french);
        clause(&mut out, next);
    }
    out.push(if sentence.question.is_some() {
        "?"
    } else {
        "."
    });
    surface::join(&out)
}

fn clause(out: &mut Words, clause: &Clause) {
    let agreement = clause.subject.agreement();
    phrase(out, &clause.subject);
    predicate(out, &clause.predicate, agreement, None);
    if let Some(also) = &clause.also {
        out.push("et");
        predicate(out, also, agreement, None);
    }
}

/// `antecedent`: what a relative clause is about, if that is the object of its verb.
fn predicate(
    out: &mut Words,
    predicate: &Predicate,
    subject: Agreement,
    antecedent: Option<Agreement>,
) {
    let (clitic, object) = match predicate.complement {
        Complement::Pronoun(pronoun) => (
            Some(pronoun.french_object),
            Some(Agreement::of_pronoun(pronoun)),
        ),
        _ => (None, antecedent),
    };
    verb_group(
        out,
        predicate.verb,
        predicate.group,
        subject,
        clitic,
        object,
    );
    match &predicate.complement {
        Complement::None | Complement::Pronoun(_) => {}
        Complement::Phrase(object) => match &predicate.verb.preposition {
            Some(preposition) => after_preposition(out, std::slice::from_ref(preposition), object),
            None => phrase(out, object),
        },
        Complement::Adjective(degree, adjective) => {
            out.extend(degree.map(|(_, french)| french));
            out.push(adjective.french(subject.gender, subject.number));
        }
        Complement::Equal(adjective, other) => {
            out.extend([
                "aussi",
                adjective.french(subject.gender, subject.number),
                "que",
            ]);
            phrase(out, other);
        }
        Complement::Clause(inner) => {
            out.push("que");
            clause(out, inner);
        }
    }
    if let Some(place) = &predicate.place {
        after_preposition(out, place.preposition.words.french, &place.phrase);
    }
}

/// "à" and "de" are said again before the second noun, the others are not.
fn after_preposition(out: &mut Words, preposition: &[&'static str], phrase: &Phrase) {
    out.extend(preposition);
    match (phrase, preposition.last()) {
        (Phrase::Pair(left, conjunction, right), Some(&last @ ("à" | "de"))) => {
            nominal(out, left);
            out.extend([conjunction_word(*conjunction), last]);
            nominal(out, right);
        }
        _ => self::phrase(out, phrase),
    }
}

fn conjunction_word(conjunction: Conjunction) -> &'static str {
    match conjunction {
        Conjunction::And => "et",
        Conjunction::Or => "ou",
    }
}

fn verb_group(
    out: &mut Words,
    verb: &'static Verb,
    group: Group,
    subject: Agreement,
    clitic: Option<&'static str>,
    object: Option<Agreement>,
) {
    let modals = &lexicon().modals;
    let modal = group.modal.map(|modal| match modal {
        Modal::Can => &modals.can,
        Modal::Must => &modals.must,
        Modal::Want => &modals.want,
    });
    let person = subject.person;
    let (finite, last): (&'static str, Option<&'static str>) = match (modal, group.tense) {
        (Some(modal), tense) => (simple(modal, tense, person), Some(&verb.french.infinitive)),
        (None, Tense::Past) => past(verb, subject, object),
        (None, tense) => (simple(&verb.french, tense, person), None),
    };
    let negation = match group.polarity {
        Polarity::Positive => None,
        Polarity::Not => Some("pas"),
        Polarity::Never => Some("jamais"),
    };
    let adverb = |slot| {
        group
            .adverb
            .filter(|adverb| adverb.slot == slot)
            .map(|a| a.french)
    };

    out.extend(negation.map(|_| "ne"));
    if modal.is_none() {
        out.extend(clitic);
    }
    out.push(finite);
    out.extend(negation);
    out.extend(adverb(Slot::AfterFinite));
    if modal.is_some() {
        out.extend(clitic);
    }
    out.extend(last);
    out.extend(adverb(Slot::AfterVerb));
}

fn simple(verb: &'static Conjugation, tense: Tense, person: usize) -> &'static str {
    match tense {
        Tense::Present => &verb.present[person],
        Tense::Past => &verb.imperfect[person],
        Tense::Future => &verb.future[person],
    }
}

fn past(
    verb: &'static Verb,
    subject: Agreement,
    object: Option<Agreement>,
) -> (&'static str, Option<&'static str>) {
    let person = subject.person;
    let words = lexicon();
    match verb.french_past {
        Past::Imperfect => (&verb.french.imperfect[person], None),
        Past::Etre => {
            let participle = verb.french.participle(subject.gender, subject.number);
            (&words.be.french.present[person], Some(participle))
        }
        Past::Avoir => {
            let (gender, number) = object.map_or((Gender::Masculine, Number::Singular), |object| {
                (object.gender, object.number)
            });
            let participle = verb.french.participle(gender, number);
            (&words.modals.have.present[person], Some(participle))
        }
    }
}

fn phrase(out: &mut Words, phrase: &Phrase) {
    match phrase {
        Phrase::Pronoun(pronoun) => out.push(pronoun.french),
        Phrase::Nominal(one) => nominal(out, one),
        Phrase::Pair(left, conjunction, right) => {
            nominal(out, left);
            out.push(conjunction_word(*conjunction));
            nominal(out, right);
        }
    }
}

fn nominal(out: &mut Words, nominal: &Nominal) {
    let Agreement { number, gender, .. } = nominal.agreement();
    let noun: &'static str = &nominal.noun.french[usize::from(number == Number::Plural)];
    determiner(out, nominal);
    out.extend(nominal.numeral.map(|(_, french)| french));
    if let Some(adjective) = nominal.before {
        out.push(if surface::begins_with_vowel(noun) {
            adjective.french_linking(gender, number)
        } else {
            adjective.french(gender, number)
        });
    }
    out.push(noun);
    out.extend(
        nominal
            .after
            .map(|adjective| adjective.french(gender, number)),
    );
    match &nominal.tail {
        Tail::None => {}
        Tail::Of(owner) => {
            out.push("de");
            self::nominal(out, owner);
        }
        Tail::SubjectRelative(inner) => {
            out.push("qui");
            predicate(out, inner, nominal.agreement(), None);
        }
        Tail::ObjectRelative(inner) => {
            out.push("que");
            phrase(out, &inner.0);
            predicate(
                out,
                &inner.1,
                inner.0.agreement(),
                Some(nominal.agreement()),
            );
        }
    }
}

fn determiner(out: &mut Words, nominal: &Nominal) {
    let feminine = nominal.noun.gender == Gender::Feminine;
    let plural = nominal.number == Number::Plural;
    let agreeing = |[masculine, feminine_form, plural_form]: [&'static str; 3]| {
        if plural {
            plural_form
        } else if feminine {
            feminine_form
        } else {
            masculine
        }
    };
    let the = agreeing(["le", "la", "les"]);
    match nominal.determiner {
        Determiner::The => out.push(the),
        Determiner::AllThe => out.extend([if feminine { "toutes" } else { "tous" }, "les"]),
        Determiner::A => out.push(if feminine { "une" } else { "un" }),
        Determiner::Some if nominal.noun.mass => out.extend(["de", the]),
        // "de petits chats", but "des chats noirs".
        Determiner::Some => out.push(if nominal.before.is_some() {
            "de"
        } else {
            "des"
        }),
        Determiner::NegatedA | Determiner::Any => out.push("de"),
        Determiner::This => out.push(agreeing(["ce", "cette", "ces"])),
        Determiner::Every => out.push("chaque"),
        Determiner::Several => out.push("plusieurs"),
        Determiner::AFew => out.push("quelques"),
        Determiner::Many => out.extend(["beaucoup", "de"]),
        Determiner::Owner(index) => out.push(agreeing(OWNERS[index].1)),
        Determiner::Bare => {}
    }
}
