//! Adverbs. In English all stand before the verb; in French each has its slot.

/// Where the French adverb stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// After the conjugated verb: "a souvent mangé".
    AfterFinite,
    /// After the participle or infinitive: "a mangé lentement".
    AfterVerb,
}

/// An adverb in both languages.
pub(crate) struct Adverb {
    pub(crate) english: &'static str,
    pub(crate) french: &'static str,
    pub(crate) slot: Slot,
    /// Means the same under "not" and in a question.
    pub(crate) negatable: bool,
}

/// All adverbs, in the order of the tables.
pub(super) fn all() -> Vec<Adverb> {
    let tables = [
        (&NEGATABLE[..], Slot::AfterFinite, true),
        (&SENTENCE[..], Slot::AfterFinite, false),
        (&MANNER[..], Slot::AfterVerb, false),
    ];
    let mut adverbs = Vec::new();
    for (table, slot, negatable) in tables {
        adverbs.extend(table.iter().map(|&(english, french)| Adverb {
            english,
            french,
            slot,
            negatable,
        }));
    }
    adverbs
}

const NEGATABLE: [(&str, &str); 3] = [
    ("often", "souvent"),
    ("always", "toujours"),
    ("really", "vraiment"),
];

const SENTENCE: [(&str, &str); 10] = [
    ("sometimes", "parfois"),
    ("rarely", "rarement"),
    ("usually", "habituellement"),
    ("generally", "généralement"),
    ("probably", "probablement"),
    ("certainly", "certainement"),
    ("finally", "finalement"),
    ("immediately", "immédiatement"),
    ("suddenly", "soudainement"),
    ("also", "aussi"),
];

const MANNER: [(&str, &str); 15] = [
    ("slowly", "lentement"),
    ("quickly", "rapidement"),
    ("quietly", "tranquillement"),
    ("gently", "doucement"),
    ("happily", "joyeusement"),
    ("sadly", "tristement"),
    ("patiently", "patiemment"),
    ("carefully", "soigneusement"),
    ("calmly", "calmement"),
    ("secretly", "secrètement"),
    ("silently", "silencieusement"),
    ("proudly", "fièrement"),
    ("nervously", "nerveusement"),
    ("bravely", "courageusement"),
    ("discreetly", "discrètement"),
];
