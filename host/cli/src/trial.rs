//! One trial in a process of its own: claims it, finds or creates its run, trains, and writes the
//! result.

use crate::child::{self, Said};
use crate::factory::LoadedFactory;
use crate::failure::Failure;
use crate::located::Located;
use crate::manifest::peak_memory_bytes;
use crate::printer;
use crate::services::{Reporting, write_log};
use ablate_config::{ReportCheckpoint, Spec};
use ablate_loader::Loader;
use ablate_runs::{NewRun, Outcome, Run, Status, Store};
use ablate_train::{
    CheckpointKind, Checkpoints, Error, Finished, Measurement, Parts, Progress, Recorder,
    StorageError, assemble, bind,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Exit code of a trial that another process is running.
pub(crate) const ELSEWHERE: i32 = 75;
/// What runs call a failure that the process of the trial could not report itself.
pub(crate) const CRASH: &str = "crash";
/// Exit code of a trial that was asked to stop and saved its state.
pub(crate) const STOPPED: i32 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Everything that the process of a trial needs to know.
#[derive(Serialize, Deserialize)]
pub(crate) struct TrialFile {
    pub(crate) home: PathBuf,
    pub(crate) experiment: String,
    pub(crate) variant: String,
    pub(crate) seed: u64,
    pub(crate) identity: String,
    pub(crate) threads: usize,
    pub(crate) spec: Spec,
    pub(crate) components: Vec<Located>,
    pub(crate) manifest: Value,
}

/// The process of a trial.
pub(crate) fn serve(file: &Path) -> Result<u8, Failure> {
    child::stop_with_parent(&STOP);
    let trial: TrialFile = serde_json::from_slice(&fs_err::read(file)?)?;
    let store = Store::open(&trial.home)?;
    let Some(_claim) = store.claim(&trial.identity)? else { return Ok(ELSEWHERE as u8) };
    let runs = store.by_identity(&trial.identity)?;
    if runs.iter().any(|run| run.status == Status::Done) {
        return Ok(0);
    }
    let run = find_or_create(&store, &trial)?;
    printer::line(&Said::Run { id: run.id().to_string(), resumed_at: None });
    let log = |text: &str| write_log(&run.log_path(), text);
    log(&format!("started by process {}", std::process::id()));
    let start = Instant::now();
    match train(&trial, &run) {
        Ok(ablate_train::Outcome::Finished(finished)) => {
            record_end(&run, &finished)?;
            log(&format!("finished after step {}", finished.steps));
            let finals = reported(&trial.spec, &finished);
            printer::line(&Said::Final { text: summary(&trial.spec, &finals) });
            let finals = finals.into_iter().map(stored).collect();
            let wall_s = start.elapsed().as_secs_f64();
            let peak_memory_bytes = peak_memory_bytes();
            run.finish(&Outcome { error: None, wall_s, peak_memory_bytes, finals })?;
            Ok(0)
        }
        Ok(ablate_train::Outcome::Stopped { step }) => {
            log(&format!("stopped after step {step}"));
            Ok(STOPPED as u8)
        }
        Err((kind, failure)) => {
            log(&format!("failed: {}", failure.message));
            let error = ablate_runs::Failure {
                kind,
                message: failure.message.clone(),
                hints: failure.hints.clone(),
            };
            run.finish(&Outcome {
                error: Some(error),
                wall_s: start.elapsed().as_secs_f64(),
                peak_memory_bytes: peak_memory_bytes(),
                finals: Vec::new(),
            })?;
            printer::line(&Said::Failed(failure));
            Ok(1)
        }
    }
}

/// A run with a checkpoint whose process was lost, is gone on with; anything else starts anew.
fn find_or_create(store: &Store, trial: &TrialFile) -> Result<Run, Failure> {
    for summary in store.by_identity(&trial.identity)? {
        let run = store.run(&summary.id)?;
        // This process holds the claim, so a run without a result is one whose parent died too.
        let error = run.result()?.map(|result| result.outcome.error);
        let crashed = error.flatten().is_some_and(|error| error.kind == CRASH);
        let lost = !matches!(summary.status, Status::Done | Status::Failed);
        if (crashed || lost)
            && run.checkpoint(CheckpointKind::Last.name())?.open().is_ok_and(|c| c.is_some())
        {
            if crashed {
                run.reopen()?;
            }
            return Ok(run);
        }
    }
    Ok(store.create(NewRun {
        identity: trial.identity.clone(),
        experiment: trial.experiment.clone(),
        variant: trial.variant.clone(),
        seed: trial.seed,
        spec: serde_json::to_value(&trial.spec)?,
        manifest: trial.manifest.clone(),
    })?)
}

/// A word for the kind of failure, and what is shown.
type Failed = (String, Failure);

fn failed(error: Error) -> Failed {
    (error.kind().to_owned(), Failure::from(error))
}

fn train(trial: &TrialFile, run: &Run) -> Result<ablate_train::Outcome, Failed> {
    let services = Reporting::new(&trial.home, &STOP).with_run(run);
    let loader = Loader::new(services, trial.threads as u32);
    let mut factory = LoadedFactory::new(&loader, &trial.components);
    let bound = bind(&trial.spec, &mut factory).map_err(failed)?;
    let parts = assemble(&trial.spec, bound, trial.seed, &mut factory);
    let mut parts: Parts = parts.map_err(failed)?;
    let name = &trial.spec.dataset.name;
    printer::line(&Said::Entering(format!("`dataset` (`{name}`)")));
    let prepared = parts.dataset().prepare().into_result();
    prepared.map_err(|error| ("data".to_owned(), Failure::from_plugin("dataset", name, &error)))?;
    printer::line(&Said::Entering("training".to_owned()));
    let mut recorder = RunRecorder { run, shown: None };
    let mut checkpoints = RunCheckpoints { run };
    let (spec, seed) = (&trial.spec, trial.seed);
    ablate_train::run(&mut parts, spec, seed, &mut recorder, &mut checkpoints, &STOP)
        .map_err(failed)
}

/// What was measured after the last step goes to the other measurements, once.
fn record_end(run: &Run, finished: &Finished) -> Result<(), Failure> {
    let known = run.measurements()?;
    let last = finished.finals.iter().filter(|last| last.checkpoint == CheckpointKind::Last);
    let new: Vec<_> = last
        .map(|last| stored(&last.measurement))
        .filter(|new| {
            !known.iter().any(|old| {
                (old.step, &old.split, &old.metric) == (new.step, &new.split, &new.metric)
            })
        })
        .collect();
    Ok(run.append_all(&new)?)
}

/// The measurements that tables are made of.
fn reported<'a>(spec: &Spec, finished: &'a Finished) -> Vec<&'a Measurement> {
    let checkpoint = match spec.report.checkpoint {
        ReportCheckpoint::Last => CheckpointKind::Last,
        ReportCheckpoint::Best => CheckpointKind::Best,
    };
    let chosen = finished.finals.iter().filter(|last| last.checkpoint == checkpoint);
    chosen.map(|last| &last.measurement).collect()
}

