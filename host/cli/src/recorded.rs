//! What a finished run wrote down, as far as it takes to run it again, and the libraries that it used.

use crate::failure::Failure;
use crate::lineage::{self, Given};
use crate::located::Located;
use crate::manifest;
use crate::reference::Meant;
use crate::workplace::Workplace;
use ablate_catalog::{Catalog, Store, file_sha256};
use ablate_config::{Layers, Spec, load};
use ablate_runs::{Artifact, Measurement, Status};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A finished run.
pub(crate) struct Recorded {
    pub(crate) short: String,
    pub(crate) spec: Spec,
    pub(crate) manifest: Value,
    /// With the libraries as the manifest names them.
    pub(crate) components: Vec<Located>,
    pub(crate) threads: usize,
    pub(crate) measurements: Vec<Measurement>,
    /// What tables are made of.
    pub(crate) finals: Vec<Measurement>,
    /// What it left.
    pub(crate) artifacts: Vec<Artifact>,
    /// What it was made from.
    pub(crate) given: Vec<Given>,
}

impl Recorded {
    /// Reads the run's folder.
    pub(crate) fn read(meant: &Meant) -> Result<Self, Failure> {
        let (run, short) = (&meant.run, meant.short()?);
        let unfinished = |why: String| {
            Failure::user(format!("run `{short}` {why}: there is nothing to compare with"))
        };
        let result = match run.status()? {
            Status::Done => run.result()?,
            Status::Running => {
                return Err(unfinished("is still running".to_owned()).hint("wait for its end"));
            }
            Status::Lost => {
                return Err(unfinished("was lost before its end".to_owned())
                    .hint("the same command as before goes on from its last checkpoint"));
            }
            Status::Failed => {
                let error = run.result()?.and_then(|result| result.outcome.error);
                let error = error.map(|error| error.message).unwrap_or_default();
                return Err(unfinished(format!("failed ({error})"))
                    .hint(format!("`ablate show {short}` says more")));
            }
        };
        let manifest = run.manifest()?;
        let older = |what: &str, error: serde_json::Error| {
            let version = manifest["ablate"].as_str().unwrap_or("an unknown version");
            Failure::user(format!("run `{short}` has no {what} that this ablate can read: {error}"))
                .hint(format!("it was written by ablate {version}: use that one"))
        };
        let spec = run.spec()?;
        let spec = serde_json::from_value(spec).map_err(|error| older("spec", error))?;
        let components = manifest["components"].clone();
        let components =
            serde_json::from_value(components).map_err(|error| older("components", error))?;
        let threads = manifest["threads"].as_u64().map_or(1, |threads| threads as usize);
        let measurements = run.measurements()?;
        if measurements.is_empty() {
            return Err(unfinished("has no measurements".to_owned()));
        }
        let outcome = result.map(|result| result.outcome).unwrap_or_default();
        let (finals, artifacts) = (outcome.finals, outcome.artifacts);
        let given = lineage::inputs_in(&manifest, &meant.store);
        Ok(Self {
            short,
            spec,
            manifest,
            components,
            threads,
            measurements,
            finals,
            artifacts,
            given,
        })
    }

    /// The file of the experiment.
    pub(crate) fn experiment_file(&self) -> Option<PathBuf> {
        self.manifest["experiment_file"].as_str().map(PathBuf::from)
    }

    /// Home, workspace and catalog as a sweep of the run's experiment would have them now.
    pub(crate) fn workplace(&self) -> Result<Workplace, Failure> {
        let file = self.experiment_file();
        // An experiment that is gone, or is wrong now, names no folders.
        let folders = file.as_deref().and_then(|file| load(file, &self.layers()).ok());
        let folders = folders.map(|experiment| experiment.plugins).unwrap_or_default();
        let folders: Vec<PathBuf> = folders.into_iter().filter(|folder| folder.exists()).collect();
        Workplace::open(&folders, file.as_deref().and_then(Path::parent))
    }

    /// Of what was typed for the run and what its environment said, what names plugins.
    fn layers(&self) -> Layers {
        let words = self.manifest["overrides"].as_array().into_iter().flatten();
        let words = words.filter_map(Value::as_str).filter(|word| word.starts_with("plugins."));
        let variables = self.manifest["environment"].as_object().into_iter().flatten();
        let variables = variables
            .filter(|(name, _)| name.starts_with("ABLATE_SET__plugins__"))
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Layers {
            overrides: words.map(ToOwned::to_owned).collect(),
            environment: variables.collect(),
        }
    }

