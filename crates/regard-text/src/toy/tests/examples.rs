//! Sentences translated by hand, one phenomenon each.

use super::super::lexicon::{
    ANIMAL, Adjective, Adverb, CONNECTORS, Frame, NUMERALS, Number, PREPOSITIONS, PRONOUNS,
    Preposition, TIMES, Tense, Verb, lexicon,
};
use super::super::tree::{
    Clause, Complement, Conjunction, Determiner, Group, Modal, Nominal, Phrase, Place, Polarity,
    Predicate, Question, Sentence, Tail,
};
use super::super::{english, french};
use Number::Plural;
use Tense::{Future, Past, Present};

fn noun(english: &str) -> Nominal {
    let noun = lexicon()
        .nouns
        .iter()
        .find(|noun| noun.english.contains(&english.to_owned()))
        .unwrap();
    let plural = noun.english[1] == english;
    Nominal {
        determiner: Determiner::The,
        number: if plural { Plural } else { Number::Singular },
        numeral: None,
        before: None,
        after: None,
        noun,
        tail: Tail::None,
    }
}

fn the(english: &str) -> Phrase {
    Phrase::Nominal(noun(english))
}

fn with(determiner: Determiner, english: &str) -> Phrase {
    Phrase::Nominal(Nominal {
        determiner,
        ..noun(english)
    })
}

fn adjective(english: &str) -> &'static Adjective {
    lexicon()
        .adjectives
        .iter()
        .find(|adjective| adjective.english == english)
        .unwrap()
}

fn adverb(english: &str) -> Option<&'static Adverb> {
    lexicon()
        .adverbs
        .iter()
        .find(|adverb| adverb.english == english)
}

fn preposition(first: &str) -> &'static Preposition {
    PREPOSITIONS
        .iter()
        .find(|preposition| preposition.words.english[0] == first)
        .unwrap()
}

fn pronoun(english: &str) -> Phrase {
    Phrase::Pronoun(
        PRONOUNS
            .iter()
            .find(|pronoun| pronoun.english == english)
            .unwrap(),
    )
}

fn object(english: &str) -> Complement {
    Complement::Pronoun(
        PRONOUNS
            .iter()
            .find(|p| p.english_object == english)
            .unwrap(),
    )
}

fn verb(base: &str) -> &'static Verb {
    if base == "be" {
        return &lexicon().be;
    }
    lexicon()
        .verbs
        .iter()
        .find(|verb| verb.base == base)
        .unwrap()
}

fn does(base: &str, tense: Tense, complement: Complement) -> Predicate {
    let group = Group {
        tense,
        modal: None,
        polarity: Polarity::Positive,
        adverb: None,
    };
    Predicate {
        verb: verb(base),
        group,
        complement,
        place: None,
    }
}

fn is(tense: Tense, quality: &str) -> Predicate {
    does("be", tense, Complement::Adjective(None, adjective(quality)))
}

fn clause(subject: Phrase, predicate: Predicate) -> Clause {
    Clause {
        subject,
        predicate,
        also: None,
    }
}

fn sentence(subject: Phrase, predicate: Predicate) -> Sentence {
    Sentence {
        time: None,
        question: None,
        first: clause(subject, predicate),
        rest: Vec::new(),
    }
}

#[track_caller]
fn check(sentence: &Sentence, in_english: &str, in_french: &str) {
    assert_eq!(english::sentence(sentence), in_english);
    assert_eq!(french::sentence(sentence), in_french);
}

fn negated(mut predicate: Predicate, polarity: Polarity) -> Predicate {
    predicate.group.polarity = polarity;
    predicate
}

fn modal(mut predicate: Predicate, modal: Modal) -> Predicate {
    predicate.group.modal = Some(modal);
    predicate
}

#[test]
fn articles_and_persons() {
    let sleeps = |tense| does("sleep", tense, Complement::None);
    check(
        &sentence(the("owl"), sleeps(Present)),
        "the owl sleeps .",
        "le hibou dort .",
    );
    check(
        &sentence(the("child"), sleeps(Past)),
        "the child slept .",
        "l'enfant a dormi .",
    );
    check(
        &sentence(the("mice"), sleeps(Future)),
        "the mice will sleep .",
        "les souris dormiront .",
    );
    check(
        &sentence(pronoun("i"), sleeps(Past)),
        "i slept .",
        "j'ai dormi .",
    );
    check(
        &sentence(pronoun("you"), sleeps(Present)),
        "you sleep .",
        "vous dormez .",
    );
    let mine = with(Determiner::Owner(0), "sword");
    check(
        &sentence(mine, is(Present, "heavy")),
        "my sword is heavy .",
        "mon épée est lourde .",
    );
    let this = with(Determiner::This, "tree");
    check(
        &sentence(this, is(Past, "old")),
        "this tree was old .",
        "cet arbre était vieux .",
    );
}

