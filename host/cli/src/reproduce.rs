//! `ablate reproduce`: runs a finished run again from what it wrote down, and compares.

use crate::arguments::{Format, ReproduceArguments};
use crate::artifacts::{self, ComparedArtifact};
use crate::check::{CheckRequest, CheckedVariant, Depth, VariantRequest};
use crate::child::{self, Until};
use crate::differences::{self, Row};
use crate::failure::Failure;
use crate::identity::VariantIdentity;
use crate::lineage;
use crate::lineage::needs::AtHand;
use crate::located::{Located, locate};
use crate::probe::ChildProbe;
use crate::recorded::{Library, Recorded};
use crate::reference::{self, Meant};
use crate::replay::{Place, replay};
use crate::schemas::CatalogSchemas;
use crate::table::quoted;
use crate::trial::TrialFile;
use crate::{manifest, printer};
use ablate_catalog::{Catalog, CatalogOptions};
use ablate_report::{Agreement, Difference, Point, StreamComparison};
use ablate_runs::{Measurement, Run};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Exit code: the results are not the same.
const DIFFERENT: u8 = 1;
/// Exit code: there was nothing to compare.
const IMPOSSIBLE: u8 = 2;

pub(crate) fn reproduce(arguments: &ReproduceArguments) -> Result<u8, Failure> {
    execute(arguments).map_err(|failure| Failure { code: IMPOSSIBLE, ..failure })
}

fn execute(arguments: &ReproduceArguments) -> Result<u8, Failure> {
    let meant = reference::find(&arguments.run)?;
    let recorded = Recorded::read(&meant)?;
    let (used, libraries) = choose(&meant, &recorded, arguments.current)?;
    for given in &recorded.given {
        given.verify(&recorded.short)?;
    }
    printer::note(&format!("reproducing run {}: {}", recorded.short, meant.trial()));
    let mut warnings = warn_of_libraries(&recorded, &libraries, arguments.current);
    let known = warnings.len();
    warnings.extend(recorded.enter_folder());
    let home = meant.store.home();
    let checked = look_at_data(home, &recorded, &used)?;
    let now = present(&meant, &recorded, &used, &checked);
    let changes = differences::manifests(&recorded.manifest, &now);
    // The libraries that were chosen are named above.
    let subjects = differences::subjects(&changes);
    let subjects = subjects.iter().filter(|subject| !subject.starts_with("the library of"));
    warnings.extend(subjects.map(|subject| changed(subject, &changes)));
    if !changes.iter().any(|change| change.matters) {
        warnings.extend(check_identity(
            home,
            &meant,
            &recorded,
            &used,
            checked.fingerprint.as_deref(),
        ));
    }
    if manifest::cores() < recorded.threads {
        let (threads, cores) = (recorded.threads, manifest::cores());
        warnings.push(format!("the run had {threads} threads, this machine has {cores} cores"));
    }
    warnings[known..].iter().for_each(|warning| printer::warning(warning, &[]));
    let explained = arguments.current || warnings.len() > known;
    let place = if arguments.keep {
        Place::kept(&meant.run.folder().join("reproductions"))?
    } else {
        Place::temporary()?
    };
    let start = Instant::now();
    let trial = trial_file(&meant, &recorded, used, now, place.folder());
    let run = replay(&trial, &home.join("cache"))?;
    let wall_s = start.elapsed().as_secs_f64();
    let compared = Compared::new(&recorded, &run, arguments.tolerance)?;
    let report = Report {
        meant: &meant,
        recorded: &recorded,
        compared,
        tolerance: arguments.tolerance,
        libraries,
        changes,
        warnings,
        explained,
        current: arguments.current,
        kept: place.kept_folder(),
        wall_s,
    };
    report.print(arguments.format)
}

