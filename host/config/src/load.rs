//! Finds an experiment's files, lets figment merge the layers, and reads the result with origins.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use figment::value::{Dict, Num, Tag, Value};
use figment::{Figment, Profile, Provider, Source};

use crate::error::{At, Error, nearest};
use crate::experiment::Experiment;
use crate::key_path::{KeyPath, Segment};
use crate::source::{self, ARGUMENT, FILE, File, Layer, VARIABLE};
use crate::tree::{Data, Node, Origin, Tree, replaced_alternatives};

const FILE_NAME: &str = "experiment.toml";

/// No experiment is nested deeper than this; what is could not be written as TOML again.
const DEEPEST: usize = 64;

/// What is put over an experiment's files, weakest first.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// `key=value` arguments. A value is TOML; a bare word is a string.
    pub overrides: Vec<String>,
    /// Environment variables; those named `ABLATE_SET__key__key` set keys, the others are ignored.
    pub environment: Vec<(String, String)>,
}

/// Reads the experiment at `path`, a TOML file or a folder with an `experiment.toml`.
///
/// The layers are, weakest first: the files that it extends, the file, the environment, the command
/// line. A table that has `use` (or `ref`) replaces the one below it; other tables merge.
///
/// # Errors
/// Anything that can be known without the components: files, syntax, keys of the host, the sweep.
pub fn load(path: &Path, layers: &Layers) -> Result<Experiment, Error> {
    let file = find(path)?;
    let mut files = Files::default();
    files.collect(&file)?;
    let mut figment = Figment::new();
    for File { layer, .. } in &files.read {
        figment = put(figment, std::slice::from_ref(layer));
    }
    let mut environment = layers.environment.clone();
    environment.sort();
    let variables: Result<Vec<_>, _> = environment
        .iter()
        .filter_map(|(name, value)| source::variable(name, value).transpose())
        .collect();
    figment = put(figment, &variables?);
    let arguments: Result<Vec<_>, _> =
        layers.overrides.iter().map(|text| source::argument(text)).collect();
    figment = put(figment, &arguments?);
    let root = Origins::new(&figment, &files.read).read();
    if let Some(at) = too_deep(&root, &KeyPath::root()) {
        let problem = format!("values are nested deeper than {DEEPEST} levels");
        return Err(Error::Misplaced { at, problem });
    }
    Experiment::read(Tree::new(root, file))
}

/// A value below more than [`DEEPEST`] tables and lists.
fn too_deep(node: &Node, path: &KeyPath) -> Option<Box<At>> {
    if path.segments().len() > DEEPEST {
        return Some(At::new(&node.origin, path));
    }
    match &node.data {
        Data::Table(table) => {
            table.iter().find_map(|(key, node)| too_deep(node, &path.child(key.as_str())))
        }
        Data::List(items) => {
            items.iter().enumerate().find_map(|(index, node)| too_deep(node, &path.item(index)))
        }
        _ => None,
    }
}

/// Merges layers of equal rank: what any of them replaces is taken away first, so that their order
/// matters only where they say the same key.
fn put(mut figment: Figment, layers: &[Layer]) -> Figment {
    let together = layers.iter().fold(Figment::new(), Figment::merge);
    figment = figment.merge(Layer::eraser(&replaced(&values(&together))));
    layers.iter().fold(figment, Figment::merge)
}

fn values(figment: &Figment) -> Dict {
    let mut profiles = figment.data().expect("layers are values already");
    profiles.remove(&Profile::Default).unwrap_or_default()
}

/// The keys below a layer that it replaces rather than merges with.
fn replaced(values: &Dict) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    collect_replaced(values, &mut Vec::new(), &mut paths);
    if let Some(Value::Dict(_, train)) = values.get("train") {
        for key in replaced_alternatives(|key| train.contains_key(key)) {
            paths.push(vec!["train".to_owned(), key.to_owned()]);
        }
    }
    paths
}

fn collect_replaced(values: &Dict, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    for (key, value) in values {
        let Value::Dict(_, inner) = value else { continue };
        path.push(key.clone());
        if inner.contains_key("use") || inner.contains_key("ref") {
            paths.push(path.clone());
        } else {
            collect_replaced(inner, path, paths);
        }
        path.pop();
    }
}

