//! `random`: keys with distributions, from which a number of points is drawn.

use crate::error::{At, Error, nearest};
use crate::experiment::check_varied;
use crate::key_path::KeyPath;
use crate::section::{
    Bound, FINITE, NOT_NEGATIVE, POSITIVE, Section, list, number, refuse_unknown, table, wrong_type,
};
use crate::sweep::axes::{a_key, refuse_equal};
use crate::sweep::stated;
use crate::tree::{Data, Node};

/// The names of the distributions.
const NAMES: [&str; 6] =
    ["uniform", "log_uniform", "int_uniform", "log_int_uniform", "normal", "choice"];

/// Integers beyond this are no longer exact as numbers.
const EXACT: i64 = 1 << 53;

/// Points that are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Random {
    /// How many, at least 1.
    pub count: usize,
    /// What the draws follow from; 0 by default.
    pub seed: u64,
    /// The keys, at least one.
    pub draws: Vec<Draw>,
}

/// A key whose values are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// The key.
    pub key: KeyPath,
    /// From what.
    pub distribution: Distribution,
    /// Where it stands.
    pub at: At,
}

/// What values are drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Numbers between two bounds, all equally likely.
    Uniform {
        /// The lower bound.
        low: f64,
        /// The upper bound, above the lower one.
        high: f64,
    },
    /// Numbers between two bounds, all magnitudes equally likely.
    LogUniform {
        /// The lower bound, above 0.
        low: f64,
        /// The upper bound, above the lower one.
        high: f64,
    },
    /// Integers from the first bound to the last, both included, all equally likely.
    IntUniform {
        /// The smallest.
        low: i64,
        /// The largest, above the smallest.
        high: i64,
    },
    /// Integers from the first bound to the last, both included, all magnitudes equally likely.
    LogIntUniform {
        /// The smallest, at least 1.
        low: i64,
        /// The largest, above the smallest.
        high: i64,
    },
    /// Numbers around a mean.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation, above 0.
        sd: f64,
    },
    /// One of a list of values.
    Choice {
        /// At least one value, no two equal.
        values: Vec<Node>,
        /// As many weights, at least 0, with a positive sum; all 1 by default.
        weights: Vec<f64>,
    },
}

/// The table `random` of a block.
pub(super) fn random(section: &Section<'_>) -> Result<Option<Random>, Error> {
    let Some(node) = stated(section, "random") else { return Ok(None) };
    let path = section.path("random");
    let entries = table(node, &path)?;
    let random = Section::loose(section, "random")?;
    let Some(count) = random.count("count", 1)? else {
        let why = "it says how many points are drawn".to_owned();
        return Err(Error::Missing { at: random.at_key("count"), why });
    };
    let seed = random.count("seed", 0)?.unwrap_or(0);
    let mut draws = Vec::new();
    for (text, node) in entries {
        if text != "count" && text != "seed" {
            collect(text, node, &path, &KeyPath::root(), &mut draws)?;
        }
    }
    if draws.is_empty() {
        return Err(Error::Sweep {
            at: random.at(),
            problem: "there is no key to draw values for".to_owned(),
            hints: vec![example()],
        });
    }
    Ok(Some(Random { count: usize::try_from(count).unwrap_or(usize::MAX), seed, draws }))
}

fn example() -> String {
    "write `\"train.optimizer.learning_rate\" = { log_uniform = [1e-5, 1e-2] }`".to_owned()
}

fn collect(
    text: &str,
    node: &Node,
    path: &KeyPath,
    parent: &KeyPath,
    draws: &mut Vec<Draw>,
) -> Result<(), Error> {
    let path = path.child(text);
    let at = At { origin: node.origin.clone(), key: path.clone() };
    if !parent.segments().is_empty()
        && node.table().is_none()
        && let Some(near) = nearest(text, NAMES)
    {
        let known = NAMES.map(str::to_owned).into();
        return Err(Error::UnknownKey { at: Box::new(at), near: Some(near), known });
    }
    let key = parent.join(&a_key(text, &at)?);
    check_varied(&key, &at)?;
    let Some(entries) = node.table() else {
        return Err(Error::Sweep {
            at: Box::new(at),
            problem: format!("expected a distribution, found {}", node.describe()),
            hints: vec![example(), format!("distributions: `{}`", NAMES.join("`, `"))],
        });
    };
    if !entries.keys().any(|name| NAMES.contains(&name.as_str())) {
        return entries.iter().try_for_each(|(text, node)| collect(text, node, &path, &key, draws));
    }
    if draws.iter().any(|draw| draw.key == key) {
        let problem = format!("there are two distributions for `{key}`");
        return Err(Error::Misplaced { at: Box::new(at), problem });
    }
    draws.push(Draw { distribution: distribution(node, &path)?, key, at });
    Ok(())
}

