//! What can be wrong with a plugin file, one variant per step of opening it.

use ablate_abi::v1::PluginError;
use std::path::PathBuf;

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
        "plugin `{}` does not fit this host, which speaks border revision v1: {reason}",
        path.display()
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
    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Truncated { .. } => "copy or build the file again",
            Self::Changed { .. } => "plan the sweep again, so that it copies the new library",
            Self::WrongMachine { .. } => "build the plugin on this kind of machine",
            Self::NoRoot { .. } => {
                "a plugin calls `ablate_sdk::export_plugin!` and has `crate-type = [\"cdylib\", \"rlib\"]`"
            }
            Self::Layout { .. } => "rebuild the plugin with the SDK of this version of ablate",
            Self::Refused { .. } => "build it with `panic = \"unwind\"`, the default",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
