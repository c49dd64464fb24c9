//! Axes and the blocks of points that they span: `grid`, `zip`, `random`, and `concat`.

use crate::error::{At, Error};
use crate::experiment::check_varied;
use crate::key_path::KeyPath;
use crate::section::{Section, list, table, wrong_type};
use crate::sweep::random::{Random, random};
use crate::sweep::stated;
use crate::tree::{Data, Node};

/// The keys that describe a block.
const BLOCK: [&str; 3] = ["grid", "zip", "random"];

/// A key with the values to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The key.
    pub key: KeyPath,
    /// At least one value; no two equal, but in `zip`.
    pub values: Vec<Node>,
}

/// Points: every point of the grid, with every row of the zipped axes, with every draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Where it stands: `sweep.grid`, or `sweep.concat[1]`.
    pub at: At,
    /// Axes whose product is taken, the last one fastest.
    pub grid: Vec<Axis>,
    /// Axes that advance together, all of the same length.
    pub zip: Vec<Axis>,
    /// Random draws.
    pub random: Option<Random>,
}

/// All blocks of a sweep, in order.
pub(super) fn blocks(section: &Section<'_>) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    if let Some(key) = BLOCK.into_iter().find(|key| stated(section, key).is_some()) {
        blocks.extend(block(section, *section.at_key(key))?);
    }
    let Some(node) = stated(section, "concat") else { return Ok(blocks) };
    let path = section.path("concat");
    let expected = "a list of tables with `grid`, `zip` and `random`";
    for (index, item) in list(node, &path, expected)?.iter().enumerate() {
        let path = path.item(index);
        if let Some(seeds) = item.get("seeds") {
            return Err(Error::Sweep {
                at: At::new(&seeds.origin, &path.child("seeds")),
                problem: "a block has no seeds of its own: every variant runs with the same ones, \
                          or they could not be compared seed by seed"
                    .to_owned(),
                hints: vec!["write `seeds` in `[sweep]`".to_owned()],
            });
        }
        let section = Section::open(Some(item), path, &item.origin, &BLOCK)?;
        let Some(block) = block(&section, *section.at())? else {
            let problem = "a block needs `grid`, `zip` or `random`".to_owned();
            return Err(Error::Misplaced { at: section.at(), problem });
        };
        blocks.push(block);
    }
    Ok(blocks)
}

/// The block that a table describes; `None` where it has no axes.
fn block(section: &Section<'_>, at: At) -> Result<Option<Block>, Error> {
    let grid = read(section, "grid", true)?;
    let zip = read(section, "zip", false)?;
    let random = random(section)?;
    refuse_unequal(section, &zip)?;
    let drawn = random.iter().flat_map(|random| &random.draws);
    let keys = (grid.iter().map(|axis| ("grid", &axis.key)))
        .chain(zip.iter().map(|axis| ("zip", &axis.key)))
        .chain(drawn.map(|draw| ("random", &draw.key)));
    let mut seen: Vec<(&str, &KeyPath)> = Vec::new();
    for (form, key) in keys {
        if let Some((other, _)) = seen.iter().find(|(_, seen)| *seen == key) {
            let problem = format!("`{key}` is in `{other}` too; a block has one axis for a key");
            return Err(Error::Misplaced { at: section.at_key(form), problem });
        }
        seen.push((form, key));
    }
    if seen.is_empty() {
        return Ok(None);
    }
    Ok(Some(Block { at, grid, zip, random }))
}

fn refuse_unequal(section: &Section<'_>, zip: &[Axis]) -> Result<(), Error> {
    let Some(first) = zip.first() else { return Ok(()) };
    let length = first.values.len();
    let Some(other) = zip.iter().find(|axis| axis.values.len() != length) else { return Ok(()) };
    Err(Error::Sweep {
        at: section.at_key("zip"),
        problem: format!(
            "zipped axes advance together, so they need equally many values: `{}` has {length}, \
             `{}` has {}",
            first.key,
            other.key,
            other.values.len()
        ),
        hints: vec!["to try every combination, write them under `grid`".to_owned()],
    })
}

/// The axes under a key. They stand under their own keys, in quotes or as tables:
/// `"train.batch_size" = [8, 16]`.
pub(super) fn read(section: &Section<'_>, key: &str, distinct: bool) -> Result<Vec<Axis>, Error> {
    let mut axes = Vec::new();
    if let Some(node) = stated(section, key) {
        collect(node, &section.path(key), &KeyPath::root(), distinct, &mut axes)?;
    }
    Ok(axes)
}

fn collect(
    node: &Node,
    path: &KeyPath,
    parent: &KeyPath,
    distinct: bool,
    axes: &mut Vec<Axis>,
) -> Result<(), Error> {
    for (text, node) in table(node, path)? {
        let path = path.child(text.as_str());
        let at = At { origin: node.origin.clone(), key: path.clone() };
        let key = parent.join(&a_key(text, &at)?);
        check_varied(&key, &at)?;
        match &node.data {
            Data::Table(_) => collect(node, &path, &key, distinct, axes)?,
            Data::List(values) if values.is_empty() => {
                let problem = "an axis needs at least one value".to_owned();
                return Err(Error::Misplaced { at: Box::new(at), problem });
            }
            Data::List(values) => {
                if distinct {
                    refuse_equal(values, &path)?;
                }
                if axes.iter().any(|axis| axis.key == key) {
                    let problem = format!("there are two axes for `{key}`");
                    return Err(Error::Misplaced { at: Box::new(at), problem });
                }
                axes.push(Axis { key, values: values.clone() });
            }
            _ => return Err(wrong_type(node, &path, "a list of values to try")),
        }
    }
    Ok(())
}

pub(super) fn refuse_equal(values: &[Node], path: &KeyPath) -> Result<(), Error> {
    for (index, value) in values.iter().enumerate() {
        if values[..index].contains(value) {
            let problem = format!("the value `{}` is there twice", value.show());
            let at = At::new(&value.origin, &path.item(index));
            return Err(Error::Misplaced { at, problem });
        }
    }
    Ok(())
}

/// A key in which variants may differ.
pub(super) fn varied_key(text: &str, at: &At) -> Result<KeyPath, Error> {
    let key = a_key(text, at)?;
    check_varied(&key, at)?;
    Ok(key)
}

pub(super) fn a_key(text: &str, at: &At) -> Result<KeyPath, Error> {
    text.parse().map_err(|problem: String| Error::Misplaced {
        at: Box::new(at.clone()),
        problem: format!("not a key: {problem}"),
    })
}