#[test]
fn adjectives_before_and_after() {
    let falls = || does("fall", Past, Complement::None);
    let tree = Nominal {
        before: Some(adjective("old")),
        ..noun("tree")
    };
    check(
        &sentence(Phrase::Nominal(tree), falls()),
        "the old tree fell .",
        "le vieil arbre est tombé .",
    );
    let crowns = Nominal {
        determiner: Determiner::This,
        numeral: Some(NUMERALS[1]),
        before: Some(adjective("beautiful")),
        after: Some(adjective("white")),
        ..noun("crowns")
    };
    check(
        &sentence(Phrase::Nominal(crowns), falls()),
        "these three beautiful white crowns fell .",
        "ces trois belles couronnes blanches sont tombées .",
    );
    let owl = Nominal {
        before: Some(adjective("beautiful")),
        ..noun("owl")
    };
    check(
        &sentence(Phrase::Nominal(owl), falls()),
        "the beautiful owl fell .",
        "le beau hibou est tombé .",
    );
    let friends = |before| {
        let nominal = Nominal {
            determiner: Determiner::Some,
            before,
            ..noun("friends")
        };
        Complement::Phrase(Phrase::Nominal(nominal))
    };
    let sees = |before| sentence(pronoun("we"), does("see", Present, friends(before)));
    check(
        &sees(None),
        "we see some friends .",
        "nous voyons des amis .",
    );
    check(
        &sees(Some(adjective("new"))),
        "we see some new friends .",
        "nous voyons de nouveaux amis .",
    );
}

#[test]
fn agreement_of_two_nouns() {
    let pair = |left, right| Phrase::Pair(noun(left), Conjunction::And, noun(right));
    check(
        &sentence(pair("queen", "mouse"), is(Present, "happy")),
        "the queen and the mouse are happy .",
        "la reine et la souris sont heureuses .",
    );
    check(
        &sentence(pair("queen", "king"), is(Present, "happy")),
        "the queen and the king are happy .",
        "la reine et le roi sont heureux .",
    );
}

#[test]
fn negation_and_the_article_it_changes() {
    let eats =
        |determiner, what: &str| does("eat", Present, Complement::Phrase(with(determiner, what)));
    check(
        &sentence(
            the("man"),
            negated(eats(Determiner::NegatedA, "egg"), Polarity::Not),
        ),
        "the man does not eat an egg .",
        "l'homme ne mange pas d'œuf .",
    );
    check(
        &sentence(
            pronoun("they"),
            negated(eats(Determiner::Any, "meat"), Polarity::Never),
        ),
        "they never eat any meat .",
        "ils ne mangent jamais de viande .",
    );
    check(
        &sentence(
            pronoun("they"),
            negated(eats(Determiner::The, "meat"), Polarity::Not),
        ),
        "they do not eat the meat .",
        "ils ne mangent pas la viande .",
    );
    check(
        &sentence(pronoun("she"), eats(Determiner::Some, "oil")),
        "she eats some oil .",
        "elle mange de l'huile .",
    );
    let likes = negated(does("like", Past, object("her")), Polarity::Not);
    check(
        &sentence(pronoun("i"), likes),
        "i did not like her .",
        "je ne l'aimais pas .",
    );
}

#[test]
fn object_pronouns_and_participles() {
    check(
        &sentence(the("dog"), does("see", Past, object("her"))),
        "the dog saw her .",
        "le chien l'a vue .",
    );
    let wants = modal(does("help", Present, object("them")), Modal::Want);
    check(
        &sentence(pronoun("he"), negated(wants, Polarity::Not)),
        "he does not want to help them .",
        "il ne veut pas les aider .",
    );
    let can = modal(does("help", Present, object("us")), Modal::Can);
    check(
        &sentence(pronoun("he"), negated(can, Polarity::Not)),
        "he cannot help us .",
        "il ne peut pas nous aider .",
    );
}

#[test]
fn agreement_across_a_relative_clause() {
    let sees = does("see", Present, Complement::None);
    let tail = Tail::ObjectRelative(Box::new((the("children"), sees)));
    let cow = Nominal {
        after: Some(adjective("black")),
        tail,
        ..noun("cow")
    };
    check(
        &sentence(Phrase::Nominal(cow), does("leave", Past, Complement::None)),
        "the black cow that the children see left .",
        "la vache noire que les enfants voient est partie .",
    );
    let ate = does("eat", Past, Complement::None);
    let tail = Tail::ObjectRelative(Box::new((pronoun("he"), ate)));
    let pears = Nominal {
        tail,
        ..noun("pears")
    };
    check(
        &sentence(Phrase::Nominal(pears), is(Past, "good")),
        "the pears that he ate were good .",
        "les poires qu'il a mangées étaient bonnes .",
    );
    let tail = Tail::SubjectRelative(Box::new(is(Present, "jealous")));
    let queen = Nominal {
        tail,
        ..noun("queen")
    };
    check(
        &sentence(Phrase::Nominal(queen), does("look", Present, object("me"))),
        "the queen that is jealous looks at me .",
        "la reine qui est jalouse me regarde .",
    );
}

