//! One trial in a process of its own: claims it, finds or creates its run, trains, and writes the
//! result.

use crate::child::{self, Said};
use crate::factory::LoadedFactory;
use crate::failure::Failure;
use crate::lineage::Given;
use crate::located::{Located, plugin_of};
use crate::manifest::peak_memory_bytes;
use crate::services::{PluginLog, Reporting, write_log};
use crate::{inside, objective, printer};
use ablate_config::{FailureClass, ReportCheckpoint, Spec};
use ablate_loader::Loader;
use ablate_runs::{
    Attempt, AttemptEnd, AttemptOutcome, Claim, NewAttempt, NewRun, Outcome, Published, Run,
    Status, Store,
};
use ablate_train::{
    CheckpointKind, Checkpoints, Error, Finished, Measurement, Parts, Phase, Progress, Recorder,
    StorageError, assemble, bind,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Exit code of a trial that another process is running.
pub(crate) const ELSEWHERE: i32 = 75;
/// Exit code of a trial that was asked to stop and saved its state.
pub(crate) const STOPPED: i32 = 130;
/// Exit code of a trial that has reached the epoch at which it was to pause.
pub(crate) const PAUSED: i32 = 76;

static STOP: AtomicBool = AtomicBool::new(false);
/// Set before `STOP` where the trial pauses by itself.
static PAUSING: AtomicBool = AtomicBool::new(false);

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
    /// The artifacts that its config names.
    #[serde(default)]
    pub(crate) given: Vec<Given>,
    pub(crate) manifest: Value,
    /// After so many epochs the trial saves its state and ends, to go on later or never.
    #[serde(default)]
    pub(crate) pause_at_epoch: Option<u64>,
}

/// The process of a trial.
pub(crate) fn serve(file: &Path) -> Result<u8, Failure> {
    child::stop_with_parent(&STOP);
    printer::keep_stdout()?;
    let trial: TrialFile = serde_json::from_slice(&fs_err::read(file)?)?;
    inside::keep(file);
    match execute(&trial) {
        Ok(code) => Ok(code),
        Err((kind, failure)) => {
            printer::line(&Said::TrialFailed { kind, failure });
            Ok(1)
        }
    }
}

/// A failure of the place where runs are kept.
fn stored<E: Into<Failure>>(error: E) -> Failed {
    (FailureClass::Storage.as_str().to_owned(), error.into())
}

fn execute(trial: &TrialFile) -> Result<u8, Failed> {
    // Whoever started this process has just opened the store and compared it with its folders.
    let store = Store::attach(&trial.home).map_err(stored)?;
    let claim = store.claim(&trial.identity).map_err(stored)?;
    let Some(claim) = claim else { return Ok(ELSEWHERE as u8) };
    let identity = trial.identity.as_str();
    let latest = store.latest([identity]).map_err(stored)?.remove(identity);
    let run = match latest {
        Some(summary) if summary.status == Status::Done => return Ok(0),
        // A trial has one run, whatever becomes of its attempts.
        Some(summary) => {
            let run = store.run(&summary.id).map_err(stored)?;
            run.reopen().map_err(stored)?;
            discard_damaged(&run)?;
            run
        }
        None => create(&store, trial)?,
    };
    claim.set_run(run.id()).map_err(stored)?;
    let attempt = run.begin_attempt(&NewAttempt::here()).map_err(stored)?;
    printer::line(&Said::Run { id: run.id().to_string(), attempt: attempt.number() });
    // From here on its last words, and those of its plugins, stay with the attempt.
    let stderr = fs_err::File::create(attempt.stderr_path()).map_err(stored)?;
    rustix::stdio::dup2_stderr(&stderr)
        .and_then(|()| rustix::stdio::dup2_stdout(&stderr))
        .map_err(|error| stored(std::io::Error::from(error)))?;
    let start = Instant::now();
    let mut steps = (0, 0);
    let mut parts = None;
    let trained = train(trial, &run, &attempt, &claim, (&mut steps, &mut parts));
    let wall_s = start.elapsed().as_secs_f64();
    let end = |outcome| AttemptEnd {
        peak_memory_bytes: peak_memory_bytes(),
        from_step: Some(steps.0),
        to_step: Some(steps.1),
        ..AttemptEnd::now(wall_s, outcome)
    };
    match trained {
        Ok(ablate_train::Outcome::Finished(finished)) => {
            record_end(&run, &finished).map_err(stored)?;
            let artifacts = run.list_artifacts(&published(&finished)).map_err(stored)?;
            let finals: Vec<_> = reported(&trial.spec, &finished).into_iter().map(entry).collect();
            let objective = objective::find(&trial.spec, &finals).cloned();
            let end = end(AttemptOutcome::Done);
            attempt.end(&end).map_err(stored)?;
            let peak_memory_bytes = end.peak_memory_bytes;
            run.finish(&Outcome { error: None, wall_s, peak_memory_bytes, finals, artifacts })
                .map_err(stored)?;
            printer::line(&Said::Final { objective });
            // A library that ends the process only now takes nothing with it.
            let _: Option<()> = parts.map(Parts::dismantle);
            Ok(0)
        }
        Ok(ablate_train::Outcome::Stopped { .. }) => {
            attempt.end(&end(AttemptOutcome::Stopped)).map_err(stored)?;
            Ok(if PAUSING.load(Ordering::SeqCst) { PAUSED as u8 } else { STOPPED as u8 })
        }
        Err((kind, mut failure)) => {
            failure.hints.extend(plugin_of(&failure.message, &trial.components));
            log_failure(&attempt.log_path(), &failure);
            let error = failure_of(&kind, &failure);
            let end = end(failed_attempt(&error));
            let peak_memory_bytes = end.peak_memory_bytes;
            let failed = Outcome { error: Some(error), wall_s, ..Outcome::default() };
            let outcome = Outcome { peak_memory_bytes, ..failed };
            // What cannot be written now is said to the parent at least, and the run stays `lost`.
            let _ = attempt.end(&end).and_then(|_| run.finish(&outcome));
            Err((kind, failure))
        }
    }
}

