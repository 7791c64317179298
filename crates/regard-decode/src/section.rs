//! Reading a section of a configuration so that every problem is found, not only the first.

use std::fmt;
use std::path::Path;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::{Table, Value};

use crate::DecodeError;

/// What is wrong with a configuration, one sentence each, beginning with `section.key`.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    /// Notes several.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = String>) {
        self.0.extend(problems);
    }

    /// Notes all of `others`.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Drops those that begin with `start`: they only follow from another.
    pub fn forget(&mut self, start: &str) {
        self.0.retain(|problem| !problem.starts_with(start));
    }

    /// Notes those of a section, each of which begins with its key and a colon.
    pub fn add_section(&mut self, section: &str, problems: impl IntoIterator<Item = String>) {
        let named = problems
            .into_iter()
            .map(|problem| match problem.split_once(':') {
                Some((key, rest)) => format!("`{section}.{key}`:{rest}"),
                None => format!("`{section}`: {problem}"),
            });
        self.0.extend(named);
    }

    /// `value` if nothing was noted.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Config`] with all that was noted.
    pub fn or<T>(self, path: &Path, value: T) -> Result<T, DecodeError> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(DecodeError::Config {
                path: path.into(),
                problems: self.0,
            })
        }
    }
}

/// Parses a configuration file.
///
/// # Errors
///
/// [`DecodeError::Read`] or [`DecodeError::Toml`].
pub fn parse(path: &Path) -> Result<Table, DecodeError> {
    let text = crate::files::read_text(path)?;
    text.parse().map_err(|source| DecodeError::Toml {
        path: path.into(),
        source: Box::new(source),
    })
}

/// Notes every top-level name that is not in `known`.
pub fn check_sections(config: &Table, known: &[&str], problems: &mut Problems) {
    for name in config.keys().filter(|name| !known.contains(&name.as_str())) {
        problems.add(format!(
            "`[{name}]`: unknown section{}",
            suggestion(name, known)
        ));
    }
}

/// Reads section `name`, whose type has a default for every key.
///
/// Each key is read by itself, so that one mistyped value does not hide the next; keys that cannot be read keep their
/// default and are noted.
pub fn read_section<T: DeserializeOwned + Default>(
    config: &Table,
    name: &str,
    problems: &mut Problems,
) -> T {
    let empty = Table::new();
    let section = match config.get(name) {
        None => &empty,
        Some(Value::Table(section)) => section,
        Some(other) => {
            problems.add(format!(
                "`{name}`: expected a section, got {}",
                other.type_str()
            ));
            &empty
        }
    };
    let known = section_keys::<T>();
    let mut sound = Table::new();
    for (key, value) in section {
        let Some(&key) = known.iter().find(|known| *known == key) else {
            problems.add(unknown_key(name, key, known));
            continue;
        };
        let mut value = value.clone();
        let parts = nested_keys::<T>(key);
        if let (Value::Table(table), false) = (&mut value, parts.is_empty()) {
            table.retain(|part, _| {
                let part: &str = part;
                let is_known = parts.contains(&part);
                if !is_known {
                    problems.add(unknown_key(&format!("{name}.{key}"), part, parts));
                }
                is_known
            });
        }
        let alone = Table::from_iter([(key.to_owned(), value.clone())]);
        match T::deserialize(alone) {
            Ok(_) => {
                sound.insert(key.to_owned(), value);
            }
            Err(error) => problems.add(mistyped_key(name, key, &value, &error)),
        }
    }
    // Keys that were sound alone are sound together: no type here relates its keys while it is read.
    T::deserialize(sound).unwrap_or_default()
}

fn unknown_key(section: &str, key: &str, known: &[&str]) -> String {
    format!("`{section}.{key}`: unknown key{}", suggestion(key, known))
}