/// The line that stands beside a finished trial: the objective, else the loss.
fn summary(spec: &Spec, finals: &[&Measurement]) -> String {
    let objective = spec.metrics.iter().find(|metric| metric.objective);
    let name = objective.map_or("loss", |metric| metric.name.as_str());
    let mut wanted = ["test", "valid", "train"].into_iter();
    let found =
        wanted.find_map(|split| finals.iter().find(|m| m.metric == name && m.split == split));
    found.map_or(String::new(), |m| format!("{} {name} {:.4}", m.split, m.value))
}

fn stored(measurement: &Measurement) -> ablate_runs::Measurement {
    ablate_runs::Measurement {
        metric: measurement.metric.clone(),
        split: measurement.split.clone(),
        step: measurement.step,
        epoch: measurement.epoch,
        value: measurement.value,
        unit: measurement.unit.clone(),
        higher_is_better: measurement.higher_is_better,
    }
}

/// Measurements go into the run, progress to the parent.
struct RunRecorder<'a> {
    run: &'a Run,
    shown: Option<Instant>,
}

impl Recorder for RunRecorder<'_> {
    fn starts_after(&mut self, step: u64) -> Result<(), StorageError> {
        if step > 0 {
            let id = self.run.id().to_string();
            write_log(&self.run.log_path(), &format!("goes on after step {step}"));
            printer::line(&Said::Run { id, resumed_at: Some(step) });
        }
        Ok(self.run.truncate_measurements_after(step)?)
    }

    fn measurement(&mut self, measurement: &Measurement) -> Result<(), StorageError> {
        Ok(self.run.append(&stored(measurement))?)
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(200));
        if due {
            self.shown = Some(Instant::now());
            printer::line(&Said::Step {
                epoch: progress.epoch,
                epochs: progress.epochs,
                step: progress.step,
                steps: progress.steps,
                loss: progress.loss.unwrap_or(0.0),
            });
        }
    }

    fn checkpointed(&mut self, _: CheckpointKind, _: u64) {}
}

/// Checkpoints lie in the run's folder.
struct RunCheckpoints<'a> {
    run: &'a Run,
}

/// What the store and the loop say, in one type.
enum Either {
    Store(ablate_runs::Error),
    Loop(Error),
}

impl From<ablate_runs::Error> for Either {
    fn from(error: ablate_runs::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Either> for Error {
    fn from(either: Either) -> Self {
        match either {
            Either::Store(error) => Self::storage("write a checkpoint", error),
            Either::Loop(error) => error,
        }
    }
}

impl Checkpoints for RunCheckpoints<'_> {
    fn save(
        &mut self,
        kind: CheckpointKind,
        fill: &mut dyn FnMut(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let checkpoint = self.run.checkpoint(kind.name());
        let checkpoint = checkpoint.map_err(|error| Error::storage("write a checkpoint", error))?;
        checkpoint.write(|folder| fill(folder).map_err(Either::Loop)).map_err(Error::from)
    }

    fn load(&mut self, kind: CheckpointKind) -> Result<Option<PathBuf>, Error> {
        let failed = |error| Error::storage("read a checkpoint", error);
        self.run.checkpoint(kind.name()).map_err(failed)?.open().map_err(failed)
    }
}
