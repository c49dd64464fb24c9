//! From an experiment to the ordered list of its variants and trials.

use std::collections::HashSet;

use ablate_config::{Axis, Data, Experiment, KeyPath, Node, Origin, Segment, nearest};

use crate::error::Error;

/// More points than this in one grid are a mistake, not a plan.
const MOST_POINTS: usize = 100_000;

/// A named point of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Unique in the experiment.
    pub name: String,
    /// What it sets over the base spec, for [`Experiment::with`]; nothing for the base spec itself.
    pub set: Vec<(KeyPath, Node)>,
    /// Whether the others are compared with it; true of exactly one.
    pub baseline: bool,
}

/// One variant with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The variant's position in the list.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
}

/// The variants of an experiment: the base spec, the named ones in file order, then the points of
/// the grid, the last axis fastest.
///
/// The base spec is left out where a point of the grid says the same, and that point takes its place
/// as the baseline.
///
/// # Errors
/// A baseline that does not exist, points named like other variants, a grid beyond all bounds.
pub fn expand(experiment: &Experiment) -> Result<Vec<Variant>, Error> {
    let sweep = &experiment.sweep;
    let points = points(experiment)?;
    let base_point = points.iter().position(|point| point.is_base);
    let mut variants = Vec::with_capacity(1 + sweep.variants.len() + points.len());
    if base_point.is_none() {
        variants.push(variant(sweep.base_name.clone(), Vec::new()));
    }
    variants
        .extend(sweep.variants.iter().map(|named| variant(named.name.clone(), named.set.clone())));
    let first_point = variants.len();
    variants.extend(points.into_iter().map(|point| variant(point.name, point.set)));
    refuse_same_names(experiment, &variants)?;
    let wanted = sweep.baseline.as_ref().unwrap_or(&sweep.base_name);
    let named = variants.iter().position(|variant| variant.name == *wanted);
    let base = (*wanted == sweep.base_name).then_some(base_point).flatten();
    let Some(position) = named.or(base.map(|point| first_point + point)) else {
        let known: Vec<String> = variants.into_iter().map(|variant| variant.name).collect();
        return Err(Error::UnknownBaseline {
            origin: origin(experiment, "baseline"),
            name: wanted.clone(),
            near: nearest(wanted, known.iter().map(String::as_str)),
            known,
        });
    };
    variants[position].baseline = true;
    Ok(variants)
}

/// All trials, seed by seed: a sweep that is cut short has compared whole sets of variants.
#[must_use]
pub fn trials(variants: &[Variant], seeds: &[u64]) -> Vec<Trial> {
    seeds
        .iter()
        .flat_map(|seed| (0..variants.len()).map(|variant| Trial { variant, seed: *seed }))
        .collect()
}

fn variant(name: String, set: Vec<(KeyPath, Node)>) -> Variant {
    Variant { name, set, baseline: false }
}

/// A point of the grid.
struct Point {
    name: String,
    set: Vec<(KeyPath, Node)>,
    is_base: bool,
}

/// A value of an axis, with its label and whether the base spec has it already.
struct Choice<'a> {
    key: &'a KeyPath,
    value: &'a Node,
    label: String,
    is_base: bool,
}

fn points(experiment: &Experiment) -> Result<Vec<Point>, Error> {
    let axes = &experiment.sweep.grid;
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let points: u128 = axes.iter().map(|axis| axis.values.len() as u128).product();
    if points > MOST_POINTS as u128 {
        let origin = origin(experiment, "grid");
        return Err(Error::TooManyPoints { origin, points, limit: MOST_POINTS });
    }
    let choices: Vec<Vec<Choice<'_>>> =
        axes.iter().map(|axis| choices(experiment, axis, &short_name(axis, axes))).collect();
    Ok((0..points as usize).map(|index| point(&choices, index)).collect())
}

