//! Published plugin crates: Cargo finds and downloads them, and a copy of the sources is built
//! below the home folder.
//!
//! Everything lies in one folder: `request` (a package whose only dependency is the crate, so that
//! Cargo chooses the version), `sources`, and `target`, one for all crates, so that what they
//! share is compiled once. It can be deleted at any time.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use walkdir::WalkDir;

use crate::atomic;
use crate::cargo::{Answer, Cargo, host_triple};
use crate::crate_request::CrateRequest;
use crate::error::Error;
use crate::manifest::read_table;
use crate::plugin_package::{Metadata, PluginPackages};

/// The name of the package that asks for a crate.
const REQUEST: &str = "ablate-request";

/// The folder in which published crates are built. Only one process works there at a time.
#[derive(Debug)]
pub struct Builds {
    root: PathBuf,
    /// The folder that the user is in: Cargo reads its configuration from there.
    folder: PathBuf,
    _lock: fs_err::File,
}

/// The sources of a published crate, ready to be built.
#[derive(Debug)]
pub struct Fetched {
    /// The plugin; one.
    pub packages: PluginPackages,
    /// Why the crate's own `Cargo.lock` is not used, if it has one that cannot be.
    pub without_lock: Option<String>,
}

impl Builds {
    /// Waits until no other process builds crates under `home`, and says so by `on_wait`.
    /// Cargo's configuration is that of `folder`.
    ///
    /// # Errors
    /// A home folder that cannot be written to.
    pub fn open(home: &Path, folder: &Path, on_wait: impl FnOnce()) -> Result<Self, Error> {
        let root = home.join("builds");
        fs_err::create_dir_all(&root)?;
        let path = root.join("lock");
        let failed = |source| atomic::write_error(&path, source);
        let lock = fs_err::File::create(&path)?;
        match lock.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                on_wait();
                lock.file().lock().map_err(failed)?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self { root, folder: folder.to_owned(), _lock: lock })
    }

    /// Where all of it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lets Cargo choose a version and download it, and copies the sources.
    ///
    /// # Errors
    /// [`Error::Resolve`] with Cargo's words where there is no such version,
    /// [`Error::NotAPlugin`] for a crate that is none.
    pub fn fetch(
        &self,
        request: &CrateRequest,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Fetched, Error> {
        let metadata = self.resolve(request, on_line)?;
        let package = metadata.dependency().ok_or_else(|| Error::Resolve {
            request: request.to_string(),
            said: vec!["cargo answered without it".to_owned()],
        })?;
        let place = package.folder();
        if !package.is_plugin() {
            let (package, members) = (Some(request.name().to_owned()), Vec::new());
            return Err(Error::NotAPlugin { package, place, members });
        }
        let sources =
            self.root.join("sources").join(format!("{}-{}", package.name, package.version));
        copy_sources(&place, &sources)?;
        let without_lock = self.settle_lock(&sources, request, on_line)?;
        let manifest = sources.join("Cargo.toml");
        let packages = PluginPackages::read(manifest, self.folder.clone(), Some(request.name()))?;
        Ok(Fetched { packages, without_lock })
    }

    /// Builds what was fetched, and gives the library.
    ///
    /// # Errors
    /// Those of [`PluginPackages::build`].
    pub fn build(
        &self,
        fetched: &Fetched,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, Error> {
        let libraries = fetched.packages.build(Some(&self.root.join("target")), on_line)?;
        Ok(libraries.into_iter().next().expect("one package gives one library"))
    }

    fn resolve(
        &self,
        request: &CrateRequest,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Metadata, Error> {
        let folder = self.root.join("request");
        // An older request's choices must not count.
        remove_folder(&folder)?;
        fs_err::create_dir_all(&folder)?;
        let text = |text: &str| Value::String(text.to_owned());
        let table = |entries: &[(&str, Value)]| -> Table {
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
        };
        let package =
            [("name", text(REQUEST)), ("version", text("0.0.0")), ("edition", text("2024"))];
        let dependency = [(request.name(), text(&request.requirement()))];
        let manifest = table(&[
            ("package", Value::Table(table(&package))),
            ("lib", Value::Table(table(&[("path", text("lib.rs"))]))),
            ("dependencies", Value::Table(table(&dependency))),
            // The home folder may lie inside a workspace.
            ("workspace", Value::Table(Table::new())),
        ]);
        fs_err::write(folder.join("lib.rs"), "")?;
        fs_err::write(folder.join("Cargo.toml"), manifest.to_string())?;
        let mut cargo = Cargo::new(&["metadata", "--format-version", "1"], &self.folder)
            .path("--manifest-path", folder.join("Cargo.toml"));
        // What only other systems need may be missing.
        if let Some(triple) = host_triple(&self.folder)? {
            cargo = cargo.option("--filter-platform", &triple);
        }
        let answer = cargo.run(on_line)?;
        if !answer.status.success() {
            return Err(refused(request, &answer));
        }
        Metadata::read(&answer.stdout)
    }

    /// Keeps the crate's own lock file if Cargo accepts it, else makes one: then gives Cargo's
    /// reason.
    fn settle_lock(
        &self,
        sources: &Path,
        request: &CrateRequest,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Option<String>, Error> {
        let manifest = sources.join("Cargo.toml");
        let lock = sources.join("Cargo.lock");
        let mut reason = None;
        if lock.exists() {
            let cargo = Cargo::new(&["update", "--workspace", "--locked"], &self.folder);
            let answer = cargo.path("--manifest-path", &manifest).run(&mut |_| {})?;
            if answer.status.success() {
                return Ok(None);
            }
            reason = Some(complaint(&answer.tail).join(" "));
            fs_err::remove_file(&lock)?;
        }
        // Nobody has to have what only the crate's own tests need.
        let mut table = read_table(&manifest)?;
        drop_development(&mut table);
        fs_err::write(&manifest, table.to_string())?;
        let cargo = Cargo::new(&["generate-lockfile"], &self.folder);
        let answer = cargo.path("--manifest-path", &manifest).run(on_line)?;
        if !answer.status.success() {
            return Err(refused(request, &answer));
        }
        Ok(reason)
    }
}

fn refused(request: &CrateRequest, answer: &Answer) -> Error {
    Error::Resolve { request: request.to_string(), said: complaint(&answer.tail) }
}

/// What Cargo complains of, without what it did before and without our own package.
fn complaint(tail: &[String]) -> Vec<String> {
    let start = tail.iter().position(|line| line.starts_with("error"));
    let lines = tail.iter().skip(start.unwrap_or_default());
    // Advice for whoever writes a manifest follows.
    let lines = lines.take_while(|line| !line.starts_with("if you are looking for"));
    let lines = lines.filter(|line| {
        let own = line.contains("required by package") && line.contains(REQUEST);
        !own && !line.trim().is_empty()
    });
    lines.map(|line| line.strip_prefix("error: ").unwrap_or(line).to_owned()).collect()
}

/// The sources without what others left beside them, and as a workspace of their own.
fn copy_sources(from: &Path, to: &Path) -> Result<(), Error> {
    remove_folder(to)?;
    let left_out = [".git", "target", ".cargo-checksum.json", ".cargo-ok"];
    let entries = WalkDir::new(from).into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() != 1 || !left_out.contains(&name.as_ref())
    });
    for entry in entries {
        let entry = entry.map_err(std::io::Error::from)?;
        let inside = entry.path().strip_prefix(from).expect("a walk stays in its folder");
        let target = to.join(inside);
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(target)?;
        } else if entry.file_type().is_file() {
            // Not a copy, which would be read-only where the source is.
            fs_err::write(target, fs_err::read(entry.path())?)?;
        }
    }
    let manifest = to.join("Cargo.toml");
    if !read_table(&manifest)?.contains_key("workspace") {
        let text = fs_err::read_to_string(&manifest)?;
        fs_err::write(&manifest, format!("{text}\n[workspace]\n"))?;
    }
    Ok(())
}

fn drop_development(table: &mut Table) {
    let drop = |table: &mut Table| {
        table.remove("dev-dependencies");
        table.remove("dev_dependencies");
    };
    drop(table);
    let targets = table.get_mut("target").and_then(Value::as_table_mut);
    for (_, target) in targets.into_iter().flatten() {
        target.as_table_mut().map(drop).unwrap_or_default();
    }
}

fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
