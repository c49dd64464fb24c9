//! Open libraries and what can be asked of their roots.
#![expect(unsafe_code, reason = "opening a library runs its constructors")]

use crate::error::Wrong;
use crate::inspect::{Inspection, inspect};
use crate::inspected::{FileState, Inspected};
use crate::revision::{Root, enter};
use crate::services::{Services, share};
use crate::took::{Laps, Took};
use crate::{Error, natives};
use abi_stable::library::{AbiHeaderRef, LibHeader};
use ablate_abi::v1::{
    Component, Create, InitOptions, Kind, LogLevel, Plugin_Ref, PluginError, REVISION, RResult,
    RString,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open plugin. The library behind it stays mapped for the life of the process.
pub struct Library {
    path: PathBuf,
    name: String,
    sha256: String,
    image: u64,
    root: Root,
    took: Took,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Library({}, image {})", self.path.display(), self.image)
    }
}

/// Opens each file once and numbers the images.
pub struct Loader {
    services: Arc<dyn Services>,
    threads: u32,
    inspected: Inspected,
    open: Mutex<BTreeMap<PathBuf, Arc<Library>>>,
}

/// The number of the image at `path`. An image is initialized once in a process, by whichever loader opens it first,
/// so its number is one for all of them. Numbers start at 1: 0 is an image that was never initialized.
fn image_number(path: &Path) -> u64 {
    static IMAGES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = images.iter().position(|known| known == path);
    let position = known.unwrap_or_else(|| {
        images.push(path.to_owned());
        images.len() - 1
    });
    position as u64 + 1
}

impl Loader {
    /// A loader whose plugins get `services` and may use `threads` threads each.
    ///
    /// Calls into plugins are serial within a trial, so each one's pool may have all threads.
    pub fn new(services: impl Services, threads: u32) -> Self {
        let inspected = Inspected::new(services.library_cache());
        Self { services: Arc::new(services), threads, inspected, open: Mutex::new(BTreeMap::new()) }
    }

    /// Opens the library at `path`, or gives the one that is open already.
    ///
    /// A file that has never been opened on this machine belongs into a child process first: a
    /// broken one can end the process.
    ///
    /// # Errors
    /// Names the file and the step that failed.
    pub fn open(&self, path: &Path, sha256: Option<&str>) -> Result<Arc<Library>, Error> {
        let path = std::path::absolute(path)
            .map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = open.get(&path) {
            return Ok(library.clone());
        }
        let (mut laps, mut took) = (Laps::start(), Took::default());
        let inspection = self.inspect(&path, sha256)?;
        took.inspect = laps.lap();
        let image = image_number(&path);
        let natives = inspection.natives.check(&path)?;
        let header = map(&path, &inspection.symbol)?;
        natives::keep(natives, &path);
        took.map = laps.lap();
        let root = check(&path, header)?;
        let name = inspection.plugin();
        let library =
            Library { path: path.clone(), name, sha256: inspection.sha256, image, root, took };
        let library = Arc::new(self.init(library, laps)?);
        open.insert(path, library.clone());
        Ok(library)
    }

    /// Reads and checks the file, unless it is known to be the one that is asked for.
    fn inspect(&self, path: &Path, sha256: Option<&str>) -> Result<Inspection, Error> {
        if let Some(known) = sha256.and_then(|sha256| self.inspected.recall(path, sha256)) {
            return Ok(known);
        }
        let before = FileState::of(path);
        let inspection = inspect(path)?;
        if let Some(expected) = sha256
            && expected != inspection.sha256
        {
            let (path, expected) = (path.to_path_buf(), expected.to_owned());
            return Err(Error::Changed { path, expected, found: inspection.sha256 });
        }
        self.inspected.keep(path, before, &inspection);
        Ok(inspection)
    }

    /// A plugin that is linked into this program, by the root symbol that it exports. All such
    /// plugins are one image, so their blocks are called natively.
    ///
    /// # Errors
    /// As [`Loader::open`], from the layout check on.
    pub fn linked(&self, name: &str, header: &'static LibHeader) -> Result<Library, Error> {
        let path = PathBuf::from(format!("{name} (linked)"));
        let root = enter(header).map_err(|wrong| wrong.at(&path))?;
        let (name, sha256, took) = (name.to_owned(), String::new(), Took::default());
        let library = Library { path, name, sha256, image: LINKED_IMAGE, root, took };
        self.init(library, Laps::start())
    }