/// The point at `index`, read as a number whose digits are positions on the axes.
fn point(choices: &[Vec<Choice<'_>>], mut index: usize) -> Point {
    let mut chosen: Vec<&Choice<'_>> = Vec::with_capacity(choices.len());
    for axis in choices.iter().rev() {
        chosen.push(&axis[index % axis.len()]);
        index /= axis.len();
    }
    chosen.reverse();
    Point {
        name: chosen.iter().map(|choice| choice.label.as_str()).collect::<Vec<_>>().join(","),
        set: chosen.iter().map(|choice| (choice.key.clone(), choice.value.clone())).collect(),
        is_base: chosen.iter().all(|choice| choice.is_base),
    }
}

fn choices<'a>(experiment: &Experiment, axis: &'a Axis, name: &str) -> Vec<Choice<'a>> {
    let used: Vec<Option<&str>> =
        axis.values.iter().map(|value| value.get("use").and_then(Node::text)).collect();
    let present = experiment.tree().get(&axis.key);
    axis.values
        .iter()
        .zip(&used)
        .map(|(value, own)| {
            let alone = used.iter().filter(|other| *other == own).count() == 1;
            let label = match own {
                Some(own) if alone => (*own).to_owned(),
                _ => show(value),
            };
            Choice {
                key: &axis.key,
                value,
                label: format!("{name}={label}"),
                is_base: present.is_some_and(|present| changes_nothing(present, value)),
            }
        })
        .collect()
}

/// The last key of an axis, with as many keys before it as tell it from the other axes.
/// `model.pooling.use` is named like `model.pooling`.
fn short_name(axis: &Axis, axes: &[Axis]) -> String {
    let own = named_keys(axis);
    for length in 1..own.len() {
        let tail = &own[own.len() - length..];
        let same = axes.iter().filter(|other| named_keys(other).ends_with(tail)).count();
        if same == 1 {
            return tail.join(".");
        }
    }
    own.join(".")
}

fn named_keys(axis: &Axis) -> Vec<String> {
    let mut keys: Vec<String> = axis
        .key
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    if keys.len() > 1 && keys.last().is_some_and(|last| last == "use") {
        keys.pop();
    }
    keys
}

/// Whether putting `value` over `present` leaves it as it is: a table that has `use` replaces, other
/// tables merge.
fn changes_nothing(present: &Node, value: &Node) -> bool {
    match (&present.data, &value.data) {
        (Data::Table(present), Data::Table(table))
            if value.get("use").is_none() && value.get("ref").is_none() =>
        {
            table.iter().all(|(key, value)| {
                present.get(key).is_some_and(|present| changes_nothing(present, value))
            })
        }
        (Data::Integer(integer), Data::Float(float))
        | (Data::Float(float), Data::Integer(integer)) => *float == *integer as f64,
        _ => present == value,
    }
}

/// A value in a name: `8`, `mean`, `sliding-window(stride=12,window=25)`, `[8,16]`.
fn show(node: &Node) -> String {
    match &node.data {
        Data::Text(text) => text.clone(),
        Data::List(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(","))
        }
        Data::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .filter(|(key, _)| *key != "use")
                .map(|(key, value)| format!("{key}={}", show(value)))
                .collect();
            let used = node.get("use").and_then(Node::text).unwrap_or_default();
            if entries.is_empty() {
                used.to_owned()
            } else {
                format!("{used}({})", entries.join(","))
            }
        }
        _ => node.to_json().to_string(),
    }
}

fn refuse_same_names(experiment: &Experiment, variants: &[Variant]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match variants.iter().find(|variant| !seen.insert(variant.name.as_str())) {
        None => Ok(()),
        Some(variant) => Err(Error::DuplicateVariant {
            origin: origin(experiment, "grid"),
            name: variant.name.clone(),
        }),
    }
}

/// Who said a key of `[sweep]`.
fn origin(experiment: &Experiment, key: &str) -> Origin {
    let root = experiment.tree();
    let path = KeyPath::root().child("sweep");
    let node = root.get(&path.child(key)).or_else(|| root.get(&path)).unwrap_or(root.root());
    node.origin.clone()
}

#[cfg(test)]
mod tests;
