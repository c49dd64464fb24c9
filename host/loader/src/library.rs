//! Open libraries and what can be asked of their roots.
#![expect(unsafe_code, reason = "opening a library runs its constructors")]

use crate::Error;
use crate::inspect::{Inspection, inspect};
use crate::inspected::{FileState, Inspected};
use crate::services::{Services, share};
use abi_stable::library::{AbiHeaderRef, LibHeader};
use ablate_abi::v1::{
    Component, Create, Host_TO, InitOptions, Kind, LogLevel, Plugin_Ref, PluginError, REVISION,
    RResult, SharedHost,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open plugin. The library behind it stays mapped for the life of the process.
pub struct Library {
    path: PathBuf,
    sha256: String,
    image: u64,
    root: Plugin_Ref,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Library({}, image {})", self.path.display(), self.image)
    }
}

/// Opens each file once and numbers the images.
pub struct Loader {
    host: SharedHost,
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
        let host = share(services, threads);
        Self { host, threads, inspected, open: Mutex::new(BTreeMap::new()) }
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
        let inspection = self.inspect(&path, sha256)?;
        let image = image_number(&path);
        let root = open_root(&path, &inspection.symbol)?;
        let library = Library { path: path.clone(), sha256: inspection.sha256, image, root };
        let library = Arc::new(self.init(library)?);
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
        let root = header.init_root_module::<Plugin_Ref>().map_err(|error| Error::Layout {
            path: path.clone(),
            reason: last_difference(&error.to_string()),
        })?;
        self.init(Library { path, sha256: String::new(), image: LINKED_IMAGE, root })
    }

    fn init(&self, library: Library) -> Result<Library, Error> {
        library.check_build()?;
        let host = Host_TO::from_sabi(self.host.obj.shallow_clone());
        let (image, threads) = (library.image, self.threads);
        let options = InitOptions { image, threads, log_level: LogLevel::INFO };
        library.answer("init", (library.root.init())(host, options))?;
        Ok(library)
    }
}

/// The number of the image that plugins linked into this program share.
const LINKED_IMAGE: u64 = u64::MAX;

/// Maps the file and checks header and layout.
fn open_root(path: &Path, symbol: &str) -> Result<Plugin_Ref, Error> {
    use libloading::os::unix::{Library as Mapped, RTLD_LOCAL, RTLD_NOW};
    let refused = |reason: String| Error::Open { path: path.to_path_buf(), reason };
    let layout =
        |text: String| Error::Layout { path: path.to_path_buf(), reason: last_difference(&text) };
    // SAFETY: the file was parsed and is a complete library; its constructors run, which is what
    // opening a plugin means.
    let mapped = unsafe { Mapped::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let mapped = mapped.map_err(|error| refused(error.to_string()))?;
    // SAFETY: a symbol of this prefix is a `LibHeader` by the contract of the border; the header
    // is checked (magic string, version, C calling convention) before anything else is used.
    let header = unsafe { mapped.get::<AbiHeaderRef>(symbol.as_bytes()) };
    let header = *header.map_err(|error| refused(error.to_string()))?;
    // Code of the library may be referenced from anywhere from here on: it is never unloaded.
    std::mem::forget(mapped);
    let header = header.upgrade().map_err(|error| layout(error.to_string()))?;
    header.init_root_module::<Plugin_Ref>().map_err(|error| layout(error.to_string()))
}

/// The useful end of a layout error, which can be forty kilobytes long.
fn last_difference(text: &str) -> String {
    let tail = text.rsplit("\nError:").next().unwrap_or(text);
    let line = tail.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

impl Library {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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
        self.root
    }

    /// The plugin's description, as JSON.
    ///
    /// # Errors
    /// If the plugin fails to describe itself.
    pub fn description(&self) -> Result<String, Error> {
        Ok(self.answer("describing itself", (self.root.list())())?.into_string())
    }

    /// The tensor contract of a component under a configuration, as JSON.
    ///
    /// # Errors
    /// If the component refuses the configuration.
    pub fn contract(&self, kind: Kind, name: &str, config: &str) -> Result<String, PluginError> {
        let answer = (self.root.describe())(kind, name.into(), config.into());
        Ok(answer.into_result()?.into_string())
    }

    /// Makes a component.
    ///
    /// # Errors
    /// If the component refuses the request.
    pub fn create(&self, request: Create) -> Result<Component, PluginError> {
        (self.root.create())(request).into_result()
    }

    fn answer<T>(&self, action: &str, answer: RResult<T, PluginError>) -> Result<T, Error> {
        answer.into_result().map_err(|source| Error::Plugin {
            path: self.path.clone(),
            message: format!("{action} failed"),
            source: Box::new(source),
        })
    }

    fn check_build(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Refused { path: self.path.clone(), reason });
        let revision = self.root.revision();
        if revision != REVISION {
            return refuse(format!("it speaks border revision {revision}, this host {REVISION}"));
        }
        let info = (self.root.build_info())();
        if info.panic_aborts {
            return refuse("a panic in it would end the process (`panic = \"abort\"`)".to_owned());
        }
        Ok(())
    }
}
