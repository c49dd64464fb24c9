//! The table `[sweep]`: seeds, named variants, and the axes of a grid.

use crate::error::{At, Error, nearest};
use crate::experiment::check_varied;
use crate::key_path::KeyPath;
use crate::section::{Section, count, list, table, wrong_type};
use crate::tree::{Data, Node};

/// What an experiment compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// One trial per variant and seed; 0 to 7 by default.
    pub seeds: Vec<u64>,
    /// The name of the base spec as a variant.
    pub base_name: String,
    /// The variant that others are compared with; the base spec by default.
    pub baseline: Option<String>,
    /// Named variants, in file order.
    pub variants: Vec<VariantSpec>,
    /// Axes whose product are variants too, in file order.
    pub grid: Vec<Axis>,
}

/// A named variant: what it sets over the base spec.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantSpec {
    /// Its name, unique in the sweep.
    pub name: String,
    /// Keys and values.
    pub set: Vec<(KeyPath, Node)>,
}

/// A key with the values to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The key.
    pub key: KeyPath,
    /// At least one value, no two equal.
    pub values: Vec<Node>,
}

impl Sweep {
    pub(crate) fn read(root: &Section<'_>) -> Result<Self, Error> {
        let keys = ["seeds", "base_name", "baseline", "variant", "grid"];
        let section = root.section("sweep", &keys)?;
        let base_name = section.text("base_name")?.unwrap_or("base").to_owned();
        let sweep = Self {
            seeds: seeds(&section)?,
            baseline: section.text("baseline")?.map(str::to_owned),
            variants: variants(&section, &base_name)?,
            grid: grid(&section)?,
            base_name,
        };
        let names = sweep.variants.iter().map(|variant| variant.name.as_str());
        let known: Vec<&str> = std::iter::once(sweep.base_name.as_str()).chain(names).collect();
        match &sweep.baseline {
            // The points of a grid get their names later; `expand` checks those.
            Some(baseline) if sweep.grid.is_empty() && !known.contains(&baseline.as_str()) => {
                Err(Error::UnknownVariant {
                    at: section.at_key("baseline"),
                    name: baseline.clone(),
                    near: nearest(baseline, known.iter().copied()),
                    known: known.iter().map(|name| (*name).to_owned()).collect(),
                })
            }
            _ => Ok(sweep),
        }
    }
}

fn seeds(section: &Section<'_>) -> Result<Vec<u64>, Error> {
    let Some(node) = section.node("seeds") else { return Ok((0..8).collect()) };
    let path = section.path("seeds");
    let items = list(node, &path, "a list of integers")?;
    let mut seeds = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let seed = count(item, &path.item(index), 0)?;
        if seeds.contains(&seed) {
            let at = At::new(&item.origin, &path.item(index));
            return Err(Error::Misplaced { at, problem: format!("seed `{seed}` is there twice") });
        }
        seeds.push(seed);
    }
    if seeds.is_empty() {
        let problem = "at least one seed is needed".to_owned();
        return Err(Error::Misplaced { at: section.at_key("seeds"), problem });
    }
    Ok(seeds)
}

fn variants(section: &Section<'_>, base_name: &str) -> Result<Vec<VariantSpec>, Error> {
    let Some(node) = section.node("variant") else { return Ok(Vec::new()) };
    let path = section.path("variant");
    let mut variants: Vec<VariantSpec> = Vec::new();
    for (index, item) in list(node, &path, "a list of tables")?.iter().enumerate() {
        let path = path.item(index);
        let section = Section::open(Some(item), path.clone(), &item.origin, &["name", "set"])?;
        let Some(name) = section.text("name")?.filter(|name| !name.is_empty()) else {
            let why = "each variant has a name".to_owned();
            return Err(Error::Missing { at: section.at_key("name"), why });
        };
        if name == base_name || variants.iter().any(|other| other.name == name) {
            let name = name.to_owned();
            return Err(Error::DuplicateVariant { at: section.at_key("name"), name });
        }
        let mut set = Vec::new();
        if let Some(node) = section.node("set") {
            let path = section.path("set");
            for (key, value) in table(node, &path)? {
                let at = At { origin: value.origin.clone(), key: path.child(key.as_str()) };
                set.push((varied_key(key, &at)?, value.clone()));
            }
        }
        variants.push(VariantSpec { name: name.to_owned(), set });
    }
    Ok(variants)
}

fn grid(section: &Section<'_>) -> Result<Vec<Axis>, Error> {
    let mut axes = Vec::new();
    if let Some(node) = section.node("grid") {
        collect_axes(node, &section.path("grid"), &KeyPath::root(), &mut axes)?;
    }
    Ok(axes)
}

/// Axes stand under their key, in quotes or as tables: `"train.batch_size" = [8, 16]`.
fn collect_axes(
    node: &Node,
    path: &KeyPath,
    parent: &KeyPath,
    axes: &mut Vec<Axis>,
) -> Result<(), Error> {
    for (text, node) in table(node, path)? {
        let path = path.child(text.as_str());
        let at = At { origin: node.origin.clone(), key: path.clone() };
        let key = text.parse::<KeyPath>().map_err(|problem| not_a_key(&at, &problem))?;
        let key = parent.join(&key);
        check_varied(&key, &at)?;
        match &node.data {
            Data::Table(_) => collect_axes(node, &path, &key, axes)?,
            Data::List(values) if values.is_empty() => {
                let problem = "an axis needs at least one value".to_owned();
                return Err(Error::Misplaced { at: Box::new(at), problem });
            }
            Data::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    if values[..index].contains(value) {
                        let problem = format!("the value `{}` is there twice", value.show());
                        let at = At::new(&value.origin, &path.item(index));
                        return Err(Error::Misplaced { at, problem });
                    }
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

fn varied_key(text: &str, at: &At) -> Result<KeyPath, Error> {
    let key = text.parse::<KeyPath>().map_err(|problem| not_a_key(at, &problem))?;
    check_varied(&key, at)?;
    Ok(key)
}

fn not_a_key(at: &At, problem: &str) -> Error {
    Error::Misplaced { at: Box::new(at.clone()), problem: format!("not a key: {problem}") }
}
