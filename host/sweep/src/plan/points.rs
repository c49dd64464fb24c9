//! The points of blocks: grid times zipped rows times random draws.

use ablate_config::{Axis, Block, KeyPath, Node, Random, Sweep};

use crate::error::Error;
use crate::plan::draw::draw;
use crate::plan::names::Labels;
use crate::plan::{Candidate, Form, Place};

/// More points than this in one sweep are a mistake, not a plan.
const MOST_POINTS: usize = 100_000;
/// With more drawn keys than this a point is called by its number.
const MOST_NAMED: usize = 2;

/// The points of all blocks. In each the last axis of the grid runs faster than those before it, the
/// rows of zipped axes faster than the grid, and draws fastest.
pub(super) fn points(sweep: &Sweep, labels: &Labels<'_>) -> Result<Vec<Candidate>, Error> {
    let mut points = Vec::new();
    let mut sum = 0_u128;
    for (index, block) in sweep.blocks.iter().enumerate() {
        sum = sum.saturating_add(count(block));
        if sum > MOST_POINTS as u128 {
            let at = Box::new(block.at.clone());
            return Err(Error::TooManyPoints { at, points: sum, limit: MOST_POINTS });
        }
        let columns = columns(block, labels);
        points.extend((0..count(block) as usize).map(|point| {
            let (name, set) = at(&columns, point);
            let (remove, form) = (Vec::new(), Form::Point);
            Candidate { name, set, remove, form, place: Place::Block(index) }
        }));
    }
    Ok(points)
}

fn count(block: &Block) -> u128 {
    let grid = block.grid.iter().map(|axis| axis.values.len() as u128);
    let rows = block.zip.first().map_or(1, |axis| axis.values.len() as u128);
    let drawn = block.random.as_ref().map_or(1, |random| random.count as u128);
    grid.fold(rows.saturating_mul(drawn), u128::saturating_mul)
}

/// One of the things that a point chooses: its part of the name, and what it sets.
type Choice = (String, Vec<(KeyPath, Node)>);

fn columns(block: &Block, labels: &Labels<'_>) -> Vec<Vec<Choice>> {
    let mut columns: Vec<Vec<Choice>> =
        block.grid.iter().map(|axis| rows(std::slice::from_ref(axis), labels)).collect();
    if !block.zip.is_empty() {
        columns.push(rows(&block.zip, labels));
    }
    if let Some(random) = &block.random {
        columns.push((0..random.count).map(|index| drawn(random, index, labels)).collect());
    }
    columns
}

/// Axes that advance together.
fn rows(axes: &[Axis], labels: &Labels<'_>) -> Vec<Choice> {
    let row = |index: usize| {
        let values = || axes.iter().map(move |axis| (&axis.key, &axis.values[index]));
        let name: Vec<String> = values().map(|(key, value)| labels.label(key, value)).collect();
        (name.join(","), values().map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    (0..axes.first().map_or(0, |axis| axis.values.len())).map(row).collect()
}

fn drawn(random: &Random, index: usize, labels: &Labels<'_>) -> Choice {
    let set: Vec<(KeyPath, Node)> = random
        .draws
        .iter()
        .map(|one| (one.key.clone(), draw(one, random.seed, index as u64)))
        .collect();
    let name = if set.len() <= MOST_NAMED {
        set.iter().map(|(key, value)| labels.label(key, value)).collect::<Vec<_>>().join(",")
    } else if random.seed == 0 {
        format!("random-{index}")
    } else {
        format!("random-{}-{index}", random.seed)
    };
    (name, set)
}

/// The point at `index`, read as a number whose digits are positions in the columns.
fn at(columns: &[Vec<Choice>], mut index: usize) -> Choice {
    let mut chosen: Vec<&Choice> = Vec::with_capacity(columns.len());
    for column in columns.iter().rev() {
        chosen.push(&column[index % column.len()]);
        index /= column.len();
    }
    chosen.reverse();
    let names: Vec<&str> = chosen.iter().map(|(name, _)| name.as_str()).collect();
    (names.join(","), chosen.iter().flat_map(|(_, set)| set.iter().cloned()).collect())
}