/// The file that `path` means.
fn find(path: &Path) -> Result<PathBuf, Error> {
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    if file.is_file() {
        return Ok(tidy(&file));
    }
    Err(Error::NotFound { path: path.to_owned(), near: neighbor(path) })
}

/// An experiment beside `path` whose name is like it.
fn neighbor(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> = fs_err::read_dir(listed)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let fits = path.join(FILE_NAME).is_file()
                || path.extension().is_some_and(|extension| extension == "toml");
            fits.then(|| path.file_name().and_then(|name| name.to_str()).map(str::to_owned))?
        })
        .collect();
    nearest(name, names.iter().map(String::as_str)).map(|near| folder.join(near))
}

/// The files of an experiment, each once, what is extended before what extends it.
#[derive(Default)]
struct Files {
    read: Vec<File>,
    seen: Vec<PathBuf>,
    chain: Vec<(PathBuf, PathBuf)>,
}

impl Files {
    fn collect(&mut self, path: &Path) -> Result<(), Error> {
        let identity = identity(path)?;
        if self.seen.contains(&identity) {
            return Ok(());
        }
        let mut file = File::read(path)?;
        let extends = file.layer.values.remove("extends");
        if !self.chain.is_empty() {
            // What a file calls itself is not what another file that extends it is called.
            file.layer.values.remove("name");
        }
        self.chain.push((identity.clone(), path.to_owned()));
        for (parent, at) in parents(&file, extends)? {
            if !parent.is_file() {
                return Err(Error::ExtendsNothing { at, path: parent });
            }
            let target = self::identity(&parent)?;
            if let Some(start) = self.chain.iter().position(|(known, _)| *known == target) {
                let names = self.chain[start..].iter().map(|(_, path)| path);
                let chain = names.chain([&parent]).map(|path| path.display().to_string());
                return Err(Error::ExtendsCycle { at, chain: chain.collect() });
            }
            self.collect(&parent)?;
        }
        self.chain.pop();
        self.seen.push(identity);
        self.read.push(file);
        Ok(())
    }
}

fn identity(path: &Path) -> Result<PathBuf, Error> {
    fs_err::canonicalize(path).map_err(|source| Error::Read { file: path.to_owned(), source })
}

/// The files that `file` extends: a string or a list of strings, relative to the file.
fn parents(file: &File, extends: Option<Value>) -> Result<Vec<(PathBuf, Box<At>)>, Error> {
    let key = KeyPath::root().child("extends");
    let at = |key: &KeyPath| {
        let line = file.lines.of(key);
        At::new(&Origin::File { file: Arc::from(file.path.as_path()), line }, key)
    };
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let parent = |value: &Value, key: &KeyPath| {
        if let Some(text) = value.as_str() {
            let path = tidy(&folder.join(text));
            let path = if path.is_dir() { path.join(FILE_NAME) } else { path };
            return Ok((path, at(key)));
        }
        let figment = Figment::new();
        let node = Origins::new(&figment, &[]).node(value, key);
        let found = node.map_or_else(String::new, |node| node.describe());
        let expected = "a path or a list of paths".to_owned();
        Err(Error::WrongType { at: at(key), expected, found })
    };
    match extends {
        None => Ok(Vec::new()),
        Some(Value::Array(_, items)) => {
            items.iter().enumerate().map(|(index, item)| parent(item, &key.item(index))).collect()
        }
        Some(value) => Ok(vec![parent(&value, &key)?]),
    }
}

/// The same path without `.` and, where a folder stands before it, without `..`.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidied.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidied.pop();
            }
            _ => tidied.push(component),
        }
    }
    tidied
}

/// Reads figment's values back with their origins: the layer from figment, the line from the file.
struct Origins<'a> {
    figment: &'a Figment,
    files: &'a [File],
    order: HashMap<&'a str, usize>,
}

impl<'a> Origins<'a> {
    fn new(figment: &'a Figment, files: &'a [File]) -> Self {
        let mut order = HashMap::new();
        for key in files.iter().flat_map(|file| file.lines.in_order()) {
            let next = order.len();
            order.entry(key.as_str()).or_insert(next);
        }
        Self { figment, files, order }
    }

