//! What can go wrong, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::candidates::Searched;
use crate::catalog::Broken;
use crate::description::Kind;
use crate::lock::Unpinned;
use crate::resolve::near;

/// An error of the catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No plugin exports the component.
    #[error("{0}")]
    Unknown(Box<Unknown>),
    /// Several plugins export the component.
    #[error("{0}")]
    Duplicate(Box<Duplicate>),
    /// A library that was asked for by its path is not a usable plugin.
    #[error("`{}` is not a usable plugin: {}", .0.file.display(), .0.message)]
    Broken(Box<Broken>),
    /// A plugin folder given by the user cannot be read.
    #[error("cannot search the plugin folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file operation failed; the text carries the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file could not be put in place.
    #[error("failed to write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The list of installed plugins is not what `install` writes.
    #[error("`{path}` is not a list of installed plugins")]
    Installed {
        /// The list.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A manifest is not valid TOML.
    #[error("`{path}` is not a valid manifest")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A text that should be a sha256 is not.
    #[error("`{text}` is not a sha256: expected 64 lowercase hexadecimal digits")]
    Sha256 {
        /// The text.
        text: String,
    },
    /// A library does not have the bytes that it had when it was listed.
    #[error("`{library}` changed: expected sha256 `{expected}`, found `{found}`")]
    Changed {
        /// The library.
        library: PathBuf,
        /// The sha256 asked for.
        expected: String,
        /// The sha256 of what was copied.
        found: String,
    },
    /// A lock is not valid TOML, or not what a lock holds.
    #[error("`{path}` is not a lock of plugins")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A lock of a form that this version does not know.
    #[error("`{path}` is a lock of version {found}, this program knows version {known}")]
    LockVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is known.
        known: u32,
    },
    /// Plugins that are not what the lock says.
    #[error("`{lock}` does not allow these plugins: {}", list(plugins.iter().map(ToString::to_string), "; "))]
    Unpinned {
        /// The file.
        lock: PathBuf,
        /// The plugins.
        plugins: Vec<Unpinned>,
    },
    /// Cargo could not be started.
    #[error("cannot start `{program}` to build the plugins")]
    Cargo {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Cargo ran and failed. The text ends with the last lines that it printed.
    #[error("`{command}` failed with {status} in `{root}`\n{}", tail.join("\n"))]
    Build {
        /// The command line.
        command: String,
        /// The workspace.
        root: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it printed.
        tail: Vec<String>,
    },
    /// Cargo succeeded, but a plugin's library is not where it should be.
    #[error("`{package}` was built, but there is no `{library}`")]
    NotBuilt {
        /// The package.
        package: String,
        /// Where the library should be.
        library: PathBuf,
    },
    /// Cargo answered in a form that is not known.
    #[error("cannot read what cargo answered")]
    CargoAnswer {
        /// Why.
        source: serde_json::Error,
    },
    /// A path that should lead to a crate does not.
    #[error("{}", no_manifest(path, *exists, *file))]
    NoManifest {
        /// The path.
        path: PathBuf,
        /// Whether there is anything.
        exists: bool,
        /// Whether it is a file.
        file: bool,
    },
    /// A crate that builds no library which could be loaded.
    #[error(
        "{} in `{}` is no plugin: it builds no `cdylib`",
        package.as_ref().map_or("what lies".to_owned(), |name| format!("the package `{name}`")),
        place.display()
    )]
    NotAPlugin {
        /// The package; `None` for a workspace.
        package: Option<String>,
        /// Its manifest or folder.
        place: PathBuf,
        /// Packages of the same workspace that are plugins.
        members: Vec<String>,
    },
    /// A path with several plugins where one is needed.
    #[error("`{}` has several plugins: {}", manifest.display(), quoted(packages))]
    SeveralPlugins {
        /// The workspace's manifest.
        manifest: PathBuf,
        /// The plugins.
        packages: Vec<String>,
    },
    /// A package that was asked for by name is not there.
    #[error("`{}` has no package `{name}`", manifest.display())]
    NoSuchPackage {
        /// The name.
        name: String,
        /// The workspace's manifest.
        manifest: PathBuf,
        /// Its packages that are plugins.
        plugins: Vec<String>,
    },
    /// A text that should name a crate cannot.
    #[error("`{text}` is neither a file nor a crate's folder nor the name of a crate")]
    CrateRequest {
        /// The text.
        text: String,
    },
    /// Cargo cannot provide a crate.
    #[error("cargo cannot provide the crate `{request}`: {}", said.join("\n"))]
    Resolve {
        /// The crate.
        request: String,
        /// Cargo's words.
        said: Vec<String>,
    },
    /// A plugin that should be removed is not installed.
    #[error("no installed plugin is called `{name}`")]
    NotInstalled {
        /// The name.
        name: String,
        /// The installed plugins.
        installed: Vec<String>,
    },
}

