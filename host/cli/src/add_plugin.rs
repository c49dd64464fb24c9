//! `ablate plugins add` and `remove`: which plugins experiments find by name wherever they are.

use crate::arguments::{AddPluginArguments, Format};
use crate::failure::Failure;
use crate::probe::ChildProbe;
use crate::table::quoted;
use crate::workplace::{self, Workplace};
use crate::{build_plugin, plugins, printer};
use ablate_catalog::{
    Builds, CrateRequest, Error, Installation, Installed, Lock, Pin, Source, Unpinned, install,
    uninstall,
};
use serde_json::json;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub(crate) fn add(arguments: &AddPluginArguments) -> Result<u8, Failure> {
    let home = workplace::home_folder(None);
    let done = match What::of(&arguments.plugin)? {
        What::Folder(folder) => add_folder(&home, &folder, arguments.package.as_deref())?,
        _ if arguments.package.is_some() => {
            return Err(Failure::user("`--package` chooses one of the packages in a folder")
                .hint("leave it out, or name the folder"));
        }
        What::File(file) => {
            let path = file.canonicalize().unwrap_or_else(|_| file.clone());
            let path = path.to_string_lossy().into_owned();
            install(&home, &file, Source::File { path }, &ChildProbe)?
        }
        What::Crate(request) => add_crate(&home, &request)?,
    };
    report(&done, arguments.format)
}

/// What the user wants to add.
enum What {
    /// A library.
    File(PathBuf),
    /// The folder of a crate, or its manifest.
    Folder(PathBuf),
    /// A published crate.
    Crate(CrateRequest),
}

impl What {
    /// A name without anything of a path is a crate, unless there is a folder with such a crate.
    fn of(text: &OsStr) -> Result<Self, Failure> {
        let path = Path::new(text);
        let manifest = path.file_name().is_some_and(|name| name == "Cargo.toml");
        // `.` and `..` have no name.
        let is_path = path.components().count() != 1
            || path.file_name().is_none()
            || text.to_string_lossy().contains(std::path::MAIN_SEPARATOR)
            || build_plugin::is_library(path);
        if manifest || path.join("Cargo.toml").is_file() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if !is_path {
            return Ok(Self::Crate(text.to_string_lossy().parse()?));
        }
        // What is no crate's folder either says so when it is looked at.
        let path = path.to_owned();
        Ok(if path.is_file() { Self::File(path) } else { Self::Folder(path) })
    }
}

fn add_folder(home: &Path, folder: &Path, package: Option<&str>) -> Result<Installation, Failure> {
    let packages = build_plugin::find(folder, package)?;
    let path = packages.only()?.folder.to_string_lossy().into_owned();
    let libraries = build_plugin::compile(&packages)?;
    Ok(install(home, &libraries[0], Source::Folder { path }, &ChildProbe)?)
}

fn add_crate(home: &Path, request: &CrateRequest) -> Result<Installation, Failure> {
    let here = std::env::current_dir()?;
    let builds = Builds::open(home, &here, || {
        printer::note("waiting for another `ablate plugins add`");
    })?;
    printer::note(&format!("fetching the crate `{request}`"));
    let fetched = builds.fetch(request, &mut |line| {
        let line = line.trim();
        if ["Updating", "Downloading", "Blocking"].iter().any(|start| line.starts_with(start)) {
            printer::note(&format!("  {line}"));
        }
    })?;
    let package = fetched.packages.only()?;
    if let Some(reason) = &fetched.without_lock {
        let text = format!("the `Cargo.lock` of `{}` is not used: {reason}", package.name);
        printer::warning(&text, &[]);
    }
    let place = builds.root().display();
    printer::note(&format!("building `{}` {} in `{place}`", package.name, package.version));
    let library = builds.build(&fetched, &mut build_plugin::tell(&fetched.packages))?;
    printer::note(&format!(
        "what was compiled stays in `{place}` for the next crate; it may be deleted"
    ));
    let source = Source::Crate { name: package.name.clone(), version: package.version.clone() };
    Ok(install(home, &library, source, &ChildProbe)?)
}

