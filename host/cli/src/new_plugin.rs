//! `ablate plugins new`: the crate of a plugin, complete and passing its own tests.

mod block;
mod names;
pub(crate) mod role;
mod toolkit;

use crate::arguments::{Format, NewKind, NewPluginArguments};
use crate::failure::Failure;
use crate::printer;
use crate::workplace::Workplace;
use ablate_catalog::Catalog;
use ablate_train::Contract;
use block::Code;
use chrono::Datelike;
use names::Names;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use toolkit::Toolkit;

/// A file of the new crate: its path, and what it holds.
type File = (&'static str, &'static str);

/// The files that do not depend on the kind.
const FILES: [File; 9] = [
    ("Cargo.toml", include_str!("new_plugin/template/Cargo.toml.txt")),
    ("README.md", include_str!("new_plugin/template/README.md.txt")),
    ("LICENSE-APACHE", include_str!("../../../LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("new_plugin/template/LICENSE-MIT.txt")),
    ("rustfmt.toml", include_str!("new_plugin/template/rustfmt.toml.txt")),
    (".gitignore", include_str!("new_plugin/template/gitignore.txt")),
    (".github/workflows/ci.yml", include_str!("new_plugin/template/workflows/ci.yml.txt")),
    ("src/lib.rs", include_str!("new_plugin/template/lib.rs.txt")),
    ("tests/conformance.rs", include_str!("new_plugin/template/conformance.rs.txt")),
];

pub(crate) fn new(arguments: &NewPluginArguments) -> Result<u8, Failure> {
    let names = Names::new(&arguments.name)?;
    let role = role_of(arguments)?;
    let parent = arguments.path.clone().unwrap_or_default();
    let folder = parent.join(&names.package);
    if fs_err::symlink_metadata(&folder).is_ok() {
        return Err(Failure::user(format!("`{}` is there already", folder.display()))
            .hint("nothing was written: choose another name, or another place with `--path`"));
    }
    let toolkit = Toolkit::find(arguments.sdk.as_deref())?;
    let workplace = Workplace::open(&arguments.folder, None)?;
    refuse_taken(&names, &workplace.catalog)?;
    let (contract, sources) = match role {
        Some(role) => contract_of(role, &workplace.catalog),
        None => (block::shape_preserving(), Vec::new()),
    };
    let blank = Blank { names: &names, kind: arguments.kind, role, toolkit: &toolkit };
    let code = block::code(&contract, &names.type_name);
    let mut files = blank.files(&code, &sources);
    if let Some(lock) = &toolkit.lock {
        // Burn and all below it are then what the checkout has, and may be compiled already.
        files.push(("Cargo.lock".to_owned(), fs_err::read_to_string(lock)?));
    }
    write(&folder, &files)?;
    let formatted = format_sources(&folder, &files);
    let files: Vec<String> = files.into_iter().map(|(path, _)| path).collect();
    report(arguments, &blank, &folder, &files, formatted)?;
    if role.is_some() && code.open {
        printer::note("note: nothing simple gives these outputs: `forward` is left to you");
    }
    printer::note(&format!("next: ablate plugins build {}", shell_word(&folder)));
    Ok(0)
}

/// The role of a block; other kinds have none.
fn role_of(arguments: &NewPluginArguments) -> Result<Option<&str>, Failure> {
    let kind = arguments.kind.word();
    match (arguments.kind, arguments.role.as_deref()) {
        (NewKind::Block, Some(role)) => match names::unfit(role) {
            None => Ok(Some(role)),
            Some(why) => Err(Failure::user(format!("`{role}` cannot be a role: {why}"))
                .hint("a role is in kebab case, such as `pooling`")),
        },
        (NewKind::Block, None) => Err(Failure::user("a block needs a role: what slots it fits")
            .hint(
                "for example `--role pooling`; `ablate plugins list` shows those that there are",
            )),
        (_, Some(role)) => {
            Err(Failure::user(format!("a {kind} has no role, but `--role {role}` was given"))
                .hint("roles say which slots a block fits: `--kind block`, or leave `--role` out"))
        }
        (_, None) => Ok(None),
    }
}

/// Names must be free: experiments find components, and pins plugins, by name alone.
fn refuse_taken(names: &Names, catalog: &Catalog) -> Result<(), Failure> {
    let name = &names.component;
    let plugin = catalog.plugin(name).map(ablate_catalog::Plugin::name);
    let unbuilt = catalog.unbuilt().iter().find(|known| *known == name).map(String::as_str);
    let owner = catalog.components().find(|found| found.component.name == *name);
    let taken = match (plugin.or(unbuilt), owner) {
        (Some(_), _) => format!("there is a plugin `{name}` already"),
        (None, Some(found)) => format!(
            "there is a {} `{name}` already, in plugin `{}`",
            found.component.kind,
            found.plugin.name()
        ),
        (None, None) => return Ok(()),
    };
    Err(Failure::user(taken)
        .hint("nothing was written: choose another name")
        .hint("`ablate plugins list` shows what there is"))
}

/// What a block of this role takes and gives, and who says so.
fn contract_of(role: &str, catalog: &Catalog) -> (Contract, Vec<String>) {
    let found = role::find(catalog, role).unwrap_or_else(|failure| {
        printer::warning(
            &format!("who takes a `{role}` could not be asked: {}", failure.message),
            &failure.hints,
        );
        None
    });
    if let Some(role) = found {
        return (role.contract, role.sources);
    }
    let known = role::known(catalog);
    printer::note(&format!(
        "note: no installed component has a slot of role `{role}` or plays it, so its tensors are not known"
    ));
    if let Some(near) = ablate_config::nearest(role, known.iter().map(String::as_str)) {
        printer::note(&format!("note: did you mean `{near}`?"));
    }
    if !catalog.unbuilt().is_empty() {
        let names: Vec<String> = catalog.unbuilt().iter().map(|name| format!("`{name}`")).collect();
        printer::note(&format!("note: not built, and so not asked: {}", names.join(", ")));
    }
    printer::note(
        "note: the block keeps the shape of one input: write its contract as its slot has it",
    );
    (block::shape_preserving(), Vec::new())
}

/// What the templates are filled in with.
struct Blank<'a> {
    names: &'a Names,
    kind: NewKind,
    role: Option<&'a str>,
    toolkit: &'a Toolkit,
}

impl Blank<'_> {
    fn description<'c>(&self, code: &'c Code) -> &'c str {
        match self.kind {
            NewKind::Block => code.description,
            NewKind::Model => "A linear autoencoder of frames.",
            NewKind::Loss => "A smooth absolute error: quadratic near zero, linear far away.",
            NewKind::Dataset => "Sines with noise, each item with a frequency of its own.",
            NewKind::Metric => "The share of elements that are predicted within a tolerance.",
        }
    }

    fn component_file(&self) -> &'static str {
        match self.kind {
            NewKind::Block => include_str!("new_plugin/template/block.rs.txt"),
            NewKind::Model => include_str!("new_plugin/template/model.rs.txt"),
            NewKind::Loss => include_str!("new_plugin/template/loss.rs.txt"),
            NewKind::Dataset => include_str!("new_plugin/template/dataset.rs.txt"),
            NewKind::Metric => include_str!("new_plugin/template/metric.rs.txt"),
        }
    }

    /// How an experiment uses it.
    fn usage(&self) -> String {
        let name = &self.names.component;
        let wired = "inputs = { prediction = \"reconstruction\", target = \"features\" }";
        match self.kind {
            NewKind::Block => {
                let role = self.role.unwrap_or_default();
                format!(
                    "[model.{role}]                  # a slot of role `{role}`\nuse = \"{name}\""
                )
            }
            NewKind::Model => format!("[model]\nuse = \"{name}\""),
            NewKind::Loss => format!("[loss.{name}]\nuse = \"{name}\"\n{wired}"),
            NewKind::Dataset => format!("[dataset]\nuse = \"{name}\""),
            NewKind::Metric => format!("[metric.{name}]\nuse = \"{name}\"\n{wired}"),
        }
    }

    /// The keys of its configuration, as rows of a table.
    fn keys(&self) -> &'static str {
        match self.kind {
            NewKind::Block => "| `scale` | 1.0 | what the result is multiplied by |",
            NewKind::Model => "| `width` | 16 | numbers that a frame is squeezed into |",
            NewKind::Loss => {
                "| `epsilon` | 1.0 | differences well below it count by their square, well above it by their size |"
            }
            NewKind::Dataset => {
                "| `items_train` | 64 | items to train on |
| `items_valid` | 16 | items of the splits `valid` and `test`, each |
| `frames` | 40 | frames of an item |
| `channels` | 8 | numbers of a frame |
| `noise` | 0.1 | largest noise on a number of the split `train` |"
            }
            NewKind::Metric => "| `tolerance` | 0.5 | how far a prediction may be off |",
        }
    }

    /// All files, with their paths in the crate.
    fn files(&self, code: &Code, sources: &[String]) -> Vec<(String, String)> {
        let Names { package, component, library, module, type_name } = self.names;
        let kind = self.kind.word();
        let what = self.role.map_or_else(|| kind.to_owned(), |role| format!("{role} block"));
        let comment = if sources.is_empty() {
            "/// The tensors that it takes and gives, named as its slot names them.".to_owned()
        } else {
            format!("/// The tensors of {}.", sources.join(" and "))
        };
        let values = [
            ("package", package.clone()),
            ("plugin", component.clone()),
            ("component", component.clone()),
            ("library", library.clone()),
            ("module", module.clone()),
            ("type", type_name.clone()),
            ("symbol", format!("ablate_plugin_{module}")),
            ("exports", format!("{type_name}, {type_name}Config")),
            ("kind", kind.to_owned()),
            ("what", what),
            ("role", self.role.unwrap_or_default().to_owned()),
            ("description", self.description(code).to_owned()),
            ("usage", self.usage()),
            ("keys", self.keys().to_owned()),
            ("sdk", self.toolkit.sdk_line(self.kind.needs_burn())),
            ("conformance", self.toolkit.conformance_line()),
            ("year", chrono::Local::now().year().to_string()),
            ("contract_comment", comment),
            ("tensor_imports", code.tensor_imports.clone()),
            ("ports", code.ports.clone()),
            ("forward", code.forward.clone()),
            ("call", code.call.to_owned()),
            ("functions", code.functions.clone()),
            ("test", code.test.clone()),
        ];
        let fill = |template: &str| {
            values.iter().fold(template.to_owned(), |text, (key, value)| {
                text.replace(&format!("{{{{{key}}}}}"), value)
            })
        };
        let file = (format!("src/{module}.rs"), fill(self.component_file()));
        let others = FILES.iter().map(|(path, template)| ((*path).to_owned(), fill(template)));
        others.chain([file]).collect()
    }
}

