//! One run: its folder and what may be done with it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use chrono::{DateTime, SubsecRound, Utc};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Checkpoint, Claim, Error, Mark, Measurement, Outcome, RunId, RunResult, Status, Store,
    TrialEvent, TrialState, artifact, attempt, durable,
    folders::{self, Found},
    measurement::Journal,
    rows::{End, Entry},
};

/// The key of `manifest.json` under which the store keeps what it must know about a run.
const RUN_KEY: &str = "run";

const SPEC: &str = "spec.json";
const MANIFEST: &str = "manifest.json";

/// What a run is made from.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The identity of the trial, by which finished work is found again.
    pub identity: String,
    /// The experiment's name.
    pub experiment: String,
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// The resolved spec.
    pub spec: Value,
    /// What else is needed to run it again: versions, hashes, machine. A JSON object; the store adds the key `run`.
    pub manifest: Value,
}

/// One run and its folder.
#[derive(Debug)]
pub struct Run {
    store: Store,
    folder: PathBuf,
    id: RunId,
    about: About,
    journal: Journal,
    /// Whether the folder and what it was created with have reached the disk.
    is_durable: AtomicBool,
}

/// What `manifest.json` holds under [`RUN_KEY`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    id: RunId,
    identity: String,
    experiment: String,
    variant: String,
    seed: u64,
    created: DateTime<Utc>,
}

