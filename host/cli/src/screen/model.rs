//! What is known of a sweep while it runs: counts, values so far, what runs now, and how long it may
//! take. Time is counted from the beginning of the screen.

use super::usage::Usage;
use super::{Objective, Overview, TrialEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between two lines about the measurements of the same trial.
const TOLD_EVERY: Duration = Duration::from_mins(1);
/// The part of a trial from which on its speed says when it ends.
const PART_MIN: f64 = 0.02;

/// Everything that a screen shows.
pub(super) struct Model {
    pub(super) experiment: String,
    pub(super) objective: Option<Objective>,
    pub(super) variants: Vec<Variant>,
    pub(super) running: BTreeMap<usize, Running>,
    pub(super) total: usize,
    pub(super) done: usize,
    pub(super) usage: Option<Usage>,
    /// Cores that the trials together may use.
    pub(super) cores: usize,
    jobs: usize,
}

/// One variant and its trials.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) baseline: bool,
    pub(super) seeds: usize,
    pub(super) done: usize,
    /// Trials that failed and are not tried again.
    pub(super) failed: usize,
    pub(super) pruned: usize,
    /// The objective of finished trials by seed.
    pub(super) values: BTreeMap<u64, f64>,
    /// The last failure of trials that have not finished since, by seed.
    pub(super) troubles: BTreeMap<u64, Trouble>,
    /// Seeds whose trials another process runs.
    pub(super) elsewhere: BTreeSet<u64>,
    /// When something happened to it.
    pub(super) changed: Duration,
    /// The trials that ended here: how many, and how long they took together.
    walls: (u32, Duration),
    expected: Option<Duration>,
}

/// A failure.
pub(super) struct Trouble {
    pub(super) class: String,
    /// The attempt that follows, and how many there are.
    pub(super) retry: Option<(u32, u32)>,
}

/// A trial on its way.
pub(super) struct Running {
    pub(super) variant: usize,
    pub(super) seed: u64,
    pub(super) attempt: u32,
    pub(super) pid: u32,
    pub(super) since: Duration,
    pub(super) at: Option<Position>,
    /// Split, batches done and batches in all, once it makes artifacts.
    pub(super) publishing: Option<(String, u64, u64)>,
    /// The objective, measured on this split.
    pub(super) measured: Option<(String, f64)>,
    /// Whether the last measurement is worth a line.
    pub(super) told: bool,
    told_at: Duration,
    first_step: u64,
    /// When it said how far it is.
    stepped: Duration,
}

/// How far a trial is.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) epochs: u64,
    pub(super) step: u64,
    pub(super) steps: u64,
    pub(super) loss: f64,
}

/// The trial that an event is about.
#[derive(Clone, Copy)]
pub(super) struct Trial {
    pub(super) variant: usize,
    pub(super) seed: u64,
    pub(super) since: Duration,
}

/// Mean and, of several, standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) mean: f64,
    pub(super) spread: Option<f64>,
}

impl Model {
    pub(super) fn new(overview: Overview) -> Self {
        let variants = overview.variants.into_iter().map(|variant| Variant {
            name: variant.name,
            baseline: variant.baseline,
            seeds: variant.seeds,
            done: variant.done,
            failed: variant.failed,
            pruned: 0,
            values: variant.values.into_iter().collect(),
            troubles: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            changed: Duration::ZERO,
            walls: (0, Duration::ZERO),
            expected: variant.expected,
        });
        let wanted = overview.jobs * overview.threads.max(1);
        Self {
            experiment: overview.experiment,
            objective: overview.objective,
            variants: variants.collect(),
            running: BTreeMap::new(),
            total: overview.total,
            done: overview.done,
            usage: None,
            cores: if overview.cores == 0 { wanted } else { wanted.min(overview.cores) },
            jobs: overview.jobs.max(1),
        }
    }

    /// Whom an event is about; asked before it is taken in, which may end the trial.
    pub(super) fn trial(&self, event: &TrialEvent<'_>) -> Option<Trial> {
        match *event {
            TrialEvent::Started { variant, seed, .. }
            | TrialEvent::ElsewhereDone { variant, seed, .. }
            | TrialEvent::Pruned { variant, seed, .. } => {
                let known = variant < self.variants.len();
                known.then_some(Trial { variant, seed, since: Duration::ZERO })
            }
            TrialEvent::Resumed { job, .. }
            | TrialEvent::Step { job, .. }
            | TrialEvent::Publishing { job, .. }
            | TrialEvent::Measured { job, .. }
            | TrialEvent::Done { job, .. }
            | TrialEvent::Failed { job, .. }
            | TrialEvent::Stopped { job, .. }
            | TrialEvent::Paused { job, .. }
            | TrialEvent::Elsewhere { job } => {
                let Running { variant, seed, since, .. } = *self.running.get(&job)?;
                Some(Trial { variant, seed, since })
            }
        }
    }

