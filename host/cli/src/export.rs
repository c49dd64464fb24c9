//! `ablate export`: runs and their measurements for other programs to read.

use crate::arguments::{ExportArguments, ExportForm, Format};
use crate::bundle::chosen;
use crate::failure::Failure;
use crate::table::quoted;
use crate::{artifacts, printer, workplace};
use ablate_export::{Form, Selection, Setting, Written, write};
use ablate_report::spec_keys;
use ablate_runs::{Run, SweepRecord};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) fn export(arguments: &ExportArguments) -> Result<u8, Failure> {
    let Some(form) = arguments.form else { return artifacts::export(arguments) };
    let (store, record, mut runs) = chosen(&arguments.what)?;
    let form = Form::from(form);
    let name = match &record {
        Some(record) => record.experiment.replace(['/', ':'], "-"),
        None => store.short(runs[0].id())?,
    };
    if let Some(record) = &record {
        sort(&mut runs, record);
    }
    let out =
        arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}-{}", form.as_str())));
    let settings = record.as_ref().map_or_else(Vec::new, settings);
    let selection = Selection {
        experiment: record.as_ref().map(|record| record.experiment.as_str()),
        runs: &runs,
        settings: &settings,
    };
    let bar = printer::live().then(|| {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs  {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(runs.len() as u64).with_style(style)
    });
    let written = write(&out, form, &selection, &mut |done| {
        if let Some(bar) = &bar {
            bar.set_position(done as u64);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let written = written?;
    let missing = record.as_ref().map_or(0, |record| missing(record, &runs));
    report(arguments.format, &out, &written, missing)?;
    if let Some(record) = &record
        && missing > 0
    {
        let text =
            format!("{missing} of {} trials are not done, and left out", record.trials.len());
        let hint = if workplace::is_bundle() {
            "a bundle holds what was done when it was made".to_owned()
        } else {
            let file = record.file.display().to_string();
            format!("`ablate sweep {}` runs them; then export again", quoted(&file))
        };
        printer::warning(&text, &[hint]);
    }
    printer::note(&format!("next: {}", next(form, &out)));
    Ok(if missing > 0 { 2 } else { 0 })
}

impl From<ExportForm> for Form {
    fn from(form: ExportForm) -> Self {
        match form {
            ExportForm::Csv => Self::Csv,
            ExportForm::Parquet => Self::Parquet,
            ExportForm::Tensorboard => Self::Tensorboard,
        }
    }
}

/// As in the table: by variant, then by seed.
fn sort(runs: &mut [Run], record: &SweepRecord) {
    let places: BTreeMap<&str, usize> = record
        .variants
        .iter()
        .enumerate()
        .map(|(place, variant)| (variant.name.as_str(), place))
        .collect();
    runs.sort_by_key(|run| (places.get(run.variant()).copied(), run.seed()));
}

/// How many trials have no finished run.
fn missing(record: &SweepRecord, runs: &[Run]) -> usize {
    let done: BTreeSet<&str> = runs.iter().map(Run::identity).collect();
    record.trials.iter().filter(|trial| !done.contains(trial.identity.as_str())).count()
}

/// The keys in which the variants differ.
fn settings(record: &SweepRecord) -> Vec<Setting> {
    let variants = record.variants.iter();
    Setting::differing(variants.map(|variant| (variant.name.as_str(), spec_keys(&variant.spec))))
}

fn report(format: Format, out: &Path, written: &Written, missing: usize) -> Result<(), Failure> {
    if format == Format::Json {
        return printer::json(&json!({ "folder": out, "export": written, "missing": missing }));
    }
    if written.form == Form::Tensorboard {
        printer::data(&format!(
            "{}: {} event files, {} scalars",
            out.display(),
            written.runs,
            written.measurements
        ));
    } else {
        for file in &written.files {
            printer::data(&format!("{}: {} rows", out.join(&file.file).display(), file.rows));
        }
    }
    Ok(())
}

/// What reads it.
fn next(form: Form, out: &Path) -> String {
    let shown = out.display().to_string();
    match form {
        Form::Tensorboard => format!("tensorboard --logdir {}", quoted(&shown)),
        Form::Csv | Form::Parquet => {
            let kind = form.as_str();
            let file = out.join(format!("measurements.{kind}")).display().to_string();
            // JSON's quotes and escapes are Python's too.
            let file = serde_json::Value::from(file).to_string();
            let code = format!("import pandas; print(pandas.read_{kind}({file}))");
            format!("python3 -c {}", quoted(&code))
        }
    }
}
