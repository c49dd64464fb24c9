//! The files that may be plugins, in order of precedence.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::catalog::{Broken, CatalogOptions, ProbeFailure};
use crate::error::Error;
use crate::install::{self, Installed};
use crate::store::Store;
use crate::workspace::Workspace;

/// Where a plugin was found. The order is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in the workspace.
    Workspace,
    /// In a folder that the user gave.
    Folder,
    /// Installed in the store.
    Store,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workspace => "workspace build",
            Self::Folder => "plugin folder",
            Self::Store => "store",
        })
    }
}

/// A place where plugins were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The folder, relative to the workspace where it lies inside.
    pub place: PathBuf,
    /// What kind of place it is.
    pub origin: Origin,
    /// How many plugins it has.
    pub plugins: usize,
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.plugins == 1 { "plugin" } else { "plugins" };
        write!(f, "`{}` ({} {plural})", self.place.display(), self.plugins)
    }
}

pub(crate) struct Candidates {
    pub(crate) searched: Vec<Searched>,
    pub(crate) files: Vec<Candidate>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) unbuilt: Vec<String>,
    /// The list of installed plugins.
    pub(crate) installed: Vec<Installed>,
}

pub(crate) struct Candidate {
    pub(crate) file: PathBuf,
    pub(crate) origin: Origin,
    /// Index of its place in `searched`.
    pub(crate) place: usize,
}

impl Candidates {
    pub(crate) fn find(options: &CatalogOptions) -> Result<Self, Error> {
        let mut found = Self {
            searched: Vec::new(),
            files: Vec::new(),
            broken: Vec::new(),
            unbuilt: Vec::new(),
            installed: install::installed(&options.home)?,
        };
        let root = options.workspace.as_ref().map(Workspace::root);
        if let Some(workspace) = &options.workspace {
            found.search_workspace(workspace)?;
        }
        for folder in &options.folders {
            found.search_folder(folder, root)?;
        }
        found.search_store(&options.home, root);
        Ok(found)
    }

    fn search_workspace(&mut self, workspace: &Workspace) -> Result<(), Error> {
        let folders = workspace.build_folders();
        let first = self.searched.len();
        for folder in folders {
            self.add_place(folder, Origin::Workspace, Some(workspace.root()));
        }
        for plugin in workspace.plugin_crates()? {
            let Some(file) = workspace.library(&plugin) else {
                self.unbuilt.push(plugin.plugin);
                continue;
            };
            let within = folders.iter().position(|folder| file.starts_with(folder));
            let place = first + within.expect("a built library lies in a build folder");
            self.files.push(Candidate { file, origin: Origin::Workspace, place });
        }
        Ok(())
    }

    /// Every library directly in the folder; or the one library, if the path is that of a file.
    fn search_folder(&mut self, folder: &Path, root: Option<&Path>) -> Result<(), Error> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let failed = |source| Error::Folder { path: folder.clone(), source };
        let place = self.add_place(&folder, Origin::Folder, root);
        let mut files = Vec::new();
        if fs_err::metadata(&folder).map_err(failed)?.is_dir() {
            for entry in fs_err::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let name = name.as_encoded_bytes();
                let library = name.starts_with(DLL_PREFIX.as_bytes())
                    && name.ends_with(DLL_SUFFIX.as_bytes());
                if library && entry.path().is_dir() {
                    let failure = ProbeFailure::new(
                        "not-a-library",
                        "it is a folder, not a file",
                        Vec::new(),
                    );
                    self.broken.push(Broken::new(entry.path(), failure));
                } else if library {
                    // Also a link to nothing, which is then told.
                    files.push(entry.path());
                }
            }
        } else {
            files.push(folder);
        }
        files.sort();
        self.files.extend(files.into_iter().map(|file| Candidate {
            file,
            origin: Origin::Folder,
            place,
        }));
        Ok(())
    }

    fn search_store(&mut self, home: &Path, root: Option<&Path>) {
        let store = Store::new(home);
        let place = self.add_place(&home.join("store"), Origin::Store, root);
        for installed in &self.installed {
            match store.stored(&installed.sha256) {
                Some(file) => {
                    self.files.push(Candidate { file, origin: Origin::Store, place });
                }
                None => self.broken.push(Broken {
                    file: home.join("store").join(&installed.sha256),
                    kind: "unreadable".to_owned(),
                    message: format!("the installed plugin `{}` is not there", installed.name),
                    hints: vec![install::again(installed)],
                }),
            }
        }
    }

    fn add_place(&mut self, folder: &Path, origin: Origin, root: Option<&Path>) -> usize {
        let inside = root.and_then(|root| folder.strip_prefix(root).ok());
        let inside = inside.filter(|path| !path.as_os_str().is_empty());
        let place = inside.unwrap_or(folder).to_owned();
        self.searched.push(Searched { place, origin, plugins: 0 });
        self.searched.len() - 1
    }
}