    /// Takes in what happened at `now`. Events about trials that are not known change nothing.
    pub(super) fn apply(&mut self, event: &TrialEvent<'_>, now: Duration) {
        let Some(trial) = self.trial(event) else { return };
        match *event {
            TrialEvent::Started { job, attempt, pid, .. } => {
                self.start(job, trial, attempt, pid, now);
            }
            TrialEvent::Resumed { job, step } => {
                if let Some(running) = self.running.get_mut(&job) {
                    running.first_step = step;
                }
            }
            TrialEvent::Step { job, epoch, epochs, step, steps, loss } => {
                if let Some(running) = self.running.get_mut(&job) {
                    running.at = Some(Position { epoch, epochs, step, steps, loss });
                    running.stepped = now;
                }
            }
            TrialEvent::Publishing { job, split, batch, batches } => {
                if let Some(running) = self.running.get_mut(&job) {
                    let known = running.publishing.take().is_some_and(|(known, ..)| known == split);
                    running.publishing = Some((split.to_owned(), batch, batches));
                    running.told = !known && now.saturating_sub(running.told_at) >= TOLD_EVERY;
                    if running.told {
                        running.told_at = now;
                    }
                }
            }
            TrialEvent::Measured { job, metric, split, value } => {
                self.measure(job, metric, split, value, now);
            }
            TrialEvent::Done { job, value, wall, .. } => {
                self.running.remove(&job);
                let walls = &mut self.variants[trial.variant].walls;
                *walls = (walls.0 + 1, walls.1 + wall);
                self.finish(trial, value);
            }
            TrialEvent::ElsewhereDone { value, .. } => self.finish(trial, value),
            TrialEvent::Failed { job, class, retry, .. } => {
                self.running.remove(&job);
                let variant = &mut self.variants[trial.variant];
                variant.failed += usize::from(retry.is_none());
                variant.troubles.insert(trial.seed, Trouble { class: class.to_owned(), retry });
            }
            TrialEvent::Stopped { job, .. } | TrialEvent::Paused { job, .. } => {
                drop(self.running.remove(&job));
            }
            TrialEvent::Elsewhere { job } => {
                self.running.remove(&job);
                self.variants[trial.variant].elsewhere.insert(trial.seed);
            }
            TrialEvent::Pruned { .. } => self.variants[trial.variant].pruned += 1,
        }
        if !matches!(
            event,
            TrialEvent::Step { .. } | TrialEvent::Publishing { .. } | TrialEvent::Measured { .. }
        ) {
            self.variants[trial.variant].changed = now;
        }
    }

    fn start(&mut self, job: usize, trial: Trial, attempt: u32, pid: u32, now: Duration) {
        let Trial { variant: index, seed, .. } = trial;
        let variant = &mut self.variants[index];
        if let Some(trouble) = variant.troubles.remove(&seed)
            && trouble.retry.is_none()
        {
            variant.failed -= 1;
        }
        variant.elsewhere.remove(&seed);
        let running = Running {
            variant: index,
            seed,
            attempt,
            pid,
            since: now,
            at: None,
            publishing: None,
            measured: None,
            told: false,
            told_at: now,
            first_step: 0,
            stepped: now,
        };
        self.running.insert(job, running);
        // A sweep may decide on more seeds while it runs.
        let variant = &self.variants[index];
        let over = (variant.over() + self.busy(index)).saturating_sub(variant.seeds);
        self.variants[index].seeds += over;
        self.total += over;
    }

    fn measure(&mut self, job: usize, metric: &str, split: &str, value: f64, now: Duration) {
        let wanted = self.objective.as_ref().is_some_and(|objective| objective.metric == metric);
        if let Some(running) = self.running.get_mut(&job) {
            running.told = wanted && now.saturating_sub(running.told_at) >= TOLD_EVERY;
            if running.told {
                running.told_at = now;
            }
            if wanted {
                running.measured = Some((split.to_owned(), value));
            }
        }
    }

    fn finish(&mut self, trial: Trial, value: Option<f64>) {
        let variant = &mut self.variants[trial.variant];
        variant.done += 1;
        self.done += 1;
        variant.troubles.remove(&trial.seed);
        variant.elsewhere.remove(&trial.seed);
        if let Some(value) = value {
            variant.values.insert(trial.seed, value);
        }
    }