/// Writes all files into a folder that this makes, or none.
fn write(folder: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs_err::create_dir_all(parent).map_err(|error| Failure::user(error.to_string()))?;
    }
    // Fails where somebody else was faster, so what is removed below is our own.
    fs_err::create_dir(folder).map_err(|error| Failure::user(error.to_string()))?;
    let all = files.iter().try_for_each(|(path, text)| {
        let path = folder.join(path);
        if let Some(inner) = path.parent() {
            fs_err::create_dir_all(inner)?;
        }
        fs_err::write(path, text)
    });
    all.map_err(|error| {
        // That the rest cannot be removed either is said by the first error.
        let _ = fs_err::remove_dir_all(folder);
        Failure::from(error)
    })
}

/// Formats what was written, where there is rustfmt: how long names are decides where lines break.
fn format_sources(folder: &Path, files: &[(String, String)]) -> bool {
    let is_rust = |path: &&Path| path.extension().is_some_and(|extension| extension == "rs");
    let paths = files.iter().map(|(path, _)| Path::new(path)).filter(is_rust);
    let status = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .args(paths)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn report(
    arguments: &NewPluginArguments,
    blank: &Blank<'_>,
    folder: &Path,
    files: &[String],
    formatted: bool,
) -> Result<(), Failure> {
    let Blank { names, kind, role, toolkit } = blank;
    let sdk = toolkit.folder();
    if arguments.format == Format::Json {
        return printer::json(&json!({
            "folder": std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder)),
            "package": names.package,
            "plugin": names.component,
            "component": names.component,
            "kind": kind.word(),
            "role": role,
            "sdk": sdk,
            "files": files,
        }));
    }
    let list: Vec<String> =
        files.iter().map(|path| folder.join(path).display().to_string()).collect();
    printer::data(&list.join("\n"));
    let against = sdk.map_or_else(
        || format!("`ablate-sdk` {}", toolkit::SDK_PUBLISHED),
        |folder| format!("the SDK in `{}`", folder.display()),
    );
    let what = role.map_or_else(|| kind.word().to_owned(), |role| format!("{role} block"));
    printer::note(&format!(
        "wrote the crate of {what} `{}`, built against {against}",
        names.component
    ));
    if !formatted {
        printer::note("note: rustfmt is not installed, so lines may break elsewhere than it wants");
    }
    Ok(())
}

/// A path as it can be typed into a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+~".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests;
