//! Values with origins: what an experiment says, and which file, variable or argument said it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::key_path::{KeyPath, Segment};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file; no line where the file as a whole is meant.
    File {
        /// The file, as it was named.
        file: Arc<Path>,
        /// The line, from one.
        line: Option<usize>,
    },
    /// An environment variable.
    Environment {
        /// The whole name, prefix included.
        name: Arc<str>,
    },
    /// A `key=value` argument.
    CommandLine {
        /// The argument as it was typed.
        text: Arc<str>,
    },
    /// A default of a component.
    Default {
        /// The component.
        component: Arc<str>,
    },
    /// A resolved spec, whose values no longer say where they came from.
    Spec,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: Some(line) } => write!(f, "{}:{line}", file.display()),
            Self::File { file, line: None } => write!(f, "{}", file.display()),
            Self::Environment { name } => write!(f, "environment variable `{name}`"),
            Self::CommandLine { text } => write!(f, "command line `{text}`"),
            Self::Default { component } => write!(f, "default of `{component}`"),
            Self::Spec => f.write_str("resolved spec"),
        }
    }
}

/// A value and where it came from. Two nodes are equal when their data are, whatever the origins.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Who said it. For a table who said what it uses, or else who named it first.
    pub origin: Origin,
}

/// What a TOML value can be. Dates are text.
#[derive(Clone, Debug)]
pub enum Data {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction; may be infinite or NaN, which only checks refuse.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// A table, in the order in which its keys first appear in the files. Shared, so that the
    /// trees of a thousand variants hold what they have in common once.
    Table(Arc<IndexMap<String, Node>>),
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(mine), Self::Bool(theirs)) => mine == theirs,
            (Self::Integer(mine), Self::Integer(theirs)) => mine == theirs,
            (Self::Float(mine), Self::Float(theirs)) => mine == theirs,
            (Self::Text(mine), Self::Text(theirs)) => mine == theirs,
            (Self::List(mine), Self::List(theirs)) => mine == theirs,
            (Self::Table(mine), Self::Table(theirs)) => Arc::ptr_eq(mine, theirs) || mine == theirs,
            _ => false,
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

/// Pairs of `[train]` of which one replaces the other, so that `train.total_steps=20` on the
/// command line is enough where the file says `total_epochs`.
pub(crate) const ALTERNATIVES: [[&str; 2]; 3] = [
    ["total_epochs", "total_steps"],
    ["eval_every_epochs", "eval_every_steps"],
    ["checkpoint_every_epochs", "checkpoint_every_steps"],
];

impl Node {
    /// The entry of a table; `None` where this is no table or has no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key)
    }

    /// The entries, if this is a table.
    #[must_use]
    pub fn table(&self) -> Option<&IndexMap<String, Node>> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value without origins. JSON has no NaN and no infinity: they become null.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.data {
            Data::Bool(value) => Json::from(*value),
            Data::Integer(value) => Json::from(*value),
            Data::Float(value) => Json::from(*value),
            Data::Text(value) => Json::from(value.as_str()),
            Data::List(items) => items.iter().map(Node::to_json).collect(),
            Data::Table(table) => {
                table.iter().map(|(key, node)| (key.clone(), node.to_json())).collect()
            }
        }
    }

    /// A node that says the same as `json`. Null entries are left out, since TOML has no null.
    #[must_use]
    pub fn from_json(json: &Json, origin: &Origin) -> Self {
        let data = match json {
            Json::Null => Data::Table(Arc::default()),
            Json::Bool(value) => Data::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Data::Integer(integer),
                None => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Data::Text(text.clone()),
            Json::Array(items) => {
                Data::List(items.iter().map(|item| Self::from_json(item, origin)).collect())
            }
            Json::Object(entries) => {
                let entries = entries.iter().filter(|(_, value)| !value.is_null());
                let nodes =
                    entries.map(|(key, value)| (key.clone(), Self::from_json(value, origin)));
                Data::Table(Arc::new(nodes.collect()))
            }
        };
        Self { data, origin: origin.clone() }
    }

    /// Type and value in words, for error messages.
    pub(crate) fn describe(&self) -> String {
        match &self.data {
            Data::Bool(value) => format!("the boolean `{value}`"),
            Data::Integer(value) => format!("the integer `{value}`"),
            Data::Float(value) => format!("the number `{}`", show_float(*value)),
            Data::Text(value) => format!("the string `{value}`"),
            Data::List(_) => "a list".to_owned(),
            Data::Table(_) => "a table".to_owned(),
        }
    }

    /// The value alone, for error messages.
    pub(crate) fn show(&self) -> String {
        match &self.data {
            Data::Float(value) => show_float(*value),
            Data::Text(value) => value.clone(),
            _ => self.to_json().to_string(),
        }
    }

    /// Whether merging this table replaces what was there: it says which component it is.
    fn replaces(&self) -> bool {
        self.get("use").is_some() || self.get("ref").is_some()
    }

    /// Puts `other` over this node: a table that has `use` (or `ref`) replaces, other tables merge,
    /// anything else replaces.
    fn merge(&mut self, other: Node) {
        if other.replaces() {
            *self = other;
            return;
        }
        match (&mut self.data, other) {
            (Data::Table(mine), Node { data: Data::Table(theirs), .. }) => {
                merge_tables(Arc::make_mut(mine), theirs, Node::merge);
            }
            (_, other) => *self = other,
        }
    }

    /// Puts `other` beside this node: all tables merge, so that several keys of one set or of one
    /// command line add up whatever their order.
    fn unite(&mut self, other: Node) {
        match (&mut self.data, other) {
            (Data::Table(mine), Node { data: Data::Table(theirs), .. }) => {
                merge_tables(Arc::make_mut(mine), theirs, Node::unite);
            }
            (_, other) => *self = other,
        }
    }
}

