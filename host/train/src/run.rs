//! The loop: one for every model.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ablate_abi::v1::{Call, ErrorKind, RString};
use ablate_config::{ReportCheckpoint, Spec};

use crate::data::{Batch, Batches, Split, splits, training};
use crate::error::Error;
use crate::evaluate::{At, Evaluation, evaluate, loss_measurements, total};
use crate::extent::Extent;
use crate::optimizer::{configure, freeze, rates};
use crate::outcome::{FinalMeasurement, Finished, Outcome, Published};
use crate::parts::Parts;
use crate::publish::{self, check_splits};
use crate::record::{CheckpointKind, Checkpoints, Measurement, Phase, Progress, Recorder};
use crate::state::{self, Best, State};
use crate::step::{Shares, accumulate, update};
use crate::stream::derive;
use crate::tally::Tally;

/// Part of a trial's identity: raised when a change of the loop, of its random streams or of how it drives optimizers
/// changes numbers.
pub const RESULTS_REV: u32 = 1;

/// Train losses are recorded after every so many steps, and after the last.
const LOG_EVERY_STEPS: u64 = 10;

/// Trains the model, from the checkpoint `last` if there is one, and evaluates it on all splits.
///
/// The dataset's `prepare` has to be called before. `stop` is looked at after every step. On the way `recorder` gets
/// the train losses of every tenth step and what is measured on `valid`; what is measured at the end is in the outcome.
///
/// # Errors
/// The first failure of a component, and whatever is NaN or infinite, by name.
pub fn run(
    parts: &mut Parts,
    spec: &Spec,
    seed: u64,
    recorder: &mut dyn Recorder,
    checkpoints: &mut dyn Checkpoints,
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let splits = splits(&parts.dataset)?;
    check_objective(parts, spec, &splits)?;
    check_splits(parts)?;
    let train = splits.iter().find(|split| split.name == "train").expect("`splits` saw to it");
    let extent = Extent::new(&spec.train, train.sizes.len() as u64);
    configure(parts, &spec.train.optimizer)?;
    freeze(parts, &spec.train.optimizer)?;
    let mut state = State::new(seed);
    if let Some(folder) = checkpoints.load(CheckpointKind::Last)? {
        state = state::load(parts, seed, &folder)?;
        if state.step > extent.steps || state.batch >= extent.batches_per_epoch {
            let problem = "it is of a longer trial or of other data".to_owned();
            return Err(Error::Checkpoint { folder, problem });
        }
        // What is trainable is no part of the saved state.
        freeze(parts, &spec.train.optimizer)?;
    }
    let started_after = state.step;
    let mut trial = Trial {
        parts,
        spec,
        recorder,
        checkpoints,
        stop,
        splits,
        extent,
        state,
        started: Instant::now(),
        started_after,
        loss: None,
        valid: None,
    };
    trial.start()?;
    if !trial.train()? {
        return Ok(Outcome::Stopped { step: trial.state.step });
    }
    trial.finish()
}

fn check_objective(parts: &Parts, spec: &Spec, splits: &[Arc<Split>]) -> Result<(), Error> {
    let user = match (&spec.train.early_stopping, spec.report.checkpoint) {
        (Some(_), _) => "`train.early_stopping`",
        (None, ReportCheckpoint::Best) => "`report.checkpoint = \"best\"`",
        _ => return Ok(()),
    };
    if !parts.metrics.iter().any(|metric| metric.objective) {
        let problem = format!("{user} needs a metric with `objective = true`");
        return Err(Error::Objective { problem });
    }
    if splits.iter().any(|split| split.name == "valid") {
        return Ok(());
    }
    Err(Error::NoSplit {
        dataset: parts.dataset.guard.id.boxed(),
        what: format!("split `valid`, which {user} needs"),
        splits: splits.iter().map(|split| split.name.clone()).collect(),
    })
}

/// What was measured while artifacts were made, and the artifacts.
type Publication = (Vec<Measurement>, Vec<Published>);

