//! The trials of a sweep on their way: what starts next, what is tried again, what another process
//! runs, and what each ending means.

use crate::child::{self, Said};
use crate::failure::Failure;
use crate::guide::{Guide, Pruned, Standing, Step};
use crate::inside;
use crate::lineage;
use crate::lineage::needs::Needed;
use crate::located::plugin_of;
use crate::plan::{Plan, PlannedTrial};
use crate::prepare;
use crate::screen::{Objective, Screen, TrialEvent};
use crate::trial::{ELSEWHERE, PAUSED, STOPPED, TrialFile, failed_attempt, failure_of};
use ablate_config::FailureClass;
use ablate_runs::{AttemptEnd, Measurement, RunId, RunSummary, Status, Store};
use ablate_sweep::{Driver, Ending, Event, Exit, Job, Limit, Limits, Next, classify};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Characters of what a dead process said last.
const LAST_WORDS: usize = 300;

/// How often a trial that another process runs is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What became of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Trials that failed for good.
    pub(crate) failed: usize,
    /// Trials that were not run because of those.
    pub(crate) blocked: usize,
    /// Their identities, and why nothing can be made from them.
    pub(crate) lost: BTreeMap<String, String>,
    /// Whether it was stopped before the end.
    pub(crate) stopped: bool,
}

/// The driver of the queue.
pub(crate) struct Session<'a> {
    guide: Guide<'a>,
    /// Whether something has happened since the guide was asked.
    ask_guide: bool,
    standing: Standing,
    plan: &'a Plan,
    store: &'a Store,
    screen: &'a Screen,
    stop: &'a AtomicBool,
    /// What every manifest says.
    surroundings: Value,
    prepared: Vec<prepare::Report>,
    waiting: VecDeque<Work>,
    /// The identities of all that wait or run.
    queued: BTreeSet<String>,
    running: BTreeMap<usize, Running>,
    started_jobs: usize,
    report: Report,
    /// What went wrong outside of any trial.
    error: Option<Failure>,
    began: chrono::DateTime<chrono::Utc>,
}

/// A trial that is to run.
#[derive(Clone, Debug)]
struct Work {
    trial: PlannedTrial,
    pause_at_epoch: Option<u64>,
    /// The identities of the trials that it is made from.
    needs: Vec<String>,
    /// Failed attempts of this call, by class.
    failures: BTreeMap<FailureClass, u32>,
    not_before: Option<Instant>,
}

impl Work {
    fn new(trial: PlannedTrial, pause_at_epoch: Option<u64>) -> Self {
        let (needs, failures) = (Vec::new(), BTreeMap::new());
        Self { trial, pause_at_epoch, needs, failures, not_before: None }
    }

    fn key(&self) -> (usize, u64) {
        (self.trial.variant, self.trial.seed)
    }
}

