//! From the name of an artifact to the trial that publishes it: its experiment is planned as a sweep of it
//! would be.

use super::{Input, InputSource};
use crate::arguments::ExperimentArguments;
use crate::failure::Failure;
use crate::plan::{PlannedVariant, Scope, plan_in};
use ablate_catalog::file_sha256;
use ablate_config::{
    ArtifactReference, At, Experiment, KeyPath, Origin, ReferenceSource, Schemas,
    artifact_references, nearest,
};
use ablate_sweep::Variant;
use std::path::{Path, PathBuf};

/// A variant of an experiment that publishes what others read.
pub(crate) struct Producer {
    pub(crate) experiment: Experiment,
    pub(crate) variant: PlannedVariant,
    file: PathBuf,
}

/// All producers of a plan, each once.
#[derive(Default)]
pub(crate) struct Producers {
    pub(crate) found: Vec<Producer>,
    /// What was asked for before: file and variant as they were named.
    asked: Vec<(PathBuf, String, usize)>,
    /// The variants whose artifacts are being looked for, outermost first.
    open: Vec<(PathBuf, String, String)>,
}

/// Who asks.
pub(crate) struct Asking<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) scope: Scope<'a>,
    /// The home folder of the call.
    pub(crate) home: &'a Path,
    /// The root of the workspace, if there is one.
    pub(crate) root: Option<&'a Path>,
    /// What was typed and set that says where plugins are.
    pub(crate) arguments: &'a ExperimentArguments,
}

impl Producer {
    /// `rqvae · sliding-window`.
    pub(crate) fn label(&self) -> String {
        format!("{} · {}", self.experiment.name, self.variant.name)
    }
}

impl Producers {
    /// The artifacts that a variant names, with the variants that publish them.
    pub(crate) fn inputs(
        &mut self,
        asking: &Asking<'_>,
        variant: &Variant,
        schemas: &dyn Schemas,
    ) -> Result<Vec<Input>, Failure> {
        let references = artifact_references(&variant.spec, schemas)?;
        if references.is_empty() {
            return Ok(Vec::new());
        }
        let file = canonical(&asking.experiment.file);
        let label = format!("{} · {}", asking.experiment.name, variant.name);
        let start =
            self.open.iter().position(|(known, name, _)| *known == file && *name == variant.name);
        if let Some(start) = start {
            let labels = self.open[start..].iter().map(|(_, _, label)| label).chain([&label]);
            let chain: Vec<String> = labels.map(|label| format!("`{label}`")).collect();
            return Err(Failure::user(format!(
                "trials are made from each other's artifacts in a circle: {}",
                chain.join(" ← ")
            ))
            .hint("one of them has to name a file, or a variant that needs none of the others"));
        }
        self.open.push((file, variant.name.clone(), label));
        let inputs = references.into_iter().map(|reference| {
            let at = place(asking.experiment, variant, &reference.key);
            let source = match &reference.source {
                ReferenceSource::File(path) => read(path, &at)?,
                ReferenceSource::Trial { from, artifact, seed } => {
                    let producer = self.find(asking, from, &at)?;
                    check_publishes(&self.found[producer], artifact, &at)?;
                    InputSource::Trial { producer, seed: *seed, artifact: artifact.clone() }
                }
            };
            let ArtifactReference { key, component, name, .. } = reference;
            Ok(Input { at, key: key.to_string(), component, name, source })
        });
        let inputs = inputs.collect();
        self.open.pop();
        inputs
    }

    fn find(&mut self, asking: &Asking<'_>, from: &str, at: &str) -> Result<usize, Failure> {
        let (experiment, variant) = split(from, asking.root);
        let file = canonical(&experiment);
        let known = self.asked.iter().find(|(path, name, _)| *path == file && *name == variant);
        if let Some((.., producer)) = known {
            return Ok(*producer);
        }
        let arguments = ExperimentArguments {
            experiment,
            // Where plugins are looked for holds for the whole call; what a trial is like does not.
            overrides: asking
                .arguments
                .overrides
                .iter()
                .filter(|text| text.starts_with("plugins."))
                .cloned()
                .collect(),
            device: None,
            update_lock: false,
        };
        let Scope { store, depth, .. } = asking.scope;
        let scope = Scope { variant: Some(&variant), seed: None, store, depth };
        let plan = plan_in(&arguments, scope, Some(asking.home), self);
        let plan = plan.map_err(|failure| about(at, from, failure))?;
        let planned = plan.variants.into_iter().next().expect("the variant that was chosen");
        let same = self.found.iter().position(|known| {
            known.file == canonical(&plan.experiment.file) && known.variant.name == planned.name
        });
        let producer = same.unwrap_or_else(|| {
            let file = canonical(&plan.experiment.file);
            self.found.push(Producer { experiment: plan.experiment, variant: planned, file });
            self.found.len() - 1
        });
        self.asked.push((file, variant, producer));
        Ok(producer)
    }
}