/// The last line of an attempt that failed: the failure, where a panic happened, and its backtrace.
fn log_failure(log: &Path, Failure { message, hints, trace, .. }: &Failure) {
    let below = hints.iter().chain(trace);
    let below: String = below.flat_map(|text| ["\n", text.as_str()]).collect();
    write_log(log, &format!("failed: {message}{below}"));
}

/// A failure as the store keeps it.
pub(crate) fn failure_of(class: &str, failure: &Failure) -> ablate_runs::Failure {
    let Failure { message, hints, .. } = failure.clone();
    ablate_runs::Failure { kind: class.to_owned(), message, hints }
}

/// How an attempt ended that failed so.
pub(crate) fn failed_attempt(error: &ablate_runs::Failure) -> AttemptOutcome {
    let ablate_runs::Failure { kind, message, hints } = error.clone();
    AttemptOutcome::Failed { class: kind, message, hints }
}

/// Takes checkpoints away that are not what was written: the trial then starts anew, with the same result.
fn discard_damaged(run: &Run) -> Result<(), Failed> {
    let kinds = [CheckpointKind::Last, CheckpointKind::Best];
    let damage = kinds.into_iter().find_map(|kind| {
        run.checkpoint(kind.name()).and_then(|checkpoint| checkpoint.open()).err()
    });
    let Some(error) = damage else { return Ok(()) };
    printer::line(&Said::Log { level: 2, message: format!("{error}; the trial starts anew") });
    let folder = run.folder().join("checkpoints");
    fs_err::remove_dir_all(&folder).and_then(|()| fs_err::create_dir(&folder)).map_err(stored)
}

fn create(store: &Store, trial: &TrialFile) -> Result<Run, Failed> {
    let spec = serde_json::to_value(&trial.spec).map_err(stored)?;
    store
        .create(NewRun {
            identity: trial.identity.clone(),
            experiment: trial.experiment.clone(),
            variant: trial.variant.clone(),
            seed: trial.seed,
            spec,
            manifest: trial.manifest.clone(),
        })
        .map_err(stored)
}

/// A word for the kind of failure, and what is shown.
type Failed = (String, Failure);

fn failed(error: Error) -> Failed {
    (error.kind().to_owned(), Failure::from(error))
}