impl Run {
    pub(crate) fn create(store: &Store, runs: &Path, new: NewRun) -> Result<Self, Error> {
        durable::check_name("identity", &new.identity)?;
        let Value::Object(mut manifest) = new.manifest else { return Err(Error::Manifest) };
        let id = RunId::now_after(store.newest_run(&new.identity)?);
        let about = About {
            id,
            identity: new.identity,
            experiment: new.experiment,
            variant: new.variant,
            seed: new.seed,
            created: now(),
        };
        // The folder appears under its name when all of it is there.
        let _creating = folders::creating(runs)?;
        let temporary = runs.join(format!("{}{id}", folders::NEW));
        let json = |source| Error::Json { path: temporary.join(MANIFEST), source };
        if manifest.insert(RUN_KEY.into(), serde_json::to_value(&about).map_err(json)?).is_some() {
            return Err(Error::Manifest);
        }
        let folder = runs.join(id.to_string());
        let fill = || {
            fs::create_dir_all(temporary.join("checkpoints"))?;
            fs::create_dir(temporary.join("artifacts"))?;
            // Nothing is synced before there is something to lose: a checkpoint or a result. What a power failure
            // leaves of a younger run is reported as unreadable, and its trial starts anew.
            for (name, value) in [(SPEC, &new.spec), (MANIFEST, &Value::Object(manifest))] {
                let path = temporary.join(name);
                fs::write(&path, durable::json(&path, value)?)?;
            }
            Ok(fs::rename(&temporary, &folder)?)
        };
        if let Err(error) = fill() {
            // What was not begun leaves nothing; a folder that cannot be removed is found by a rebuild.
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
        Ok(Self::new(store, folder, about))
    }

    pub(crate) fn load(store: &Store, folder: PathBuf) -> Result<Self, Error> {
        let about = read_about(&folder)?;
        Ok(Self::new(store, folder, about))
    }

    fn new(store: &Store, folder: PathBuf, about: About) -> Self {
        let journal = Journal::new(folder.join("measurements.jsonl"));
        let is_durable = AtomicBool::new(false);
        Self { store: store.clone(), id: about.id, folder, about, journal, is_durable }
    }

    /// The id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The identity of the trial.
    pub fn identity(&self) -> &str {
        &self.about.identity
    }

    /// The experiment's name.
    pub fn experiment(&self) -> &str {
        &self.about.experiment
    }

    /// The variant's name.
    pub fn variant(&self) -> &str {
        &self.about.variant
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.about.seed
    }

    /// When the run was created.
    pub fn created(&self) -> DateTime<Utc> {
        self.about.created
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file for the log of the process; it exists once somebody writes it.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// The folder for files that the run leaves.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }

    /// The resolved spec.
    pub fn spec(&self) -> Result<Value, Error> {
        durable::read_json(&self.folder.join(SPEC))
    }

    /// The manifest, with what the store added under the key `run`.
    pub fn manifest(&self) -> Result<Value, Error> {
        durable::read_json(&self.folder.join(MANIFEST))
    }

    /// Where the run stands, by its folder and the lock of its trial.
    pub fn status(&self) -> Result<Status, Error> {
        match self.result()? {
            Some(result) => Ok(result.status),
            None => self.store.open_status(&self.id, self.identity()),
        }
    }

    /// Appends one measurement.
    pub fn append(&self, measurement: &Measurement) -> Result<(), Error> {
        self.journal.append(std::slice::from_ref(measurement))
    }

    /// Appends several measurements by one write.
    pub fn append_all(&self, measurements: &[Measurement]) -> Result<(), Error> {
        self.journal.append(measurements)
    }

    /// All measurements in the order of writing; a last line torn by a crash is dropped.
    pub fn measurements(&self) -> Result<Vec<Measurement>, Error> {
        self.journal.read()
    }

    /// Drops the measurements of steps after `step`, to resume from a checkpoint of that step.
    pub fn truncate_measurements_after(&self, step: u64) -> Result<(), Error> {
        self.journal.truncate_after(step)
    }

    /// The checkpoint of this name, which need not exist yet.
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint<'_>, Error> {
        Checkpoint::new(self, name)
    }

    /// How the run ended, if it has.
    pub fn result(&self) -> Result<Option<RunResult>, Error> {
        let path = self.result_path();
        if path.exists() { durable::read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Ends the run: `result.json` appears as a whole, then the index is told.
    ///
    /// `wall_s` and `peak_memory_bytes` are those of the attempt that ends here. What is stored is the sum and the
    /// maximum over all attempts of the run.
    ///
    /// # Errors
    /// [`Error::AlreadyFinished`] when it has a result.
    pub fn finish(&self, outcome: &Outcome) -> Result<(), Error> {
        let path = self.result_path();
        if path.exists() {
            return Err(Error::AlreadyFinished { run: self.id.to_string() });
        }
        let outcome = attempt::total(&self.folder, outcome)?;
        let result = RunResult { status: outcome.status(), finished: now(), outcome };
        // All that led to the result before the result, whatever the power does.
        let mut before = self.journal.file();
        before.extend(artifact::written(&self.artifacts(), &result.outcome.artifacts));
        let mut after = Vec::new();
        if !self.is_durable.load(Ordering::Relaxed) {
            before.extend([SPEC, MANIFEST].map(|name| self.folder.join(name)));
            after.extend(self.folder.parent().map(Path::to_path_buf));
        }
        durable::write_after(&path, &durable::json(&path, &result)?, &before, &after)?;
        let entry = entry(&self.about, Some(end(&result)));
        self.store.index().put(&entry, &result.outcome.finals)
    }

    /// Makes a failed run unfinished, for its next attempt. The result goes to the last attempt, or beside as
    /// `result-previous.json` when there is none.
    ///
    /// # Errors
    /// [`Error::Final`] when the run is done: that never changes again.
    pub fn reopen(&self) -> Result<(), Error> {
        let path = self.result_path();
        if !path.exists() {
            return Ok(());
        }
        let is_final =
            |result: RunResult| TrialState::from(result.status).after(TrialEvent::Start).is_none();
        // A result that cannot be read says nothing that is worth keeping.
        if durable::read_json(&path).is_ok_and(is_final) {
            return Err(Error::Final { run: self.id.to_string() });
        }
        let kept = attempt::last_folder(&self.folder)?.map_or_else(
            || self.folder.join("result-previous.json"),
            |attempt| attempt.join("result.json"),
        );
        fs::rename(&path, kept)?;
        durable::sync_folder(&self.folder)?;
        self.tell_index()
    }

    /// Marks an unfinished run, until its next attempt begins.
    ///
    /// # Errors
    /// [`Error::AlreadyFinished`] when it has a result.
    pub fn mark(&self, mark: &Mark) -> Result<(), Error> {
        if self.result_path().exists() {
            return Err(Error::AlreadyFinished { run: self.id.to_string() });
        }
        let path = mark_path(&self.folder);
        durable::replace(&path, &durable::json(&path, mark)?)?;
        self.tell_index()
    }

    /// The mark on an unfinished run, if any.
    pub fn marked(&self) -> Option<Mark> {
        read_mark(&self.folder)
    }

    pub(crate) fn unmark(&self) -> Result<(), Error> {
        let path = mark_path(&self.folder);
        if path.exists() { Ok(fs::remove_file(path)?) } else { Ok(()) }
    }

    /// Claims the trial of this run.
    pub(crate) fn claim(&self) -> Result<Option<Claim>, Error> {
        self.store.claim(&self.about.identity)
    }

    /// Makes the run, its measurements and `paths` reach the disk.
    pub(crate) fn sync_with(&self, mut paths: Vec<PathBuf>) -> Result<(), Error> {
        paths.extend(self.journal.file());
        if !self.is_durable.load(Ordering::Relaxed) {
            paths.extend([SPEC, MANIFEST].map(|name| self.folder.join(name)));
            paths.push(self.folder.clone());
            paths.extend(self.folder.parent().map(Path::to_path_buf));
        }
        durable::sync(&paths)?;
        self.is_durable.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The length of the measurements in bytes.
    pub(crate) fn measured_bytes(&self) -> Result<u64, Error> {
        self.journal.bytes()
    }

    /// Tells the index what the folder says.
    pub(crate) fn tell_index(&self) -> Result<(), Error> {
        let found = read(&self.folder)?;
        self.store.index().put(&found.entry, &found.finals)
    }

    pub(crate) fn entry(&self) -> Entry {
        entry(&self.about, None)
    }

    fn result_path(&self) -> PathBuf {
        result_path(&self.folder)
    }
}

/// What a run folder says, for the index.
pub(crate) fn read(folder: &Path) -> Result<Found, Error> {
    let about = read_about(folder)?;
    let path = result_path(folder);
    if !path.exists() {
        let mut entry = entry(&about, None);
        entry.stopped = attempt::is_stopped(folder)?;
        entry.mark = read_mark(folder);
        return Ok(Found { entry, finals: Vec::new(), damage: None });
    }
    match durable::read_json::<RunResult>(&path) {
        Ok(result) => {
            let entry = entry(&about, Some(end(&result)));
            Ok(Found { entry, finals: result.outcome.finals, damage: None })
        }
        // Only damage from outside gets here: the run is shown as failed and says why when it is read.
        Err(error) => {
            let result = End {
                status: Status::Failed,
                finished: about.created,
                wall_s: 0.0,
                peak_memory_bytes: None,
                kind: Some("damaged".into()),
                error: Some(error.to_string()),
            };
            let entry = entry(&about, Some(result));
            Ok(Found { entry, finals: Vec::new(), damage: Some(error) })
        }
    }
}

/// Whether a run has ended.
pub(crate) fn is_finished(folder: &Path) -> bool {
    result_path(folder).exists()
}

/// Whether a folder is that of a run, and not what is left of one.
pub(crate) fn is_there(folder: &Path) -> bool {
    folder.join(MANIFEST).exists()
}

fn result_path(folder: &Path) -> PathBuf {
    folder.join("result.json")
}

fn read_about(folder: &Path) -> Result<About, Error> {
    #[derive(Deserialize)]
    struct Manifest {
        run: About,
    }
    durable::read_json::<Manifest>(&folder.join(MANIFEST)).map(|manifest| manifest.run)
}

fn entry(about: &About, end: Option<End>) -> Entry {
    Entry {
        id: about.id,
        identity: about.identity.clone(),
        experiment: about.experiment.clone(),
        variant: about.variant.clone(),
        seed: about.seed,
        created: about.created,
        end,
        stopped: false,
        mark: None,
    }
}

fn end(result: &RunResult) -> End {
    let error = result.outcome.error.as_ref();
    End {
        status: result.status,
        finished: result.finished,
        wall_s: result.outcome.wall_s,
        peak_memory_bytes: result.outcome.peak_memory_bytes,
        kind: error.map(|failure| failure.kind.clone()),
        error: error.map(|failure| failure.message.clone()),
    }
}

fn mark_path(folder: &Path) -> PathBuf {
    folder.join("mark.json")
}

/// A mark is a remark: one that cannot be read is none.
fn read_mark(folder: &Path) -> Option<Mark> {
    durable::read_json(&mark_path(folder)).ok()
}

/// The time in milliseconds, which is what the index keeps.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
