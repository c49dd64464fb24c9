//! The table `[train]`: every key with its default, its bounds and its counterpart.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::section::{
    Bound, DECAY, FACTOR, NOT_NEGATIVE, POSITIVE, SHARE, Section, list, number, table,
};
use crate::spec::{
    Algorithm, EarlyStoppingSpec, GroupSpec, OptimizerSpec, ScheduleSpec, TrainSpec,
};

const KEYS: [&str; 15] = [
    "batch_size",
    "total_epochs",
    "total_steps",
    "eval_every_epochs",
    "eval_every_steps",
    "checkpoint_every_epochs",
    "checkpoint_every_steps",
    "optimizer",
    "schedule",
    "clip_norm",
    "accumulate_steps",
    "early_stopping",
    "bucketing",
    "prefetch_batches",
    "prefetch_workers",
];

/// Reads `[train]` below the root of an experiment.
pub(crate) fn read(root: &Section<'_>) -> Result<TrainSpec, Error> {
    let train = root.section("train", &KEYS)?;
    let total = pair(&train, "total_epochs", "total_steps", None)?;
    let eval = pair(&train, "eval_every_epochs", "eval_every_steps", Some(1))?;
    let checkpoint = pair(&train, "checkpoint_every_epochs", "checkpoint_every_steps", Some(1))?;
    Ok(TrainSpec {
        batch_size: size(&train, "batch_size", 16)?,
        total_epochs: total.0,
        total_steps: total.1,
        eval_every_epochs: eval.0,
        eval_every_steps: eval.1,
        checkpoint_every_epochs: checkpoint.0,
        checkpoint_every_steps: checkpoint.1,
        optimizer: optimizer(&train)?,
        schedule: schedule(&train)?,
        clip_norm: train.number("clip_norm", POSITIVE)?,
        accumulate_steps: size(&train, "accumulate_steps", 1)?,
        early_stopping: early_stopping(&train)?,
        bucketing: train.flag("bucketing")?.unwrap_or(true),
        prefetch_batches: size(&train, "prefetch_batches", 2)?,
        prefetch_workers: size(&train, "prefetch_workers", 1)?,
    })
}

fn size(section: &Section<'_>, key: &str, default: usize) -> Result<usize, Error> {
    Ok(section.count(key, 1)?.map_or(default, |count| count as usize))
}

/// The two forms of a duration, in epochs and in steps, of which exactly one is set.
fn pair(
    train: &Section<'_>,
    epochs: &str,
    steps: &str,
    default_epochs: Option<u64>,
) -> Result<(Option<u64>, Option<u64>), Error> {
    let found = match (train.count(epochs, 1)?, train.count(steps, 1)?) {
        (None, None) if default_epochs.is_some() => return Ok((default_epochs, None)),
        (None, None) => "neither is".to_owned(),
        (Some(_), Some(_)) => {
            let [first, second] = [epochs, steps].map(|key| train.at_key(key).origin.to_string());
            format!("both are (`{epochs}` by {first}, `{steps}` by {second})")
        }
        one => return Ok(one),
    };
    let (first, second) = (epochs.to_owned(), steps.to_owned());
    Err(Error::ExactlyOne { at: train.at(), first, second, found })
}

fn optimizer(train: &Section<'_>) -> Result<OptimizerSpec, Error> {
    // What is valid depends on the algorithm, so its name is read before the keys are checked.
    let loose = Section::loose(train, "optimizer")?;
    let name = loose.choice("use", &["adamw", "adam", "sgd"])?.unwrap_or("adamw");
    let keys: &[&str] = match name {
        "sgd" => &["use", "learning_rate", "momentum", "nesterov", "weight_decay", "groups"],
        _ => &["use", "learning_rate", "betas", "epsilon", "weight_decay", "groups"],
    };
    let section = train.section("optimizer", keys)?;
    let weight_decay = section.number("weight_decay", NOT_NEGATIVE)?;
    let algorithm = match name {
        "sgd" => Algorithm::Sgd {
            momentum: section.number("momentum", DECAY)?.unwrap_or(0.0),
            nesterov: nesterov(&section)?,
            weight_decay: weight_decay.unwrap_or(0.0),
        },
        "adam" => Algorithm::Adam {
            betas: betas(&section)?,
            epsilon: section.number("epsilon", POSITIVE)?.unwrap_or(1e-8),
            weight_decay: weight_decay.unwrap_or(0.0),
        },
        _ => Algorithm::Adamw {
            betas: betas(&section)?,
            epsilon: section.number("epsilon", POSITIVE)?.unwrap_or(1e-8),
            weight_decay: weight_decay.unwrap_or(0.01),
        },
    };
    Ok(OptimizerSpec {
        algorithm,
        learning_rate: section.number("learning_rate", POSITIVE)?.unwrap_or(1e-3),
        groups: groups(&section)?,
    })
}