/// A trial that is running.
struct Running {
    work: Work,
    file: PathBuf,
    run: Option<RunId>,
    /// Its number, once the run is known.
    attempt: u32,
    /// What its process was about to do.
    entering: String,
    failure: Option<(String, Failure)>,
    objective: Option<Measurement>,
    oom_kills: u64,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        store: &'a Store,
        screen: &'a Screen,
        stop: &'a AtomicBool,
        guide: Guide<'a>,
    ) -> Self {
        Self {
            guide,
            ask_guide: true,
            standing: Standing::default(),
            plan,
            store,
            screen,
            stop,
            surroundings: Value::Null,
            prepared: Vec::new(),
            waiting: VecDeque::new(),
            queued: BTreeSet::new(),
            running: BTreeMap::new(),
            started_jobs: 0,
            report: Report::default(),
            error: None,
            began: chrono::Utc::now(),
        }
    }

    /// With trials to run, after those that they are made from. Nothing is made from what is `lost`.
    pub(crate) fn with_trials(
        mut self,
        trials: &[PlannedTrial],
        lost: BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        self.report.lost = lost;
        for trial in trials {
            self.queue(Work::new(trial.clone(), None))?;
        }
        Ok(self)
    }

    /// Puts a trial in the queue, behind those that it is made from.
    fn queue(&mut self, mut work: Work) -> Result<(), Failure> {
        let plan = self.plan;
        if !self.queued.insert(work.trial.identity.clone()) {
            return Ok(());
        }
        for Needed { trial: need, .. } in plan.needs(&work.trial) {
            if lineage::done(self.store, &need.identity)?.is_some() {
                continue;
            }
            work.needs.push(need.identity.clone());
            if !self.report.lost.contains_key(&need.identity) {
                self.queue(Work::new(need, None))?;
            }
        }
        self.standing.open.insert(work.key());
        self.waiting.push_back(work);
        Ok(())
    }

    /// With what every manifest says, and what datasets said about their preparation.
    pub(crate) fn with_manifest(
        mut self,
        surroundings: Value,
        prepared: Vec<prepare::Report>,
    ) -> Self {
        (self.surroundings, self.prepared) = (surroundings, prepared);
        self
    }

    /// Runs everything, at most `at_once` trials at a time.
    pub(crate) fn run(mut self, at_once: usize) -> Result<Report, Failure> {
        let stop = self.stop;
        let summary = ablate_sweep::run(&mut self, at_once, stop);
        for running in self.running.values() {
            running.clean();
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        self.report.stopped = summary?.stopped;
        Ok(self.report)
    }

    fn label(&self, trial: &PlannedTrial) -> String {
        self.plan.label(trial)
    }

    /// Whether what a trial is made from is on its way.
    fn waits_for_others(&self, work: &Work) -> bool {
        work.needs.iter().any(|identity| self.queued.contains(identity))
    }

    /// Takes a trial out of the queue whose artifacts nobody can make.
    fn give_up(&mut self, work: &Work, why: &str) {
        let label = self.label(&work.trial);
        self.screen.note(&format!("not run {label}: it is made from {why}"));
        self.settle(work);
        self.standing.failed.insert(work.key());
        self.lose(work, format!("{label}, which was not run"));
        self.report.blocked += 1;
    }

    /// Nothing can be made from a trial.
    fn lose(&mut self, work: &Work, why: String) {
        self.report.lost.insert(work.trial.identity.clone(), why);
    }

    /// The next trial that this process may run now.
    fn choose(&mut self) -> Result<Option<Work>, Failure> {
        for _ in 0..self.waiting.len() {
            let Some(mut work) = self.waiting.pop_front() else { break };
            if work.not_before.is_some_and(|at| at > Instant::now()) {
                self.waiting.push_back(work);
                continue;
            }
            let lost = work.needs.iter().find_map(|identity| self.report.lost.get(identity));
            if let Some(why) = lost.cloned() {
                self.give_up(&work, &why);
                continue;
            }
            if self.waits_for_others(&work) {
                self.waiting.push_back(work);
                continue;
            }
            let identity = work.trial.identity.as_str();
            if self.store.is_claimed(identity)? {
                work.not_before = Some(Instant::now() + LOOK_AGAIN);
                self.waiting.push_back(work);
                continue;
            }
            let latest = self.store.latest([identity])?.remove(identity);
            match latest.filter(|run| run.finished.is_some_and(|at| at >= self.began)) {
                Some(run) if run.status == Status::Done => {
                    self.settle(&work);
                    self.done_elsewhere(&work, &run.id)?;
                }
                Some(run)
                    if run.status == Status::Failed
                        && work.failures.is_empty()
                        && self.is_given_up(&work, &run)? =>
                {
                    self.settle(&work);
                    self.standing.failed.insert(work.key());
                    self.report.failed += 1;
                    let label = self.label(&work.trial);
                    self.lose(&work, format!("{label}, which failed in another process"));
                    self.screen.note(&format!(
                        "failed  {} in another process; ablate show {}",
                        self.label(&work.trial),
                        run.short
                    ));
                }
                _ => return Ok(Some(work)),
            }
        }
        Ok(None)
    }

    /// Whether a trial that failed in another process was tried as often as it may be.
    fn is_given_up(&self, work: &Work, run: &RunSummary) -> Result<bool, Failure> {
        let sweep = &self.plan.experiment_of(work.trial.variant).sweep;
        let class = run.kind.as_deref().and_then(|kind| kind.parse().ok());
        let allowed = sweep.retry.retries(class.unwrap_or(FailureClass::Other));
        let attempts = self.store.run(&run.id)?.attempts()?;
        let tried = attempts.iter().filter(|attempt| attempt.started >= self.began).count();
        Ok(tried > allowed as usize)
    }

    /// Nothing more is to be done for a trial, for now.
    fn settle(&mut self, work: &Work) {
        self.standing.open.remove(&work.key());
        self.queued.remove(&work.trial.identity);
        self.ask_guide = true;
    }

    /// Takes in what the guide wants next; true when there is something new.
    fn ask_guide(&mut self) -> Result<bool, Failure> {
        if !std::mem::take(&mut self.ask_guide) {
            return Ok(false);
        }
        let round = self.guide.next(self.plan, self.store, &self.standing)?;
        round.notes.iter().for_each(|note| self.screen.note(note));
        for Pruned { variant, epoch, reason } in &round.pruned {
            let (variant, epoch, text) = (*variant, *epoch, reason.as_str());
            for seed in self.plan.seeds.iter().copied() {
                self.screen.trial(TrialEvent::Pruned { variant, seed, epoch, text });
            }
        }
        let before = self.waiting.len();
        for Step { trial, pause_at_epoch } in round.steps {
            self.queue(Work::new(trial, pause_at_epoch))?;
        }
        Ok(self.waiting.len() > before)
    }

    fn done_elsewhere(&self, work: &Work, run: &RunId) -> Result<(), Failure> {
        let result = self.store.run(run)?.result()?;
        let finals = result.map(|result| result.outcome.finals).unwrap_or_default();
        let variant = self.plan.variant(work.trial.variant);
        let value = crate::objective::value(&variant.spec, &finals);
        let (variant, seed) = (work.trial.variant, work.trial.seed);
        self.screen.trial(TrialEvent::ElsewhereDone { variant, seed, value });
        Ok(())
    }

    fn start(&mut self, work: Work) -> Result<Job, Failure> {
        let file = self.write(&work)?;
        let command = child::command(&["__trial".as_ref(), file.as_os_str()])?;
        let stderr = file.with_extension("stderr");
        let label = self.label(&work.trial);
        let running_variant = work.trial.variant;
        let sweep = &self.plan.experiment_of(running_variant).sweep;
        let limits = Limits {
            time: sweep.trial_timeout,
            silence: sweep.stall_timeout,
            memory: sweep.trial_memory,
        };
        let running = Running {
            work,
            file,
            run: None,
            attempt: 0,
            entering: String::new(),
            failure: None,
            objective: None,
            oom_kills: oom_kills(),
        };
        self.running.insert(self.started_jobs, running);
        self.started_jobs += 1;
        Ok(Job { label, command, stderr: Some(stderr), limits })
    }

    /// Writes what the process of a trial has to know.
    fn write(&self, work: &Work) -> Result<PathBuf, Failure> {
        let Work { trial, pause_at_epoch, .. } = work;
        let home = &self.plan.workplace.home;
        let variant = self.plan.variant(trial.variant);
        let experiment = self.plan.experiment_of(trial.variant);
        let threads = self.plan.threads_of(trial.variant);
        let given = self.plan.given(self.store, trial)?;
        let data = prepare::data(&given);
        let report = self
            .prepared
            .iter()
            .find(|(dataset, ..)| *dataset == (variant.spec.dataset.clone(), data.clone()));
        let mut manifest = self.surroundings.clone();
        if !self.plan.is_own(trial.variant) {
            // As if its own experiment had been swept.
            let file = std::path::absolute(&experiment.file).unwrap_or(experiment.file.clone());
            manifest["experiment_file"] = json!(file);
            manifest["overrides"] = json!(["sweep", file]);
            manifest["for"] = json!(self.plan.experiment.name);
        }
        if !given.is_empty() {
            manifest[lineage::INPUTS] = serde_json::to_value(&given)?;
        }
        manifest["plugins"] = crate::manifest::plugins(&variant.components);
        manifest["components"] = serde_json::to_value(&variant.components)?;
        manifest["dataset"] = json!({
            "fingerprint": variant.checked.fingerprint,
            "sources": variant.checked.sources,
            "prepared": report.map(|(_, report)| report),
        });
        manifest["parameters"] = json!(variant.checked.total());
        manifest["threads"] = json!(threads);
        manifest["device"] = json!(variant.spec.device);
        let content = TrialFile {
            home: home.clone(),
            experiment: experiment.name.clone(),
            variant: variant.name.clone(),
            seed: trial.seed,
            identity: trial.identity.clone(),
            threads,
            spec: variant.spec.clone(),
            components: variant.components.clone(),
            given,
            manifest,
            pause_at_epoch: *pause_at_epoch,
        };
        let file =
            home.join("trials").join(format!("{}.{}.json", trial.identity, std::process::id()));
        fs_err::write(&file, serde_json::to_vec(&content)?)?;
        // What an earlier attempt said is of no use now.
        let _ = fs_err::remove_file(file.with_extension("stderr"));
        Ok(file)
    }

    fn listen(&mut self, job: usize, line: &str) {
        let Some(running) = self.running.get_mut(&job) else { return };
        let Ok(said) = serde_json::from_str::<Said>(line) else { return };
        let trial = &running.work.trial;
        match said {
            Said::Run { id, attempt } => {
                running.run = id.parse().ok();
                running.attempt = attempt;
            }
            Said::Resumed { step } => self.screen.trial(TrialEvent::Resumed { job, step }),
            Said::Entering(what) => running.entering = what,
            Said::TrialFailed { kind, failure } => running.failure = Some((kind, failure)),
            Said::Step { epoch, epochs, step, steps, loss } => {
                self.screen.trial(TrialEvent::Step { job, epoch, epochs, step, steps, loss });
            }
            Said::Publishing { split, batch, batches } => {
                let split = split.as_str();
                self.screen.trial(TrialEvent::Publishing { job, split, batch, batches });
            }
            Said::Measured { metric, split, value } => {
                let (metric, split) = (metric.as_str(), split.as_str());
                self.screen.trial(TrialEvent::Measured { job, metric, split, value });
            }
            Said::Final { objective } => {
                let found = objective.as_ref().filter(|_| self.plan.is_own(trial.variant));
                if let Some(found) = found {
                    self.screen.objective(Objective {
                        metric: found.metric.clone(),
                        split: found.split.clone(),
                        higher_is_better: found.higher_is_better,
                    });
                }
                running.objective = objective;
            }
            Said::Log { level, message } if level <= 2 => {
                let label = self.plan.label(trial);
                self.screen.log(&label, &message);
            }
            Said::Progress { .. } | Said::Log { .. } | Said::Answer(_) | Said::Failed(_) => {}
        }
    }

    fn finish(&mut self, job: usize, exit: Exit, limit: Option<Limit>, wall: Duration) {
        let Some(mut running) = self.running.remove(&job) else { return };
        let run = running.run.as_ref().and_then(|id| self.store.short(id).ok()).unwrap_or_default();
        let run = run.as_str();
        match exit {
            // A plugin may end the process with success before there is a result, and crash after.
            exit if exit != Exit::Code(ELSEWHERE) && self.is_done(&running) => {
                if !exit.is_success() {
                    let text = format!(
                        "{}: its result was complete when its process ended with {}{}",
                        self.label(&running.work.trial),
                        exit.describe(),
                        running.place()
                    );
                    self.screen.note(&text);
                }
                self.settle(&running.work);
                let found = running.objective.as_ref();
                let text = found
                    .map_or(String::new(), |m| format!("{} {} {:.4}", m.split, m.metric, m.value));
                let own = found.filter(|_| self.plan.is_own(running.work.trial.variant));
                let (value, text) = (own.map(|found| found.value), text.as_str());
                self.screen.trial(TrialEvent::Done { job, value, text, wall, run });
            }
            Exit::Code(ELSEWHERE) => {
                self.screen.trial(TrialEvent::Elsewhere { job });
                running.work.not_before = Some(Instant::now() + LOOK_AGAIN);
                self.waiting.push_back(running.work.clone());
            }
            Exit::Code(PAUSED) => {
                let epoch = running.work.pause_at_epoch.unwrap_or_default();
                self.standing.paused.insert(running.work.key(), epoch);
                self.settle(&running.work);
                self.screen.trial(TrialEvent::Paused { job, epoch, run });
            }
            Exit::Code(STOPPED) => self.screen.trial(TrialEvent::Stopped { job, run }),
            _ if self.stop.load(Ordering::SeqCst) => {
                self.screen.trial(TrialEvent::Stopped { job, run });
            }
            exit => self.fail(job, &mut running, (exit, limit, wall)),
        }
        running.clean();
    }

    fn is_done(&self, running: &Running) -> bool {
        let identity = running.work.trial.identity.as_str();
        let latest = self.store.latest([identity]);
        latest.is_ok_and(|runs| runs.get(identity).is_some_and(|run| run.status == Status::Done))
    }

    /// A trial failed: it is written down, said, and perhaps tried again.
    fn fail(
        &mut self,
        job: usize,
        running: &mut Running,
        (exit, limit, wall): (Exit, Option<Limit>, Duration),
    ) {
        let stored = running.run.as_ref().and_then(|id| self.store.run(id).ok());
        let stderr = running.stderr(stored.as_ref());
        let class = classify(&Ending {
            exit,
            limit,
            reported: running.failure.as_ref().map(|(kind, _)| kind.as_str()),
            stderr: &stderr,
            system_was_out_of_memory: oom_kills() > running.oom_kills,
        });
        let failure = if let Some((_, failure)) = running.failure.take() {
            failure
        } else {
            let components = &self.plan.variant(running.work.trial.variant).components;
            let mut failure = crash(&running.place(), exit, limit, &stderr);
            failure.hints.extend(plugin_of(&failure.message, components));
            failure
        };
        if let Some(run) = &stored {
            let error = failure_of(class.as_str(), &failure);
            let end = AttemptEnd::now(wall.as_secs_f64(), failed_attempt(&error));
            // Unless its own process did so. What cannot be written is on the screen at least.
            let _ = run.end_dead_attempt(running.attempt, &end, &error);
        }
        let failed = running.work.failures.entry(class).or_insert(0);
        *failed += 1;
        let sweep = &self.plan.experiment_of(running.work.trial.variant).sweep;
        let allowed = sweep.retry.retries(class);
        let retry = (*failed <= allowed).then_some((*failed + 1, allowed + 1));
        let short = stored.as_ref().and_then(|run| self.store.short(run.id()).ok());
        let attempt = stored.as_ref().and_then(|run| run.attempt(running.attempt).ok());
        let log = attempt.map(|attempt| attempt.log_path());
        self.screen.trial(TrialEvent::Failed {
            job,
            class: class.as_str(),
            message: &failure.message,
            hints: &failure.hints,
            run: short.as_deref().unwrap_or_default(),
            log: log.as_deref(),
            retry,
            wall,
        });
        if retry.is_some() {
            self.waiting.push_back(running.work.clone());
        } else {
            self.settle(&running.work);
            self.standing.failed.insert(running.work.key());
            self.report.failed += 1;
            let label = self.label(&running.work.trial);
            let why = short.map_or(String::new(), |run| format!("; ablate show {run}"));
            self.lose(&running.work, format!("{label}, which failed{why}"));
        }
    }

    /// Remembers the first failure that is no trial's own, and ends the sweep.
    fn catch<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                self.error.get_or_insert(failure);
                self.waiting.clear();
                self.ask_guide = false;
                None
            }
        }
    }
}

