//! Where a trial stands, and its checkpoints. All randomness is derived, so counters are enough to go on bit for bit.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::entered::entered;
use crate::error::Error;
use crate::parts::{Instance, Parts};
use crate::record::{CheckpointKind, Checkpoints};

const FILE: &str = "train.json";
/// Form of `train.json`.
const VERSION: u32 = 1;
/// What components write: everything that goes on bit for bit.
const FORMAT: &str = "resume";

/// Counters of the loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    version: u32,
    pub(crate) seed: u64,
    /// Optimizer steps taken.
    pub(crate) step: u64,
    /// Passes over the train split finished.
    pub(crate) epoch: u64,
    /// Batches of the present pass that were used.
    pub(crate) batch: u64,
    /// The step after which `valid` was evaluated last.
    pub(crate) evaluated_at: Option<u64>,
    /// The best objective on `valid` so far.
    pub(crate) best: Option<Best>,
    /// The objective that early stopping compares with.
    pub(crate) reference: Option<f64>,
    /// Evaluations since that was reached.
    pub(crate) waited: u64,
    pub(crate) stopped_early: bool,
}

/// The best objective on `valid` so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its value.
    pub value: f64,
    /// Optimizer steps taken when it was measured.
    pub step: u64,
    /// Passes over the train split finished then.
    pub epoch: u64,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self { version: VERSION, seed, ..Self::default() }
    }
}

pub(crate) fn save(
    parts: &Parts,
    state: &State,
    kind: CheckpointKind,
    checkpoints: &mut dyn Checkpoints,
) -> Result<(), Error> {
    checkpoints.save(kind, &mut |folder| {
        for Instance { id, handle } in &parts.instances {
            let path = folder.join(folder_name(&id.path));
            fs_err::create_dir_all(&path)?;
            let _inside = entered(id);
            let saved = handle.save(text(&path)?.into(), FORMAT.into()).into_result();
            saved.map_err(|error| Error::component(id, "save its state", error))?;
        }
        let json = serde_json::to_vec_pretty(state).expect("plain numbers");
        Ok(fs_err::write(folder.join(FILE), json)?)
    })
}

/// Reads the state of all components, and that of the loop.
pub(crate) fn load(parts: &Parts, seed: u64, folder: &Path) -> Result<State, Error> {
    let wrong = |problem: String| Error::Checkpoint { folder: folder.to_owned(), problem };
    let json = fs_err::read(folder.join(FILE))?;
    let state: State = serde_json::from_slice(&json)
        .map_err(|error| wrong(format!("`{FILE}` cannot be read: {error}")))?;
    if state.version != VERSION {
        return Err(wrong(format!("it is of version {}, not {VERSION}", state.version)));
    }
    if state.seed != seed {
        return Err(wrong(format!("it is of seed {}, not {seed}", state.seed)));
    }
    for Instance { id, handle } in &parts.instances {
        let path = folder.join(folder_name(&id.path));
        if !path.is_dir() {
            return Err(wrong(format!("it holds nothing of {id}")));
        }
        let _inside = entered(id);
        let loaded = handle.load(text(&path)?.into(), FORMAT.into()).into_result();
        loaded.map_err(|error| Error::component(id, "load its state", error))?;
    }
    Ok(state)
}

/// A component's path as the name of one folder: what is not a plain character is written `%` and its code.
fn folder_name(path: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let escaped = |c: char| {
        Some(c).filter(plain).map_or_else(|| format!("%{:02x}", u32::from(c)), String::from)
    };
    path.chars().map(escaped).collect()
}

/// Paths cross the border as text.
fn text(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| Error::Checkpoint {
        folder: path.to_owned(),
        problem: "the path is not UTF-8".to_owned(),
    })
}
