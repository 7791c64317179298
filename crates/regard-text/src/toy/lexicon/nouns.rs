//! Nouns. An entry gives `singular/plural` where a rule would be wrong.

use super::{
    ANIMAL, AREA, BUILDING, Class, DRINK, FOOD, FURNITURE, GROUND, Gender, OBJECT, PERSON, PLANT,
    TEXT, english_s, with_plural,
};
use Gender::{Feminine as F, Masculine as M};

/// A noun in both languages; forms are `[singular, plural]`.
pub(crate) struct Noun {
    pub(crate) english: [String; 2],
    pub(crate) french: [String; 2],
    pub(crate) gender: Gender,
    pub(crate) class: Class,
    /// Bread, water: no plural, no number, "some" is a partitive.
    pub(crate) mass: bool,
}

type Row = (&'static str, &'static str, Gender);

/// All nouns, in the order of the tables.
pub(super) fn all() -> Vec<Noun> {
    let tables: [(&[Row], Class, bool); 12] = [
        (&PEOPLE, PERSON, false),
        (&ANIMALS, ANIMAL, false),
        (&OBJECTS, OBJECT, false),
        (&FURNISHINGS, FURNITURE, false),
        (&FOODS, FOOD, false),
        (&MASS_FOODS, FOOD, true),
        (&MASS_DRINKS, DRINK, true),
        (&TEXTS, TEXT, false),
        (&BUILDINGS, BUILDING, false),
        (&AREAS, AREA, false),
        (&GROUNDS, GROUND, false),
        (&PLANTS, PLANT, false),
    ];
    let mut nouns = Vec::new();
    for (table, class, mass) in tables {
        nouns.extend(table.iter().map(|&(english, french, gender)| Noun {
            english: with_plural(english, english_s),
            french: with_plural(french, french_plural),
            gender,
            class,
            mass,
        }));
    }
    nouns
}

fn french_plural(singular: &str) -> String {
    if singular.ends_with(['s', 'x', 'z']) {
        singular.to_owned()
    } else if singular.ends_with("au") || singular.ends_with("eu") {
        format!("{singular}x")
    } else if let Some(stem) = singular.strip_suffix("al") {
        format!("{stem}aux")
    } else {
        format!("{singular}s")
    }
}

const PEOPLE: [Row; 38] = [
    ("man/men", "homme", M),
    ("woman/women", "femme", F),
    ("boy", "garçon", M),
    ("girl", "fille", F),
    ("child/children", "enfant", M),
    ("baby", "bébé", M),
    ("friend", "ami", M),
    ("neighbor", "voisin", M),
    ("king", "roi", M),
    ("queen", "reine", F),
    ("prince", "prince", M),
    ("princess", "princesse", F),
    ("father", "père", M),
    ("mother", "mère", F),
    ("brother", "frère", M),
    ("sister", "sœur", F),
    ("uncle", "oncle", M),
    ("aunt", "tante", F),
    ("grandmother", "grand-mère/grands-mères", F),
    ("grandfather", "grand-père/grands-pères", M),
    ("wife/wives", "épouse", F),
    ("actor", "acteur", M),
    ("actress", "actrice", F),
    ("waitress", "serveuse", F),
    ("nurse", "infirmière", F),
    ("doctor", "médecin", M),
    ("teacher", "professeur", M),
    ("student", "étudiant", M),
    ("baker", "boulanger", M),
    ("farmer", "fermier", M),
    ("soldier", "soldat", M),
    ("lawyer", "avocat", M),
    ("engineer", "ingénieur", M),
    ("artist", "artiste", M),
    ("thief/thieves", "voleur", M),
    ("hero/heroes", "héros", M),
    ("witch", "sorcière", F),
    ("giant", "géant", M),
];

const ANIMALS: [Row; 28] = [
    ("cat", "chat", M),
    ("dog", "chien", M),
    ("horse", "cheval", M),
    ("cow", "vache", F),
    ("pig", "cochon", M),
    ("goat", "chèvre", F),
    ("hen", "poule", F),
    ("duck", "canard", M),
    ("goose/geese", "oie", F),
    ("rabbit", "lapin", M),
    ("mouse/mice", "souris", F),
    ("wolf/wolves", "loup", M),
    ("fox", "renard", M),
    ("bear", "ours", M),
    ("lion", "lion", M),
    ("elephant", "éléphant", M),
    ("monkey", "singe", M),
    ("giraffe", "girafe", F),
    ("turtle", "tortue", F),
    ("frog", "grenouille", F),
    ("bird", "oiseau", M),
    ("owl", "hibou/hiboux", M),
    ("swallow", "hirondelle", F),
    ("bee", "abeille", F),
    ("spider", "araignée", F),
    ("donkey", "âne", M),
    ("squirrel", "écureuil", M),
    ("hedgehog", "hérisson", M),
];