/// The components with the libraries to use, and what became of each library.
fn choose(
    meant: &Meant,
    recorded: &Recorded,
    current: bool,
) -> Result<(Vec<Located>, Vec<Library>), Failure> {
    let home = meant.store.home();
    if !current {
        // What is installed now is only compared with: its absence must not stop anything.
        let workplace = recorded.workplace().ok();
        let catalog = workplace.as_ref().map(|workplace| &workplace.catalog);
        let used = recorded.stored(home, catalog)?;
        let libraries = recorded.libraries(&used, catalog);
        return Ok((used, libraries));
    }
    let mut workplace = recorded.workplace()?;
    let names: Vec<&str> = recorded.components.iter().map(|c| c.plugin.as_str()).collect();
    workplace.build_outdated(|plugin, _| names.contains(&plugin.plugin.as_str()))?;
    let used = locate(&recorded.spec, &workplace.catalog)
        .map_err(|failure| failure.hint("without `--current` the libraries of the run are used"))?;
    let libraries = recorded.libraries(&used, Some(&workplace.catalog));
    Ok((used, libraries))
}

/// Says which libraries are others now, before anything runs.
fn warn_of_libraries(recorded: &Recorded, libraries: &[Library], current: bool) -> Vec<String> {
    let replaced = libraries.iter().filter(|library| library.replaced());
    let warnings: Vec<String> = replaced
        .map(|library| {
            let used = if current { "the installed one" } else { "that of the run" };
            let installed = library.installed_sha256.as_deref().unwrap_or_default();
            format!(
                "the library of plugin `{}` is another now ({} in the run, {} installed): {used} is \
                 used",
                library.plugin,
                brief(&library.sha256),
                brief(installed),
            )
        })
        .collect();
    let hint = format!("`ablate reproduce {} --current` uses what is installed", recorded.short);
    for (index, warning) in warnings.iter().enumerate() {
        let last = index + 1 == warnings.len() && !current;
        printer::warning(warning, if last { std::slice::from_ref(&hint) } else { &[] });
    }
    warnings
}