impl Driver for Session<'_> {
    fn next(&mut self) -> Next {
        loop {
            let chosen = self.choose();
            if let Some(work) = self.catch(chosen).flatten() {
                let job = self.start(work);
                return self.catch(job).map_or(Next::Done, |job| Next::Start(Box::new(job)));
            }
            let asked = self.ask_guide();
            if self.catch(asked) != Some(true) {
                break;
            }
        }
        if self.waiting.is_empty() { Next::Done } else { Next::Wait }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Started { job, pid } => {
                if let Some(Running { work, .. }) = self.running.get(&job) {
                    let attempt = work.failures.values().sum::<u32>() + 1;
                    let PlannedTrial { variant, seed, .. } = work.trial;
                    self.screen.trial(TrialEvent::Started { job, variant, seed, attempt, pid });
                }
            }
            Event::Line { job, line } => self.listen(job, line),
            Event::Finished { job, exit, limit, wall } => {
                self.finish(job, exit, limit, wall);
            }
        }
    }
}

impl Running {
    /// What the process of the trial wrote to its standard error.
    fn stderr(&self, run: Option<&ablate_runs::Run>) -> String {
        let early = self.file.with_extension("stderr");
        let attempt = run.and_then(|run| run.attempt(self.attempt).ok());
        let late = attempt.map(|attempt| attempt.stderr_path());
        let read = |path: PathBuf| fs_err::read(path).unwrap_or_default();
        let bytes = [read(early), late.map(read).unwrap_or_default()].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where its process was when it was last heard of: ` in …`, or nothing.
    fn place(&self) -> String {
        let inside = inside::read(&self.file);
        let place = if inside.is_empty() { &self.entering } else { &inside };
        if place.is_empty() { String::new() } else { format!(" in {place}") }
    }

    /// Removes the files by which the trial was started.
    fn clean(&self) {
        let _ = fs_err::remove_file(&self.file);
        let _ = fs_err::remove_file(inside::file(&self.file));
        let _ = fs_err::remove_file(self.file.with_extension("stderr"));
    }
}

/// What is said of a process that ended without a word.
fn crash(place: &str, exit: Exit, limit: Option<Limit>, stderr: &str) -> Failure {
    let failure = match limit {
        Some(Limit::Time(time)) => Failure::user(format!(
            "the trial took longer than its {} s{place}",
            time.as_secs_f64()
        ))
        .hint("`sweep.trial_timeout` is the limit; the trial goes on from its last checkpoint"),
        Some(Limit::Silence(time)) => Failure::user(format!(
            "the trial gave no sign of life for {} s{place}",
            time.as_secs_f64()
        ))
        .hint("`sweep.stall_timeout` is the limit"),
        Some(Limit::Memory(bytes)) => {
            Failure::user(format!("the trial used more memory than its {} MiB{place}", bytes >> 20))
                .hint("`sweep.trial_memory` is the limit")
        }
        None => Failure::unexpected(format!(
            "the process of the trial ended with {}{place}",
            exit.describe()
        )),
    };
    match stderr.trim().lines().last() {
        Some(line) => {
            let line: String = line.chars().take(LAST_WORDS).collect();
            failure.hint(format!("its last words: {line}"))
        }
        None => failure,
    }
}

/// How many processes the system has killed for memory, as far as it tells.
fn oom_kills() -> u64 {
    let count = |path: &str| {
        let text = fs_err::read_to_string(path).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
        line.trim().parse::<u64>().ok()
    };
    count("/sys/fs/cgroup/memory.events").or_else(|| count("/proc/vmstat")).unwrap_or(0)
}
