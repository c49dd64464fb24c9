//! Which run is meant: the beginning of an id, `EXPERIMENT:VARIANT:SEED`, or a folder.

use crate::failure::Failure;
use crate::workplace;
use ablate_runs::{Filter, Run, RunSummary, Status, Store};
use std::path::Path;

/// A run, and the store that it lies in.
pub(crate) struct Meant {
    pub(crate) store: Store,
    pub(crate) run: Run,
}

/// The run that `text` means.
pub(crate) fn find(text: &str) -> Result<Meant, Failure> {
    let path = Path::new(text);
    if path.components().count() > 1 && path.is_dir() {
        return in_folder(path);
    }
    let store = workplace::store(None)?;
    let run = if text.contains(':') { named(&store, text)? } else { store.find(text)? };
    Ok(Meant { store, run })
}

impl Meant {
    /// The id as it is shown.
    pub(crate) fn short(&self) -> Result<String, Failure> {
        Ok(self.store.short(self.run.id())?)
    }

    /// `pooling · mean · seed 0`.
    pub(crate) fn trial(&self) -> String {
        let run = &self.run;
        format!("{} · {} · seed {}", run.experiment(), run.variant(), run.seed())
    }
}

/// A run's folder in any home, or a home with one run, such as a reproduction that was kept.
fn in_folder(path: &Path) -> Result<Meant, Failure> {
    let path = fs_err::canonicalize(path)?;
    if path.join("manifest.json").is_file()
        && let (Some(home), Some(id)) = (path.ancestors().nth(2), path.file_name())
    {
        let store = Store::open(home)?;
        let run = store.find(&id.to_string_lossy())?;
        return Ok(Meant { store, run });
    }
    let none = || {
        Failure::user(format!("`{}` is neither the folder of a run nor a home", path.display()))
            .hint("a run's folder is `runs/ID` in a home, and has a `manifest.json`")
    };
    if !path.join("runs").is_dir() {
        return Err(none());
    }
    let store = Store::open(&path)?;
    let runs = store.runs(&Filter { limit: Some(2), ..Filter::default() })?;
    match runs.as_slice() {
        [] => Err(none()),
        [only] => {
            let run = store.run(&only.id)?;
            Ok(Meant { store, run })
        }
        _ => Err(Failure::user(format!("the home `{}` has more than one run", path.display()))
            .hint(format!("name one: {}/runs/{}", path.display(), runs[0].id))),
    }
}

/// The newest finished run of a trial, else the newest.
fn named(store: &Store, text: &str) -> Result<Run, Failure> {
    // The name of an experiment may have a colon itself.
    let mut words = text.rsplitn(3, ':');
    let (seed, variant, experiment) = (words.next(), words.next(), words.next());
    let seed = seed.and_then(|seed| seed.parse::<u64>().ok());
    let (Some(seed), Some(variant), Some(experiment)) = (seed, variant, experiment) else {
        return Err(Failure::user(format!("`{text}` names no run"))
            .hint("a run is named by the beginning of its id, or by EXPERIMENT:VARIANT:SEED"));
    };
    let of = |variant: Option<String>| {
        let experiment = Some(experiment.to_owned());
        store.runs(&Filter { experiment, variant, ..Filter::default() })
    };
    let runs = of(Some(variant.to_owned()))?;
    let mine: Vec<&RunSummary> = runs.iter().filter(|run| run.seed == seed).collect();
    let chosen = mine.iter().find(|run| run.status == Status::Done).or(mine.first());
    if let Some(run) = chosen {
        return Ok(store.run(&run.id)?);
    }
    let failure = Failure::user(format!("no run `{text}`"));
    if !runs.is_empty() {
        let seeds = distinct(runs.iter().map(|run| run.seed.to_string()));
        return Err(failure.hint(format!("variant `{variant}` has runs of the seeds {seeds}")));
    }
    let variants = of(None)?;
    if !variants.is_empty() {
        let names = distinct(variants.iter().map(|run| format!("`{}`", run.variant)));
        return Err(failure.hint(format!("experiment `{experiment}` has runs of {names}")));
    }
    let all = store.runs(&Filter::default())?;
    let names = distinct(all.iter().map(|run| format!("`{}`", run.experiment)));
    Err(failure.hint(match names.as_str() {
        "" => "there are no runs yet: start one with `ablate run EXPERIMENT`".to_owned(),
        names => format!("there are runs of the experiments {names}"),
    }))
}

/// Each once, sorted, joined by commas; numbers by size.
fn distinct(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort_by_key(|word| (word.len(), word.clone()));
    words.sort_by_key(|word| word.parse::<u64>().unwrap_or(0));
    words.dedup();
    words.join(", ")
}