fn brief(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// `the data is not what it was: …`.
fn changed(subject: &str, changes: &[Row]) -> String {
    let about = |row: &&Row| differences::subjects(std::slice::from_ref(row)) == [subject];
    let values: Vec<String> = changes
        .iter()
        .filter(|row| row.matters)
        .filter(about)
        .map(|row| {
            let (then, now) = row.values();
            format!("{} {then} then, {now} now", row.key)
        })
        .collect();
    format!("{subject} is not what it was: {}", values.join("; "))
}

/// Identity and sources of the data, asked for anew.
fn look_at_data(
    home: &Path,
    recorded: &Recorded,
    used: &[Located],
) -> Result<CheckedVariant, Failure> {
    let request = CheckRequest {
        home: home.to_owned(),
        depth: Depth::Data,
        several: false,
        components: used.to_vec(),
        variants: vec![VariantRequest {
            name: String::new(),
            spec: recorded.spec.clone(),
            components: (0..used.len()).collect(),
            data: None,
            at_hand: AtHand { given: recorded.given.clone(), ..AtHand::default() },
        }],
    };
    let mut checked: Vec<CheckedVariant> = child::ask("__check", &request, Until::Silent, |_| {})?;
    checked.pop().ok_or_else(|| Failure::unexpected("the data was looked at without an answer"))
}

/// The manifest of the reproduction.
fn present(
    meant: &Meant,
    recorded: &Recorded,
    used: &[Located],
    checked: &CheckedVariant,
) -> Value {
    let file = recorded.experiment_file().unwrap_or_default();
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let mut now = manifest::surroundings(&file, &overrides);
    now["plugins"] = manifest::plugins(used);
    now["components"] = json!(used);
    now["dataset"] = json!({ "fingerprint": checked.fingerprint, "sources": checked.sources });
    now["threads"] = json!(recorded.threads);
    now["device"] = json!(recorded.spec.device);
    if !recorded.given.is_empty() {
        now[lineage::INPUTS] = json!(recorded.given);
    }
    now["reproduces"] = json!(meant.run.id());
    now
}

/// Derives the identity of the run's trial from its files again. Where spec, libraries and data are
/// the same, it differs only when a file that the spec names does, or the spec was changed by hand.
fn check_identity(
    home: &Path,
    meant: &Meant,
    recorded: &Recorded,
    used: &[Located],
    fingerprint: Option<&str>,
) -> Option<String> {
    let mut folders: Vec<PathBuf> = used.iter().map(|located| located.library.clone()).collect();
    folders.sort();
    folders.dedup();
    let options = CatalogOptions { home: home.to_owned(), workspace: None, folders };
    let catalog = Catalog::open(options, &ChildProbe).ok()?;
    let schemas = CatalogSchemas::new(&catalog);
    let needs = lineage::recorded_needs(&recorded.given);
    let found = match VariantIdentity::new(&recorded.spec, &schemas, used, needs) {
        Ok(identity) => identity.of_data(fingerprint).of_seed(meant.run.seed()),
        Err(failure) => return Some(failure.message),
    };
    (found != meant.run.identity()).then(|| {
        "a file that the spec names, or the spec of the run itself, is not what it was: \
         the trial has another identity now"
            .to_owned()
    })
}

fn trial_file(
    meant: &Meant,
    recorded: &Recorded,
    used: Vec<Located>,
    manifest: Value,
    home: &Path,
) -> TrialFile {
    TrialFile {
        home: home.to_owned(),
        experiment: meant.run.experiment().to_owned(),
        variant: meant.run.variant().to_owned(),
        seed: meant.run.seed(),
        identity: meant.run.identity().to_owned(),
        threads: recorded.threads,
        spec: recorded.spec.clone(),
        components: used,
        given: recorded.given.clone(),
        manifest,
        pause_at_epoch: None,
    }
}

/// The run on the left, the reproduction on the right.
struct Compared {
    measurements: StreamComparison,
    finals: StreamComparison,
    artifacts: Vec<ComparedArtifact>,
}

impl Compared {
    fn new(recorded: &Recorded, run: &Run, tolerance: Option<f64>) -> Result<Self, Failure> {
        let outcome = run.result()?.map(|result| result.outcome).unwrap_or_default();
        let finals = outcome.finals;
        let measurements = run.measurements()?;
        let compare = |left: &[Measurement], right: &[Measurement]| {
            StreamComparison::new(&points(left), &points(right), tolerance)
        };
        Ok(Self {
            measurements: compare(&recorded.measurements, &measurements),
            finals: compare(&recorded.finals, &finals),
            artifacts: artifacts::compare(&recorded.artifacts, &outcome.artifacts),
        })
    }

    fn agreement(&self) -> Agreement {
        let values = self.measurements.agreement.max(self.finals.agreement);
        let files = self.artifacts.iter().all(|artifact| artifact.equal);
        if files { values } else { Agreement::Different }
    }

    /// The first difference that keeps the two from agreeing; the last values come last.
    fn first(&self) -> Option<&Difference> {
        let beyond = self.measurements.first_beyond.as_ref().or(self.finals.first_beyond.as_ref());
        beyond.or(self.measurements.first.as_ref()).or(self.finals.first.as_ref())
    }
}

/// Measurements as points of a stream.
pub(crate) fn points(measurements: &[Measurement]) -> Vec<Point<'_>> {
    let point = |m: &'_ Measurement| (m.step, m.value);
    measurements
        .iter()
        .map(|m| (m, point(m)))
        .map(|(m, (step, value))| Point { step, split: &m.split, metric: &m.metric, value })
        .collect()
}

