//! What can be wrong with a plugin file, one variant per step of opening it.

use abi_stable::library::{LibraryError, RootModuleError};
use ablate_abi::v1::PluginError;
use std::path::{Path, PathBuf};

/// Why a plugin could not be opened or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("failed to read plugin `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content is not the one that was asked for.
    #[error("plugin `{}` has changed: its sha256 is {found}, expected {expected}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// It is not a dynamic library at all.
    #[error("`{}` is not a plugin: {reason}", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// It ends before its own headers say it should.
    #[error("plugin `{}` is truncated: {len} bytes, its headers speak of {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that are there.
        len: u64,
        /// Bytes that should be there.
        expected: u64,
    },
    /// It was built for another kind of machine.
    #[error("plugin `{}` is built for {found}, this host runs on {expected}", path.display())]
    WrongMachine {
        /// The file.
        path: PathBuf,
        /// Its machine.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It exports no root.
    #[error("`{}` is a library but no plugin: it exports no symbol `ablate_plugin_…`", path.display())]
    NoRoot {
        /// The file.
        path: PathBuf,
    },
    /// What it exports as its root is none.
    #[error(
        "`{}` is no plugin: its symbol `ablate_plugin_…` is not the root of one, or that of \
         another version of abi_stable",
        path.display()
    )]
    NotARoot {
        /// The file.
        path: PathBuf,
    },
    /// Its root could not be made.
    #[error("plugin `{}` failed while its root was made: {reason}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What it said, or that it panicked.
        reason: String,
    },
    /// It brings another version of a native library that is in the process already.
    #[error(
        "plugin `{}` brings `{name}` as `{}`, but this process has that of `{}`, for plugin `{}`: \
         a process can have one",
        path.display(), file.display(), present.display(), by.display()
    )]
    TwoVersions {
        /// The plugin.
        path: PathBuf,
        /// Name of the native library.
        name: String,
        /// What it brings.
        file: PathBuf,
        /// What is there.
        present: PathBuf,
        /// The plugin that brought that.
        by: PathBuf,
    },
    /// The system's linker refused it.
    #[error("failed to open plugin `{}`: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The linker's words.
        reason: String,
    },
    /// It speaks no revision of the border that this host knows.
    #[error(
        "plugin `{}` does not fit this host, which speaks border revision {}: {reason}",
        path.display(),
        crate::revision::spoken()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The last difference that the layout check found.
        reason: String,
    },
    /// It is built in a way that cannot be guarded.
    #[error("plugin `{}` is refused: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The plugin itself reported an error.
    #[error("plugin `{}`: {message}", path.display())]
    Plugin {
        /// The file.
        path: PathBuf,
        /// What it was doing.
        message: String,
        /// Its error.
        #[source]
        source: Box<PluginError>,
    },
}

impl Error {
    /// A word for the step that failed.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Changed { .. } => "changed",
            Self::NotALibrary { .. } => "not-a-library",
            Self::Truncated { .. } => "truncated",
            Self::WrongMachine { .. } => "wrong-machine",
            Self::NoRoot { .. } | Self::NotARoot { .. } => "no-root",
            Self::Root { .. } => "root",
            Self::TwoVersions { .. } => "two-versions",
            Self::Open { .. } => "open",
            Self::Layout { .. } => "layout",
            Self::Refused { .. } => "refused",
            Self::Plugin { .. } => "plugin",
        }
    }

    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::TwoVersions { .. } => {
                "build both plugins against one installed version of it, without copies of their own"
            }
            Self::Truncated { .. } => "copy or build the file again",
            Self::Changed { .. } => "plan the sweep again, so that it copies the new library",
            Self::WrongMachine { .. } => "build the plugin on this kind of machine",
            Self::NoRoot { .. } | Self::NotARoot { .. } => {
                "a plugin calls `ablate_sdk::export_plugin!` and has `crate-type = [\"cdylib\", \"rlib\"]`"
            }
            Self::Refused { reason, .. } if reason.contains("panic") => {
                "build it with `panic = \"unwind\"`, the default"
            }
            Self::Layout { .. } | Self::Refused { .. } => {
                "rebuild the plugin with the SDK of this version of ablate"
            }
            Self::Open { reason, .. } if reason.contains("cannot open shared object file") => {
                "install the library that it needs, or name its folder in `LD_LIBRARY_PATH`"
            }
            Self::Open { reason, .. } if reason.contains("undefined symbol") => {
                "one of the libraries that it needs is missing or of another version"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// What is wrong with a root, before it is said of which file.
pub(crate) enum Wrong {
    NotARoot,
    Root(String),
    Layout(String),
}

impl Wrong {
    /// What the checks of the border's library say, in a few words: their own text can be forty
    /// kilobytes long.
    pub(crate) fn of(error: &LibraryError) -> Self {
        match error {
            LibraryError::InvalidAbiHeader(_) => Self::NotARoot,
            LibraryError::RootModule { err: RootModuleError::Unwound, .. } => {
                Self::Root("it panicked".to_owned())
            }
            LibraryError::RootModule { err: RootModuleError::Returned(error), .. } => {
                Self::Root(short(&error.to_string()))
            }
            other => {
                let text = other.to_string();
                // The last difference is the innermost one.
                Self::Layout(short(text.rsplit("\nError:").next().unwrap_or(&text)))
            }
        }
    }

    pub(crate) fn at(self, path: &Path) -> Error {
        let path = path.to_path_buf();
        match self {
            Self::NotARoot => Error::NotARoot { path },
            Self::Root(reason) => Error::Root { path, reason },
            Self::Layout(reason) => Error::Layout { path, reason },
        }
    }
}

/// The text in one line, and not too long.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}
