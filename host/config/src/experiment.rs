//! A loaded experiment: its names, its sweep, and its tree of values.

use std::path::{Path, PathBuf};

use crate::error::{At, Error, nearest};
use crate::key_path::KeyPath;
use crate::load::tidy;
use crate::section::{Section, list, refuse_unknown, table, text};
use crate::sweep::Sweep;
use crate::tree::{Node, Origin, Tree};

/// The keys of an experiment file, but for `extends`, which the loader takes away.
const KEYS: [&str; 14] = [
    "question", "name", "device", "threads", "plugins", "dataset", "model", "blocks", "loss",
    "metric", "artifact", "train", "report", "sweep",
];

/// The keys below which variants may differ.
const VARIED: [&str; 9] =
    ["dataset", "model", "blocks", "loss", "metric", "artifact", "train", "device", "threads"];

/// A question, a base spec, and what to compare.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The folder's name, or `folder:stem` for a file that is not `experiment.toml`, or `name = …`.
    pub name: String,
    /// The question; empty if the files ask none.
    pub question: String,
    /// The experiment's own file.
    pub file: PathBuf,
    /// The folder that holds it.
    pub folder: PathBuf,
    /// The device, `flex` by default.
    pub device: String,
    /// Folders in which to look for plugins, beside the usual ones.
    pub plugins: Vec<PathBuf>,
    /// What is compared.
    pub sweep: Sweep,
    tree: Tree,
    /// The tree without `[sweep]`, from which variants are made.
    trunk: Tree,
}

impl Experiment {
    pub(crate) fn read(tree: Tree) -> Result<Self, Error> {
        let root = KeyPath::root();
        let file = tree.file().to_owned();
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        refuse_unknown(table(tree.root(), &root)?, &root, &KEYS)?;
        let section = Section::loose_root(&tree)?;
        let name = match section.text("name")? {
            Some("") => {
                let problem = "the name is empty".to_owned();
                return Err(Error::Misplaced { at: section.at_key("name"), problem });
            }
            Some(name) => name.to_owned(),
            None => default_name(&file)?,
        };
        Ok(Self {
            name,
            question: section.text("question")?.unwrap_or_default().to_owned(),
            device: device(&section)?,
            plugins: plugin_folders(&section)?,
            sweep: Sweep::read(&section)?,
            file,
            folder,
            trunk: tree.without("sweep"),
            tree,
        })
    }

    /// The base spec with origins.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The base spec with `set` put over it, without `[sweep]`.
    ///
    /// Setting a table that has `use` replaces it; other tables merge. `false` in the place of a
    /// loss, a metric, an artifact or the block of an optional slot leaves it out.
    /// The whole of `set` is one layer, so its order matters only where two entries name one key.
    ///
    /// # Errors
    /// A key that no experiment has, or that variants cannot differ in.
    pub fn with(&self, set: &[(KeyPath, Node)]) -> Result<Tree, Error> {
        for (key, value) in set {
            check_varied(key, &At { origin: value.origin.clone(), key: key.clone() })?;
        }
        Ok(self.trunk.with(set))
    }
}

pub(crate) fn device(section: &Section<'_>) -> Result<String, Error> {
    match section.text("device")? {
        Some(device) if device.trim().is_empty() => {
            let problem = "the name of the device is empty".to_owned();
            Err(Error::Misplaced { at: section.at_key("device"), problem })
        }
        device => Ok(device.unwrap_or("flex").to_owned()),
    }
}

fn default_name(file: &Path) -> Result<String, Error> {
    let full = fs_err::canonicalize(file)
        .map_err(|source| Error::Read { file: file.to_owned(), source })?;
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map_or_else(|| "experiment".to_owned(), |part| part.to_string_lossy().into_owned())
    };
    let folder = part(full.parent().and_then(Path::file_name));
    if file.file_name().is_some_and(|name| name == "experiment.toml") {
        return Ok(folder);
    }
    Ok(format!("{folder}:{}", part(file.file_stem())))
}

/// `plugins.folders`; paths in a file are relative to that file, others to the current folder.
fn plugin_folders(section: &Section<'_>) -> Result<Vec<PathBuf>, Error> {
    let plugins = section.section("plugins", &["folders"])?;
    let Some(folders) = plugins.node("folders") else { return Ok(Vec::new()) };
    let path = plugins.path("folders");
    list(folders, &path, "a list of folders")?
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let folder = text(node, &path.item(index))?;
            Ok(match &node.origin {
                Origin::File { file, .. } => {
                    tidy(&file.parent().unwrap_or(Path::new("")).join(folder))
                }
                _ => PathBuf::from(folder),
            })
        })
        .collect()
}

/// Whether variants may differ in `key`; `at` is where the key stands.
pub(crate) fn check_varied(key: &KeyPath, at: &At) -> Result<(), Error> {
    let at = || Box::new(at.clone());
    if key.keys().is_none() {
        let problem = "items of a list cannot be set, only the whole list".to_owned();
        return Err(Error::Misplaced { at: at(), problem });
    }
    let first = key.first().unwrap_or_default();
    if VARIED.contains(&first) {
        return Ok(());
    }
    if first == "seed" || first == "seeds" {
        let problem = "every variant has the same seeds; they stand in `sweep.seeds`".to_owned();
        return Err(Error::Misplaced { at: at(), problem });
    }
    if KEYS.contains(&first) || first == "extends" {
        let problem = format!("`{first}` cannot differ between variants");
        return Err(Error::Misplaced { at: at(), problem });
    }
    Err(Error::UnknownKey {
        at: at(),
        near: nearest(first, VARIED),
        known: VARIED.map(str::to_owned).into(),
    })
}