/// Nesterov's look-ahead is nothing without momentum; PyTorch refuses it too.
fn nesterov(section: &Section<'_>) -> Result<bool, Error> {
    let nesterov = section.flag("nesterov")?.unwrap_or(false);
    if nesterov && section.number("momentum", DECAY)?.unwrap_or(0.0) == 0.0 {
        let problem = "needs `momentum` above 0".to_owned();
        return Err(Error::Misplaced { at: section.at_key("nesterov"), problem });
    }
    Ok(nesterov)
}

fn betas(section: &Section<'_>) -> Result<[f64; 2], Error> {
    let Some(node) = section.node("betas") else { return Ok([0.9, 0.999]) };
    let path = section.path("betas");
    let items = list(node, &path, "a list of two numbers")?;
    let [first, second] = items else {
        return Err(Error::OutOfRange {
            at: section.at_key("betas"),
            bound: "a list of two numbers".to_owned(),
            found: node.show(),
        });
    };
    Ok([number(first, &path.item(0), DECAY)?, number(second, &path.item(1), DECAY)?])
}

fn groups(section: &Section<'_>) -> Result<BTreeMap<String, GroupSpec>, Error> {
    let Some(node) = section.node("groups") else { return Ok(BTreeMap::new()) };
    let path = section.path("groups");
    table(node, &path)?
        .iter()
        .map(|(name, node)| {
            let keys = ["learning_rate_scale", "frozen", "schedule"];
            let path = path.child(name.as_str());
            let group = Section::open(Some(node), path, &node.origin, &keys)?;
            let scale = group.number("learning_rate_scale", NOT_NEGATIVE)?.unwrap_or(1.0);
            let frozen = group.flag("frozen")?.unwrap_or(false);
            let own = group.node("schedule").is_some();
            let schedule = own.then(|| schedule(&group)).transpose()?;
            Ok((name.clone(), GroupSpec { learning_rate_scale: scale, frozen, schedule }))
        })
        .collect()
}

/// The schedule of all groups below `[train]`, or of one below its own table.
fn schedule(parent: &Section<'_>) -> Result<ScheduleSpec, Error> {
    let loose = Section::loose(parent, "schedule")?;
    let names = ["constant", "linear-warmup", "cosine", "step"];
    let name = loose.choice("use", &names)?.unwrap_or("constant");
    let keys: &[&str] = match name {
        "linear-warmup" => &["use", "warmup_steps"],
        "cosine" => &["use", "warmup_steps", "final_ratio"],
        "step" => &["use", "warmup_steps", "step_every_steps", "gamma"],
        _ => &["use"],
    };
    let section = parent.section("schedule", keys)?;
    let warmup_steps = section.count("warmup_steps", 0)?;
    let ratio = |key: &str, bound: Bound, default: f64| {
        Ok::<_, Error>(section.number(key, bound)?.unwrap_or(default))
    };
    let missing = |key: &str| Error::Missing {
        at: section.at_key(key),
        why: format!("the schedule `{name}` has no default for it"),
    };
    Ok(match name {
        "linear-warmup" => ScheduleSpec::LinearWarmup {
            warmup_steps: section
                .count("warmup_steps", 1)?
                .ok_or_else(|| missing("warmup_steps"))?,
        },
        "cosine" => ScheduleSpec::Cosine {
            warmup_steps: warmup_steps.unwrap_or(0),
            final_ratio: ratio("final_ratio", SHARE, 0.0)?,
        },
        "step" => ScheduleSpec::Step {
            warmup_steps: warmup_steps.unwrap_or(0),
            step_every_steps: section
                .count("step_every_steps", 1)?
                .ok_or_else(|| missing("step_every_steps"))?,
            gamma: ratio("gamma", FACTOR, 0.1)?,
        },
        _ => ScheduleSpec::Constant {},
    })
}

fn early_stopping(train: &Section<'_>) -> Result<Option<EarlyStoppingSpec>, Error> {
    if train.node("early_stopping").is_none() {
        return Ok(None);
    }
    let section = train.section("early_stopping", &["patience_evals", "min_delta"])?;
    let Some(patience_evals) = section.count("patience_evals", 1)? else {
        let why = "it says how many evaluations without improvement are waited for".to_owned();
        return Err(Error::Missing { at: section.at_key("patience_evals"), why });
    };
    let min_delta = section.number("min_delta", NOT_NEGATIVE)?.unwrap_or(0.0);
    Ok(Some(EarlyStoppingSpec { patience_evals, min_delta }))
}
