//! The Cargo workspace around the user: which of its members are plugins, and where they are built.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cargo::target_variable;
use crate::error::Error;
use crate::manifest::{self, Manifests};

/// A Cargo workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
    /// The folder that `build` fills first.
    build_folders: Vec<PathBuf>,
    /// What `build` must tell Cargo, which would read a relative one against another folder.
    target_variable: Option<PathBuf>,
}

/// A member of the workspace that is a plugin: a `cdylib` with `[package.metadata.ablate]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCrate {
    /// Name of the Cargo package.
    pub package: String,
    /// Name of the plugin, by default that of the package.
    pub plugin: String,
    /// File name of its library.
    pub library: String,
    /// Folder of its manifest.
    pub folder: PathBuf,
    /// Folders of the package and of its path dependencies, direct and indirect.
    pub sources: Vec<PathBuf>,
}

/// The file name of a library on this platform, for example `libpooling.so`.
#[must_use]
pub fn library_file_name(name: &str) -> String {
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

impl Workspace {
    /// The nearest workspace around `start`: the first folder upwards whose manifest has
    /// `[workspace]`.
    ///
    /// Its build folders are `release` of the target folder (`CARGO_TARGET_DIR`, or what
    /// `.cargo/config.toml` in the root says, or `target`) and the folder that the running program
    /// lies in, if it was built from this workspace.
    #[must_use]
    pub fn find(start: &Path) -> Option<Self> {
        let start = std::path::absolute(start).ok()?;
        let root = start.ancestors().find(|folder| {
            let text = fs_err::read_to_string(folder.join("Cargo.toml"));
            text.is_ok_and(|text| manifest::is_workspace(&text))
        })?;
        let target_variable = target_variable();
        let triple = std::env::var_os("CARGO_BUILD_TARGET").filter(|value| !value.is_empty());
        let triple = triple.map(|triple| triple.display().to_string());
        let program = std::env::current_exe().ok();
        Some(Self::located(root, target_variable, triple, program.as_deref()))
    }

    /// A workspace with a given root and build folder; nothing is read or checked.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>, build_folder: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), build_folders: vec![build_folder.into()], target_variable: None }
    }

    fn located(
        root: &Path,
        target_variable: Option<PathBuf>,
        triple: Option<String>,
        program: Option<&Path>,
    ) -> Self {
        let target = target_variable.clone().unwrap_or_else(|| {
            let setting = manifest::cargo_setting(root, "target-dir");
            root.join(setting.as_deref().unwrap_or("target"))
        });
        let triple = triple.or_else(|| manifest::cargo_setting(root, "target"));
        let release = triple.map_or(target.clone(), |triple| target.join(triple)).join("release");
        let mut build_folders = vec![release];
        if let Some(folder) = program.and_then(|program| profile_folder(program, &target, root))
            && !build_folders.contains(&folder)
        {
            build_folders.push(folder);
        }
        Self { root: root.to_owned(), build_folders, target_variable }
    }

    /// The folder of the workspace's manifest.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that [`Self::build`] fills.
    #[must_use]
    pub fn build_folder(&self) -> &Path {
        &self.build_folders[0]
    }

    /// Every folder that may hold libraries of this workspace.
    #[must_use]
    pub fn build_folders(&self) -> &[PathBuf] {
        &self.build_folders
    }

    pub(crate) fn target_variable(&self) -> Option<&Path> {
        self.target_variable.as_deref()
    }

    /// The plugins among the members, in the order of the manifest.
    pub fn plugin_crates(&self) -> Result<Vec<PluginCrate>, Error> {
        let mut manifests = Manifests::open(&self.root)?;
        let mut crates = Vec::new();
        for folder in manifests.members() {
            if let Some(plugin) = manifests.plugin(&folder)? {
                let sources = manifests.sources(&folder)?;
                crates.push(PluginCrate {
                    package: plugin.package,
                    plugin: plugin.plugin,
                    library: library_file_name(&plugin.library),
                    folder,
                    sources,
                });
            }
        }
        Ok(crates)
    }

    /// The newest build of a plugin's library, if there is one.
    ///
    /// Cargo writes to `deps/` and links the file into the folder above only when the package was
    /// asked for by itself, so that the two can differ.
    #[must_use]
    pub fn library(&self, plugin: &PluginCrate) -> Option<PathBuf> {
        self.library_with_time(plugin).map(|(_, path)| path)
    }

    pub(crate) fn library_with_time(&self, plugin: &PluginCrate) -> Option<(SystemTime, PathBuf)> {
        self.build_folders
            .iter()
            .flat_map(|folder| [folder.clone(), folder.join("deps")])
            .filter_map(|folder| {
                let path = folder.join(&plugin.library);
                Some((fs_err::metadata(&path).ok()?.modified().ok()?, path))
            })
            // The first of equally new ones: the file outside `deps/`.
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
    }
}

/// The folder of Cargo's output that a program lies in, if it belongs to this workspace.
fn profile_folder(program: &Path, target: &Path, root: &Path) -> Option<PathBuf> {
    let mut folder = program.parent()?;
    if folder.ends_with("deps") || folder.ends_with("examples") {
        folder = folder.parent()?;
    }
    let resolved = fs_err::canonicalize(target).ok();
    if let Some(inside) = resolved.as_deref().and_then(|target| folder.strip_prefix(target).ok()) {
        return Some(target.join(inside));
    }
    // Built with another target folder than the present one: Cargo notes the sources beside it.
    let notes = fs_err::read_to_string(program.with_extension("d")).ok()?;
    let root = format!("{}{}", root.display(), std::path::MAIN_SEPARATOR);
    notes.contains(&root).then(|| folder.to_owned())
}

#[cfg(test)]
mod tests;