    fn read(&self) -> Node {
        let root = KeyPath::root();
        let data = Data::Table(Arc::new(self.table(&values(self.figment), &root)));
        Node { data, origin: Origin::Spec }
    }

    fn node(&self, value: &Value, path: &KeyPath) -> Option<Node> {
        let data = match value {
            Value::Empty(..) => return None,
            Value::Bool(_, value) => Data::Bool(*value),
            Value::String(_, text) => Data::Text(text.clone()),
            Value::Char(_, letter) => Data::Text(letter.to_string()),
            Value::Num(_, Num::F64(value)) => Data::Float(*value),
            Value::Num(_, number) => match number.to_i128().and_then(|n| i64::try_from(n).ok()) {
                Some(integer) => Data::Integer(integer),
                None => Data::Float(number.to_f64().unwrap_or(f64::NAN)),
            },
            Value::Array(_, items) => {
                let items = items.iter().enumerate();
                Data::List(items.filter_map(|(i, item)| self.node(item, &path.item(i))).collect())
            }
            Value::Dict(_, values) => Data::Table(Arc::new(self.table(values, path))),
        };
        let origin = self.origin(value, &data, path);
        Some(Node { data, origin })
    }

    fn table(&self, values: &Dict, path: &KeyPath) -> indexmap::IndexMap<String, Node> {
        let mut entries: Vec<_> = values
            .iter()
            .filter_map(|(key, value)| {
                let path = path.child(key.as_str());
                let position = self.order.get(path.to_string().as_str()).copied();
                let node = self.node(value, &path)?;
                Some((position.unwrap_or(usize::MAX), key.clone(), node))
            })
            .collect();
        entries.sort_by_key(|(position, ..)| *position);
        entries.into_iter().map(|(_, key, node)| (key, node)).collect()
    }

    fn origin(&self, value: &Value, data: &Data, path: &KeyPath) -> Origin {
        if let (Data::Table(_), Value::Dict(_, values)) = (data, value) {
            // Who says what a table uses has replaced all of it.
            if let Some(chosen) = values.get("use").or_else(|| values.get("ref")) {
                return self.layer(chosen.tag(), path);
            }
            // A merged table belongs to all layers; the one that a reader would look into is the
            // first in which it is a table.
            let mut tables = self.files.iter().filter(|file| is_table(&file.layer.values, path));
            let first = tables.find_map(|file| Some((file, file.lines.of(path)?)));
            if let Some((file, line)) = first {
                return Origin::File { file: Arc::from(file.path.as_path()), line: Some(line) };
            }
        }
        self.layer(value.tag(), path)
    }

    fn layer(&self, tag: Tag, path: &KeyPath) -> Origin {
        let Some(metadata) = self.figment.get_metadata(tag) else { return Origin::Spec };
        match (metadata.name.as_ref(), &metadata.source) {
            (FILE, Some(Source::File(file))) => {
                let read = self.files.iter().find(|read| read.path == *file);
                let line = read.and_then(|read| read.lines.of(path));
                Origin::File { file: Arc::from(file.as_path()), line }
            }
            (VARIABLE, Some(Source::Custom(name))) => {
                Origin::Environment { name: Arc::from(name.as_str()) }
            }
            (ARGUMENT, Some(Source::Custom(text))) => {
                Origin::CommandLine { text: Arc::from(text.as_str()) }
            }
            _ => Origin::Spec,
        }
    }
}

fn is_table(values: &Dict, path: &KeyPath) -> bool {
    let mut segments = path.segments().iter();
    let first = match segments.next() {
        Some(Segment::Key(key)) => values.get(key),
        _ => return false,
    };
    let found = segments.try_fold(first, |value, segment| match (segment, value?) {
        (Segment::Key(key), Value::Dict(_, values)) => Some(values.get(key)),
        (Segment::Index(index), Value::Array(_, items)) => Some(items.get(*index)),
        _ => None,
    });
    matches!(found, Some(Some(Value::Dict(..))))
}
