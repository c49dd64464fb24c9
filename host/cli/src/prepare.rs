//! Preparing datasets once per sweep, in a process of their own.

use crate::child::{self, Said};
use crate::factory::LoadedFactory;
use crate::failure::Failure;
use crate::located::Located;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::services::Reporting;
use crate::{manifest, printer};
use ablate_config::{ComponentSpec, Spec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

static STOP: AtomicBool = AtomicBool::new(false);

/// Datasets to prepare.
#[derive(Serialize, Deserialize)]
pub(crate) struct PrepareRequest {
    home: PathBuf,
    threads: usize,
    datasets: Vec<(Spec, Vec<Located>)>,
}

/// What a dataset said about its preparation, such as how many files were left out.
pub(crate) type Report = (ComponentSpec, Value);

/// Prepares the datasets of the variants at `chosen`, each configuration once, until `stop` is set.
pub(crate) fn prepare(
    plan: &Plan,
    chosen: &[usize],
    stop: &'static AtomicBool,
    progress: &Progress,
) -> Result<Vec<Report>, Failure> {
    let mut seen: Vec<&ComponentSpec> = Vec::new();
    let mut datasets = Vec::new();
    for &index in chosen {
        let variant = &plan.variants[index];
        if !seen.contains(&&variant.spec.dataset) {
            seen.push(&variant.spec.dataset);
            datasets.push((variant.spec.clone(), variant.components.clone()));
        }
    }
    let threads = manifest::cores();
    let request = PrepareRequest { home: plan.workplace.home.clone(), threads, datasets };
    let reports: Vec<Value> = child::ask("__prepare", &request, Some(stop), |said| match said {
        Said::Progress { task, done, total } => progress.preparing(task, *done, *total),
        Said::Log { level, message } if *level <= 2 => progress.log("", message),
        _ => {}
    })?;
    progress.prepared();
    Ok(seen.into_iter().cloned().zip(reports).collect())
}

/// The child's side.
pub(crate) fn serve() -> Result<u8, Failure> {
    child::stop_with_parent(&STOP);
    child::serve(|| {
        let request: PrepareRequest = child::request()?;
        let services = Reporting::new(&request.home, &STOP)?;
        let loader = ablate_loader::Loader::new(services, request.threads as u32);
        let mut reports = Vec::new();
        for (spec, components) in &request.datasets {
            let mut factory = LoadedFactory::new(&loader, components);
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
