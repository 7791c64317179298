//! Adjectives: their French forms, and on which side of the noun they stand.

use super::{
    ANIMAL, ANY, Class, DRINK, FOOD, FURNITURE, GOODS, Gender, LIVING, Number, OBJECT, PERSON,
    PLACE, PLANT, TEXT,
};

/// An adjective in both languages.
pub(crate) struct Adjective {
    pub(crate) english: &'static str,
    /// `[masculine, feminine, masculine plural, feminine plural]`.
    french: [String; 4],
    /// The masculine singular that stands before a vowel: bel, nouvel, vieil.
    linking: Option<&'static str>,
    /// Stands before the French noun.
    pub(crate) before: bool,
    /// What it is said of.
    pub(crate) class: Class,
    /// Takes "very" and can be compared.
    pub(crate) gradable: bool,
}

impl Adjective {
    /// The French form.
    pub(crate) fn french(&self, gender: Gender, number: Number) -> &str {
        let plural = if number == Number::Plural { 2 } else { 0 };
        &self.french[plural + usize::from(gender == Gender::Feminine)]
    }

    /// The French form before a word that begins with a vowel sound.
    pub(crate) fn french_linking(&self, gender: Gender, number: Number) -> &str {
        match self.linking {
            Some(form) if gender == Gender::Masculine && number == Number::Singular => form,
            _ => self.french(gender, number),
        }
    }
}

/// English, French masculine (with its form before vowels), feminine, class.
type Row = (&'static str, &'static str, &'static str, Class);

/// All adjectives, in the order of the tables.
pub(super) fn all() -> Vec<Adjective> {
    let tables: [(&[Row], bool, bool); 3] = [
        (&BEFORE, true, true),
        (&AFTER, false, true),
        (&ABSOLUTE, false, false),
    ];
    let mut adjectives = Vec::new();
    for (table, before, gradable) in tables {
        adjectives.extend(table.iter().map(|&(english, masculine, feminine, class)| {
            let (masculine, linking) = match masculine.split_once('/') {
                Some((masculine, linking)) => (masculine, Some(linking)),
                None => (masculine, None),
            };
            let french = [
                masculine.to_owned(),
                feminine.to_owned(),
                masculine_plural(masculine),
                format!("{feminine}s"),
            ];
            Adjective {
                english,
                french,
                linking,
                before,
                class,
                gradable,
            }
        }));
    }
    adjectives
}

fn masculine_plural(singular: &str) -> String {
    if singular.ends_with(['s', 'x']) {
        singular.to_owned()
    } else if singular.ends_with("eau") {
        format!("{singular}x")
    } else if let Some(stem) = singular.strip_suffix("al") {
        format!("{stem}aux")
    } else {
        format!("{singular}s")
    }
}

const COLOURED: Class = OBJECT | FURNITURE | ANIMAL | PLANT;
const BUILT: Class = PLACE | OBJECT | FURNITURE;

const BEFORE: [Row; 9] = [
    ("small", "petit", "petite", ANY & !DRINK),
    ("big", "grand", "grande", ANY & !DRINK),
    ("beautiful", "beau/bel", "belle", ANY & !(FOOD | DRINK)),
    ("old", "vieux/vieil", "vieille", ANY & !(FOOD | DRINK)),
    ("new", "nouveau/nouvel", "nouvelle", BUILT | TEXT),
    ("young", "jeune", "jeune", LIVING),
    ("good", "bon", "bonne", ANY & !(ANIMAL | PLANT)),
    ("bad", "mauvais", "mauvaise", PERSON | TEXT | FOOD | DRINK),
    (
        "pretty",
        "joli",
        "jolie",
        PLACE | OBJECT | FURNITURE | PLANT | TEXT,
    ),
];

const AFTER: [Row; 32] = [
    ("tired", "fatigué", "fatiguée", LIVING),
    ("sick", "malade", "malade", LIVING | PLANT),
    ("happy", "heureux", "heureuse", LIVING),
    ("sad", "triste", "triste", LIVING | TEXT),
    ("rich", "riche", "riche", PERSON),
    ("strong", "fort", "forte", LIVING | DRINK),
    ("weak", "faible", "faible", LIVING),
    ("brave", "courageux", "courageuse", LIVING),
    ("shy", "timide", "timide", LIVING),
    ("proud", "fier", "fière", LIVING),
    ("jealous", "jaloux", "jalouse", PERSON),
    ("honest", "honnête", "honnête", PERSON),
    ("polite", "poli", "polie", PERSON),
    ("loyal", "loyal", "loyale", LIVING),
    ("clever", "intelligent", "intelligente", LIVING),
    ("curious", "curieux", "curieuse", LIVING),
    ("lazy", "paresseux", "paresseuse", LIVING),
    ("generous", "généreux", "généreuse", PERSON),
    ("famous", "célèbre", "célèbre", PERSON | TEXT | PLACE),
    ("kind", "gentil", "gentille", LIVING),
    ("cruel", "cruel", "cruelle", LIVING),
    ("calm", "calme", "calme", LIVING | PLACE),
    ("dangerous", "dangereux", "dangereuse", LIVING | BUILT),
    ("dirty", "sale", "sale", LIVING | BUILT),
    ("heavy", "lourd", "lourde", OBJECT | FURNITURE),
    ("light", "léger", "légère", OBJECT | FURNITURE),
    ("expensive", "cher", "chère", GOODS),
    ("hot", "chaud", "chaude", FOOD | DRINK),
    ("cold", "froid", "froide", FOOD | DRINK | PLACE),
    ("strange", "étrange", "étrange", ANY & !(FOOD | DRINK)),
    ("useful", "utile", "utile", OBJECT | FURNITURE | TEXT),
    ("modern", "moderne", "moderne", BUILT),
];

const ABSOLUTE: [Row; 13] = [
    ("black", "noir", "noire", COLOURED),
    ("white", "blanc", "blanche", COLOURED),
    ("red", "rouge", "rouge", COLOURED),
    ("green", "vert", "verte", COLOURED),
    ("blue", "bleu", "bleue", COLOURED),
    ("yellow", "jaune", "jaune", COLOURED),
    ("gray", "gris", "grise", COLOURED),
    ("purple", "violet", "violette", OBJECT | FURNITURE),
    ("round", "rond", "ronde", OBJECT | FURNITURE),
    ("empty", "vide", "vide", PLACE),
    (
        "magnificent",
        "magnifique",
        "magnifique",
        ANY & !(FOOD | DRINK),
    ),
    ("royal", "royal", "royale", PLACE),
    ("french", "français", "française", PERSON | TEXT | BUILT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_forms_and_a_linking_one() {
        let forms = |english: &str| {
            let adjectives = all();
            let adjective = adjectives.iter().find(|a| a.english == english).unwrap();
            (adjective.french.join(" "), adjective.linking)
        };
        assert_eq!(
            forms("beautiful"),
            ("beau belle beaux belles".to_owned(), Some("bel"))
        );
        assert_eq!(
            forms("old"),
            ("vieux vieille vieux vieilles".to_owned(), Some("vieil"))
        );
        assert_eq!(
            forms("loyal"),
            ("loyal loyale loyaux loyales".to_owned(), None)
        );
        assert_eq!(forms("blue"), ("bleu bleue bleus bleues".to_owned(), None));
        assert_eq!(forms("gray"), ("gris grise gris grises".to_owned(), None));
    }
}