#[test]
fn prepositions_contract_and_are_repeated() {
    let talk = |phrase| does("talk", Present, Complement::Phrase(phrase));
    check(
        &sentence(pronoun("she"), talk(the("king"))),
        "she talks to the king .",
        "elle parle au roi .",
    );
    check(
        &sentence(pronoun("she"), talk(the("man"))),
        "she talks to the man .",
        "elle parle à l'homme .",
    );
    let pair = Phrase::Pair(noun("heroes"), Conjunction::Or, noun("hero"));
    check(
        &sentence(pronoun("she"), talk(pair)),
        "she talks to the heroes or the hero .",
        "elle parle aux héros ou au héros .",
    );
    let tail = Tail::Of(Box::new(noun("neighbor")));
    let house = Phrase::Nominal(Nominal {
        tail,
        ..noun("house")
    });
    let mut stays = does("stay", Past, Complement::None);
    stays.place = Some(Place {
        preposition: preposition("near"),
        phrase: house,
    });
    check(
        &sentence(the("princess"), stays),
        "the princess stayed near the house of the neighbor .",
        "la princesse est restée près de la maison du voisin .",
    );
}

#[test]
fn adverbs_and_comparison() {
    let mut eats = does(
        "eat",
        Past,
        Complement::Phrase(with(Determiner::Every, "apple")),
    );
    eats.group.adverb = adverb("slowly");
    check(
        &sentence(the("bear"), eats),
        "the bear slowly ate every apple .",
        "l'ours a mangé lentement chaque pomme .",
    );
    let mut travels = negated(does("travel", Past, Complement::None), Polarity::Not);
    travels.group.adverb = adverb("often");
    check(
        &sentence(pronoun("we"), travels),
        "we did not often travel .",
        "nous n'avons pas souvent voyagé .",
    );
    let other = with(Determiner::A, "hedgehog");
    let equal = does("be", Present, Complement::Equal(adjective("shy"), other));
    check(
        &sentence(with(Determiner::AllThe, "geese"), equal),
        "all the geese are as shy as a hedgehog .",
        "toutes les oies sont aussi timides qu'un hérisson .",
    );
}

#[test]
fn clauses_times_and_questions() {
    let sleeps = |tense| does("sleep", tense, Complement::None);
    let mut joined = sentence(pronoun("they"), sleeps(Future));
    joined.time = TIMES.iter().find(|time| time.words.english == ["tomorrow"]);
    let condition = CONNECTORS
        .iter()
        .find(|connector| connector.words.english == ["if"])
        .unwrap();
    joined
        .rest
        .push((condition, clause(pronoun("he"), is(Present, "calm"))));
    check(
        &joined,
        "tomorrow , they will sleep if he is calm .",
        "demain , ils dormiront s'il est calme .",
    );

    let hopes = Complement::Clause(Box::new(clause(pronoun("she"), sleeps(Future))));
    check(
        &sentence(the("doctor"), does("hope", Present, hopes)),
        "the doctor hopes that she will sleep .",
        "le médecin espère qu'elle dormira .",
    );

    let mut asked = sentence(pronoun("she"), does("leave", Past, Complement::None));
    asked.question = Some(Question::Word("why", "pourquoi"));
    check(
        &asked,
        "why did she leave ?",
        "pourquoi est-ce qu'elle est partie ?",
    );
    let mut asked = sentence(the("wolves"), is(Present, "dangerous"));
    asked.question = Some(Question::YesNo);
    check(
        &asked,
        "are the wolves dangerous ?",
        "est-ce que les loups sont dangereux ?",
    );

    let mut both = sentence(the("woman"), does("return", Past, Complement::None));
    both.first.also = Some(does(
        "drink",
        Past,
        Complement::Phrase(with(Determiner::Some, "water")),
    ));
    check(
        &both,
        "the woman returned and drank some water .",
        "la femme est revenue et a bu de l'eau .",
    );
}

#[test]
fn verbs_say_what_they_take() {
    for verb in &lexicon().verbs {
        let takes_phrase = matches!(verb.frame, Frame::Direct | Frame::Prepositional);
        assert_eq!(verb.object != 0, takes_phrase, "{}", verb.base);
        assert_eq!(
            verb.preposition.is_some(),
            verb.frame == Frame::Prepositional
        );
    }
    assert_eq!(noun("cat").noun.class, ANIMAL);
}