fn report(done: &Installation, format: Format) -> Result<u8, Failure> {
    let Installation { plugin, before } = done;
    let unchanged = before.as_ref().is_some_and(|before| before.sha256 == plugin.sha256);
    match format {
        Format::Json => printer::json(&json!({
            "plugin": plugins::to_json(plugin),
            "before": before.as_ref().map(plugins::installed_to_json),
            "changed": !unchanged,
        }))?,
        Format::Term => printer::data(&plugins::entry(plugin)),
    }
    let name = plugin.name();
    let now = version(&plugin.description.version, &plugin.sha256);
    match before {
        Some(_) if unchanged => {
            printer::note(&format!("`{name}` {now} was installed already"));
        }
        Some(before) => {
            printer::note(&format!("installed `{name}` {now} in place of {}", full(before)));
            printer::note("the store keeps the older library as long as runs refer to it");
        }
        None => printer::note(&format!("installed `{name}` {now}")),
    }
    if plugin.description.debug {
        let hint = "build it with `cargo build --release` and add that library";
        printer::warning(
            "it was built without optimization: trials will be slow",
            &[hint.to_owned()],
        );
    }
    match Workplace::open(&[], None) {
        Ok(workplace) => say_what_else_there_is(&workplace, done),
        Err(failure) => printer::warning(&failure.message, &failure.hints),
    }
    printer::note(&format!("next: ablate plugins check {name}"));
    let pin = Pin {
        name: name.to_owned(),
        version: plugin.description.version.clone(),
        sha256: plugin.sha256.clone(),
    };
    for (folder, lock, unpinned) in locks(&pin) {
        printer::note(&format!("`{}`: {unpinned}, so it is refused there", lock.display()));
        let folder = quoted(&folder.to_string_lossy());
        printer::note(&format!("next: ablate sweep {folder} --update-lock"));
    }
    Ok(0)
}

/// Plugins that hide this one here, and components that others export too.
fn say_what_else_there_is(workplace: &Workplace, done: &Installation) {
    let (catalog, name) = (&workplace.catalog, done.plugin.name());
    match catalog.plugin(name) {
        Some(used) if used.sha256 != done.plugin.sha256 => {
            let text = format!(
                "the {} `{}` {} is used here instead of what was installed",
                used.origin,
                used.library.display(),
                used.description.version
            );
            printer::warning(&text, &[]);
        }
        _ if catalog.unbuilt().iter().any(|unbuilt| unbuilt == name) => {
            let text = format!("the workspace here has a plugin `{name}` too");
            let hint = "once it is built, it is used here instead of what was installed";
            printer::warning(&text, &[hint.to_owned()]);
        }
        _ => {}
    }
    for duplicate in catalog.duplicates() {
        if duplicate.exporters.iter().any(|exporter| exporter.plugin == name) {
            let mut hints = duplicate.hints();
            hints.push("an experiment that names it is refused".to_owned());
            printer::warning(&duplicate.to_string(), &hints);
        }
    }
}

/// The locks nearby that do not allow this plugin, each with its folder. Where other experiments
/// lie, only those count that pin it.
fn locks(pin: &Pin) -> Vec<(PathBuf, PathBuf, Unpinned)> {
    let folders = |of: &str| {
        let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        folders.sort();
        folders.into_iter().map(|path| path.strip_prefix(".").map_or(path.clone(), Path::to_owned))
    };
    let around = folders(".").chain(folders("experiments"));
    let mut found = Vec::new();
    for (folder, own) in [(PathBuf::from("."), true)].into_iter().chain(around.map(|f| (f, false)))
    {
        // One that cannot be read is told when its experiment runs.
        let Ok(Some(lock)) = Lock::read(&folder) else { continue };
        let Err(Error::Unpinned { lock, plugins }) = lock.check(std::slice::from_ref(pin)) else {
            continue;
        };
        let counts = plugins.into_iter().filter(|unpinned| own || unpinned.pinned.is_some());
        found.extend(counts.map(|unpinned| {
            let lock = lock.strip_prefix(".").map_or(lock.clone(), Path::to_owned);
            (folder.clone(), lock, unpinned)
        }));
    }
    found
}

pub(crate) fn remove(name: &str) -> Result<u8, Failure> {
    let removed = uninstall(&workplace::home_folder(None), name)?;
    printer::note(&format!("removed {}", full(&removed)));
    printer::note("its library stays in the store as long as runs refer to it");
    if let Some(Source::Crate { name, version }) = &removed.source {
        printer::note(&format!("`ablate plugins add {name}@{version}` installs it again"));
    }
    printer::note("next: ablate registry gc --dry-run");
    Ok(0)
}

/// `1.0.0 (0123456789ab)`.
fn version(version: &str, sha256: &str) -> String {
    format!("{version} ({})", sha256.get(..12).unwrap_or(sha256))
}

fn full(installed: &Installed) -> String {
    let version = version(&installed.version, &installed.sha256);
    let source =
        installed.source.as_ref().map_or(String::new(), |source| format!(" from {source}"));
    format!("`{}` {version}{source}", installed.name)
}
