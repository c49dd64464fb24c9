//! One run: its folder and what may be done with it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Checkpoint, Error, Measurement, Outcome, RunId, RunResult, Status, Store, durable,
    index::{End, Entry},
    measurement::Journal,
};

/// The key of `manifest.json` under which the store keeps what it must know about a run.
const RUN_KEY: &str = "run";

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
        let id = RunId::now();
        let about = About {
            id,
            identity: new.identity,
            experiment: new.experiment,
            variant: new.variant,
            seed: new.seed,
            created: now(),
        };
        // The folder appears under its name when all of it is there.
        let temporary = runs.join(format!(".new-{id}"));
        let json = |source| Error::Json { path: temporary.join("manifest.json"), source };
        if manifest.insert(RUN_KEY.into(), serde_json::to_value(&about).map_err(json)?).is_some() {
            return Err(Error::Manifest);
        }
        fs::create_dir_all(temporary.join("checkpoints"))?;
        fs::create_dir(temporary.join("artifacts"))?;
        durable::write_json(&temporary.join("spec.json"), &new.spec)?;
        durable::write_json(&temporary.join("manifest.json"), &manifest)?;
        let folder = runs.join(id.to_string());
        fs::rename(&temporary, &folder)?;
        durable::sync_folder(runs)?;
        Ok(Self::new(store, folder, about))
    }

    pub(crate) fn load(store: &Store, folder: PathBuf) -> Result<Self, Error> {
        let about = read_about(&folder)?;
        Ok(Self::new(store, folder, about))
    }

    fn new(store: &Store, folder: PathBuf, about: About) -> Self {
        let journal = Journal::new(folder.join("measurements.jsonl"));
        Self { store: store.clone(), id: about.id, folder, about, journal }
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
        durable::read_json(&self.folder.join("spec.json"))
    }

    /// The manifest, with what the store added under the key `run`.
    pub fn manifest(&self) -> Result<Value, Error> {
        durable::read_json(&self.folder.join("manifest.json"))
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
        Checkpoint::new(&self.folder.join("checkpoints"), name, &self.journal)
    }

    /// How the run ended, if it has.
    pub fn result(&self) -> Result<Option<RunResult>, Error> {
        let path = self.result_path();
        if path.exists() { durable::read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Ends the run: `result.json` appears as a whole, then the index is told.
    ///
    /// # Errors
    /// [`Error::AlreadyFinished`] when it has a result.
    pub fn finish(&self, outcome: &Outcome) -> Result<(), Error> {
        let path = self.result_path();
        if path.exists() {
            return Err(Error::AlreadyFinished { run: self.id.to_string() });
        }
        self.journal.sync()?;
        let result =
            RunResult { status: outcome.status(), finished: now(), outcome: outcome.clone() };
        durable::write_json(&path, &result)?;
        self.store.index().put(&entry(&self.about, Some(end(result))))
    }

    /// Makes a finished run unfinished, to go on with it; the old result stays beside as `result-previous.json`.
    pub fn reopen(&self) -> Result<(), Error> {
        let path = self.result_path();
        if path.exists() {
            fs::rename(&path, self.folder.join("result-previous.json"))?;
            durable::sync_folder(&self.folder)?;
        }
        self.store.index().put(&entry(&self.about, None))
    }

    pub(crate) fn entry(&self) -> Entry {
        entry(&self.about, None)
    }

    fn result_path(&self) -> PathBuf {
        result_path(&self.folder)
    }
}

/// What a run folder says, for the index.
pub(crate) fn read_entry(folder: &Path) -> Result<Entry, Error> {
    let about = read_about(folder)?;
    let path = result_path(folder);
    if !path.exists() {
        return Ok(entry(&about, None));
    }
    // Only damage from outside gets here: the run is shown as failed and says why when it is read.
    let result = match durable::read_json(&path) {
        Ok(result) => end(result),
        Err(error) => End {
            status: Status::Failed,
            finished: about.created,
            wall_s: 0.0,
            peak_memory_bytes: None,
            error: Some(error.to_string()),
        },
    };
    Ok(entry(&about, Some(result)))
}

/// Whether a run has ended.
pub(crate) fn is_finished(folder: &Path) -> bool {
    result_path(folder).exists()
}

fn result_path(folder: &Path) -> PathBuf {
    folder.join("result.json")
}

fn read_about(folder: &Path) -> Result<About, Error> {
    #[derive(Deserialize)]
    struct Manifest {
        run: About,
    }
    durable::read_json::<Manifest>(&folder.join("manifest.json")).map(|manifest| manifest.run)
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
    }
}

fn end(result: RunResult) -> End {
    End {
        status: result.status,
        finished: result.finished,
        wall_s: result.outcome.wall_s,
        peak_memory_bytes: result.outcome.peak_memory_bytes,
        error: result.outcome.error.map(|failure| failure.message),
    }
}

/// The time in milliseconds, which is what the index keeps.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
