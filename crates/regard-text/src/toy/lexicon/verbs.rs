//! Verbs. An entry gives `base/past` where the English past tense is irregular.

use super::{
    ANIMAL, ANY, AREA, BUILDING, Class, Conjugation, DRINK, FOOD, FURNITURE, GOODS, GROUND, LIVING,
    OBJECT, PERSON, PLACE, PLANT, TEXT, conjugate, english_s,
};

/// What follows the verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Nothing, or a place.
    Intransitive,
    /// A direct object in both languages.
    Direct,
    /// A noun phrase after a French preposition.
    Prepositional,
    /// An adjective that agrees with the subject.
    Link,
    /// "that" and a clause.
    Clause,
}

/// How French says what English says with the simple past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// "a mangé"; the participle agrees with a direct object that goes before.
    Avoir,
    /// "est tombée"; the participle agrees with the subject.
    Etre,
    /// "aimait": states, not events.
    Imperfect,
}

/// A verb in both languages.
pub(crate) struct Verb {
    pub(crate) base: String,
    pub(crate) third: String,
    pub(crate) past: String,
    /// "at" in "look at".
    pub(crate) particle: Option<&'static str>,
    pub(crate) french: Conjugation,
    pub(crate) french_past: Past,
    /// What stands before the complement in French.
    pub(crate) preposition: Option<&'static str>,
    pub(crate) frame: Frame,
    pub(crate) subject: Class,
    pub(crate) object: Class,
}

impl Verb {
    fn new(english: &'static str, infinitive: &str, french_past: Past, frame: Frame) -> Self {
        let (verb, particle) = match english.split_once(' ') {
            Some((verb, particle)) => (verb, Some(particle)),
            None => (english, None),
        };
        let (base, past) = match verb.split_once('/') {
            Some((base, past)) => (base, past.to_owned()),
            None => (verb, english_past(verb)),
        };
        Self {
            base: base.to_owned(),
            third: if base == "go" {
                "goes".to_owned()
            } else {
                english_s(base)
            },
            past,
            particle,
            french: conjugate(infinitive),
            french_past,
            preposition: None,
            frame,
            subject: LIVING,
            object: 0,
        }
    }

    fn of(mut self, subject: Class, object: Class) -> Self {
        self.subject = subject;
        self.object = object;
        self
    }

    /// "to be" and its kin take their adverbs and "not" differently.
    pub(crate) fn is_be(&self) -> bool {
        self.base == "be"
    }
}

/// "To be": its English forms are in `english`.
pub(super) fn be() -> Verb {
    Verb::new("be/was", "être", Past::Imperfect, Frame::Link).of(ANY, 0)
}

/// All verbs, in the order of the tables.
pub(super) fn all() -> Vec<Verb> {
    let mut verbs = Vec::new();
    for (english, french, past, subject) in INTRANSITIVE {
        verbs.push(Verb::new(english, french, past, Frame::Intransitive).of(subject, 0));
    }
    for (english, french, past, subject, object) in DIRECT {
        verbs.push(Verb::new(english, french, past, Frame::Direct).of(subject, object));
    }
    for (english, french, past, preposition, subject, object) in PREPOSITIONAL {
        let mut verb = Verb::new(english, french, past, Frame::Prepositional).of(subject, object);
        verb.preposition = Some(preposition);
        verbs.push(verb);
    }
    for (english, french, past) in LINK {
        verbs.push(Verb::new(english, french, past, Frame::Link).of(ANY, 0));
    }
    for (english, french) in CLAUSE {
        verbs.push(Verb::new(english, french, Past::Avoir, Frame::Clause).of(PERSON, 0));
    }
    verbs
}

fn english_past(base: &str) -> String {
    if base.ends_with('e') {
        return format!("{base}d");
    }
    match base.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ied"),
        _ => format!("{base}ed"),
    }
}

use Past::{Avoir, Etre, Imperfect};

const INTRANSITIVE: [(&str, &str, Past, Class); 25] = [
    ("sleep/slept", "dormir", Avoir, LIVING),
    ("work", "travailler", Avoir, PERSON),
    ("sing/sang", "chanter", Avoir, PERSON),
    ("dance", "danser", Avoir, PERSON),
    ("swim/swam", "nager", Avoir, LIVING),
    ("smile", "sourire", Avoir, PERSON),
    ("laugh", "rire", Avoir, PERSON),
    ("walk", "marcher", Avoir, LIVING),
    ("run/ran", "courir", Avoir, LIVING),
    ("travel/traveled", "voyager", Avoir, PERSON),
    ("cough", "tousser", Avoir, LIVING),
    ("snore", "ronfler", Avoir, LIVING),
    ("shout", "crier", Avoir, PERSON),
    ("tremble", "trembler", Avoir, LIVING),
    ("jump", "sauter", Avoir, LIVING),
    ("hesitate", "hésiter", Avoir, LIVING),
    ("cry", "pleurer", Avoir, PERSON),
    ("disappear", "disparaître", Avoir, ANY),
    (
        "burn",
        "brûler",
        Avoir,
        OBJECT | FURNITURE | TEXT | PLANT | BUILDING,
    ),
    ("shine/shone", "briller", Avoir, OBJECT),
    ("arrive", "arriver", Etre, LIVING),
    ("leave/left", "partir", Etre, LIVING),
    ("stay", "rester", Etre, LIVING),
    ("fall/fell", "tomber", Etre, LIVING | OBJECT | PLANT),
    ("return", "revenir", Etre, LIVING),
];

