//! Where the SDK and the conformance checks are that a new plugin is built with.

use crate::failure::Failure;
use ablate_catalog::Workspace;
use std::path::{Path, PathBuf};

const SDK: &str = "ablate-sdk";
const CONFORMANCE: &str = "ablate-conformance";

/// Versions that fit this program, where there is no checkout to look them up.
pub(super) const SDK_PUBLISHED: &str = "0.1.0";
pub(super) const CONFORMANCE_PUBLISHED: &str = "0.1.0";

/// The two packages as dependencies of a new crate.
#[derive(Debug)]
pub(super) struct Toolkit {
    sdk: Package,
    conformance: Package,
    /// The `Cargo.lock` of the checkout that they lie in.
    pub(super) lock: Option<PathBuf>,
}

#[derive(Debug)]
struct Package {
    name: &'static str,
    version: String,
    /// Its folder, if it is not taken from the registry.
    folder: Option<PathBuf>,
}

impl Toolkit {
    /// The one at `given`, else that of the checkout around the current folder, else the published
    /// one.
    pub(super) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let folder = match given {
            Some(path) => Some(at(path)?),
            None => std::env::current_dir().ok().and_then(|here| around(&here)),
        };
        let Some(folder) = folder else { return Ok(Self::published()) };
        let sdk = Package::read(SDK, &folder)?;
        let beside = folder.parent().map(|plugins| plugins.join("conformance"));
        let beside = beside.filter(|folder| names(folder, CONFORMANCE));
        let conformance = match beside {
            Some(folder) => Package::read(CONFORMANCE, &folder)?,
            None => Package::published(CONFORMANCE, CONFORMANCE_PUBLISHED),
        };
        let lock = Workspace::find(&folder).map(|workspace| workspace.root().join("Cargo.lock"));
        Ok(Self { sdk, conformance, lock: lock.filter(|lock| lock.is_file()) })
    }

    /// From the registry.
    pub(super) fn published() -> Self {
        Self {
            sdk: Package::published(SDK, SDK_PUBLISHED),
            conformance: Package::published(CONFORMANCE, CONFORMANCE_PUBLISHED),
            lock: None,
        }
    }

    /// The folder of the SDK, if it is not taken from the registry.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.sdk.folder.as_deref()
    }

    /// The line for `[dependencies]`.
    pub(super) fn sdk_line(&self, burn: bool) -> String {
        self.sdk.line(if burn { "" } else { ", default-features = false" })
    }

    /// The line for `[dev-dependencies]`.
    pub(super) fn conformance_line(&self) -> String {
        self.conformance.line("")
    }
}

impl Package {
    fn published(name: &'static str, version: &str) -> Self {
        Self { name, version: version.to_owned(), folder: None }
    }

    fn read(name: &'static str, folder: &Path) -> Result<Self, Failure> {
        let version = version(folder).ok_or_else(|| {
            Failure::user(format!(
                "`{}` does not say its version",
                folder.join("Cargo.toml").display()
            ))
        })?;
        Ok(Self { name, version, folder: Some(folder.to_owned()) })
    }

    fn line(&self, more: &str) -> String {
        let Self { name, version, folder } = self;
        match folder {
            // Published crates keep the version alone: Cargo takes the path out.
            Some(folder) => {
                let path = toml::Value::String(folder.display().to_string());
                format!("{name} = {{ version = \"{version}\", path = {path}{more} }}")
            }
            None if more.is_empty() => format!("{name} = \"{version}\""),
            None => format!("{name} = {{ version = \"{version}\"{more} }}"),
        }
    }
}

/// The SDK that a user means by a path: its folder, or a checkout that it lies in.
fn at(path: &Path) -> Result<PathBuf, Failure> {
    let choices = [path.to_owned(), path.join("plugins").join("sdk")];
    let found = choices.into_iter().find(|folder| names(folder, SDK)).ok_or_else(|| {
        Failure::user(format!("there is no `{SDK}` in `{}`", path.display()))
            .hint("`--sdk` takes the folder of a checkout of `ablate`, or of `plugins/sdk` in it")
    })?;
    Ok(fs_err::canonicalize(found)?)
}

fn around(here: &Path) -> Option<PathBuf> {
    let folders = here.ancestors().map(|folder| folder.join("plugins").join("sdk"));
    let folder = folders.into_iter().find(|folder| names(folder, SDK))?;
    fs_err::canonicalize(folder).ok()
}

fn manifest(folder: &Path) -> Option<toml::Table> {
    fs_err::read_to_string(folder.join("Cargo.toml")).ok()?.parse().ok()
}

fn names(folder: &Path, package: &str) -> bool {
    let found = manifest(folder);
    found.as_ref().and_then(|table| table.get("package")?.get("name")?.as_str()) == Some(package)
}

/// The version of a package, or what its workspace says for all.
fn version(folder: &Path) -> Option<String> {
    let own = manifest(folder)?.get("package")?.get("version")?.clone();
    if let Some(version) = own.as_str() {
        return Some(version.to_owned());
    }
    let workspace = Workspace::find(folder)?;
    let shared = manifest(workspace.root())?;
    let version = shared.get("workspace")?.get("package")?.get("version")?.as_str()?;
    Some(version.to_owned())
}
