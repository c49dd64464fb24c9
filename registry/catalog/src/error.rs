//! What can go wrong, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::candidates::Searched;
use crate::catalog::Broken;
use crate::description::Kind;
use crate::lock::Unpinned;

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
            Self::Io(_)
            | Self::Write { .. }
            | Self::Manifest { .. }
            | Self::Lock { .. }
            | Self::Sha256 { .. }
            | Self::Build { .. } => Vec::new(),
        }
    }
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