struct Trial<'a> {
    parts: &'a mut Parts,
    spec: &'a Spec,
    recorder: &'a mut dyn Recorder,
    checkpoints: &'a mut dyn Checkpoints,
    stop: &'a AtomicBool,
    splits: Vec<Arc<Split>>,
    extent: Extent,
    state: State,
    started: Instant,
    started_after: u64,
    /// Of the last step.
    loss: Option<f64>,
    /// The last evaluation of `valid` and its step.
    valid: Option<(u64, Vec<Measurement>)>,
}

impl Trial<'_> {
    fn start(&mut self) -> Result<(), Error> {
        let step = self.state.step;
        let told = self.recorder.starts_after(step);
        told.map_err(|source| Error::Storage { action: format!("start after step {step}"), source })
    }

    /// Takes all steps that are left; `false` when asked to stop before.
    fn train(&mut self) -> Result<bool, Error> {
        let train = self.split("train").expect("`splits` saw to it").clone();
        let State { epoch, batch, .. } = self.state;
        let left =
            if self.state.stopped_early { 0 } else { self.extent.batches_left(epoch, batch) };
        let (seed, spec) = (self.state.seed, self.spec);
        let mut batches = training(self.parts, &train, &spec.train, seed, (epoch, batch, left))?;
        while self.state.step < self.extent.steps && !self.state.stopped_early {
            let group = if self.stopping() { None } else { self.group(&mut batches)? };
            let Some(group) = group else {
                self.save(CheckpointKind::Last)?;
                return Ok(false);
            };
            self.step(group)?;
            self.after_step()?;
        }
        drop(batches);
        if self.state.evaluated_at != Some(self.state.step) {
            self.validate()?;
        }
        self.save(CheckpointKind::Last)?;
        Ok(true)
    }

    /// The batches of the next step; `None` when the dataset gave up because the trial was asked to stop.
    fn group(&self, batches: &mut Batches) -> Result<Option<Vec<Batch>>, Error> {
        let count = self.extent.batches_of_step(self.state.batch);
        let mut group = Vec::with_capacity(count as usize);
        for _ in 0..count {
            match batches.next().expect("as many batches as steps are left") {
                Ok(batch) => group.push(batch),
                Err(Error::Component { source, .. })
                    if source.kind == ErrorKind::CANCELLED && self.stopping() =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(group))
    }

    fn step(&mut self, group: Vec<Batch>) -> Result<(), Error> {
        let train = &self.spec.train;
        let State { seed, step, epoch, .. } = self.state;
        let mut tallies = vec![Tally::default(); self.parts.losses.len()];
        let mut shares = Shares::default();
        let count = group.len() as u64;
        for (micro, batch) in group.into_iter().enumerate() {
            let seed = derive(seed, &["step", &step.to_string(), &micro.to_string()]);
            let flags = Call::TRAIN | Call::WANT_CONTEXT;
            let options = RString::new();
            let call = Call { method: "train".into(), step, epoch, seed, flags, options };
            accumulate(self.parts, batch, &call, &mut shares, &mut tallies)?;
        }
        let rates = rates(train, step, self.extent.steps);
        update(self.parts, shares.scale(), train.clip_norm, &rates, step + 1)?;
        self.state.step += 1;
        self.state.batch += count;
        if self.state.batch == self.extent.batches_per_epoch {
            self.state.batch = 0;
            self.state.epoch += 1;
        }
        let values: Vec<f64> = tallies.iter().map(Tally::mean).collect();
        self.loss = Some(total(self.parts, &values));
        let done = self.state.step;
        if done.is_multiple_of(LOG_EVERY_STEPS) || done == self.extent.steps {
            self.record(&loss_measurements(self.parts, &values, "train", self.at()))?;
        }
        self.progress(Phase::Train);
        Ok(())
    }

    fn after_step(&mut self) -> Result<(), Error> {
        let train = &self.spec.train;
        if self.due(train.eval_every_epochs, train.eval_every_steps) {
            self.validate()?;
        }
        let ends = self.state.step == self.extent.steps || self.state.stopped_early;
        if !ends && self.due(train.checkpoint_every_epochs, train.checkpoint_every_steps) {
            self.save(CheckpointKind::Last)?;
        }
        Ok(())
    }

    /// Whether something that is done every so many epochs or steps is to be done now.
    fn due(&self, epochs: Option<u64>, steps: Option<u64>) -> bool {
        let State { step, epoch, batch, .. } = self.state;
        let by_epoch = |every: u64| batch == 0 && epoch.is_multiple_of(every);
        epochs.is_some_and(by_epoch) || steps.is_some_and(|every| step.is_multiple_of(every))
    }

    /// Evaluates `valid`, if there is one, and compares with the best.
    fn validate(&mut self) -> Result<(), Error> {
        let Some(valid) = self.split("valid").cloned() else { return Ok(()) };
        let at = self.at();
        let evaluation = self.evaluate(&valid, at, false)?.expect("not to be stopped");
        self.record(&evaluation.measurements)?;
        if let Some(error) = evaluation.not_finite {
            return Err(error);
        }
        self.state.evaluated_at = Some(at.step);
        self.valid = Some((at.step, evaluation.measurements));
        match evaluation.objective {
            Some((value, direction)) => self.compare(value, direction),
            None => Ok(()),
        }
    }

    fn compare(&mut self, value: f64, direction: Option<bool>) -> Result<(), Error> {
        let Some(higher) = direction else {
            let objective = self.parts.metrics.iter().find(|metric| metric.objective);
            let id = &objective.expect("it was measured").id;
            let problem =
                format!("{id} cannot be the objective: neither higher nor lower is better");
            return Err(Error::Objective { problem });
        };
        let gain = |over: f64| if higher { value - over } else { over - value };
        if let Some(stopping) = &self.spec.train.early_stopping {
            if self.state.reference.is_none_or(|reference| gain(reference) > stopping.min_delta) {
                self.state.reference = Some(value);
                self.state.waited = 0;
            } else {
                self.state.waited += 1;
                self.state.stopped_early = self.state.waited >= stopping.patience_evals;
            }
        }
        if self.state.best.is_none_or(|best| gain(best.value) > 0.0) {
            let State { step, epoch, .. } = self.state;
            self.state.best = Some(Best { value, step, epoch });
            self.save(CheckpointKind::Best)?;
        }
        Ok(())
    }

    /// Measures all splits in the last state, and in the best if the report is about that.
    fn finish(mut self) -> Result<Outcome, Error> {
        let State { step, epoch, best, stopped_early, .. } = self.state;
        let stopped = Ok(Outcome::Stopped { step });
        let Some(last) = self.measure_all(self.at())? else { return stopped };
        let mut finals = tagged(CheckpointKind::Last, last);
        let artifacts = if self.spec.report.checkpoint == ReportCheckpoint::Best {
            let best = best.expect("`valid` was evaluated at least once");
            let reported = if best.step == step {
                let measured = finals.iter().map(|last| last.measurement.clone()).collect();
                self.publish(self.at())?.map(|published| (measured, published))
            } else {
                let at = At { seed: self.state.seed, step: best.step, epoch: best.epoch };
                let folder = self.checkpoint(CheckpointKind::Best)?;
                state::load(self.parts, self.state.seed, &folder)?;
                let reported = self.report(at)?;
                let folder = self.checkpoint(CheckpointKind::Last)?;
                state::load(self.parts, self.state.seed, &folder)?;
                reported
            };
            let Some((mut measured, (values, artifacts))) = reported else { return stopped };
            measured.extend(values);
            finals.extend(tagged(CheckpointKind::Best, measured));
            artifacts
        } else {
            let Some((values, artifacts)) = self.publish(self.at())? else { return stopped };
            finals.extend(tagged(CheckpointKind::Last, values));
            artifacts
        };
        Ok(Outcome::Finished(Finished {
            steps: step,
            epochs: epoch,
            finals,
            artifacts,
            stopped_early,
            best,
        }))
    }

    /// Measures and publishes in one state; `None` when asked to stop.
    fn report(&mut self, at: At) -> Result<Option<(Vec<Measurement>, Publication)>, Error> {
        let Some(measured) = self.measure_all(at)? else { return Ok(None) };
        Ok(self.publish(at)?.map(|published| (measured, published)))
    }

    /// Makes the artifacts, if there are any; `None` when asked to stop.
    fn publish(&mut self, at: At) -> Result<Option<Publication>, Error> {
        if self.parts.artifacts.is_empty() {
            return Ok(Some((Vec::new(), Vec::new())));
        }
        let stop = self.stop;
        let standing = self.standing();
        let recorder = &mut *self.recorder;
        let (splits, train) = (self.splits.clone(), &self.spec.train);
        let made = publish::make(self.parts, &splits, train, at, &mut |split, batch, batches| {
            let phase = Phase::Publish { split, batch, batches };
            recorder.progress(&Progress { phase, ..standing.clone() });
            !stop.load(Ordering::SeqCst)
        })?;
        let Some(made) = made else { return Ok(None) };
        if let Some(error) = made.not_finite {
            self.record(&made.measurements)?;
            return Err(error);
        }
        let artifacts = publish::write(self.parts, self.recorder)?;
        Ok(Some((made.measurements, artifacts)))
    }

    /// Measures all splits; `None` when asked to stop.
    fn measure_all(&mut self, at: At) -> Result<Option<Vec<Measurement>>, Error> {
        let mut all = Vec::new();
        for split in self.splits.clone() {
            if let Some((step, measurements)) = &self.valid
                && split.name == "valid"
                && *step == at.step
            {
                all.extend(measurements.iter().cloned());
                continue;
            }
            let Some(evaluation) = self.evaluate(&split, at, true)? else { return Ok(None) };
            if let Some(error) = evaluation.not_finite {
                self.record(&evaluation.measurements)?;
                return Err(error);
            }
            all.extend(evaluation.measurements);
        }
        Ok(Some(all))
    }

    fn evaluate(
        &mut self,
        split: &Arc<Split>,
        at: At,
        may_stop: bool,
    ) -> Result<Option<Evaluation>, Error> {
        let stop = self.stop;
        let mut progress = self.standing();
        let recorder = &mut *self.recorder;
        let name = split.name.as_str();
        evaluate(self.parts, split, &self.spec.train, at, &mut |batch, batches| {
            progress.phase = Phase::Evaluate { split: name, batch, batches };
            recorder.progress(&progress);
            !(may_stop && stop.load(Ordering::SeqCst))
        })
    }

    fn save(&mut self, kind: CheckpointKind) -> Result<(), Error> {
        state::save(self.parts, &self.state, kind, self.checkpoints)?;
        self.recorder.checkpointed(kind, self.state.step);
        Ok(())
    }

    fn checkpoint(&mut self, kind: CheckpointKind) -> Result<PathBuf, Error> {
        self.checkpoints.load(kind)?.ok_or_else(|| Error::Checkpoint {
            folder: PathBuf::from(kind.name()),
            problem: "it was written and is no longer there".to_owned(),
        })
    }

    fn record(&mut self, measurements: &[Measurement]) -> Result<(), Error> {
        for measurement in measurements {
            let recorded = self.recorder.measurement(measurement);
            recorded.map_err(|source| {
                let action = format!("record `{}`", measurement.metric);
                Error::Storage { action, source }
            })?;
        }
        Ok(())
    }

    fn progress(&mut self, phase: Phase<'_>) {
        let progress = Progress { phase, ..self.standing() };
        self.recorder.progress(&progress);
    }

    fn standing<'p>(&self) -> Progress<'p> {
        let State { step, epoch, .. } = self.state;
        let done = step - self.started_after;
        let left = self.extent.steps.saturating_sub(step);
        let eta = (done > 0).then(|| self.started.elapsed().mul_f64(left as f64 / done as f64));
        let (epochs, steps) = (self.extent.epochs, self.extent.steps);
        Progress { phase: Phase::Train, epoch, epochs, step, steps, loss: self.loss, eta }
    }

    fn split(&self, name: &str) -> Option<&Arc<Split>> {
        self.splits.iter().find(|split| split.name == name)
    }

    fn at(&self) -> At {
        At { seed: self.state.seed, step: self.state.step, epoch: self.state.epoch }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

fn tagged(checkpoint: CheckpointKind, list: Vec<Measurement>) -> Vec<FinalMeasurement> {
    list.into_iter().map(|measurement| FinalMeasurement { checkpoint, measurement }).collect()
}
