//! What trials are made from: values in a config that name artifacts, the trials that publish those, and
//! what a run writes down about it.

pub(crate) mod needs;
pub(crate) mod producers;

use crate::failure::Failure;
use crate::identity::Need;
use ablate_catalog::file_sha256;
use ablate_runs::{Run, Status, Store};
use ablate_train::GivenArtifact;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The key of a manifest under which stands what a run was made from.
pub(crate) const INPUTS: &str = "inputs";

/// A value in a variant's config that names an artifact.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// Where it stands: `dsi/experiment.toml:7: model.indices`.
    pub(crate) at: String,
    /// Its key: `model.indices`.
    pub(crate) key: String,
    /// The component's place in the trial.
    pub(crate) component: String,
    /// The key inside of the component's config.
    pub(crate) name: String,
    pub(crate) source: InputSource,
}

/// What such a value names.
#[derive(Clone, Debug)]
pub(crate) enum InputSource {
    File {
        path: PathBuf,
        sha256: String,
        bytes: u64,
    },
    Trial {
        /// Position in [`Plan::producers`](crate::plan::Plan::producers).
        producer: usize,
        /// `None` is the seed of the trial that asks.
        seed: Option<u64>,
        artifact: String,
    },
}

impl Input {
    /// Whether the dataset or what is in its slots reads it.
    pub(crate) fn is_data(&self) -> bool {
        is_data(&self.component)
    }
}

fn is_data(component: &str) -> bool {
    component == "dataset" || component.starts_with("dataset.")
}

/// An artifact that a trial is given; stands like this in its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    /// The key that names it.
    pub(crate) key: String,
    /// The component that reads it.
    pub(crate) component: String,
    /// The key inside of the component's config.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    /// Who made it; nobody for a file that the user has named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<MadeBy>,
}

/// The run that published an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeBy {
    pub(crate) run: String,
    pub(crate) experiment: String,
    pub(crate) variant: String,
    pub(crate) seed: u64,
    /// The identity of its trial.
    pub(crate) identity: String,
    /// The artifact's name.
    pub(crate) artifact: String,
}

impl MadeBy {
    /// `rqvae · sliding-window · seed 0`.
    pub(crate) fn trial(&self) -> String {
        format!("{} · {} · seed {}", self.experiment, self.variant, self.seed)
    }
}

impl Given {
    /// Whether the dataset or what is in its slots reads it.
    pub(crate) fn is_data(&self) -> bool {
        is_data(&self.component)
    }

    /// `id_map of run 0199 (rqvae · sliding-window · seed 0)`, or the path of a file.
    fn describe(&self) -> String {
        match &self.from {
            Some(from) => format!("`{}` of run {} ({})", from.artifact, from.run, from.trial()),
            None => format!("`{}`", self.path.display()),
        }
    }

    /// Compares the file with what was written down about it.
    ///
    /// # Errors
    /// It is not there or not what it was; `reader` is the run that was to read it.
    pub(crate) fn verify(&self, reader: &str) -> Result<(), Failure> {
        let wrong = |what: &str| {
            let failure = Failure::user(format!(
                "`{}`: {} {what}, so run {reader} cannot be made from it: `{}`",
                self.key,
                self.describe(),
                self.path.display()
            ));
            match &self.from {
                Some(_) => failure.hint(remake(&self.path)),
                None => {
                    failure.hint("the trials of a sweep all read the file that was there at first")
                }
            }
        };
        let bytes = fs_err::metadata(&self.path).map_err(|_| wrong("is not there"))?.len();
        if bytes != self.bytes {
            let text = format!("has {bytes} bytes instead of {}", self.bytes);
            return Err(wrong(&text));
        }
        let sha256 = file_sha256(&self.path).map_err(|error| wrong(&error.to_string()))?;
        if sha256 == self.sha256 {
            return Ok(());
        }
        let (then, now) = (brief(&self.sha256), brief(&sha256));
        Err(wrong(&format!("was changed since it was published (sha256 {then} then, {now} now)")))
    }
}

/// How an artifact is made again whose run is done.
fn remake(path: &Path) -> String {
    let artifacts = path.ancestors().find(|folder| folder.ends_with("artifacts"));
    let run = artifacts.and_then(Path::parent).unwrap_or(path);
    format!("remove the folder `{}`: the next `ablate sweep` makes it again", run.display())
}

