//! The files that runs left: `ablate export RUN --artifact NAME`, and how they are shown.

use crate::arguments::{ExportArguments, Format};
use crate::failure::Failure;
use crate::reference::{self, Meant};
use crate::table::quoted;
use crate::{printer, workplace};
use ablate_runs::{Artifact, Run};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Copies an artifact, or lists those that there are.
pub(crate) fn export(arguments: &ExportArguments) -> Result<u8, Failure> {
    let meant = reference::find(&arguments.what).map_err(|failure| {
        let is_swept = workplace::store(None)
            .and_then(|store| Ok(store.last_sweep(&arguments.what)?))
            .is_ok_and(|record| record.is_some());
        if is_swept {
            failure.hint(format!(
                "an artifact is of one run: `ablate runs {}` lists those of the experiment",
                quoted(&arguments.what)
            ))
        } else {
            failure
        }
    })?;
    match arguments.artifact.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => copy(arguments, &meant, name),
        None => list(arguments, &meant),
    }
}

fn list(arguments: &ExportArguments, meant: &Meant) -> Result<u8, Failure> {
    if let Some(out) = &arguments.out {
        return Err(Failure::user(format!(
            "`--out {}` says where to, but not what",
            out.display()
        ))
        .hint("name one: `--artifact NAME`; without `--out` they are listed"));
    }
    let artifacts = of(&meant.run)?;
    if arguments.format == Format::Json {
        printer::json(&json!({ "run": meant.run.id(), "artifacts": artifacts }))?;
        return Ok(0);
    }
    let Some(first) = artifacts.first() else {
        printer::note(&format!("run {} left no artifacts", meant.short()?));
        printer::note("hint: an experiment asks for them with `[artifact.NAME]`");
        printer::note(&format!("next: ablate show {}", meant.short()?));
        return Ok(0);
    };
    let lines: Vec<String> = artifacts.iter().map(|artifact| line(artifact, &artifacts)).collect();
    printer::data(&lines.join("\n"));
    let (run, name) = (meant.short()?, quoted(&first.name));
    printer::note(&format!("next: ablate export {run} --artifact {name}"));
    Ok(0)
}

fn copy(arguments: &ExportArguments, meant: &Meant, name: &str) -> Result<u8, Failure> {
    let (artifact, path) = meant.run.artifact(name)?;
    let file = Path::new(&artifact.file).file_name().unwrap_or_default();
    let out = match &arguments.out {
        Some(folder) if folder.is_dir() => folder.join(file),
        Some(out) => out.clone(),
        None => PathBuf::from(file),
    };
    if out.symlink_metadata().is_ok() && !arguments.force {
        return Err(Failure::user(format!("`{}` is there already", out.display()))
            .hint("`--force` replaces it, `--out` names another file"));
    }
    // A reader of the old file never sees half of the new one.
    let mut temporary = out.clone().into_os_string();
    temporary.push(format!(".new-{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let copied = fs_err::copy(&path, &temporary).and_then(|_| fs_err::rename(&temporary, &out));
    if let Err(error) = copied {
        // It may not be there.
        let _ = fs_err::remove_file(&temporary);
        return Err(error.into());
    }
    if arguments.format == Format::Json {
        let json = json!({ "run": meant.run.id(), "path": out, "artifact": artifact });
        printer::json(&json)?;
    } else {
        printer::data(&format!(
            "{}: {}, sha256 {}",
            out.display(),
            bytes(artifact.bytes),
            artifact.sha256
        ));
    }
    printer::note(&format!("next: ablate show {}", meant.short()?));
    Ok(0)
}

/// What a run left; of one that is not done, nothing.
pub(crate) fn of(run: &Run) -> Result<Vec<Artifact>, Failure> {
    Ok(run.result()?.map(|result| result.outcome.artifacts).unwrap_or_default())
}

/// `id_map  id_map/id_map.json  12.3 kB  by id-map`
pub(crate) fn line(artifact: &Artifact, all: &[Artifact]) -> String {
    let widest = |of: fn(&Artifact) -> &str| all.iter().map(|one| of(one).len()).max().unwrap_or(0);
    let (name, file) = (widest(|one| &one.name), widest(|one| &one.file));
    let by = artifact.component.as_ref().map_or_else(String::new, |name| format!("  by `{name}`"));
    let size = bytes(artifact.bytes);
    format!("{:<name$}  {:<file$}  {size:>9}{by}", artifact.name, artifact.file)
}

/// An artifact of a run beside that of its reproduction.
#[derive(Debug, Serialize)]
pub(crate) struct ComparedArtifact {
    name: String,
    /// Whether both are the same bytes.
    pub(crate) equal: bool,
    run: Content,
    /// `None`: it left none of this name.
    reproduction: Option<Content>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Content {
    bytes: u64,
    sha256: String,
}

/// What became of each artifact of a run. What only the reproduction left is not compared: older
/// runs list less.
pub(crate) fn compare(run: &[Artifact], reproduction: &[Artifact]) -> Vec<ComparedArtifact> {
    let content = |one: &Artifact| Content { bytes: one.bytes, sha256: one.sha256.clone() };
    let compared = run.iter().map(|left| {
        let right = reproduction.iter().find(|right| right.name == left.name).map(content);
        let run = content(left);
        let equal = right.as_ref() == Some(&run);
        ComparedArtifact { name: left.name.clone(), equal, run, reproduction: right }
    });
    compared.collect()
}

/// `84 measurements, 12 final values and 2 artifacts`
pub(crate) fn counted(all: usize, last: usize, artifacts: &[ComparedArtifact]) -> String {
    match artifacts.len() {
        0 => format!("{all} measurements and {last} final values"),
        1 => format!("{all} measurements, {last} final values and the artifact"),
        several => format!("{all} measurements, {last} final values and {several} artifacts"),
    }
}

impl ComparedArtifact {
    /// How the two differ.
    pub(crate) fn text(&self) -> String {
        let shown = |content: &Content| {
            let sha256 = content.sha256.get(..12).unwrap_or(&content.sha256);
            format!("{} ({sha256})", bytes(content.bytes))
        };
        let now = self.reproduction.as_ref().map_or_else(|| "none".to_owned(), shown);
        format!("artifact `{}`: {} in the run, {now} now", self.name, shown(&self.run))
    }
}

/// A length for people.
fn bytes(bytes: u64) -> String {
    match bytes {
        ..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn lengths_are_short() {
        let shown = [0, 999, 1000, 12_345, 3_200_000, 4_000_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "12.3 kB", "3.2 MB", "4.0 GB"]);
    }
}
