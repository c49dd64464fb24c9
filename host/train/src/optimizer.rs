//! Tells every component its optimizer, which groups are frozen, and the learning rates of a step.

use ablate_abi::v1::GroupRate;
use ablate_config::{Algorithm, OptimizerSpec, TrainSpec};
use serde_json::json;

use crate::error::Error;
use crate::parts::{Instance, Parts};
use crate::schedule::factor;

/// The group of parameters that no component put into another.
const DEFAULT: &str = "default";

/// Sets the optimizer of all components, fresh.
pub(crate) fn configure(parts: &Parts, optimizer: &OptimizerSpec) -> Result<(), Error> {
    let config = match &optimizer.algorithm {
        Algorithm::Adamw { betas, epsilon, weight_decay } => {
            json!({ "use": "adamw", "betas": betas, "epsilon": epsilon, "weight_decay": weight_decay })
        }
        Algorithm::Adam { betas, epsilon, weight_decay } => {
            json!({ "use": "adam", "betas": betas, "epsilon": epsilon, "weight_decay": weight_decay })
        }
        Algorithm::Sgd { momentum, nesterov, weight_decay } => json!({
            "use": "sgd", "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay,
        }),
    };
    let config = config.to_string();
    for Instance { id, handle } in &parts.instances {
        let set = handle.set_optimizer(config.as_str().into()).into_result();
        set.map_err(|error| Error::component(id, "set its optimizer", error))?;
    }
    Ok(())
}

/// Every group that the spec names has to be one that a component has.
///
/// # Errors
/// The first that is not, with those that there are.
pub fn check_groups(parts: &Parts, optimizer: &OptimizerSpec) -> Result<(), Error> {
    if optimizer.groups.is_empty() {
        return Ok(());
    }
    let mut known = vec![DEFAULT.to_owned()];
    for instance in &parts.instances {
        for group in groups_of(instance)? {
            if !known.contains(&group) {
                known.push(group);
            }
        }
    }
    match optimizer.groups.keys().find(|group| !known.contains(group)) {
        None => Ok(()),
        Some(group) => Err(Error::UnknownGroup { group: group.clone(), known }),
    }
}

/// Freezes the groups that the spec says; every group that it names has to exist.
pub(crate) fn freeze(parts: &Parts, optimizer: &OptimizerSpec) -> Result<(), Error> {
    check_groups(parts, optimizer)?;
    let frozen = optimizer.groups.iter().filter(|(_, settings)| settings.frozen);
    let frozen: Vec<&String> = frozen.map(|(group, _)| group).collect();
    for instance in parts.instances.iter().filter(|_| !frozen.is_empty()) {
        for group in groups_of(instance)?.iter().filter(|group| frozen.contains(group)) {
            let Instance { id, handle } = instance;
            let set = handle.set_trainable(group.as_str().into(), false).into_result();
            let action = || format!("freeze its group `{group}`");
            set.map_err(|error| Error::component(id, action(), error))?;
        }
    }
    Ok(())
}

/// The groups of a component's parameters, sorted; statistics are in none.
fn groups_of(Instance { id, handle }: &Instance) -> Result<Vec<String>, Error> {
    let list = handle.parameters().into_result();
    let list = list.map_err(|error| Error::component(id, "list its parameters", error))?;
    let parameters = list.iter().filter(|parameter| !parameter.statistic);
    let mut groups: Vec<String> = parameters.map(|parameter| parameter.group.to_string()).collect();
    groups.sort();
    groups.dedup();
    Ok(groups)
}

/// The learning rate of every group in the step after `step` of `total_steps`.
pub(crate) fn rates(train: &TrainSpec, step: u64, total_steps: u64) -> Vec<GroupRate> {
    let optimizer = &train.optimizer;
    let peak = |schedule| optimizer.learning_rate * factor(schedule, step, total_steps);
    let mut rates = vec![GroupRate { group: DEFAULT.into(), rate: peak(&train.schedule) }];
    for (group, settings) in &optimizer.groups {
        let schedule = settings.schedule.as_ref().unwrap_or(&train.schedule);
        let rate = peak(schedule) * settings.learning_rate_scale;
        match group.as_str() {
            DEFAULT => rates[0].rate = rate,
            group => rates.push(GroupRate { group: group.into(), rate }),
        }
    }
    rates
}
