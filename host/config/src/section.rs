//! Reads the host's own tables: every key typed, bounded and known, every error with its origin.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::error::{At, Error, nearest};
use crate::key_path::KeyPath;
use crate::tree::{Data, Node, Origin, Tree};

/// A table with a fixed set of keys.
pub(crate) struct Section<'a> {
    path: KeyPath,
    origin: Origin,
    table: Option<&'a IndexMap<String, Node>>,
}

/// What a number may be.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    text: &'static str,
    holds: fn(f64) -> bool,
}

pub(crate) const FINITE: Bound = Bound { text: "a finite number", holds: f64::is_finite };
pub(crate) const POSITIVE: Bound =
    Bound { text: "a finite number above 0", holds: |x| x.is_finite() && x > 0.0 };
pub(crate) const NOT_NEGATIVE: Bound =
    Bound { text: "a finite number of at least 0", holds: |x| x.is_finite() && x >= 0.0 };
pub(crate) const DECAY: Bound =
    Bound { text: "at least 0 and below 1", holds: |x| (0.0..1.0).contains(&x) };
pub(crate) const SHARE: Bound =
    Bound { text: "between 0 and 1", holds: |x| (0.0..=1.0).contains(&x) };
pub(crate) const FACTOR: Bound =
    Bound { text: "above 0 and at most 1", holds: |x| x > 0.0 && x <= 1.0 };

impl<'a> Section<'a> {
    /// The table `node`, or an empty one; `origin` is where it would be.
    pub(crate) fn open(
        node: Option<&'a Node>,
        path: KeyPath,
        origin: &Origin,
        known: &[&str],
    ) -> Result<Self, Error> {
        let Some(node) = node else {
            return Ok(Self { path, origin: origin.clone(), table: None });
        };
        let table = table(node, &path)?;
        refuse_unknown(table, &path, known)?;
        Ok(Self { path, origin: node.origin.clone(), table: Some(table) })
    }

    /// The whole experiment; which keys it may have was checked when it was loaded.
    pub(crate) fn loose_root(tree: &'a Tree) -> Result<Self, Error> {
        let path = KeyPath::root();
        let table = Some(table(tree.root(), &path)?);
        Ok(Self { path, origin: tree.origin(), table })
    }

    /// The table under a key before it is known which keys it may have.
    pub(crate) fn loose(parent: &Self, key: &str) -> Result<Self, Error> {
        let path = parent.path(key);
        let node = parent.node(key);
        let origin = node.map_or(&parent.origin, |node| &node.origin).clone();
        let table = node.map(|node| table(node, &path)).transpose()?;
        Ok(Self { path, origin, table })
    }

    pub(crate) fn path(&self, key: &str) -> KeyPath {
        self.path.child(key)
    }

    /// Where a problem with the table as a whole is.
    pub(crate) fn at(&self) -> Box<At> {
        At::new(&self.origin, &self.path)
    }

    /// Where a problem with a key of it is.
    pub(crate) fn at_key(&self, key: &str) -> Box<At> {
        At::new(self.node(key).map_or(&self.origin, |node| &node.origin), &self.path(key))
    }

    pub(crate) fn node(&self, key: &str) -> Option<&'a Node> {
        self.table?.get(key)
    }

    /// The table under a key as a section of its own.
    pub(crate) fn section(&self, key: &str, known: &[&str]) -> Result<Section<'a>, Error> {
        Section::open(self.node(key), self.path(key), &self.origin, known)
    }

    /// A whole number of at least `minimum`.
    pub(crate) fn count(&self, key: &str, minimum: u64) -> Result<Option<u64>, Error> {
        self.node(key).map(|node| count(node, &self.path(key), minimum)).transpose()
    }

    /// A number; whole ones are numbers too.
    pub(crate) fn number(&self, key: &str, bound: Bound) -> Result<Option<f64>, Error> {
        self.node(key).map(|node| number(node, &self.path(key), bound)).transpose()
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        self.node(key)
            .map(|node| match node.data {
                Data::Bool(value) => Ok(value),
                _ => Err(wrong_type(node, &self.path(key), "true or false")),
            })
            .transpose()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        self.node(key).map(|node| text(node, &self.path(key))).transpose()
    }

    /// One of a fixed few names.
    pub(crate) fn choice(&self, key: &str, known: &[&str]) -> Result<Option<&'a str>, Error> {
        let Some(found) = self.text(key)? else { return Ok(None) };
        if known.contains(&found) {
            return Ok(Some(found));
        }
        Err(Error::NotOneOf {
            at: self.at_key(key),
            found: found.to_owned(),
            near: nearest(found, known.iter().copied()),
            known: owned(known),
        })
    }
}

pub(crate) fn table<'a>(
    node: &'a Node,
    path: &KeyPath,
) -> Result<&'a IndexMap<String, Node>, Error> {
    node.table().ok_or_else(|| wrong_type(node, path, "a table"))
}

pub(crate) fn list<'a>(
    node: &'a Node,
    path: &KeyPath,
    expected: &str,
) -> Result<&'a [Node], Error> {
    match &node.data {
        Data::List(items) => Ok(items),
        _ => Err(wrong_type(node, path, expected)),
    }
}

pub(crate) fn text<'a>(node: &'a Node, path: &KeyPath) -> Result<&'a str, Error> {
    node.text().ok_or_else(|| wrong_type(node, path, "a string"))
}

pub(crate) fn count(node: &Node, path: &KeyPath, minimum: u64) -> Result<u64, Error> {
    match node.data {
        Data::Integer(value) => u64::try_from(value)
            .ok()
            .filter(|value| *value >= minimum)
            .ok_or_else(|| Error::OutOfRange {
                at: At::new(&node.origin, path),
                bound: format!("at least {minimum}"),
                found: value.to_string(),
            }),
        _ => Err(wrong_type(node, path, "an integer")),
    }
}

pub(crate) fn number(node: &Node, path: &KeyPath, bound: Bound) -> Result<f64, Error> {
    let value = match node.data {
        Data::Integer(value) => value as f64,
        Data::Float(value) => value,
        _ => return Err(wrong_type(node, path, "a number")),
    };
    if (bound.holds)(value) {
        return Ok(value);
    }
    Err(Error::OutOfRange {
        at: At::new(&node.origin, path),
        bound: bound.text.to_owned(),
        found: node.show(),
    })
}

/// A table of strings, such as `inputs`.
pub(crate) fn texts(
    node: Option<&Node>,
    path: &KeyPath,
) -> Result<BTreeMap<String, String>, Error> {
    let Some(node) = node else { return Ok(BTreeMap::new()) };
    table(node, path)?
        .iter()
        .map(|(key, value)| Ok((key.clone(), text(value, &path.child(key.as_str()))?.to_owned())))
        .collect()
}

pub(crate) fn wrong_type(node: &Node, path: &KeyPath, expected: &str) -> Error {
    Error::WrongType {
        at: At::new(&node.origin, path),
        expected: expected.to_owned(),
        found: node.describe(),
    }
}

pub(crate) fn refuse_unknown(
    table: &IndexMap<String, Node>,
    path: &KeyPath,
    known: &[&str],
) -> Result<(), Error> {
    match table.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some((key, node)) => Err(Error::UnknownKey {
            at: At::new(&node.origin, &path.child(key.as_str())),
            near: nearest(key, known.iter().copied()),
            known: owned(known),
        }),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
