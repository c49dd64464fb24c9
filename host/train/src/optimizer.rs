//! Tells every component its optimizer, which groups are frozen, and the learning rates of a step.

use ablate_abi::v1::GroupRate;
use ablate_config::{Algorithm, OptimizerSpec};
use serde_json::json;

use crate::error::Error;
use crate::parts::{Instance, Parts};

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

/// Freezes the groups that the spec says; every group that it names has to exist.
pub(crate) fn freeze(parts: &Parts, optimizer: &OptimizerSpec) -> Result<(), Error> {
    if optimizer.groups.is_empty() {
        return Ok(());
    }
    let mut known = vec![DEFAULT.to_owned()];
    for Instance { id, handle } in &parts.instances {
        let list = handle.parameters().into_result();
        let list = list.map_err(|error| Error::component(id, "list its parameters", error))?;
        let mut own: Vec<String> = list.iter().map(|p| p.group.to_string()).collect();
        own.sort();
        own.dedup();
        for group in own {
            if optimizer.groups.get(&group).is_some_and(|settings| settings.frozen) {
                let frozen = handle.set_trainable(group.as_str().into(), false).into_result();
                let action = || format!("freeze its group `{group}`");
                frozen.map_err(|error| Error::component(id, action(), error))?;
            }
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

/// The learning rate of every group in a step whose schedule has this factor.
pub(crate) fn rates(optimizer: &OptimizerSpec, factor: f64) -> Vec<GroupRate> {
    let rate = optimizer.learning_rate * factor;
    let mut rates = vec![GroupRate { group: DEFAULT.into(), rate }];
    for (group, settings) in &optimizer.groups {
        let rate = rate * settings.learning_rate_scale;
        match group.as_str() {
            DEFAULT => rates[0].rate = rate,
            group => rates.push(GroupRate { group: group.into(), rate }),
        }
    }
    rates
}
