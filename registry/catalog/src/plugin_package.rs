//! Plugin crates outside of the workspace around the user: what Cargo says about a folder, which
//! of its packages are plugins, and building them.

use std::env::consts::DLL_SUFFIX;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::cargo::Cargo;
use crate::error::Error;

/// Packages that can be built to plugins with one Cargo command.
#[derive(Clone, Debug)]
pub struct PluginPackages {
    root: PathBuf,
    manifest: PathBuf,
    /// Cargo runs here, so that the configuration of this folder counts.
    folder: PathBuf,
    packages: Vec<PluginPackage>,
}

/// A package whose library is a `cdylib`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The folder of its manifest.
    pub folder: PathBuf,
    id: String,
}

/// What `cargo metadata` says, as far as it matters.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) id: String,
    pub(crate) manifest_path: PathBuf,
    targets: Vec<Target>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
pub(crate) struct Resolve {
    root: Option<String>,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// A line of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

impl Metadata {
    pub(crate) fn read(json: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(json).map_err(|source| Error::CargoAnswer { source })
    }

    /// The only dependency of the root package.
    pub(crate) fn dependency(&self) -> Option<&Package> {
        let resolve = self.resolve.as_ref()?;
        let root = resolve.nodes.iter().find(|node| Some(&node.id) == resolve.root.as_ref())?;
        let id = root.dependencies.first()?;
        self.packages.iter().find(|package| package.id == *id)
    }
}

impl Package {
    pub(crate) fn folder(&self) -> PathBuf {
        self.manifest_path.parent().map(Path::to_owned).unwrap_or_default()
    }

    pub(crate) fn is_plugin(&self) -> bool {
        self.targets.iter().any(Target::is_plugin)
    }

    fn is_marked(&self) -> bool {
        self.metadata.get("ablate").is_some()
    }

