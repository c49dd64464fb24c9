//! One layer of an experiment: a file, an environment variable or a `key=value` argument.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Empty, Map, Num, Tag, Value};
use figment::{Metadata, Profile, Provider, Source};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Error;
use crate::key_path::KeyPath;

/// The start of the names of environment variables that set keys.
pub(crate) const VARIABLE_PREFIX: &str = "ABLATE_SET__";

/// What figment calls the layers; the kind of [`crate::Origin`] is read back from it.
pub(crate) const FILE: &str = "file";
pub(crate) const VARIABLE: &str = "environment variable";
pub(crate) const ARGUMENT: &str = "command line";

/// A layer as figment takes it: values, and metadata that say where they come from.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) values: Dict,
    metadata: Metadata,
}

impl Layer {
    /// Takes the given keys away from the layers below. Figment can only replace, so the keys
    /// become empty values, which the tree leaves out.
    pub(crate) fn eraser(keys: &[Vec<String>]) -> Self {
        let mut values = Dict::new();
        for path in keys {
            erase(&mut values, path);
        }
        Self { values, metadata: Metadata::named("erased") }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// An inner path wins over a longer one below it, since erasing a table erases what it holds.
fn erase(values: &mut Dict, path: &[String]) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        values.insert(key.clone(), Value::Empty(Tag::Default, Empty::None));
        return;
    }
    let inner = values.entry(key.clone()).or_insert_with(|| Dict::new().into());
    if let Value::Dict(_, inner) = inner {
        erase(inner, rest);
    }
}

/// The lines of a file's keys and list items, and their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    by_key: HashMap<String, usize>,
    in_order: Vec<String>,
}

impl Lines {
    /// The line of a key, from one.
    pub(crate) fn of(&self, key: &KeyPath) -> Option<usize> {
        self.by_key.get(&key.to_string()).copied()
    }

    /// All keys as they appear in the file.
    pub(crate) fn in_order(&self) -> &[String] {
        &self.in_order
    }
}

/// A parsed TOML file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) layer: Layer,
    pub(crate) lines: Lines,
}

impl File {
    /// Reads and parses; `path` is what error messages show.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs_err::read_to_string(path)
            .map_err(|source| Error::Read { file: path.to_owned(), source })?;
        let table = DeTable::parse(&text).map_err(|error| syntax_error(path, &text, &error))?;
        let mut reader = Reader { spans: Vec::new() };
        let values = reader.table(table.get_ref(), &KeyPath::root());
        let lines = lines(&text, reader.spans);
        let metadata = Metadata::from(FILE, Source::File(path.to_owned()));
        Ok(Self { path: path.to_owned(), layer: Layer { values, metadata }, lines })
    }
}

/// The layer of an environment variable, or `None` where the name is not one of ours.
pub(crate) fn variable(name: &str, value: &str) -> Result<Option<Layer>, Error> {
    let Some(keys) = name.strip_prefix(VARIABLE_PREFIX) else { return Ok(None) };
    let bad = |problem: &str| Error::BadOverride {
        text: format!("{VARIABLE} `{name}`"),
        problem: problem.to_owned(),
    };
    let keys: Vec<&str> = keys.split("__").collect();
    if keys.iter().any(|key| key.is_empty()) {
        return Err(bad("expected keys between double underscores"));
    }
    let values = single(&keys, parse_value(value).map_err(|problem| bad(&problem))?);
    let metadata = Metadata::from(VARIABLE, Source::Custom(name.to_owned()));
    Ok(Some(Layer { values, metadata }))
}

/// The layer of a `key=value` argument.
pub(crate) fn argument(text: &str) -> Result<Layer, Error> {
    let bad =
        |problem: String| Error::BadOverride { text: format!("{ARGUMENT} `{text}`"), problem };
    let (key, value) =
        text.split_once('=').ok_or_else(|| bad("expected `key=value`".to_owned()))?;
    let path: KeyPath = key.parse().map_err(&bad)?;
    let Some(keys) = path.keys() else {
        return Err(bad("items of a list cannot be set, only the whole list".to_owned()));
    };
    let values = single(&keys, parse_value(value).map_err(&bad)?);
    Ok(Layer { values, metadata: Metadata::from(ARGUMENT, Source::Custom(text.to_owned())) })
}

