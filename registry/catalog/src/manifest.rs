//! The few things that are read from Cargo manifests.
//!
//! `cargo metadata` knows them too, but takes longer than a whole listing may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::Error;

/// The manifests of one workspace, each read at most once.
pub(crate) struct Manifests {
    root: PathBuf,
    root_table: Table,
    read: BTreeMap<PathBuf, Table>,
}

/// What the manifest of a plugin crate says.
pub(crate) struct PluginManifest {
    pub(crate) package: String,
    pub(crate) plugin: String,
    pub(crate) library: String,
}

impl Manifests {
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let root_table = read_table(&root.join("Cargo.toml"))?;
        Ok(Self { root: root.to_owned(), root_table, read: BTreeMap::new() })
    }

    /// Folders of the members, in the order of the file; patterns are expanded.
    pub(crate) fn members(&self) -> Vec<PathBuf> {
        let strings = |key: &str| {
            let list = self.root_table.get("workspace").and_then(|table| table.get(key));
            let list = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>()
        };
        let excluded: Vec<PathBuf> =
            strings("exclude").iter().map(|path| self.root.join(path)).collect();
        let mut folders = Vec::new();
        if self.root_table.contains_key("package") {
            folders.push(self.root.clone());
        }
        for pattern in strings("members") {
            for folder in expand(&self.root, pattern) {
                let out = excluded.iter().any(|path| folder.starts_with(path));
                if !out && folder.join("Cargo.toml").is_file() && !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
        }
        folders
    }

    /// The manifest in `folder` as that of a plugin: a `cdylib` with `[package.metadata.ablate]`.
    pub(crate) fn plugin(&mut self, folder: &Path) -> Result<Option<PluginManifest>, Error> {
        let table = self.table(folder)?;
        let package = table.get("package");
        let mark = package.and_then(|package| package.get("metadata")?.get("ablate"));
        let name = package.and_then(|package| package.get("name")?.as_str());
        let (Some(mark), Some(name)) = (mark, name) else { return Ok(None) };
        let library = table.get("lib");
        let types = library.and_then(|library| library.get("crate-type")?.as_array());
        if !types.is_some_and(|types| types.iter().any(|one| one.as_str() == Some("cdylib"))) {
            return Ok(None);
        }
        let plugin = mark.get("plugin").and_then(Value::as_str).unwrap_or(name);
        let library = library.and_then(|library| library.get("name")?.as_str());
        Ok(Some(PluginManifest {
            package: name.to_owned(),
            plugin: plugin.to_owned(),
            library: library.map_or_else(|| name.replace('-', "_"), str::to_owned),
        }))
    }

    /// The folder itself and the folders of its path dependencies, followed to the end.
    pub(crate) fn sources(&mut self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![canonical(folder)];
        while let Some(folder) = waiting.pop() {
            if folder.join("Cargo.toml").is_file() && found.insert(folder.clone()) {
                waiting.extend(self.path_dependencies(&folder)?);
            }
        }
        Ok(found.into_iter().collect())
    }

    fn path_dependencies(&mut self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let root = self.root.clone();
        let shared: BTreeMap<String, PathBuf> = self
            .root_table
            .get("workspace")
            .and_then(|table| table.get("dependencies")?.as_table())
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), root.join(path_of(value)?))))
            .collect();
        let table = self.table(folder)?;
        let targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
        let tables = targets.filter_map(|(_, table)| table.as_table()).chain([table]);
        let dependencies = tables
            .flat_map(|table| ["dependencies", "build-dependencies"].map(|key| table.get(key)))
            .filter_map(|table| table?.as_table())
            .flatten();
        let paths = dependencies.filter_map(|(name, value)| match path_of(value) {
            Some(path) => Some(folder.join(path)),
            None if value.get("workspace").and_then(Value::as_bool) == Some(true) => {
                shared.get(name).cloned()
            }
            None => None,
        });
        Ok(paths.map(|path| canonical(&path)).collect())
    }

    fn table(&mut self, folder: &Path) -> Result<&Table, Error> {
        if folder == self.root {
            return Ok(&self.root_table);
        }
        if !self.read.contains_key(folder) {
            self.read.insert(folder.to_owned(), read_table(&folder.join("Cargo.toml"))?);
        }
        Ok(&self.read[folder])
    }
}

/// Whether the text of a manifest is that of a workspace's root.
///
/// A root that does not parse is still a root: the error is told when its members are asked for.
pub(crate) fn is_workspace(text: &str) -> bool {
    text.parse::<Table>().map_or_else(
        |_| text.lines().any(|line| line.trim_start().starts_with("[workspace")),
        |table| table.contains_key("workspace"),
    )
}

/// A string of `[build]` in the workspace's `.cargo/config.toml`, with the file's folder.
pub(crate) fn cargo_setting(root: &Path, key: &str) -> Option<String> {
    let text = fs_err::read_to_string(root.join(".cargo/config.toml")).ok()?;
    let table: Table = text.parse().ok()?;
    table.get("build")?.get(key)?.as_str().map(str::to_owned)
}

pub(crate) fn read_table(path: &Path) -> Result<Table, Error> {
    let text = fs_err::read_to_string(path)?;
    text.parse()
        .map_err(|source| Error::Manifest { path: path.to_owned(), source: Box::new(source) })
}

fn path_of(dependency: &Value) -> Option<&str> {
    dependency.get("path")?.as_str()
}

fn expand(root: &Path, pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![root.join(pattern)];
    }
    // The root may contain characters that mean something in a pattern.
    let root = glob::Pattern::escape(&root.to_string_lossy());
    let paths = glob::glob(&format!("{root}/{pattern}"));
    paths.into_iter().flatten().filter_map(Result::ok).collect()
}

/// One spelling per folder, so that `a/../b` and `b` are the same.
fn canonical(path: &Path) -> PathBuf {
    fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