    /// The name that its author gave the plugin, if it is not that of the package.
    fn plugin_name(&self) -> Option<&str> {
        self.metadata.get("ablate")?.get("plugin")?.as_str()
    }
}

impl Target {
    fn is_plugin(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

impl PluginPackages {
    /// The plugins behind a path: the folder of a package or of a workspace, or its manifest.
    ///
    /// A package stands for itself and a workspace without a package for all members that are
    /// plugins; `wanted` chooses one member by its name.
    ///
    /// # Errors
    /// [`Error::NoManifest`], [`Error::NotAPlugin`], [`Error::NoSuchPackage`], or what Cargo says
    /// about a manifest that it cannot read.
    pub fn find(path: &Path, wanted: Option<&str>) -> Result<Self, Error> {
        let manifest = manifest_of(path)?;
        let folder = manifest.parent().map(Path::to_owned).unwrap_or_default();
        Self::read(manifest, folder, wanted)
    }

    /// The same for a known manifest and the folder that Cargo runs in.
    pub(crate) fn read(
        manifest: PathBuf,
        folder: PathBuf,
        wanted: Option<&str>,
    ) -> Result<Self, Error> {
        let cargo = Cargo::new(&["metadata", "--format-version", "1", "--no-deps"], &folder);
        let json = cargo.path("--manifest-path", &manifest).run(&mut |_| {})?.success()?;
        let metadata = Metadata::read(&json)?;
        let packages = choose(&metadata.packages, &manifest, wanted)?;
        let packages = packages.into_iter().map(|package| PluginPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            folder: package.folder(),
            id: package.id.clone(),
        });
        let root = metadata.workspace_root;
        Ok(Self { root, folder, packages: packages.collect(), manifest })
    }

    /// The root of their workspace.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plugins.
    #[must_use]
    pub fn packages(&self) -> &[PluginPackage] {
        &self.packages
    }

    /// The plugin, where only one can be meant.
    ///
    /// # Errors
    /// [`Error::SeveralPlugins`].
    pub fn only(&self) -> Result<&PluginPackage, Error> {
        match self.packages.as_slice() {
            [one] => Ok(one),
            several => Err(Error::SeveralPlugins {
                manifest: self.manifest.clone(),
                packages: several.iter().map(|package| package.name.clone()).collect(),
            }),
        }
    }

    /// Builds them in release mode, and gives their libraries in the order of
    /// [`Self::packages`]. Cargo chooses the target folder unless one is given.
    ///
    /// Every line that Cargo prints goes to `on_line`.
    ///
    /// # Errors
    /// [`Error::Build`] with the end of what Cargo printed, [`Error::NotBuilt`].
    pub fn build(
        &self,
        target: Option<&Path>,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Vec<PathBuf>, Error> {
        let arguments = ["build", "--release", "--lib"];
        let mut cargo = Cargo::new(&arguments, &self.folder);
        for package in &self.packages {
            cargo = cargo.option("--package", &package.name);
        }
        cargo = cargo
            .path("--message-format", "json-render-diagnostics")
            .path("--manifest-path", &self.manifest);
        if let Some(target) = target {
            cargo = cargo.path("--target-dir", target);
        }
        let messages = cargo.run(on_line)?.success()?;
        let messages: Vec<Message> = messages
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        self.packages.iter().map(|package| library(package, &messages)).collect()
    }
}

fn library(package: &PluginPackage, messages: &[Message]) -> Result<PathBuf, Error> {
    let made = messages.iter().filter(|message| {
        message.reason == "compiler-artifact"
            && message.package_id == package.id
            && message.target.as_ref().is_some_and(Target::is_plugin)
    });
    let suffix = |file: &&PathBuf| file.to_string_lossy().ends_with(DLL_SUFFIX);
    let found = made.flat_map(|message| &message.filenames).find(suffix);
    let missing = || Error::NotBuilt {
        package: package.name.clone(),
        library: package.folder.join("target"),
    };
    found.filter(|file| file.is_file()).cloned().ok_or_else(missing)
}

fn manifest_of(path: &Path) -> Result<PathBuf, Error> {
    let folder = if path.file_name().is_some_and(|name| name == "Cargo.toml") {
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    } else {
        path
    };
    let manifest = folder.join("Cargo.toml");
    let found = fs_err::canonicalize(&manifest).ok().filter(|manifest| manifest.is_file());
    found.ok_or_else(|| Error::NoManifest {
        path: path.to_owned(),
        exists: path.exists(),
        file: path.is_file(),
    })
}

fn choose<'a>(
    packages: &'a [Package],
    manifest: &Path,
    wanted: Option<&str>,
) -> Result<Vec<&'a Package>, Error> {
    let mut plugins: Vec<&Package> = packages.iter().filter(|one| one.is_plugin()).collect();
    // A workspace may have other libraries of this kind, such as an extension of Python.
    if plugins.iter().any(|package| package.is_marked()) {
        plugins.retain(|package| package.is_marked());
    }
    let names = || plugins.iter().map(|package| package.name.clone()).collect::<Vec<_>>();
    let here = |package: &&Package| {
        fs_err::canonicalize(&package.manifest_path).is_ok_and(|path| path == manifest)
    };
    let own = match wanted {
        Some(name) => {
            let mut named = packages
                .iter()
                .filter(|package| package.name == name || package.plugin_name() == Some(name));
            let no_such = || Error::NoSuchPackage {
                name: name.to_owned(),
                manifest: manifest.to_owned(),
                plugins: names(),
            };
            Some(named.next().ok_or_else(no_such)?)
        }
        None => packages.iter().find(here),
    };
    match own {
        Some(package) if package.is_plugin() => Ok(vec![package]),
        None if !plugins.is_empty() => Ok(plugins),
        _ => Err(Error::NotAPlugin {
            package: own.map(|package| package.name.clone()),
            place: manifest.to_owned(),
            members: names(),
        }),
    }
}

#[cfg(test)]
mod tests;
