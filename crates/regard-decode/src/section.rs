//! Reading a section of a configuration so that every problem is found, not only the first.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
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
    let known = field_names::<T>();
    let mut sound = Table::new();
    for (key, value) in section {
        if !known.contains(&key.as_str()) {
            problems.add(format!(
                "`{name}.{key}`: unknown key{}",
                suggestion(key, known)
            ));
            continue;
        }
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        match T::deserialize(alone) {
            Ok(_) => {
                sound.insert(key.clone(), value.clone());
            }
            Err(error) => {
                let reason = error.message().lines().next().unwrap_or_default();
                problems.add(format!("`{name}.{key}`: {reason}, got {value}"));
            }
        }
    }
    // Keys that were sound alone are sound together: no type here relates its keys while it is read.
    T::deserialize(sound).unwrap_or_default()
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

/// The keys of a struct, as its `Deserialize` names them.
fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Always an error: this deserializer holds no value, it only listens to the question.
    let _ = T::deserialize(Listener(&mut names));
    names
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

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
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
    }

    impl Default for Section {
        fn default() -> Self {
            Self {
                steps: 7,
                rate: 0.5,
                name: None,
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
            text.contains("`train.wombat`: unknown key; expected one of steps, rate, name"),
            "{text}"
        );
    }
}