    /// Goes to the folder in which the run was started: paths in its spec may be relative to it.
    pub(crate) fn enter_folder(&self) -> Option<String> {
        let folder = manifest::folder_of(&self.manifest)?;
        let entered = std::env::set_current_dir(&folder);
        entered.err().map(|error| {
            format!("the folder in which the run was started, `{}`: {error}", folder.display())
        })
    }

    /// The components with the libraries of the run: from the store, or from anywhere else where a
    /// file has the same bytes.
    pub(crate) fn stored(
        &self,
        home: &Path,
        installed: Option<&Catalog>,
    ) -> Result<Vec<Located>, Failure> {
        let store = Store::new(home);
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        let mut components = self.components.clone();
        for component in &mut components {
            let known = found.iter().find(|(sha256, _)| *sha256 == component.sha256);
            if let Some((_, library)) = known {
                component.library.clone_from(library);
                continue;
            }
            let library = self.same_bytes(component, &store, installed)?;
            found.push((component.sha256.clone(), library.clone()));
            component.library = library;
        }
        Ok(components)
    }

    /// A file with the bytes of a component's library.
    fn same_bytes(
        &self,
        component: &Located,
        store: &Store,
        installed: Option<&Catalog>,
    ) -> Result<PathBuf, Failure> {
        let sha256 = &component.sha256;
        let stored = store.stored(sha256);
        let installed = installed.into_iter().flat_map(Catalog::plugins);
        let installed = installed.filter(|plugin| plugin.sha256 == *sha256);
        let candidates = stored.iter().cloned().chain([component.library.clone()]);
        let mut candidates = candidates.chain(installed.map(|plugin| plugin.library.clone()));
        let same = |file: &PathBuf| file_sha256(file).is_ok_and(|found| found == *sha256);
        if let Some(file) = candidates.find(same) {
            return Ok(file);
        }
        let Located { plugin, version, library, .. } = component;
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        let short = &self.short;
        let failure = Failure::user(match &stored {
            Some(file) => format!(
                "the library of plugin `{plugin}` {version} that run `{short}` used is damaged: \
                 `{}` has other bytes",
                file.display()
            ),
            None => format!(
                "the library of plugin `{plugin}` {version} that run `{short}` used is no longer in \
                 the store, and no other file has its bytes"
            ),
        });
        let home = store_folder(stored.as_deref(), library, sha256);
        let failure = match home {
            Some(folder) => failure.hint(format!(
                "bring the file back as `{}`: its sha256 is {sha256}",
                folder.join(&*name).display()
            )),
            None => failure.hint(format!("bring back a file with the sha256 {sha256}")),
        };
        let failure = match self.manifest.pointer("/git/commit").and_then(Value::as_str) {
            Some(commit) => failure.hint(format!(
                "the run was made at commit {commit}; its manifest says what was changed then"
            )),
            None => failure,
        };
        Err(failure.hint(format!(
            "`ablate reproduce {short} --current` uses the plugins that are installed now"
        )))
    }

    /// Each plugin of the run, what stands in its place in `used`, and what is installed now.
    pub(crate) fn libraries(&self, used: &[Located], installed: Option<&Catalog>) -> Vec<Library> {
        let mut libraries: Vec<Library> = Vec::new();
        for (recorded, used) in self.components.iter().zip(used) {
            if libraries.iter().any(|library| library.plugin == recorded.plugin) {
                continue;
            }
            let installed = installed.and_then(|catalog| catalog.plugin(&recorded.plugin));
            libraries.push(Library {
                plugin: recorded.plugin.clone(),
                version: recorded.version.clone(),
                sha256: recorded.sha256.clone(),
                used_sha256: used.sha256.clone(),
                used_file: used.library.clone(),
                installed_sha256: installed.map(|plugin| plugin.sha256.clone()),
                installed_version: installed.map(|plugin| plugin.description.version.clone()),
            });
        }
        libraries
    }
}

/// Where the store keeps a library.
fn store_folder(stored: Option<&Path>, recorded: &Path, sha256: &str) -> Option<PathBuf> {
    let folder = stored.unwrap_or(recorded).parent()?;
    folder.ends_with(sha256).then(|| folder.to_owned())
}

/// A plugin of a run: the library then, in the reproduction, and now.
#[derive(Debug, Serialize)]
pub(crate) struct Library {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) used_sha256: String,
    pub(crate) used_file: PathBuf,
    pub(crate) installed_sha256: Option<String>,
    pub(crate) installed_version: Option<String>,
}

impl Library {
    /// Whether another library of this name is installed now.
    pub(crate) fn replaced(&self) -> bool {
        self.installed_sha256.as_ref().is_some_and(|installed| *installed != self.sha256)
    }
}