fn mistyped_key(section: &str, key: &str, value: &Value, error: &toml::de::Error) -> String {
    let reason = error.message().lines().next().unwrap_or_default();
    // The reader tells where inside a table in a line of its own: "in `generate.pairs`".
    let text = error.to_string();
    let place = text
        .lines()
        .find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'))
        .unwrap_or(key);
    let value = place
        .split('.')
        .skip(1)
        .try_fold(value, |v, part| v.get(part));
    let got = value.map_or_else(String::new, |value| format!(", got {value}"));
    format!("`{section}.{place}`: {reason}{got}")
}

/// `; did you mean ...` if a known name is near, else the list of known names.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min()
        .filter(|&(distance, known)| distance <= (known.len() / 3).max(2));
    match nearest {
        Some((_, nearest)) => format!("; did you mean `{nearest}`?"),
        None => format!("; expected one of {}", known.join(", ")),
    }
}

/// The keys of a section or of a table in one, as its `Deserialize` names them.
pub fn section_keys<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Always an error: this deserializer holds no value, it only listens to the question.
    let _ = T::deserialize(Listener(&mut names));
    names
}

/// The keys of the struct in field `key` of a struct; none if the field holds something else.
fn nested_keys<T: DeserializeOwned>(key: &'static str) -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    let _ = T::deserialize(Within {
        key,
        names: &mut names,
    });
    names
}

/// Gives a struct one field, whose value is a [`Listener`].
struct Within<'a> {
    key: &'static str,
    names: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Within<'_> {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoValue> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Within<'_> {
    type Error = NoValue;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NoValue> {
        seed.deserialize(StrDeserializer::new(self.key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NoValue> {
        seed.deserialize(Listener(&mut *self.names))
    }
}

struct Listener<'a>(&'a mut &'static [&'static str]);

#[derive(Debug)]
struct NoValue;

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value")
    }
}

impl std::error::Error for NoValue {}

impl serde::de::Error for NoValue {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = fields;
        Err(NoValue)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoValue> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Section {
        steps: u64,
        rate: f64,
        name: Option<String>,
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        kind: String,
        #[serde(default)]
        pairs: usize,
    }

    impl Default for Section {
        fn default() -> Self {
            Self {
                steps: 7,
                rate: 0.5,
                name: None,
                inner: None,
            }
        }
    }

    fn read(text: &str) -> (Section, Vec<String>) {
        let mut problems = Problems::default();
        let section = read_section(&text.parse().unwrap(), "train", &mut problems);
        (section, problems.0)
    }

    #[test]
    fn keys_left_out_keep_their_default() {
        let (section, problems) = read("[train]\nrate = 0.25\nname = \"a\"");
        assert_eq!(problems, Vec::<String>::new());
        let expected = Section {
            steps: 7,
            rate: 0.25,
            name: Some("a".into()),
            inner: None,
        };
        assert_eq!(section, expected);
    }

    #[test]
    fn every_problem_is_reported_and_the_nearest_key_named() {
        let (_, problems) = read("[train]\nstep = 3\nrate = \"fast\"\nsteps = -1\nwombat = 1");
        assert_eq!(problems.len(), 4, "{problems:?}");
        let text = problems.join("\n");
        assert!(
            text.contains("`train.step`: unknown key; did you mean `steps`?"),
            "{text}"
        );
        assert!(
            text.contains("`train.rate`: invalid type: string"),
            "{text}"
        );
        assert!(text.contains("`train.steps`: "), "{text}");
        assert!(
            text.contains("`train.wombat`: unknown key; expected one of steps, rate, name, inner"),
            "{text}"
        );
    }

    #[test]
    fn keys_of_a_table_in_a_section_are_named_in_full() {
        let (_, problems) =
            read("[train]\nname = \"x\"\ninner = { kind = \"a\", pair = 3, pairs = \"many\" }");
        assert_eq!(
            problems,
            [
                "`train.inner.pair`: unknown key; did you mean `pairs`?",
                "`train.inner.pairs`: invalid type: string \"many\", expected usize, got \"many\"",
            ]
        );
    }
}
