//! What is taken away: from the base spec by the ablation forms, from the sweep by `exclude`.

use crate::error::{At, Error, nearest};
use crate::key_path::KeyPath;
use crate::section::{Section, list, table, text, wrong_type};
use crate::sweep::axes::{a_key, varied_key};
use crate::sweep::stated;
use crate::tree::{Data, Node};

/// Below these a component can be removed.
const PLACES: [&str; 4] = ["model", "loss", "dataset", "blocks"];

/// A slot or a loss that a variant does without.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// Its key: `model.refiner`, `loss.commitment`, `model.layers[2]`.
    pub key: KeyPath,
    /// Where it was asked for.
    pub at: At,
}

/// Variants that are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclusion {
    /// Where it stands.
    pub at: At,
    /// Which.
    pub rule: ExclusionRule,
}

/// Which variants are left out.
#[derive(Clone, Debug, PartialEq)]
pub enum ExclusionRule {
    /// The one of this name.
    Name(String),
    /// Those in whose resolved spec all of these keys have these values. A table asks only for the
    /// keys that it has.
    Values(Vec<(KeyPath, Node)>),
}

/// A list of keys that name slots and losses.
pub(super) fn removals(section: &Section<'_>, key: &str) -> Result<Vec<Removal>, Error> {
    let Some(node) = stated(section, key) else { return Ok(Vec::new()) };
    let path = section.path(key);
    let mut removals: Vec<Removal> = Vec::new();
    let expected = "a list of keys such as `[\"model.pooling\", \"loss.commitment\"]`";
    for (index, item) in list(node, &path, expected)?.iter().enumerate() {
        let path = path.item(index);
        let at = At { origin: item.origin.clone(), key: path.clone() };
        let key = a_key(text(item, &path)?, &at)?;
        check_place(&key, &at)?;
        if removals.iter().any(|other| other.key == key) {
            let problem = format!("`{key}` is there twice");
            return Err(Error::Misplaced { at: Box::new(at), problem });
        }
        removals.push(Removal { key, at });
    }
    Ok(removals)
}

fn check_place(key: &KeyPath, at: &At) -> Result<(), Error> {
    let first = key.first().unwrap_or_default();
    if PLACES.contains(&first) {
        return Ok(());
    }
    let at = Box::new(at.clone());
    let hints = match first {
        "metric" | "artifact" => {
            let one = if first == "metric" { "a metric" } else { "an artifact" };
            vec![format!(
                "{one} only looks on: without it every trial would be the same, so leave it out of \
                 the base spec"
            )]
        }
        "train" | "device" | "threads" => {
            vec![format!("to try other values, write `one_at_a_time = {{ \"{key}\" = […] }}`")]
        }
        _ => {
            let near = nearest(first, PLACES);
            near.map(|near| format!("did you mean `{near}`?"))
                .into_iter()
                .chain(["write a slot such as `model.pooling`, or a loss: `loss.NAME`".to_owned()])
                .collect()
        }
    };
    let problem = format!("`{key}` cannot be removed: only slots and losses can");
    Err(Error::Sweep { at, problem, hints })
}

/// `pairs = true`, which needs at least two removals.
pub(super) fn pairs(section: &Section<'_>, removals: &[Removal]) -> Result<bool, Error> {
    let pairs = section.flag("pairs")?.unwrap_or(false);
    if pairs && removals.len() < 2 {
        return Err(Error::Sweep {
            at: section.at_key("pairs"),
            problem: format!("there are no pairs: `leave_one_out` has {} keys", removals.len()),
            hints: vec![
                "write `leave_one_out = [\"model.pooling\", \"loss.commitment\"]` beside it"
                    .to_owned(),
            ],
        });
    }
    Ok(pairs)
}

/// The list `exclude`: names, and tables of keys and values.
pub(super) fn exclusions(section: &Section<'_>) -> Result<Vec<Exclusion>, Error> {
    let Some(node) = stated(section, "exclude") else { return Ok(Vec::new()) };
    let path = section.path("exclude");
    let expected = "a list such as `[{ \"train.batch_size\" = 8 }]`";
    let items = list(node, &path, expected)?.iter().enumerate();
    items.map(|(index, item)| exclusion(item, &path.item(index))).collect()
}

fn exclusion(item: &Node, path: &KeyPath) -> Result<Exclusion, Error> {
    let at = At { origin: item.origin.clone(), key: path.clone() };
    let rule = match &item.data {
        Data::Text(name) => ExclusionRule::Name(name.clone()),
        Data::Table(_) => {
            let mut values = Vec::new();
            for (key, value) in table(item, path)? {
                let at = At { origin: value.origin.clone(), key: path.child(key.as_str()) };
                values.push((varied_key(key, &at)?, value.clone()));
            }
            if values.is_empty() {
                let problem = "an exclusion without keys would leave nothing".to_owned();
                return Err(Error::Misplaced { at: Box::new(at), problem });
            }
            ExclusionRule::Values(values)
        }
        _ => return Err(wrong_type(item, path, "a table of keys and values, or a variant's name")),
    };
    Ok(Exclusion { at, rule })
}
