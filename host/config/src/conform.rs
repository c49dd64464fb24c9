//! A component's config against its JSON Schema: defaults filled in, errors at the user's own line.
//!
//! The walk gives what a validator cannot: unknown keys with near matches, missing keys, wrong types
//! in words. What remains (ranges, lengths, patterns) is left to `jsonschema`.

use indexmap::IndexMap;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value as Json};

use crate::error::{At, Error, nearest, quoted};
use crate::json_schema::{Shape, branches, deref, options, shape, tag, type_names};
use crate::key_path::KeyPath;
use crate::known::Known;
use crate::references;
use crate::section::wrong_type;
use crate::tree::{Data, Node, Origin, show_float};

/// The config of one component.
pub(crate) struct Config<'a> {
    pub(crate) known: &'a Known,
    /// The component's place in the experiment.
    pub(crate) path: &'a KeyPath,
    /// Who chose the component; blamed for what its config lacks.
    pub(crate) origin: &'a Origin,
    /// Keys beside `use`, the config's own and the slots that are valid here.
    pub(crate) beside: &'a [&'a str],
}

/// The place of a value, as steps from the component's: most values are right, and then nobody asks.
#[derive(Clone, Copy)]
enum Place<'a> {
    Component(&'a KeyPath),
    Key(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn key_path(&self) -> KeyPath {
        match self {
            Self::Component(path) => (*path).clone(),
            Self::Key(parent, key) => parent.key_path().child(*key),
            Self::Item(parent, index) => parent.key_path().item(*index),
        }
    }
}

impl Config<'_> {
    /// The config as JSON with defaults filled in. Of `entries`, the component's table, it takes
    /// what is neither `use`, nor a slot, nor one of the keys beside.
    pub(crate) fn read(&self, entries: &IndexMap<String, Node>) -> Result<Json, Error> {
        let Known { schema, defaults, .. } = self.known;
        let place = &Place::Component(self.path);
        let config = self.object(entries, self.origin, schema, defaults.as_ref(), place, true)?;
        self.validate(&config, entries)?;
        Ok(config)
    }

    /// Whether a key of the component's table is not one of its config.
    fn is_beside(&self, key: &str) -> bool {
        key == "use"
            || self.beside.contains(&key)
            || self.known.slots().iter().any(|slot| slot.name == key)
    }

    /// `node` as JSON, if it has the shape that `schema` asks for.
    fn value(
        &self,
        node: &Node,
        schema: &Json,
        default: Option<&Json>,
        path: &Place<'_>,
    ) -> Result<Json, Error> {
        let target = deref(&self.known.schema, schema);
        let is_artifact = [schema, target]
            .iter()
            .any(|schema| schema.get("x-ablate").and_then(Json::as_str) == Some(references::MARK));
        let value = self.shaped(node, target, default, path)?;
        if is_artifact {
            references::check(node, || path.key_path())?;
            return Ok(references::settled(node, value));
        }
        Ok(value)
    }

    /// The same for a schema that stands for no other.
    fn shaped(
        &self,
        node: &Node,
        schema: &Json,
        default: Option<&Json>,
        path: &Place<'_>,
    ) -> Result<Json, Error> {
        if let Some(options) = options(&self.known.schema, schema) {
            return one_of(node, &options, path);
        }
        if let Some(branches) = branches(&self.known.schema, schema) {
            return self.alternative(node, &branches, default, path);
        }
        let shape = shape(schema);
        match (&node.data, shape) {
            (Data::Table(table), Shape::Object | Shape::Any) => {
                self.object(table, &node.origin, schema, default, path, false)
            }
            (Data::List(items), Shape::List | Shape::Any) => self.list(items, schema, path),
            (Data::Float(_), Shape::Number | Shape::Any) => finite(node, path),
            (Data::Integer(value), Shape::Number) => Ok(Json::from(*value as f64)),
            (Data::Integer(_), Shape::Integer | Shape::Any)
            | (Data::Bool(_), Shape::Bool | Shape::Any)
            | (Data::Text(_), Shape::Text | Shape::Any) => Ok(node.to_json()),
            _ => Err(wrong_type(node, &path.key_path(), &type_names(schema))),
        }
    }

    fn object(
        &self,
        table: &IndexMap<String, Node>,
        origin: &Origin,
        schema: &Json,
        default: Option<&Json>,
        path: &Place<'_>,
        own: bool,
    ) -> Result<Json, Error> {
        let schema = deref(&self.known.schema, schema);
        let none = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties");
        // A struct refuses what it does not know; a map says what its other values are.
        let open = match others {
            Some(Json::Bool(open)) => *open,
            Some(Json::Object(_)) => true,
            _ => properties.is_empty() && !own,
        };
        let default = default.and_then(Json::as_object);
        let mut config = Map::new();
        for (key, node) in table {
            if own && self.is_beside(key) {
                continue;
            }
            let path = Place::Key(path, key);
            let value = match (properties.get(key), others) {
                (Some(property), _) => {
                    let default = default.and_then(|default| default.get(key));
                    let default = default.or_else(|| property.get("default"));
                    self.value(node, property, default, &path)?
                }
                (None, Some(others @ Json::Object(_))) => self.value(node, others, None, &path)?,
                (None, _) if open => self.value(node, &Json::Bool(true), None, &path)?,
                _ => {
                    let mut known: Vec<String> = properties.keys().cloned().collect();
                    if own {
                        let slots = self.known.slots().iter().map(|slot| slot.name.clone());
                        known.extend(slots);
                        known.extend(self.beside.iter().map(|key| (*key).to_owned()));
                    }
                    return Err(Error::UnknownKey {
                        at: At::new(&node.origin, &path.key_path()),
                        near: nearest(key, known.iter().map(String::as_str)),
                        known,
                    });
                }
            };
            config.insert(key.clone(), value);
        }
        let required = schema.get("required").and_then(Json::as_array);
        for (key, property) in properties {
            if config.contains_key(key) {
                continue;
            }
            let inherited = default.and_then(|default| default.get(key));
            if let Some(value) = inherited.or_else(|| property.get("default")) {
                config.insert(key.clone(), value.clone());
            } else if required.is_some_and(|required| required.iter().any(|name| name == key)) {
                return Err(Error::Missing {
                    at: At::new(origin, &path.key_path().child(key.as_str())),
                    why: format!("`{}` has no default for it", self.known.name),
                });
            }
        }
        Ok(Json::Object(config))
    }

    fn list(&self, items: &[Node], schema: &Json, path: &Place<'_>) -> Result<Json, Error> {
        let first = schema.get("prefixItems").and_then(Json::as_array);
        let any = Json::Bool(true);
        let rest = schema.get("items").unwrap_or(&any);
        items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let schema = first.and_then(|first| first.get(index)).unwrap_or(rest);
                // `items: false` closes a tuple; its length is the validator's to check.
                let schema = if schema == &Json::Bool(false) { &any } else { schema };
                self.value(item, schema, None, &Place::Item(path, index))
            })
            .collect()
    }

    /// A value that may have one of several shapes: an optional one, or an enum with fields.
    fn alternative(
        &self,
        node: &Node,
        branches: &[&Json],
        default: Option<&Json>,
        path: &Place<'_>,
    ) -> Result<Json, Error> {
        if let [only] = branches {
            return self.value(node, only, default, path);
        }
        if let (Some((tag, names)), Some(table)) = (tag(branches), node.table()) {
            let path_of_tag = Place::Key(path, &tag);
            let Some(chosen) = table.get(&tag) else {
                let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                return Err(Error::Missing {
                    at: At::new(&node.origin, &path_of_tag.key_path()),
                    why: format!("it chooses one of {}", quoted(&names)),
                });
            };
            let position = names.iter().position(|name| chosen.text() == Some(name));
            return match position {
                Some(position) => self.value(node, branches[position], None, path),
                None => one_of(chosen, &names, &path_of_tag),
            };
        }
        let mut failed: Vec<(usize, Error)> = Vec::new();
        for branch in branches {
            match self.value(node, branch, None, path) {
                Ok(value) => return Ok(value),
                Err(error) => failed.push((closeness(&error, path), error)),
            }
        }
        let best = failed.iter().map(|(closeness, _)| *closeness).max().unwrap_or(0);
        let fitting = failed.into_iter().find(|(closeness, _)| *closeness == best && best > 0);
        Err(fitting.map_or_else(
            || {
                let names =
                    branches.iter().map(|branch| type_names(deref(&self.known.schema, branch)));
                wrong_type(node, &path.key_path(), &names.collect::<Vec<_>>().join(" or "))
            },
            |(_, error)| error,
        ))
    }

    /// Ranges, lengths and whatever else the schema says.
    fn validate(&self, config: &Json, entries: &IndexMap<String, Node>) -> Result<(), Error> {
        let validator = self.known.validator()?;
        if validator.is_valid(config) {
            return Ok(());
        }
        let Some(error) = validator.iter_errors(config).next() else { return Ok(()) };
        let (path, origin) = self.locate(error.instance_path().as_str(), entries);
        let at = At::new(&origin, &path);
        let found = match error.instance().as_ref() {
            Json::Number(number) if number.is_f64() => {
                show_float(number.as_f64().unwrap_or(f64::NAN))
            }
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        Err(match bound(error.kind()) {
            Some(bound) => Error::OutOfRange { at, bound, found },
            None => Error::Misplaced { at, problem: error.to_string() },
        })
    }

    /// The key path of a JSON pointer into the config, and who said the value.
    fn locate(&self, pointer: &str, entries: &IndexMap<String, Node>) -> (KeyPath, Origin) {
        let mut path = self.path.clone();
        let mut node: Option<&Node> = None;
        let mut origin = self.origin;
        let mut known = true;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let inner = match node.map(|node| &node.data) {
                None => entries.get(&part),
                Some(Data::Table(table)) => table.get(&part),
                Some(Data::List(items)) => {
                    part.parse::<usize>().ok().and_then(|index| items.get(index))
                }
                Some(_) => None,
            };
            path = match (node.map(|node| &node.data), part.parse()) {
                (Some(Data::List(_)), Ok(index)) => path.item(index),
                _ => path.child(part),
            };
            known = known && inner.is_some();
            if let (true, Some(inner)) = (known, inner) {
                origin = &inner.origin;
                node = Some(inner);
            }
        }
        (path, origin.clone())
    }
}

