//! Where things lie for this call: home, workspace, catalog; and building what is not built.

use crate::failure::Failure;
use crate::printer;
use crate::probe::ChildProbe;
use ablate_catalog::{Catalog, CatalogOptions, Freshness, PluginCrate, Workspace, home};
use ablate_runs::Store;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The home folder, the workspace if there is one, and the catalog of plugins.
pub(crate) struct Workplace {
    pub(crate) home: PathBuf,
    workspace: Option<Workspace>,
    folders: Vec<PathBuf>,
    pub(crate) catalog: Catalog,
}

/// The workspace around the current folder, else around `near`.
fn workspace(near: Option<&Path>) -> Option<Workspace> {
    let here = std::env::current_dir().ok();
    here.as_deref().and_then(Workspace::find).or_else(|| near.and_then(Workspace::find))
}

/// The home of the bundle that this call reads.
static BUNDLE: OnceLock<PathBuf> = OnceLock::new();

/// From now on the home folder is that of a bundle.
pub(crate) fn use_bundle(home: PathBuf) {
    BUNDLE.set(home).expect("a call opens one bundle");
}

/// Whether this call reads a bundle.
pub(crate) fn is_bundle() -> bool {
    BUNDLE.get().is_some()
}

/// The home folder of this call.
pub(crate) fn home_folder(near: Option<&Path>) -> PathBuf {
    if let Some(home) = BUNDLE.get() {
        return home.clone();
    }
    let explicit = std::env::var_os("ABLATE_HOME").filter(|value| !value.is_empty());
    home(explicit.map(PathBuf::from), workspace(near).as_ref())
}

/// The store of runs.
pub(crate) fn store(near: Option<&Path>) -> Result<Store, Failure> {
    Ok(Store::open(home_folder(near))?)
}

impl Workplace {
    /// Opens the catalog with `folders` beside the usual places. `near` is the experiment.
    pub(crate) fn open(folders: &[PathBuf], near: Option<&Path>) -> Result<Self, Failure> {
        let workspace = workspace(near);
        let home = home_folder(near);
        let catalog = open_catalog(&home, workspace.as_ref(), folders)?;
        Ok(Self { home, workspace, folders: folders.to_vec(), catalog })
    }

    /// The root of the workspace, if there is one.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.workspace.as_ref().map(Workspace::root)
    }

    /// The plugin crates of the workspace that are not built, or older than their sources.
    fn outdated(&self) -> Result<Vec<(PluginCrate, Freshness)>, Failure> {
        let Some(workspace) = &self.workspace else { return Ok(Vec::new()) };
        let mut outdated = Vec::new();
        for plugin in workspace.plugin_crates()? {
            let freshness = workspace.freshness(&plugin);
            if !matches!(freshness, Freshness::Fresh) {
                outdated.push((plugin, freshness));
            }
        }
        Ok(outdated)
    }

    /// Builds the workspace's plugin crates if one of them is missing or stale and `needed`
    /// says that it matters; true when something was built.
    pub(crate) fn build_outdated(
        &mut self,
        needed: impl Fn(&PluginCrate, &Freshness) -> bool,
    ) -> Result<bool, Failure> {
        let outdated = self.outdated()?;
        if !outdated.iter().any(|(plugin, freshness)| needed(plugin, freshness)) {
            return Ok(false);
        }
        let names: Vec<String> =
            outdated.iter().map(|(plugin, _)| format!("`{}`", plugin.plugin)).collect();
        let reason = match outdated.first() {
            Some((_, Freshness::Stale { newer })) => format!(" ({} is newer)", newer.display()),
            _ => String::new(),
        };
        printer::note(&format!("building {} of this workspace{reason}", plural(&names)));
        self.build()?;
        Ok(true)
    }

    /// Builds the workspace's plugin crates and looks again.
    pub(crate) fn build(&mut self) -> Result<(), Failure> {
        let Some(workspace) = &self.workspace else {
            return Err(Failure::user("there is no workspace here to build plugins of")
                .hint("run this inside the folder of a cargo workspace with plugin crates"));
        };
        let crates = workspace.plugin_crates()?;
        workspace.build(&crates, &mut |line| {
            let line = line.trim();
            let told = ["Compiling ablate", "Compiling burn", "Finished"];
            if told.iter().any(|start| line.starts_with(start)) {
                printer::note(&format!("  {line}"));
            }
        })?;
        self.reopen()
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        self.catalog = open_catalog(&self.home, self.workspace.as_ref(), &self.folders)?;
        Ok(())
    }
}

fn plural(names: &[String]) -> String {
    let word = if names.len() == 1 { "plugin" } else { "plugins" };
    format!("{word} {}", names.join(", "))
}

fn open_catalog(
    home: &Path,
    workspace: Option<&Workspace>,
    folders: &[PathBuf],
) -> Result<Catalog, Failure> {
    let options = CatalogOptions {
        home: home.to_path_buf(),
        workspace: workspace.cloned(),
        folders: folders.to_vec(),
    };
    Ok(Catalog::open(options, &ChildProbe)?)
}