fn brief(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// The artifacts of the component at `path`, as the trainer hands them over.
pub(crate) fn of_component(given: &[Given], path: &str) -> Vec<GivenArtifact> {
    let mine = given.iter().filter(|given| given.component == path);
    mine.map(|given| GivenArtifact {
        name: given.name.clone(),
        path: given.path.clone(),
        sha256: given.sha256.clone(),
    })
    .collect()
}

/// What a manifest says that its run was made from. Older ones say nothing.
pub(crate) fn inputs(manifest: &Value) -> Vec<Given> {
    let inputs = manifest.get(INPUTS).cloned().unwrap_or_default();
    serde_json::from_value(inputs).unwrap_or_default()
}

/// The same, with the files where they lie in this store: a home may have been moved or packed.
pub(crate) fn inputs_in(manifest: &Value, store: &Store) -> Vec<Given> {
    let mut inputs = inputs(manifest);
    for given in &mut inputs {
        let Some(from) = &given.from else { continue };
        let run = from.run.parse().ok().and_then(|id| store.run(&id).ok());
        // One that was removed and made again is as good: its content is compared.
        let run = run.or_else(|| done(store, &from.identity).ok().flatten());
        let file = run.and_then(|run| {
            let known = run.result().ok()??.outcome.artifacts;
            let file = known.into_iter().find(|known| known.name == from.artifact)?.file;
            Some(run.artifacts().join(file))
        });
        given.path = file.unwrap_or_else(|| given.path.clone());
    }
    inputs
}

/// With the runs that these were made from, and those that those were, each once: without them nothing can be
/// made again.
pub(crate) fn with_origins(store: &Store, runs: Vec<Run>) -> Result<Vec<Run>, Failure> {
    let mut all = runs;
    let mut next = 0;
    while next < all.len() {
        for given in inputs_in(&all[next].manifest()?, store) {
            let Some(from) = &given.from else { continue };
            if all.iter().any(|run| run.identity() == from.identity) {
                continue;
            }
            given.verify(&all[next].id().to_string())?;
            all.extend(done(store, &from.identity)?);
        }
        next += 1;
    }
    Ok(all)
}

/// What recorded inputs add to the identity of their reader.
pub(crate) fn recorded_needs(given: &[Given]) -> Vec<Need> {
    let need = |given: &Given| match &given.from {
        Some(from) => Need::made_by(&given.key, &from.artifact, &from.identity),
        None => Need::content(&given.key, &given.sha256),
    };
    given.iter().map(need).collect()
}

/// A published file.
pub(crate) struct Published {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// What a finished run published under a name.
///
/// # Errors
/// It is not there, or not as long as it was.
pub(crate) fn published(run: &Run, artifact: &str) -> Result<Published, Failure> {
    let known = run.result()?.map(|result| result.outcome.artifacts).unwrap_or_default();
    let label = || {
        let (experiment, variant, seed) = (run.experiment(), run.variant(), run.seed());
        format!("run {} ({experiment} · {variant} · seed {seed})", run.id())
    };
    let again = || {
        format!(
            "remove the folder `{}`: the next `ablate sweep` makes it again",
            run.folder().display()
        )
    };
    let Some(found) = known.into_iter().find(|known| known.name == artifact) else {
        let text = format!("{} is done and has published no `{artifact}`", label());
        return Err(Failure::user(text).hint(again()));
    };
    let path = run.artifacts().join(&found.file);
    let bytes = fs_err::metadata(&path).map(|data| data.len());
    if bytes.as_ref().ok() == Some(&found.bytes) {
        return Ok(Published { path, sha256: found.sha256, bytes: found.bytes });
    }
    let what = bytes.map_or("is not there".to_owned(), |bytes| {
        format!("has {bytes} bytes instead of {}", found.bytes)
    });
    let text = format!("`{artifact}` of {} {what}: `{}`", label(), path.display());
    Err(Failure::user(text).hint(again()))
}

/// The finished run of a trial.
pub(crate) fn done(store: &Store, identity: &str) -> Result<Option<Run>, Failure> {
    let latest = store.latest([identity])?.remove(identity);
    let done = latest.filter(|run| run.status == Status::Done);
    Ok(done.map(|summary| store.run(&summary.id)).transpose()?)
}

/// A line for each thing that a run was made from.
pub(crate) fn lines(manifest: &Value, store: &Store) -> Vec<String> {
    let line = |given: Given| {
        let Some(from) = &given.from else {
            return format!("{}: file {}", given.key, given.path.display());
        };
        let run = from.run.parse().ok().and_then(|id| store.short(&id).ok());
        let run = run.unwrap_or_else(|| from.run.clone());
        format!("{}: {} of run {run} ({})", given.key, from.artifact, from.trial())
    };
    inputs(manifest).into_iter().map(line).collect()
}