/// How far a value got in a branch that refused it; the error of the one that fits best is shown.
fn closeness(error: &Error, path: &Place<'_>) -> usize {
    match error {
        Error::WrongType { at, .. } if at.key == path.key_path() => 0,
        Error::UnknownKey { .. } => 1,
        _ => 2,
    }
}

fn finite(node: &Node, path: &Place<'_>) -> Result<Json, Error> {
    match node.data {
        Data::Float(value) if !value.is_finite() => Err(Error::OutOfRange {
            at: At::new(&node.origin, &path.key_path()),
            bound: "a finite number".to_owned(),
            found: node.show(),
        }),
        _ => Ok(node.to_json()),
    }
}

fn one_of(node: &Node, options: &[&str], path: &Place<'_>) -> Result<Json, Error> {
    let known: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    match node.text() {
        Some(text) if options.contains(&text) => Ok(Json::from(text)),
        Some(text) => Err(Error::NotOneOf {
            at: At::new(&node.origin, &path.key_path()),
            found: text.to_owned(),
            near: nearest(text, options.iter().copied()),
            known,
        }),
        None => Err(wrong_type(node, &path.key_path(), &format!("one of {}", quoted(&known)))),
    }
}

/// What a value has to be, in words; `None` where the validator's own words are as good.
fn bound(kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Minimum { limit } => format!("at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("above {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("below {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        ValidationErrorKind::MinItems { limit } => format!("a list of at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("a list of at most {limit} items"),
        ValidationErrorKind::MinLength { limit } => format!("at least {limit} characters long"),
        ValidationErrorKind::MaxLength { limit } => format!("at most {limit} characters long"),
        ValidationErrorKind::UniqueItems => "a list of distinct items".to_owned(),
        ValidationErrorKind::Pattern { pattern } => format!("text that matches `{pattern}`"),
        _ => return None,
    })
}