fn train(
    trial: &TrialFile,
    run: &Run,
    attempt: &Attempt<'_>,
    claim: &Claim,
    (steps, kept): (&mut (u64, u64), &mut Option<Parts>),
) -> Result<ablate_train::Outcome, Failed> {
    let log = attempt.log_path();
    write_log(&log, &format!("started by process {}", std::process::id()));
    let services = Reporting::new(&trial.home, &STOP).map_err(stored)?.with_run(run, &log);
    // Said whichever way the attempt ends.
    let _plugins = Closing(services.log());
    let loader = Loader::new(services, trial.threads as u32);
    for given in &trial.given {
        let reader = format!(
            "{} ({} · {} · seed {})",
            run.id(),
            trial.experiment,
            trial.variant,
            trial.seed
        );
        let checked = given.verify(&reader);
        checked.map_err(|failure| (FailureClass::Data.as_str().to_owned(), failure))?;
    }
    let mut factory = LoadedFactory::new(&loader, &trial.components).with_given(&trial.given);
    let bound = bind(&trial.spec, &mut factory).map_err(failed)?;
    let parts = assemble(&trial.spec, bound, trial.seed, &mut factory);
    let parts = kept.insert(parts.map_err(failed)?);
    let name = &trial.spec.dataset.name;
    printer::line(&Said::Entering(format!("`dataset` (`{name}`)")));
    let prepared = parts.dataset().prepare().into_result();
    prepared.map_err(|error| ("data".to_owned(), Failure::from_plugin("dataset", name, &error)))?;
    printer::line(&Said::Entering("training".to_owned()));
    let pause_at_epoch = trial.pause_at_epoch;
    let shown = None;
    let mut recorder = RunRecorder { run, claim, log, steps, pause_at_epoch, shown };
    let mut checkpoints = RunCheckpoints { run };
    let (spec, seed) = (&trial.spec, trial.seed);
    let outcome = ablate_train::run(parts, spec, seed, &mut recorder, &mut checkpoints, &STOP);
    let outcome = outcome.map_err(failed)?;
    let (word, step) = match &outcome {
        ablate_train::Outcome::Finished(finished) => ("finished", finished.steps),
        ablate_train::Outcome::Stopped { step } => ("stopped", *step),
    };
    recorder.steps.1 = step;
    write_log(&recorder.log, &format!("{word} after step {step}"));
    Ok(outcome)
}

/// Says at the end what was left out of a log.
struct Closing(Arc<PluginLog>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What was measured after the last step goes to the other measurements, once.
fn record_end(run: &Run, finished: &Finished) -> Result<(), Failure> {
    let known = run.measurements()?;
    let last = finished.finals.iter().filter(|last| last.checkpoint == CheckpointKind::Last);
    let new: Vec<_> = last
        .map(|last| entry(&last.measurement))
        .filter(|new| {
            !known.iter().any(|old| {
                (old.step, &old.split, &old.metric) == (new.step, &new.split, &new.metric)
            })
        })
        .collect();
    Ok(run.append_all(&new)?)
}

/// What was published, as the store lists it.
fn published(finished: &Finished) -> Vec<Published> {
    let published = finished.artifacts.iter().cloned();
    published
        .map(|ablate_train::Published { name, component, path }| Published {
            name,
            component,
            path,
        })
        .collect()
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

/// A measurement as the store keeps it.
fn entry(measurement: &Measurement) -> ablate_runs::Measurement {
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
    claim: &'a Claim,
    log: PathBuf,
    /// The step that the trial goes on from, and the last that it has done.
    steps: &'a mut (u64, u64),
    pause_at_epoch: Option<u64>,
    shown: Option<Instant>,
}

impl Recorder for RunRecorder<'_> {
    fn starts_after(&mut self, step: u64) -> Result<(), StorageError> {
        *self.steps = (step, step);
        if step > 0 {
            write_log(&self.log, &format!("goes on after step {step}"));
            printer::line(&Said::Resumed { step });
        }
        Ok(self.run.truncate_measurements_after(step)?)
    }

    fn measurement(&mut self, measurement: &Measurement) -> Result<(), StorageError> {
        if measurement.split != "train" {
            let Measurement { metric, split, value, .. } = measurement.clone();
            printer::line(&Said::Measured { metric, split, value });
        }
        Ok(self.run.append(&entry(measurement))?)
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        self.steps.1 = progress.step;
        let trained = progress.phase == Phase::Train && progress.epoch < progress.epochs;
        if trained && self.pause_at_epoch.is_some_and(|epoch| progress.epoch >= epoch) {
            PAUSING.store(true, Ordering::SeqCst);
            STOP.store(true, Ordering::SeqCst);
        }
        let due = self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(200));
        // The first of a split says that it has come so far.
        if due || matches!(progress.phase, Phase::Publish { batch: 1, .. }) {
            self.shown = Some(Instant::now());
            self.claim.beat(progress.step, progress.steps);
            printer::line(&Said::Step {
                epoch: progress.epoch,
                epochs: progress.epochs,
                step: progress.step,
                steps: progress.steps,
                loss: progress.loss.unwrap_or(0.0),
            });
            if let Phase::Publish { split, batch, batches } = progress.phase {
                printer::line(&Said::Publishing { split: split.to_owned(), batch, batches });
            }
        }
    }

    fn checkpointed(&mut self, _: CheckpointKind, _: u64) {}

    fn artifact(&mut self, name: &str, file: &str) -> Result<PathBuf, StorageError> {
        write_log(&self.log, &format!("publishes `{file}` of the artifact `{name}`"));
        Ok(self.run.place_artifact(name, file)?)
    }
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