const OBJECTS: [Row; 36] = [
    ("ball", "balle", F),
    ("key", "clé", F),
    ("knife/knives", "couteau", M),
    ("spoon", "cuillère", F),
    ("plate", "assiette", F),
    ("glass", "verre", M),
    ("cup", "tasse", F),
    ("bottle", "bouteille", F),
    ("box", "boîte", F),
    ("bag", "sac", M),
    ("basket", "panier", M),
    ("hat", "chapeau", M),
    ("coat", "manteau", M),
    ("shirt", "chemise", F),
    ("dress", "robe", F),
    ("shoe", "chaussure", F),
    ("glove", "gant", M),
    ("umbrella", "parapluie", M),
    ("jewel", "bijou/bijoux", M),
    ("crown", "couronne", F),
    ("sword", "épée", F),
    ("axe", "hache", F),
    ("ladder", "échelle", F),
    ("lamp", "lampe", F),
    ("candle", "bougie", F),
    ("clock", "horloge", F),
    ("mirror", "miroir", M),
    ("toy", "jouet", M),
    ("doll", "poupée", F),
    ("guitar", "guitare", F),
    ("violin", "violon", M),
    ("computer", "ordinateur", M),
    ("car", "voiture", F),
    ("boat", "bateau", M),
    ("plane", "avion", M),
    ("suitcase", "valise", F),
];

const FURNISHINGS: [Row; 7] = [
    ("table", "table", F),
    ("chair", "chaise", F),
    ("bed", "lit", M),
    ("bench", "banc", M),
    ("desk", "bureau", M),
    ("shelf/shelves", "étagère", F),
    ("carpet", "tapis", M),
];

const FOODS: [Row; 15] = [
    ("apple", "pomme", F),
    ("pear", "poire", F),
    ("peach", "pêche", F),
    ("cherry", "cerise", F),
    ("lemon", "citron", M),
    ("cake", "gâteau", M),
    ("egg", "œuf", M),
    ("carrot", "carotte", F),
    ("tomato/tomatoes", "tomate", F),
    ("onion", "oignon", M),
    ("mushroom", "champignon", M),
    ("cabbage", "chou/choux", M),
    ("bean", "haricot", M),
    ("oyster", "huître", F),
    ("nut", "noix", F),
];

const MASS_FOODS: [Row; 8] = [
    ("bread", "pain", M),
    ("cheese", "fromage", M),
    ("meat", "viande", F),
    ("rice", "riz", M),
    ("soup", "soupe", F),
    ("butter", "beurre", M),
    ("honey", "miel", M),
    ("oil", "huile", F),
];

const MASS_DRINKS: [Row; 5] = [
    ("water", "eau", F),
    ("milk", "lait", M),
    ("coffee", "café", M),
    ("tea", "thé", M),
    ("wine", "vin", M),
];

const TEXTS: [Row; 7] = [
    ("book", "livre", M),
    ("letter", "lettre", F),
    ("newspaper", "journal", M),
    ("poem", "poème", M),
    ("story", "histoire", F),
    ("song", "chanson", F),
    ("dictionary", "dictionnaire", M),
];

const BUILDINGS: [Row; 14] = [
    ("house", "maison", F),
    ("school", "école", F),
    ("church", "église", F),
    ("museum", "musée", M),
    ("castle", "château", M),
    ("palace", "palais", M),
    ("restaurant", "restaurant", M),
    ("hotel", "hôtel", M),
    ("hospital", "hôpital", M),
    ("library", "bibliothèque", F),
    ("station", "gare", F),
    ("factory", "usine", F),
    ("theater", "théâtre", M),
    ("bakery", "boulangerie", F),
];

const AREAS: [Row; 8] = [
    ("garden", "jardin", M),
    ("kitchen", "cuisine", F),
    ("bedroom", "chambre", F),
    ("city", "ville", F),
    ("village", "village", M),
    ("street", "rue", F),
    ("forest", "forêt", F),
    ("field", "champ", M),
];

const GROUNDS: [Row; 6] = [
    ("beach", "plage", F),
    ("island", "île", F),
    ("bridge", "pont", M),
    ("hill", "colline", F),
    ("roof", "toit", M),
    ("terrace", "terrasse", F),
];

const PLANTS: [Row; 5] = [
    ("tree", "arbre", M),
    ("oak", "chêne", M),
    ("hedge", "haie", F),
    ("flower", "fleur", F),
    ("tulip", "tulipe", F),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_by_rule_and_by_hand() {
        let nouns = all();
        for (singular, plural) in [
            ("cheval", "chevaux"),
            ("oiseau", "oiseaux"),
            ("souris", "souris"),
            ("hibou", "hiboux"),
            ("noix", "noix"),
            ("grand-mère", "grands-mères"),
            ("journal", "journaux"),
            ("hôpital", "hôpitaux"),
            ("clé", "clés"),
            ("œuf", "œufs"),
        ] {
            let noun = nouns
                .iter()
                .find(|noun| noun.french[0] == singular)
                .unwrap();
            assert_eq!(noun.french[1], plural);
        }
    }
}