    fn init(&self, mut library: Library, mut laps: Laps) -> Result<Library, Error> {
        library.check_build()?;
        library.took.check = laps.lap();
        let host = share(&self.services, self.threads, &library.name);
        let (image, threads) = (library.image, self.threads);
        let log_level = LogLevel(self.services.log_level());
        let options = InitOptions { image, threads, log_level };
        library.answer("init", (library.root().init())(host, options))?;
        library.took.init = laps.lap();
        Ok(library)
    }
}

/// The number of the image that plugins linked into this program share.
const LINKED_IMAGE: u64 = u64::MAX;

/// Maps the file and finds its root symbol.
fn map(path: &Path, symbol: &str) -> Result<AbiHeaderRef, Error> {
    use libloading::os::unix::{Library as Mapped, RTLD_LOCAL, RTLD_NOW};
    let refused = |reason: String| Error::Open { path: path.to_path_buf(), reason };
    // SAFETY: the file was parsed and is a complete library; its constructors run, which is what
    // opening a plugin means.
    let mapped = unsafe { Mapped::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let mapped = mapped.map_err(|error| refused(innermost(&error)))?;
    // SAFETY: a symbol of this prefix is a `LibHeader` by the contract of the border; the header
    // is checked (magic string, version, C calling convention) before anything else is used.
    let header = unsafe { mapped.get::<AbiHeaderRef>(symbol.as_bytes()) };
    let header = *header.map_err(|error| refused(innermost(&error)))?;
    // Code of the library may be referenced from anywhere from here on: it is never unloaded.
    std::mem::forget(mapped);
    Ok(header)
}

/// Checks header and layout.
fn check(path: &Path, header: AbiHeaderRef) -> Result<Root, Error> {
    let header = header.upgrade().map_err(|error| Wrong::of(&error));
    header.and_then(enter).map_err(|wrong| wrong.at(path))
}

impl Library {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plugin's name, as its root symbol says.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long the steps of opening it took.
    pub fn took(&self) -> Took {
        self.took
    }

    /// sha256 of the file when it was opened.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Number of this image in the process.
    pub fn image(&self) -> u64 {
        self.image
    }

    /// The plugin's root, for checks that drive it directly.
    pub fn root(&self) -> Plugin_Ref {
        let Root::V1(root) = self.root;
        root
    }

    /// The plugin's description, as JSON.
    ///
    /// # Errors
    /// If the plugin fails to describe itself.
    pub fn description(&self) -> Result<String, Error> {
        Ok(text(&self.answer("describing itself", (self.root().list())())?))
    }

    /// The tensor contract of a component under a configuration, as JSON.
    ///
    /// # Errors
    /// If the component refuses the configuration.
    pub fn contract(&self, kind: Kind, name: &str, config: &str) -> Result<String, PluginError> {
        let answer = (self.root().describe())(kind, name.into(), config.into());
        Ok(text(&answer.into_result().map_err(PluginError::readable)?))
    }

    /// Makes a component.
    ///
    /// # Errors
    /// If the component refuses the request.
    pub fn create(&self, request: Create) -> Result<Component, PluginError> {
        (self.root().create())(request).into_result().map_err(PluginError::readable)
    }

    fn answer<T>(&self, action: &str, answer: RResult<T, PluginError>) -> Result<T, Error> {
        answer.into_result().map_err(|source| Error::Plugin {
            path: self.path.clone(),
            message: format!("{action} failed"),
            source: Box::new(source.readable()),
        })
    }

    fn check_build(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Refused { path: self.path.clone(), reason });
        let revision = self.root().revision();
        if revision != REVISION {
            return refuse(format!("it speaks border revision {revision}, this host {REVISION}"));
        }
        let info = (self.root().build_info())();
        if info.panic_aborts {
            return refuse("a panic in it would end the process (`panic = \"abort\"`)".to_owned());
        }
        Ok(())
    }
}

/// What the system said, without what was being done.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// A text of a plugin; what is no UTF-8 in it is replaced, so that whoever parses it can say so.
fn text(text: &RString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}