fn merge_tables(
    mine: &mut IndexMap<String, Node>,
    theirs: Arc<IndexMap<String, Node>>,
    merge: fn(&mut Node, Node),
) {
    for (key, node) in Arc::unwrap_or_clone(theirs) {
        match mine.get_mut(&key) {
            Some(old) => merge(old, node),
            None => {
                mine.insert(key, node);
            }
        }
    }
}

/// The shortest text that reads back as `value`, with a point where TOML would want one.
pub(crate) fn show_float(value: f64) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{value:?}") }
}

/// A whole experiment as values with origins.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    root: Node,
    file: PathBuf,
}

impl Tree {
    pub(crate) fn new(root: Node, file: PathBuf) -> Self {
        Self { root, file }
    }

    /// The table that holds everything.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The experiment's own file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The value at a path.
    #[must_use]
    pub fn get(&self, path: &KeyPath) -> Option<&Node> {
        path.segments().iter().try_fold(&self.root, |node, segment| match (segment, &node.data) {
            (Segment::Key(key), Data::Table(table)) => table.get(key),
            (Segment::Index(index), Data::List(items)) => items.get(*index),
            _ => None,
        })
    }

    /// This tree without one of its first keys.
    pub(crate) fn without(&self, key: &str) -> Self {
        let mut tree = self.clone();
        if let Data::Table(root) = &mut tree.root.data {
            Arc::make_mut(root).shift_remove(key);
        }
        tree
    }

    /// The file as a whole, for what is missing in it.
    pub(crate) fn origin(&self) -> Origin {
        Origin::File { file: Arc::from(self.file.as_path()), line: None }
    }

    /// This tree with all of `set` put over it at once.
    /// The paths hold keys only.
    #[must_use]
    pub(crate) fn with(&self, set: &[(KeyPath, Node)]) -> Self {
        let Some(layer) = overlay(set) else { return self.clone() };
        let mut tree = self.clone();
        let replaced = layer
            .get("train")
            .map_or_else(Vec::new, |said| replaced_alternatives(|key| said.get(key).is_some()));
        if !replaced.is_empty()
            && let Data::Table(root) = &mut tree.root.data
            && let Some(Node { data: Data::Table(train), .. }) =
                Arc::make_mut(root).get_mut("train")
        {
            let train = Arc::make_mut(train);
            for key in replaced {
                train.shift_remove(key);
            }
        }
        tree.root.merge(layer);
        tree
    }
}

/// The keys of `[train]` that a layer takes away by saying their counterpart.
pub(crate) fn replaced_alternatives(says: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut replaced = Vec::new();
    for [left, right] in ALTERNATIVES {
        match (says(left), says(right)) {
            (true, false) => replaced.push(right),
            (false, true) => replaced.push(left),
            _ => {}
        }
    }
    replaced
}

/// All of `set` as one tree, or `None` where it says nothing.
pub(crate) fn overlay(set: &[(KeyPath, Node)]) -> Option<Node> {
    let mut whole: Option<Node> = None;
    for (path, value) in set {
        let mut node = value.clone();
        for key in path.keys().into_iter().flatten().rev() {
            let origin = node.origin.clone();
            node = Node { data: Data::Table(Arc::new([(key.to_owned(), node)].into())), origin };
        }
        match &mut whole {
            Some(whole) => whole.unite(node),
            None => whole = Some(node),
        }
    }
    whole
}