fn no_manifest(path: &Path, exists: bool, file: bool) -> String {
    let path = path.display();
    match (exists, file) {
        (false, _) => format!("`{path}` does not exist"),
        (true, true) => format!("`{path}` is a file, and not a `Cargo.toml`"),
        (true, false) => format!("`{path}` is no crate: it has no `Cargo.toml`"),
    }
}

impl Error {
    /// What the user can do, one line each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown(unknown) => unknown.hints(),
            Self::Duplicate(duplicate) => duplicate.hints(),
            Self::Broken(broken) => broken.hints.clone(),
            Self::Folder { .. } => {
                vec!["create the folder, or take it out of the list of plugin folders".to_owned()]
            }
            Self::Installed { path, .. } => {
                vec![format!("delete `{}` and install the plugins again", path.display())]
            }
            Self::Changed { .. } => {
                vec!["it was rebuilt meanwhile: run the command again".to_owned()]
            }
            Self::Unpinned { lock, .. } => vec![
                "`--update-lock` pins the plugins as they are now".to_owned(),
                format!("without `{}` nothing is pinned", lock.display()),
            ],
            Self::LockVersion { .. } => {
                vec!["a newer version of this program wrote it: use that one".to_owned()]
            }
            Self::Cargo { .. } => vec![
                "install Rust from https://rustup.rs, or set `CARGO` to the cargo program"
                    .to_owned(),
            ],
            Self::NotBuilt { .. } => {
                vec!["`crate-type` in its manifest must contain `cdylib`".to_owned()]
            }
            Self::NoManifest { exists: true, .. } => vec![
                "name the folder of a plugin crate; `ablate plugins new` writes one".to_owned(),
            ],
            Self::NotAPlugin { members, .. } if members.is_empty() => vec![
                "a plugin has `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` and \
                 `[package.metadata.ablate]` in its manifest"
                    .to_owned(),
                "`ablate plugins new` writes such a crate".to_owned(),
            ],
            Self::NotAPlugin { members: packages, .. } | Self::SeveralPlugins { packages, .. } => {
                vec![format!("choose one with `--package`: {}", quoted(packages))]
            }
            Self::NoSuchPackage { name, plugins, .. } => {
                let near = near(name, plugins).map(|near| format!("did you mean `{near}`?"));
                near.into_iter()
                    .chain([all(plugins, "none of its packages is a plugin", "its plugins")])
                    .collect()
            }
            Self::CrateRequest { .. } => {
                vec![
                    "a crate is asked for by CRATE or CRATE@VERSION, such as `my-plugin@1.2.0`"
                        .to_owned(),
                ]
            }
            Self::Resolve { said, .. } => resolve_hints(said),
            Self::Build { tail, .. } => network_hints(tail),
            Self::NotInstalled { name, installed } => {
                let near = near(name, installed).map(|near| format!("did you mean `{near}`?"));
                near.into_iter()
                    .chain([all(installed, "no plugin is installed", "installed plugins")])
                    .collect()
            }
            Self::Io(_)
            | Self::Write { .. }
            | Self::Manifest { .. }
            | Self::Lock { .. }
            | Self::Sha256 { .. }
            | Self::CargoAnswer { .. }
            | Self::NoManifest { .. } => Vec::new(),
        }
    }
}

fn all(names: &[String], none: &str, some: &str) -> String {
    if names.is_empty() { none.to_owned() } else { format!("{some}: {}", quoted(names)) }
}