/// A failure in what a value names, as one of that value. What is wrong deeper inside says so itself.
fn about(at: &str, from: &str, mut failure: Failure) -> Failure {
    if !failure.message.contains("in a circle: ") {
        failure.message = format!("{at}: `{from}`: {}", failure.message);
    }
    failure
}

/// The experiment and the variant that a text names; no variant is the baseline.
fn split(from: &str, root: Option<&Path>) -> (PathBuf, String) {
    // Names of files and of variants may have colons themselves: the longest file that is there.
    let colons = from.match_indices(':').map(|(index, _)| index).rev();
    let ends: Vec<usize> = std::iter::once(from.len()).chain(colons).collect();
    let after = |end: usize| from.get(end + 1..).unwrap_or_default().to_owned();
    for folder in [Some(Path::new("")), root].into_iter().flatten() {
        for &end in &ends {
            let path = folder.join(&from[..end]);
            if end > 0 && (path.is_file() || path.join("experiment.toml").is_file()) {
                return (path, after(end));
            }
        }
    }
    // It is not there, which is said where it is loaded.
    let end = from.rfind(':').unwrap_or(from.len());
    (PathBuf::from(&from[..end]), after(end))
}

fn canonical(path: &Path) -> PathBuf {
    let file = if path.is_dir() { path.join("experiment.toml") } else { path.to_owned() };
    fs_err::canonicalize(&file).unwrap_or(file)
}

/// Where a value of a variant stands.
fn place(experiment: &Experiment, variant: &Variant, key: &KeyPath) -> String {
    let tree = experiment.with(&variant.set).ok();
    let get = |key: &KeyPath| tree.as_ref().and_then(|tree| tree.get(key));
    // A table may be of several layers; who says what it is from is meant.
    let node = get(&key.child("from")).or_else(|| get(key));
    let origin = node.map_or(Origin::Spec, |node| node.origin.clone());
    At { origin, key: key.clone() }.to_string()
}

/// A file that a value names.
fn read(path: &Path, at: &str) -> Result<InputSource, Failure> {
    let failed = |error: std::io::Error| {
        Failure::user(format!("{at}: {error}")).hint(
            "it names a file, relative to the current folder; \
             `{ from = \"EXPERIMENT:VARIANT\", artifact = \"NAME\" }` names what a trial publishes",
        )
    };
    let data = fs_err::metadata(path).map_err(failed)?;
    if !data.is_file() {
        return Err(failed(std::io::Error::other(format!("`{}` is no file", path.display()))));
    }
    let sha256 = file_sha256(path).map_err(failed)?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(InputSource::File { path, sha256, bytes: data.len() })
}

fn check_publishes(producer: &Producer, artifact: &str, at: &str) -> Result<(), Failure> {
    let known: Vec<&str> =
        producer.variant.spec.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    if known.contains(&artifact) {
        return Ok(());
    }
    let label = producer.label();
    let mut failure = Failure::user(format!("{at}: `{label}` publishes no artifact `{artifact}`"));
    if let Some(near) = nearest(artifact, known.iter().copied()) {
        failure = failure.hint(format!("did you mean `{near}`?"));
    }
    let file = producer.experiment.file.display();
    Err(if known.is_empty() {
        failure.hint(format!("it publishes none; `[artifact.NAME]` in `{file}` asks for one"))
    } else {
        failure.hint(format!("it publishes `{}`", known.join("`, `")))
    })
}

#[cfg(test)]
mod tests {
    use super::split;
    use std::path::Path;

    #[test]
    fn an_experiment_is_named_from_here_or_from_the_root_of_the_workspace() {
        let root = tempfile::tempdir().unwrap();
        for file in ["a/experiment.toml", "b:c/experiment.toml", "d.toml"] {
            let file = root.path().join(file);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(file, "").unwrap();
        }
        let here = root.path().to_str().unwrap();
        for (from, path, variant) in [
            ("a", "a", ""),
            ("a:sliding-window", "a", "sliding-window"),
            ("a:lr=1:2", "a", "lr=1:2"),
            ("b:c", "b:c", ""),
            ("b:c:d", "b:c", "d"),
            ("d.toml:x", "d.toml", "x"),
        ] {
            let expected = (root.path().join(path), variant.to_owned());
            assert_eq!(split(from, Some(root.path())), expected, "{from}");
            assert_eq!(split(&format!("{here}/{from}"), None), expected, "{from}");
        }
        let nothing = split("nowhere:x", Some(root.path()));
        assert_eq!(nothing, (Path::new("nowhere").to_owned(), "x".to_owned()));
    }
}