fn single(keys: &[&str], value: Value) -> Dict {
    let (first, rest) = keys.split_first().expect("at least one key");
    let inner = rest.iter().rev().fold(value, |value, key| {
        Value::Dict(Tag::Default, Dict::from([((*key).to_owned(), value)]))
    });
    Dict::from([((*first).to_owned(), inner)])
}

/// A TOML value; what is none and does not look like one is a string without quotes.
fn parse_value(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the value is empty (write `\"\"` for an empty string)".to_owned());
    }
    match DeValue::parse(text) {
        Ok(value) => Ok(Reader { spans: Vec::new() }.value(value.get_ref(), &KeyPath::root())),
        Err(error) if text.starts_with(['[', '{', '"', '\'']) => {
            Err(format!("not a TOML value: {}", one_line(error.message())))
        }
        Err(_) => Ok(Value::from(text)),
    }
}

/// Turns TOML into figment's values and notes where each key starts.
struct Reader {
    spans: Vec<(usize, String)>,
}

impl Reader {
    fn table(&mut self, table: &DeTable<'_>, path: &KeyPath) -> Dict {
        let mut values = Dict::new();
        for (key, value) in table {
            let path = path.child(key.get_ref().as_ref());
            self.spans.push((key.span().start, path.to_string()));
            values.insert(key.get_ref().to_string(), self.value(value.get_ref(), &path));
        }
        values
    }

    fn value(&mut self, value: &DeValue<'_>, path: &KeyPath) -> Value {
        let tag = Tag::Default;
        match value {
            DeValue::String(text) => Value::String(tag, text.to_string()),
            DeValue::Boolean(value) => Value::Bool(tag, *value),
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(integer) => Value::Num(tag, Num::I64(integer)),
                    // TOML promises 64 bits; what is larger can only be meant as a number.
                    Err(_) => Value::Num(tag, Num::F64(large(integer.as_str(), integer.radix()))),
                }
            }
            DeValue::Float(float) => {
                Value::Num(tag, Num::F64(float.as_str().parse().unwrap_or(f64::NAN)))
            }
            DeValue::Datetime(time) => Value::String(tag, time.to_string()),
            DeValue::Array(items) => Value::Array(tag, self.items(items.iter(), path)),
            DeValue::Table(table) => Value::Dict(tag, self.table(table, path)),
        }
    }

    fn items<'a, 'i: 'a>(
        &mut self,
        items: impl Iterator<Item = &'a Spanned<DeValue<'i>>>,
        path: &KeyPath,
    ) -> Vec<Value> {
        items
            .enumerate()
            .map(|(index, item)| {
                let path = path.item(index);
                self.spans.push((item.span().start, path.to_string()));
                self.value(item.get_ref(), &path)
            })
            .collect()
    }
}

fn large(digits: &str, radix: u32) -> f64 {
    digits.chars().fold(0.0, |sum, digit| {
        digit.to_digit(radix).map_or(sum, |digit| sum * f64::from(radix) + f64::from(digit))
    })
}

fn lines(text: &str, mut spans: Vec<(usize, String)>) -> Lines {
    spans.sort();
    let starts = line_starts(text);
    let mut lines = Lines::default();
    for (offset, key) in spans {
        lines.by_key.insert(key.clone(), starts.partition_point(|start| *start <= offset));
        lines.in_order.push(key);
    }
    lines
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    let starts = line_starts(text);
    let line = starts.partition_point(|start| *start <= offset);
    let start = starts[line - 1];
    let content = text[start..].lines().next().unwrap_or_default();
    Error::Syntax {
        file: path.to_owned(),
        line,
        column: text.get(start..offset).map_or(0, |before| before.chars().count()) + 1,
        text: content.trim().to_owned(),
        problem: one_line(error.message()),
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}