/// A value of one side, or that it is not there. The digits tell any two values apart.
pub(crate) fn value(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

/// `12 of 84 measurements differ, relatively by up to 1.2e-3 (valid loss at step 6)`; `sides` says
/// where what is on one side only is.
pub(crate) fn extent(comparison: &StreamComparison, noun: &str, sides: [&str; 2]) -> String {
    let unequal = comparison.near + comparison.different;
    let mut parts = Vec::new();
    if unequal > 0 {
        let mut part = format!("{unequal} of {} {noun} differ", comparison.points);
        if let Some(Difference { step, split, metric, relative, .. }) = &comparison.largest {
            // Writing to a string cannot fail.
            let _ = write!(
                part,
                ", relatively by up to {relative:.1e} ({split} {metric} at step {step})"
            );
        }
        parts.push(part);
    }
    for (only, side) in [comparison.only_left, comparison.only_right].iter().zip(sides) {
        if *only > 0 {
            parts.push(format!("{only} of {} {noun} are {side} only", comparison.points));
        }
    }
    parts.join("; ")
}

/// ` (equal up to step 3)`: values are not measured at every step.
pub(crate) fn agreed(comparison: &StreamComparison) -> String {
    match comparison.agree_until_step {
        Some(step) if comparison.near > 0 => format!(" (within the tolerance up to step {step})"),
        Some(step) => format!(" (equal up to step {step})"),
        None => String::new(),
    }
}

/// All that there is to say.
struct Report<'a> {
    meant: &'a Meant,
    recorded: &'a Recorded,
    compared: Compared,
    tolerance: Option<f64>,
    libraries: Vec<Library>,
    changes: Vec<Row>,
    warnings: Vec<String>,
    /// Whether something is known that may be why results differ.
    explained: bool,
    /// Whether the installed libraries were used.
    current: bool,
    kept: Option<&'a Path>,
    wall_s: f64,
}

impl Report<'_> {
    fn print(&self, format: Format) -> Result<u8, Failure> {
        let agreement = self.compared.agreement();
        match format {
            Format::Json => printer::json(&self.json())?,
            Format::Term => printer::data(&self.text()),
        }
        if let Some(folder) = self.kept {
            printer::note(&format!("kept: {}", folder.display()));
        }
        let short = &self.recorded.short;
        printer::note(&match (agreement, self.kept) {
            (Agreement::Equal, _) => format!("next: ablate show {short}"),
            (_, Some(folder)) => {
                format!("next: ablate diff {short} {}", quoted(&folder.display().to_string()))
            }
            (_, None) if self.current => {
                format!("next: ablate reproduce {short} --current --keep")
            }
            (_, None) => format!("next: ablate reproduce {short} --keep"),
        });
        Ok(if agreement == Agreement::Different { DIFFERENT } else { 0 })
    }

    fn json(&self) -> Value {
        json!({
            "run": self.meant.run.id(),
            "agreement": self.compared.agreement(),
            "tolerance": self.tolerance,
            "first": self.compared.first(),
            "measurements": self.compared.measurements,
            "finals": self.compared.finals,
            "artifacts": self.compared.artifacts,
            "libraries": self.libraries,
            "changes": self.changes,
            "warnings": self.warnings,
            "folder": self.kept,
            "wall_s": self.wall_s,
        })
    }

    fn text(&self) -> String {
        let Compared { measurements, finals, artifacts } = &self.compared;
        let (all, last) = (measurements.points, finals.points);
        let mut text = match self.compared.agreement() {
            Agreement::Equal => {
                let counted = artifacts::counted(all, last, artifacts);
                format!("equal: all {counted}, bit for bit\n")
            }
            Agreement::WithinTolerance => {
                let tolerance = self.tolerance.unwrap_or_default();
                format!("within tolerance: no value is relatively more than {tolerance:e} apart\n")
            }
            Agreement::Different => match self.compared.first() {
                Some(first) => format!(
                    "different from step {} on{}, first in {} {}: {} in the run, {} now\n",
                    first.step,
                    agreed(measurements),
                    first.split,
                    first.metric,
                    value(first.left),
                    value(first.right)
                ),
                None => "different: not all that the run left is the same\n".to_owned(),
            },
        };
        for (comparison, noun) in [(measurements, "measurements"), (finals, "final values")] {
            let extent = extent(comparison, noun, ["in the run", "in the reproduction"]);
            if !extent.is_empty() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "  {extent}");
            }
        }
        for artifact in artifacts.iter().filter(|artifact| !artifact.equal) {
            let _ = writeln!(text, "  {}", artifact.text());
        }
        for subject in differences::subjects(&self.changes) {
            let _ = writeln!(text, "  {}", changed(&subject, &self.changes));
        }
        if self.compared.agreement() == Agreement::Different && !self.explained {
            text.push_str(
                "  nothing that decides results has changed: a component does not compute the same \
                 twice\n",
            );
        }
        text
    }
}