fn distribution(node: &Node, path: &KeyPath) -> Result<Distribution, Error> {
    let section = Section::open(
        Some(node),
        path.clone(),
        &node.origin,
        &[
            "uniform",
            "log_uniform",
            "int_uniform",
            "log_int_uniform",
            "normal",
            "choice",
            "weights",
        ],
    )?;
    let said: Vec<&str> = NAMES.into_iter().filter(|name| section.node(name).is_some()).collect();
    let [name] = said[..] else {
        let problem = format!("`{}` and `{}` are two distributions", said[0], said[1]);
        return Err(Error::Misplaced { at: section.at_key(said[1]), problem });
    };
    let (value, path) = (section.node(name).expect("it was found"), section.path(name));
    if name != "choice" && section.node("weights").is_some() {
        let problem = "only `choice` has weights".to_owned();
        return Err(Error::Misplaced { at: section.at_key("weights"), problem });
    }
    Ok(match name {
        "uniform" => {
            let (low, high) = numbers(value, &path, FINITE)?;
            Distribution::Uniform { low, high }
        }
        "log_uniform" => {
            let (low, high) = numbers(value, &path, POSITIVE)?;
            Distribution::LogUniform { low, high }
        }
        "int_uniform" => {
            let (low, high) = integers(value, &path, -EXACT)?;
            Distribution::IntUniform { low, high }
        }
        "log_int_uniform" => {
            let (low, high) = integers(value, &path, 1)?;
            Distribution::LogIntUniform { low, high }
        }
        "normal" => normal(value, &path)?,
        _ => choice(&section, value, &path)?,
    })
}

fn two<'a>(node: &'a Node, path: &KeyPath) -> Result<[&'a Node; 2], Error> {
    let expected = "a list of two bounds such as `[1, 10]`";
    match list(node, path, expected)? {
        [low, high] => Ok([low, high]),
        _ => Err(wrong_type(node, path, expected)),
    }
}

fn numbers(node: &Node, path: &KeyPath, bound: Bound) -> Result<(f64, f64), Error> {
    let [low, high] = two(node, path)?;
    let low = number(low, &path.item(0), bound)?;
    let value = number(high, &path.item(1), bound)?;
    if value > low { Ok((low, value)) } else { Err(not_above(high, path, low)) }
}

fn integers(node: &Node, path: &KeyPath, minimum: i64) -> Result<(i64, i64), Error> {
    let [low, high] = two(node, path)?;
    let integer = |node: &Node, index: usize| match node.data {
        Data::Integer(value) if (minimum..=EXACT).contains(&value) => Ok(value),
        Data::Integer(value) => Err(Error::OutOfRange {
            at: At::new(&node.origin, &path.item(index)),
            bound: format!("between {minimum} and {EXACT}"),
            found: value.to_string(),
        }),
        _ => Err(wrong_type(node, &path.item(index), "an integer")),
    };
    let (first, last) = (integer(low, 0)?, integer(high, 1)?);
    if last > first { Ok((first, last)) } else { Err(not_above(high, path, first)) }
}

fn not_above(high: &Node, path: &KeyPath, low: impl std::fmt::Display) -> Error {
    Error::OutOfRange {
        at: At::new(&high.origin, &path.item(1)),
        bound: format!("above the lower bound {low}"),
        found: high.show(),
    }
}

/// `[mean, sd]`, or `{ mean = …, sd = … }`.
fn normal(node: &Node, path: &KeyPath) -> Result<Distribution, Error> {
    let missing = |key: &str| Error::Missing {
        at: At::new(&node.origin, &path.child(key)),
        why: "a normal distribution has a mean and a standard deviation".to_owned(),
    };
    let (mean, mean_path, sd, sd_path) = if let Some(entries) = node.table() {
        refuse_unknown(entries, path, &["mean", "sd"])?;
        let mean = entries.get("mean").ok_or_else(|| missing("mean"))?;
        let sd = entries.get("sd").ok_or_else(|| missing("sd"))?;
        (mean, path.child("mean"), sd, path.child("sd"))
    } else {
        let expected = "`{ mean = …, sd = … }` or a list of both";
        let [mean, sd] = list(node, path, expected)? else {
            return Err(wrong_type(node, path, expected));
        };
        (mean, path.item(0), sd, path.item(1))
    };
    let mean = number(mean, &mean_path, FINITE)?;
    Ok(Distribution::Normal { mean, sd: number(sd, &sd_path, POSITIVE)? })
}

fn choice(section: &Section<'_>, node: &Node, path: &KeyPath) -> Result<Distribution, Error> {
    let values = list(node, path, "a list of values")?;
    if values.is_empty() {
        let problem = "there is nothing to choose from".to_owned();
        return Err(Error::Misplaced { at: At::new(&node.origin, path), problem });
    }
    refuse_equal(values, path)?;
    let weights_path = section.path("weights");
    let weights: Vec<f64> = match section.node("weights") {
        None => vec![1.0; values.len()],
        Some(node) => list(node, &weights_path, "a list of numbers")?
            .iter()
            .enumerate()
            .map(|(index, weight)| number(weight, &weights_path.item(index), NOT_NEGATIVE))
            .collect::<Result<_, _>>()?,
    };
    if weights.len() != values.len() {
        let problem = format!("there are {} weights for {} values", weights.len(), values.len());
        return Err(Error::Misplaced { at: section.at_key("weights"), problem });
    }
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        let problem = "the sum of the weights must be above 0 and finite".to_owned();
        return Err(Error::Misplaced { at: section.at_key("weights"), problem });
    }
    Ok(Distribution::Choice { values: values.to_vec(), weights })
}
