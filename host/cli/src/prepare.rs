//! Preparing datasets once per sweep, in a process of their own.

use crate::child::{self, Said, Until};
use crate::factory::LoadedFactory;
use crate::failure::Failure;
use crate::lineage::{Given, Input};
use crate::located::Located;
use crate::plan::{Plan, PlannedTrial};
use crate::progress::Progress;
use crate::services::Reporting;
use crate::{manifest, printer};
use ablate_config::{ComponentSpec, Spec};
use ablate_runs::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

static STOP: AtomicBool = AtomicBool::new(false);

/// Datasets to prepare.
#[derive(Serialize, Deserialize)]
pub(crate) struct PrepareRequest {
    home: PathBuf,
    threads: usize,
    datasets: Vec<(Spec, Vec<Located>, Vec<Given>)>,
}

/// A dataset: its configuration, and the artifacts that it reads.
pub(crate) type Data = (ComponentSpec, Vec<PathBuf>);

/// What a dataset said about its preparation, such as how many files were left out.
pub(crate) type Report = (Data, Value);

/// The artifacts that the dataset reads.
pub(crate) fn data(given: &[Given]) -> Vec<PathBuf> {
    given.iter().filter(|given| given.is_data()).map(|given| given.path.clone()).collect()
}

/// Prepares the datasets of `trials`, each configuration once, until `stop` is set. A dataset that reads what is
/// not made yet is prepared by its first trial.
pub(crate) fn prepare(
    plan: &Plan,
    store: &Store,
    trials: &[PlannedTrial],
    stop: &'static AtomicBool,
    progress: &Progress,
) -> Result<Vec<Report>, Failure> {
    let mut seen: Vec<Data> = Vec::new();
    let mut datasets = Vec::new();
    let mut looked_at = BTreeSet::new();
    for trial in trials {
        let variant = plan.variant(trial.variant);
        let reads = variant.inputs.iter().any(Input::is_data);
        // Without artifacts the data is the same for all seeds.
        if !reads && !looked_at.insert(trial.variant) {
            continue;
        }
        let given = if reads { plan.given(store, trial) } else { Ok(Vec::new()) };
        let Ok(given) = given else { continue };
        let data = (variant.spec.dataset.clone(), data(&given));
        if !seen.contains(&data) {
            seen.push(data);
            datasets.push((variant.spec.clone(), variant.components.clone(), given));
        }
    }
    let threads = manifest::cores();
    let request = PrepareRequest { home: plan.workplace.home.clone(), threads, datasets };
    let reports: Vec<Value> =
        child::ask("__prepare", &request, Until::Stopped(stop), |said| match said {
            Said::Progress { task, done, total } => progress.preparing(task, *done, *total),
            Said::Log { level, message } if *level <= 2 => progress.log("", message),
            _ => {}
        })?;
    progress.prepared();
    Ok(seen.into_iter().zip(reports).collect())
}

/// The child's side.
pub(crate) fn serve() -> Result<u8, Failure> {
    child::stop_with_parent(&STOP);
    child::serve(|| {
        let request: PrepareRequest = child::request()?;
        let services = Reporting::new(&request.home, &STOP)?;
        let loader = ablate_loader::Loader::new(services, request.threads as u32);
        let mut reports = Vec::new();
        for (spec, components, given) in &request.datasets {
            let mut factory = LoadedFactory::new(&loader, components).with_given(given);
            printer::line(&Said::Entering(format!("dataset (`{}`)", spec.dataset.name)));
            let dataset = factory.dataset(spec)?;
            let report = dataset.prepare().into_result();
            let report = report
                .map_err(|error| Failure::from_plugin("dataset", &spec.dataset.name, &error))?;
            reports.push(serde_json::from_str::<Value>(&report).unwrap_or(Value::Null));
        }
        Ok(reports)
    })
}
