//! French conjugation: three regular classes by rule, the other verbs from a table.

use super::{Gender, Number};

/// The forms of a French verb. Persons are je, il, nous, vous, ils.
pub(crate) struct Conjugation {
    pub(crate) infinitive: String,
    pub(crate) present: [String; 5],
    pub(crate) imperfect: [String; 5],
    pub(crate) future: [String; 5],
    participle: [String; 4],
}

impl Conjugation {
    /// The past participle that agrees with `gender` and `number`.
    pub(crate) fn participle(&self, gender: Gender, number: Number) -> &str {
        let plural = if number == Number::Plural { 2 } else { 0 };
        &self.participle[plural + usize::from(gender == Gender::Feminine)]
    }
}

/// All forms of the verb with this infinitive.
pub(crate) fn conjugate(infinitive: &str) -> Conjugation {
    let (present, participle, future) = principal_parts(infinitive);
    let imperfect = match present[2].strip_suffix("ons") {
        Some(stem) => stem.to_owned(),
        // "nous sommes" is the one form without that ending.
        None => "ét".to_owned(),
    };
    Conjugation {
        infinitive: infinitive.to_owned(),
        imperfect: endings(&imperfect, ["ais", "ait", "ions", "iez", "aient"]),
        future: endings(&future, ["ai", "a", "ons", "ez", "ont"]),
        // "dû" would lose its accent; a verb that stands before an infinitive never agrees.
        participle: [
            participle.clone(),
            format!("{participle}e"),
            if participle.ends_with('s') {
                participle.clone()
            } else {
                format!("{participle}s")
            },
            format!("{participle}es"),
        ],
        present,
    }
}

fn endings(stem: &str, endings: [&str; 5]) -> [String; 5] {
    endings.map(|ending| format!("{stem}{ending}"))
}

/// Present tense, masculine past participle, stem of the future.
fn principal_parts(infinitive: &str) -> ([String; 5], String, String) {
    if let Some(&(_, present, participle, future)) =
        IRREGULAR.iter().find(|row| row.0 == infinitive)
    {
        return (
            present.map(str::to_owned),
            participle.to_owned(),
            future.to_owned(),
        );
    }
    if let Some(stem) = infinitive.strip_suffix("er") {
        let mut present = endings(stem, ["e", "e", "ons", "ez", "ent"]);
        // The consonant keeps its sound before o.
        if stem.ends_with('g') {
            present[2] = format!("{stem}eons");
        } else if let Some(root) = stem.strip_suffix('c') {
            present[2] = format!("{root}çons");
        }
        (present, format!("{stem}é"), infinitive.to_owned())
    } else if let Some(stem) = infinitive.strip_suffix("ir") {
        let present = endings(stem, ["is", "it", "issons", "issez", "issent"]);
        (present, format!("{stem}i"), infinitive.to_owned())
    } else {
        let stem = infinitive.strip_suffix("re").unwrap_or(infinitive);
        let present = endings(stem, ["s", "", "ons", "ez", "ent"]);
        (present, format!("{stem}u"), format!("{stem}r"))
    }
}

type Row = (&'static str, [&'static str; 5], &'static str, &'static str);