/// What helps when Cargo finds no version of a crate.
fn resolve_hints(said: &[String]) -> Vec<String> {
    let says = |text: &str| said.iter().any(|line| line.contains(text));
    let mut hints = Vec::new();
    if says("is yanked") {
        let text = "its author withdrew that version: ask for another one, or add its folder";
        hints.push(text.to_owned());
    } else if says("no matching package") {
        let text = "this is the name of the crate, which can differ from that of its plugin";
        hints.push(text.to_owned());
    }
    hints.extend(network_hints(said));
    hints
}

/// What helps when Cargo reaches no registry.
fn network_hints(said: &[String]) -> Vec<String> {
    let signs = ["offline mode", "--offline", "resolve host", "failed to download", "network"];
    let offline = said.iter().any(|line| signs.iter().any(|sign| line.contains(sign)));
    let text = "without a network, Cargo builds what it has downloaded before (`cargo fetch`) or \
                what lies in a folder (`cargo vendor`)";
    offline.then(|| text.to_owned()).into_iter().collect()
}

/// A name that no plugin exports, with everything that helps to find the right one.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// The kind asked for.
    pub kind: Kind,
    /// The role asked for.
    pub role: Option<String>,
    /// The name asked for.
    pub name: String,
    /// The known name that looks most like it.
    pub near: Option<String>,
    /// Every name of that kind and role, sorted.
    pub known: Vec<String>,
    /// Where plugins were looked for.
    pub searched: Vec<Searched>,
    /// The same name under another role or kind.
    pub elsewhere: Vec<Elsewhere>,
    /// Plugin crates of the workspace that have not been built yet.
    pub unbuilt: Vec<String>,
    /// Libraries that could not be described.
    pub broken: Vec<Broken>,
}

/// Where a name exists that was asked for under another role or kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its kind.
    pub kind: Kind,
    /// Its role.
    pub role: Option<String>,
    /// The plugin that exports it.
    pub plugin: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`", self.kind, self.name)?;
        self.role.as_ref().map_or(Ok(()), |role| write!(f, " of role `{role}`"))
    }
}

impl Unknown {
    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = self
            .elsewhere
            .iter()
            .map(|place| {
                let what = named(place.kind.as_str(), place.role.as_deref());
                format!("`{}` exists as a {what} (plugin `{}`)", self.name, place.plugin)
            })
            .collect();
        if let Some(near) = &self.near {
            hints.push(format!("did you mean `{near}`?"));
        }
        let what = named(self.kind.plural(), self.role.as_deref());
        let searched = list(self.searched.iter().map(ToString::to_string), ", ");
        hints.push(if self.known.is_empty() {
            format!("no {what} found; searched {searched}")
        } else {
            format!("known {what}: {}; searched {searched}", quoted(&self.known))
        });
        if !self.unbuilt.is_empty() {
            hints.push(format!("plugin crates that are not built yet: {}", quoted(&self.unbuilt)));
        }
        hints.extend(self.broken.iter().map(|broken| {
            format!("`{}` could not be read: {}", broken.file.display(), broken.message)
        }));
        hints
    }
}

/// A component that several plugins export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Its kind.
    pub kind: Kind,
    /// Its role.
    pub role: Option<String>,
    /// Its name.
    pub name: String,
    /// Who exports it; two or more.
    pub exporters: Vec<Exporter>,
}

/// One of several plugins that export the same component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exporter {
    /// The plugin.
    pub plugin: String,
    /// Its library.
    pub library: PathBuf,
}

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} `{}` is exported by ", self.kind, self.name)?;
        for (index, exporter) in self.exporters.iter().enumerate() {
            let joint = if index == 0 { "" } else { " and by " };
            let library = exporter.library.display();
            write!(f, "{joint}plugin `{}` (`{library}`)", exporter.plugin)?;
        }
        Ok(())
    }
}

impl Duplicate {
    /// What the user can do, one line each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        vec![format!(
            "rename the {} in one of the plugins, or leave out one of the libraries",
            self.kind
        )]
    }
}

fn named(what: &str, role: Option<&str>) -> String {
    role.map_or_else(|| what.to_owned(), |role| format!("{what} of role `{role}`"))
}

fn quoted(names: &[String]) -> String {
    list(names.iter().map(|name| format!("`{name}`")), ", ")
}

fn list(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}