    /// Processes of the running trials.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.running.values().map(|running| running.pid).collect()
    }

    /// Trials of a variant that run, here or elsewhere.
    pub(super) fn busy(&self, variant: usize) -> usize {
        self.runs_of(variant).count() + self.variants[variant].elsewhere.len()
    }

    pub(super) fn runs_of(&self, variant: usize) -> impl Iterator<Item = &Running> {
        self.running.values().filter(move |running| running.variant == variant)
    }

    pub(super) fn failed(&self) -> usize {
        self.variants.iter().map(|variant| variant.failed).sum()
    }

    pub(super) fn pruned(&self) -> usize {
        self.variants.iter().map(|variant| variant.pruned).sum()
    }

    pub(super) fn elsewhere(&self) -> usize {
        self.variants.iter().map(|variant| variant.elsewhere.len()).sum()
    }

    pub(super) fn baseline(&self) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.baseline)
    }

    /// The variant with the best mean so far, where a direction is known.
    pub(super) fn best(&self) -> Option<usize> {
        let higher = self.objective.as_ref()?.higher_is_better?;
        let means = self.variants.iter().map(|variant| variant.summary().map(|s| s.mean));
        let known = means.enumerate().filter_map(|(index, mean)| Some((index, mean?)));
        let signed = known.map(|(index, mean)| (index, if higher { mean } else { -mean }));
        let best = signed.filter(|(_, mean)| !mean.is_nan()).reduce(|best, other| {
            // The first of several equal ones.
            if other.1 > best.1 { other } else { best }
        });
        best.map(|(index, _)| index)
    }

    /// How long the trials that are left may take: those that run by their speed, the others as long
    /// as finished ones, `jobs` at once. `None` until anything is known.
    pub(super) fn left(&self, now: Duration) -> Option<Duration> {
        let usual = self.usual(now);
        let (mut work, mut longest) = (0.0_f64, 0.0_f64);
        for running in self.running.values() {
            let rest = running.left(now).or_else(|| {
                let wall = self.wall(running.variant, now).or(usual)?;
                Some((wall - running.spent(now)).max(0.0))
            })?;
            work += rest;
            longest = longest.max(rest);
        }
        for (index, variant) in self.variants.iter().enumerate() {
            let waiting = variant.seeds.saturating_sub(variant.over() + self.busy(index));
            if waiting > 0 {
                work += waiting as f64 * self.wall(index, now).or(usual)?;
            }
        }
        Duration::try_from_secs_f64((work / self.jobs as f64).max(longest)).ok()
    }

    /// Seconds that a trial of any variant takes.
    fn usual(&self, now: Duration) -> Option<f64> {
        mean((0..self.variants.len()).filter_map(|index| self.wall(index, now)))
    }

    /// Seconds that a trial of a variant takes: measured, else expected, else by the speed of those
    /// that run.
    fn wall(&self, index: usize, now: Duration) -> Option<f64> {
        let variant = &self.variants[index];
        let (number, sum) = variant.walls;
        if number > 0 {
            return Some(sum.as_secs_f64() / f64::from(number));
        }
        let expected = variant.expected.map(|wall| wall.as_secs_f64());
        expected.or_else(|| {
            let running = self.runs_of(index);
            mean(running.filter_map(|running| Some(running.spent(now) + running.left(now)?)))
        })
    }
}

impl Variant {
    /// Trials that will not be run any more.
    pub(super) fn over(&self) -> usize {
        self.done + self.failed + self.pruned
    }

    pub(super) fn is_over(&self) -> bool {
        self.over() >= self.seeds
    }

    pub(super) fn summary(&self) -> Option<Summary> {
        Summary::of(self.values.values().copied())
    }

    /// The mean difference to a baseline over the seeds that both have, and their number.
    pub(super) fn difference(&self, baseline: &Self) -> Option<(f64, usize)> {
        let pairs =
            self.values.iter().filter_map(|(seed, value)| Some(value - baseline.values.get(seed)?));
        let differences: Vec<f64> = pairs.collect();
        Some((mean(differences.iter().copied())?, differences.len()))
    }
}

impl Running {
    /// Seconds that are left by the speed so far.
    fn left(&self, now: Duration) -> Option<f64> {
        let at = self.at.filter(|at| at.steps > self.first_step)?;
        let whole = (at.steps - self.first_step) as f64;
        let part = at.step.saturating_sub(self.first_step) as f64 / whole;
        let then = self.spent(self.stepped) * (1.0 - part) / part;
        (part >= PART_MIN).then(|| (then - now.saturating_sub(self.stepped).as_secs_f64()).max(0.0))
    }

    /// Seconds since it started.
    fn spent(&self, now: Duration) -> f64 {
        now.saturating_sub(self.since).as_secs_f64()
    }
}

impl Summary {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let mean = mean(values.clone())?;
        let (mut number, mut squares) = (0_u32, 0.0);
        for value in values {
            number += 1;
            squares += (value - mean).powi(2);
        }
        let spread = (number > 1).then(|| (squares / f64::from(number - 1)).sqrt());
        Some(Self { mean, spread })
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut number, mut sum) = (0_u32, 0.0);
    for value in values {
        number += 1;
        sum += value;
    }
    (number > 0).then(|| sum / f64::from(number))
}

#[cfg(test)]
mod tests;
