//! `ablate plugins build`: the plugins of this workspace, or those of a crate anywhere.

use crate::arguments::{BuildPluginArguments, Format};
use crate::failure::Failure;
use crate::plugins;
use crate::printer;
use crate::probe::ChildProbe;
use crate::table::quoted;
use crate::workplace::Workplace;
use ablate_catalog::{Plugin, PluginPackages, Workspace, describe};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) fn build(arguments: &BuildPluginArguments) -> Result<u8, Failure> {
    let Some(path) = &arguments.path else {
        let mut workplace = Workplace::open(&[], None)?;
        workplace.build()?;
        return plugins::list(&workplace, arguments.format);
    };
    let packages = find(path, arguments.package.as_deref())?;
    let libraries = compile(&packages)?;
    let built: Result<Vec<Plugin>, _> =
        libraries.iter().map(|library| describe(library, &ChildProbe)).collect();
    let built = built?;
    match arguments.format {
        Format::Json => {
            let built: Vec<Value> = built.iter().map(plugins::to_json).collect();
            printer::json(&json!({ "plugins": built }))?;
        }
        Format::Term => {
            let entry = |plugin: &Plugin| {
                format!("{}  library: {}\n", plugins::entry(plugin), plugin.library.display())
            };
            printer::data(&built.iter().map(entry).collect::<String>());
        }
    }
    printer::note("`ablate plugins add` installs it, so that experiments find it by its name");
    for plugin in &built {
        let file = quoted(&plugin.library.to_string_lossy());
        printer::note(&format!("next: ablate plugins check {file}"));
    }
    Ok(0)
}

/// The plugin packages behind a path.
pub(crate) fn find(path: &Path, package: Option<&str>) -> Result<PluginPackages, Failure> {
    if path.is_file() && is_library(path) {
        let shown = path.display();
        let failure = Failure::user(format!("`{shown}` is a library, which is built already"));
        return Err(failure.hint(format!("`ablate plugins check {shown}` looks at it")));
    }
    Ok(PluginPackages::find(path, package)?)
}

/// Whether a path has the name of a library.
pub(crate) fn is_library(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION)
}

/// Builds plugin packages, and gives their libraries in the same order.
pub(crate) fn compile(packages: &PluginPackages) -> Result<Vec<PathBuf>, Failure> {
    for package in packages.packages() {
        let place = package.folder.display();
        printer::note(&format!("building `{}` {} in `{place}`", package.name, package.version));
    }
    if let Some(libraries) = compile_members(packages)? {
        return Ok(libraries);
    }
    Ok(packages.build(None, &mut tell(packages))?)
}

/// The plugins of the workspace around the user are built together, as always: another selection
/// of packages has other features, and could compile Burn once more.
fn compile_members(packages: &PluginPackages) -> Result<Option<Vec<PathBuf>>, Failure> {
    let here = std::env::current_dir()?;
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let workspace = Workspace::find(&here)
        .filter(|workspace| canonical(workspace.root()) == canonical(packages.root()));
    let Some(workspace) = workspace else { return Ok(None) };
    let all = workspace.plugin_crates()?;
    let members = packages
        .packages()
        .iter()
        .map(|package| all.iter().find(|member| member.package == package.name).cloned());
    // One that is no plugin of the workspace by its manifest is built like a stranger's.
    let Some(members) = members.collect::<Option<Vec<_>>>() else { return Ok(None) };
    workspace.build(&members, &mut tell(packages))?;
    Ok(members.iter().map(|member| workspace.library(member)).collect())
}

/// Says of Cargo's lines what shows how far it is.
pub(crate) fn tell(packages: &PluginPackages) -> impl FnMut(&str) {
    let own = packages.packages().iter().map(|package| format!("Compiling {} ", package.name));
    let general = ["Compiling ablate", "Compiling burn", "Finished", "Blocking", "Downloading"];
    let told: Vec<String> = own.chain(general.map(str::to_owned)).collect();
    move |line| {
        let line = line.trim();
        if told.iter().any(|start| line.starts_with(start)) {
            printer::note(&format!("  {line}"));
        }
    }
}
