//! `seeds`: a list, a number, or as many as the intervals ask for.

use crate::error::{At, Error, nearest};
use crate::section::{POSITIVE, Section, count, list, table, wrong_type};
use crate::tree::{Data, Node};

/// The seeds of a sweep that says nothing about them. With fewer than six no paired sign-flip test
/// can fall below 0.05.
const DEFAULT: u64 = 8;
/// More seeds than this are a mistake, not a plan.
const MOST: u64 = 10_000;

/// Over which seeds variants are compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Seeds {
    /// These, no two equal.
    Fixed(Vec<u64>),
    /// As many as it takes.
    Sequential(SequentialSeeds),
}

/// Seeds 0, 1, 2 … until the intervals are narrow enough.
#[derive(Clone, Debug, PartialEq)]
pub struct SequentialSeeds {
    /// With how many every variant starts, at least 2.
    pub start: u64,
    /// With how many it ends at the latest, at least `start`.
    pub max: u64,
    /// Half the width of the 95 % interval of the difference to the baseline, in the metric's unit.
    pub until_ci_half_width: f64,
    /// The measurement that is meant; the objective by default.
    pub metric: Option<String>,
}

impl Seeds {
    /// Those that every variant runs with in any case.
    #[must_use]
    pub fn first(&self) -> Vec<u64> {
        match self {
            Self::Fixed(seeds) => seeds.clone(),
            Self::Sequential(sequential) => (0..sequential.start).collect(),
        }
    }

    /// Those that a variant runs with at most.
    #[must_use]
    pub fn all(&self) -> Vec<u64> {
        match self {
            Self::Fixed(seeds) => seeds.clone(),
            Self::Sequential(sequential) => (0..sequential.max).collect(),
        }
    }
}

pub(super) fn read(root: &Section<'_>, section: &Section<'_>) -> Result<Seeds, Error> {
    let Some(node) = section.node("seeds") else { return Ok(Seeds::Fixed((0..DEFAULT).collect())) };
    match &node.data {
        Data::Table(_) => sequential(root, section).map(Seeds::Sequential),
        Data::Integer(_) => {
            let seeds = count(node, &section.path("seeds"), 1)?;
            if seeds > MOST {
                return Err(too_many(section, seeds));
            }
            Ok(Seeds::Fixed((0..seeds).collect()))
        }
        Data::List(_) => fixed(section, node).map(Seeds::Fixed),
        _ => {
            let expected = "a list of seeds, a number of them, or \
                            `{ start = 3, max = 10, until_ci_half_width = 0.5 }`";
            Err(wrong_type(node, &section.path("seeds"), expected))
        }
    }
}

fn too_many(section: &Section<'_>, found: u64) -> Error {
    let bound = format!("at most {MOST}");
    Error::OutOfRange { at: section.at_key("seeds"), bound, found: found.to_string() }
}

fn fixed(section: &Section<'_>, node: &Node) -> Result<Vec<u64>, Error> {
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

fn sequential(root: &Section<'_>, section: &Section<'_>) -> Result<SequentialSeeds, Error> {
    let keys = ["start", "max", "until_ci_half_width", "metric"];
    let seeds = section.section("seeds", &keys)?;
    let missing =
        |key: &str, why: &str| Error::Missing { at: seeds.at_key(key), why: why.to_owned() };
    // One seed has no spread, and two an interval of which the t quantile alone is 12.7.
    let start = seeds.count("start", 2)?.unwrap_or(3);
    let max = seeds
        .count("max", start)?
        .ok_or_else(|| missing("max", "it says how many seeds are too many"))?;
    if max > MOST {
        return Err(too_many(section, max));
    }
    let until_ci_half_width = seeds.number("until_ci_half_width", POSITIVE)?.ok_or_else(|| {
        missing("until_ci_half_width", "it says how narrow the intervals have to be")
    })?;
    Ok(SequentialSeeds { start, max, until_ci_half_width, metric: measured(root, &seeds)? })
}

/// The key `metric` of a section: the name of something that is measured. Without it there has to
/// be an objective.
pub(super) fn measured(root: &Section<'_>, section: &Section<'_>) -> Result<Option<String>, Error> {
    let path = root.path("metric");
    let metrics = root.node("metric").map(|node| table(node, &path)).transpose()?;
    let given = || metrics.into_iter().flatten().filter(|(_, node)| node.table().is_some());
    let Some(found) = section.text("metric")? else {
        let is_objective = |node: &Node| {
            node.get("objective").is_some_and(|node| matches!(node.data, Data::Bool(true)))
        };
        if given().any(|(_, node)| is_objective(node)) {
            return Ok(None);
        }
        return Err(Error::Sweep {
            at: section.at(),
            problem: "needs a metric with `objective = true`, or `metric = \"…\"` here".to_owned(),
            hints: vec!["the loss is measured too: `metric = \"loss\"`".to_owned()],
        });
    };
    let name = found.split('/').next().unwrap_or(found);
    if name == "loss" || given().any(|(known, _)| known == name) {
        return Ok(Some(found.to_owned()));
    }
    let known: Vec<String> = given().map(|(name, _)| name.clone()).collect();
    Err(Error::NotOneOf {
        at: section.at_key("metric"),
        found: found.to_owned(),
        near: nearest(found, known.iter().map(String::as_str)),
        known: known.into_iter().chain(["loss".to_owned()]).collect(),
    })
}