#[rustfmt::skip]
const IRREGULAR: [Row; 35] = [
    ("être", ["suis", "est", "sommes", "êtes", "sont"], "été", "ser"),
    ("avoir", ["ai", "a", "avons", "avez", "ont"], "eu", "aur"),
    ("pouvoir", ["peux", "peut", "pouvons", "pouvez", "peuvent"], "pu", "pourr"),
    ("devoir", ["dois", "doit", "devons", "devez", "doivent"], "dû", "devr"),
    ("vouloir", ["veux", "veut", "voulons", "voulez", "veulent"], "voulu", "voudr"),
    ("aller", ["vais", "va", "allons", "allez", "vont"], "allé", "ir"),
    ("venir", ["viens", "vient", "venons", "venez", "viennent"], "venu", "viendr"),
    ("revenir", ["reviens", "revient", "revenons", "revenez", "reviennent"], "revenu", "reviendr"),
    ("devenir", ["deviens", "devient", "devenons", "devenez", "deviennent"], "devenu", "deviendr"),
    ("partir", ["pars", "part", "partons", "partez", "partent"], "parti", "partir"),
    ("dormir", ["dors", "dort", "dormons", "dormez", "dorment"], "dormi", "dormir"),
    ("courir", ["cours", "court", "courons", "courez", "courent"], "couru", "courr"),
    ("ouvrir", ["ouvre", "ouvre", "ouvrons", "ouvrez", "ouvrent"], "ouvert", "ouvrir"),
    ("rire", ["ris", "rit", "rions", "riez", "rient"], "ri", "rir"),
    ("sourire", ["souris", "sourit", "sourions", "souriez", "sourient"], "souri", "sourir"),
    ("dire", ["dis", "dit", "disons", "dites", "disent"], "dit", "dir"),
    ("écrire", ["écris", "écrit", "écrivons", "écrivez", "écrivent"], "écrit", "écrir"),
    ("décrire", ["décris", "décrit", "décrivons", "décrivez", "décrivent"], "décrit", "décrir"),
    ("construire", ["construis", "construit", "construisons", "construisez", "construisent"], "construit", "construir"),
    ("disparaître", ["disparais", "disparaît", "disparaissons", "disparaissez", "disparaissent"], "disparu", "disparaîtr"),
    ("suivre", ["suis", "suit", "suivons", "suivez", "suivent"], "suivi", "suivr"),
    ("voir", ["vois", "voit", "voyons", "voyez", "voient"], "vu", "verr"),
    ("croire", ["crois", "croit", "croyons", "croyez", "croient"], "cru", "croir"),
    ("savoir", ["sais", "sait", "savons", "savez", "savent"], "su", "saur"),
    ("boire", ["bois", "boit", "buvons", "buvez", "boivent"], "bu", "boir"),
    ("prendre", ["prends", "prend", "prenons", "prenez", "prennent"], "pris", "prendr"),
    ("apprendre", ["apprends", "apprend", "apprenons", "apprenez", "apprennent"], "appris", "apprendr"),
    ("comprendre", ["comprends", "comprend", "comprenons", "comprenez", "comprennent"], "compris", "comprendr"),
    ("peindre", ["peins", "peint", "peignons", "peignez", "peignent"], "peint", "peindr"),
    ("acheter", ["achète", "achète", "achetons", "achetez", "achètent"], "acheté", "achèter"),
    ("appeler", ["appelle", "appelle", "appelons", "appelez", "appellent"], "appelé", "appeller"),
    ("soulever", ["soulève", "soulève", "soulevons", "soulevez", "soulèvent"], "soulevé", "soulèver"),
    ("nettoyer", ["nettoie", "nettoie", "nettoyons", "nettoyez", "nettoient"], "nettoyé", "nettoier"),
    ("protéger", ["protège", "protège", "protégeons", "protégez", "protègent"], "protégé", "protéger"),
    ("espérer", ["espère", "espère", "espérons", "espérez", "espèrent"], "espéré", "espérer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_classes() {
        assert_eq!(
            conjugate("manger").present.join(" "),
            "mange mange mangeons mangez mangent"
        );
        assert_eq!(conjugate("lancer").present[2], "lançons");
        assert_eq!(
            conjugate("finir").present.join(" "),
            "finis finit finissons finissez finissent"
        );
        assert_eq!(
            conjugate("vendre").present.join(" "),
            "vends vend vendons vendez vendent"
        );
        assert_eq!(conjugate("vendre").future[4], "vendront");
        assert_eq!(
            conjugate("vendre").participle.join(" "),
            "vendu vendue vendus vendues"
        );
    }

    #[test]
    fn irregular_verbs() {
        assert_eq!(
            conjugate("être").imperfect.join(" "),
            "étais était étions étiez étaient"
        );
        assert_eq!(conjugate("croire").imperfect[2], "croyions");
        assert_eq!(conjugate("voir").future[0], "verrai");
        assert_eq!(
            conjugate("prendre").participle.join(" "),
            "pris prise pris prises"
        );
        assert_eq!(conjugate("acheter").future[1], "achètera");
        assert_eq!(conjugate("nettoyer").future[1], "nettoiera");
    }
}