const DIRECT: [(&str, &str, Past, Class, Class); 44] = [
    ("see/saw", "voir", Avoir, LIVING, ANY),
    ("hear/heard", "entendre", Avoir, LIVING, LIVING),
    ("look at", "regarder", Avoir, LIVING, ANY),
    ("look for", "chercher", Avoir, LIVING, ANY),
    ("find/found", "trouver", Avoir, LIVING, ANY),
    ("listen to", "écouter", Avoir, PERSON, PERSON),
    ("wait for", "attendre", Avoir, LIVING, LIVING),
    ("watch", "surveiller", Avoir, LIVING, LIVING | PLACE),
    ("follow", "suivre", Avoir, LIVING, LIVING),
    ("chase", "chasser", Avoir, LIVING, ANIMAL),
    ("like", "aimer", Imperfect, LIVING, ANY),
    ("hate", "détester", Imperfect, LIVING, ANY),
    ("respect", "respecter", Imperfect, PERSON, PERSON),
    (
        "admire",
        "admirer",
        Imperfect,
        PERSON,
        ANY & !(FOOD | DRINK),
    ),
    ("help", "aider", Avoir, PERSON, LIVING),
    ("save", "sauver", Avoir, PERSON, LIVING),
    ("protect", "protéger", Avoir, LIVING, LIVING | PLACE),
    ("invite", "inviter", Avoir, PERSON, PERSON),
    ("thank", "remercier", Avoir, PERSON, PERSON),
    ("kiss", "embrasser", Avoir, PERSON, PERSON),
    ("call", "appeler", Avoir, PERSON, LIVING),
    ("feed/fed", "nourrir", Avoir, PERSON, LIVING),
    ("punish", "punir", Avoir, PERSON, LIVING),
    ("attack", "attaquer", Avoir, LIVING, LIVING | PLACE),
    ("bite/bit", "mordre", Avoir, ANIMAL, LIVING),
    ("catch/caught", "attraper", Avoir, LIVING, LIVING),
    ("eat/ate", "manger", Avoir, LIVING, FOOD),
    ("drink/drank", "boire", Avoir, LIVING, DRINK),
    (
        "buy/bought",
        "acheter",
        Avoir,
        PERSON,
        GOODS | ANIMAL | BUILDING,
    ),
    (
        "sell/sold",
        "vendre",
        Avoir,
        PERSON,
        GOODS | ANIMAL | BUILDING,
    ),
    (
        "choose/chose",
        "choisir",
        Avoir,
        PERSON,
        GOODS | ANIMAL | PLACE,
    ),
    ("steal/stole", "voler", Avoir, LIVING, GOODS),
    ("hide/hid", "cacher", Avoir, PERSON, GOODS),
    ("carry", "porter", Avoir, PERSON, GOODS & !DRINK),
    ("break/broke", "casser", Avoir, LIVING, OBJECT | FURNITURE),
    (
        "clean",
        "nettoyer",
        Avoir,
        PERSON,
        OBJECT | FURNITURE | PLACE,
    ),
    (
        "repair",
        "réparer",
        Avoir,
        PERSON,
        OBJECT | FURNITURE | GROUND,
    ),
    ("push", "pousser", Avoir, LIVING, LIVING | FURNITURE),
    ("write/wrote", "écrire", Avoir, PERSON, TEXT),
    ("understand/understood", "comprendre", Avoir, PERSON, TEXT),
    ("finish", "finir", Avoir, PERSON, TEXT),
    (
        "draw/drew",
        "dessiner",
        Avoir,
        PERSON,
        ANY & !(FOOD | DRINK),
    ),
    ("visit", "visiter", Avoir, PERSON, PLACE),
    ("cross", "traverser", Avoir, LIVING, AREA | GROUND),
];

const PREPOSITIONAL: [(&str, &str, Past, &str, Class, Class); 10] = [
    ("talk to", "parler", Avoir, "à", PERSON, LIVING),
    ("answer", "répondre", Avoir, "à", PERSON, PERSON),
    ("obey", "obéir", Avoir, "à", LIVING, PERSON),
    ("resemble", "ressembler", Imperfect, "à", LIVING, LIVING),
    ("think/thought about", "penser", Avoir, "à", PERSON, ANY),
    ("go/went to", "aller", Etre, "à", LIVING, BUILDING),
    ("dream about", "rêver", Avoir, "de", PERSON, ANY),
    ("come/came from", "venir", Etre, "de", LIVING, PLACE),
    ("play with", "jouer", Avoir, "avec", LIVING, LIVING),
    ("live in", "habiter", Imperfect, "dans", LIVING, PLACE),
];

const LINK: [(&str, &str, Past); 2] = [
    ("become/became", "devenir", Etre),
    ("seem", "sembler", Imperfect),
];

const CLAUSE: [(&str, &str); 5] = [
    ("think/thought", "penser"),
    ("say/said", "dire"),
    ("know/knew", "savoir"),
    ("believe", "croire"),
    ("hope", "espérer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_pasts() {
        let verbs = all();
        for (base, past) in [
            ("carry", "carried"),
            ("play", "played"),
            ("dance", "danced"),
            ("travel", "traveled"),
            ("go", "went"),
        ] {
            assert_eq!(
                verbs.iter().find(|verb| verb.base == base).unwrap().past,
                past
            );
        }
    }

    #[test]
    fn no_state_has_an_irregular_imperfect() {
        // "-gions", "-cions" would need a rule of their own; no state is such a verb.
        for verb in all() {
            if verb.french_past == Past::Imperfect {
                assert!(!verb.french.infinitive.ends_with("ger"));
                assert!(!verb.french.infinitive.ends_with("cer"));
            }
        }
    }
}
