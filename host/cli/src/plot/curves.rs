//! Learning curves, from the measurements of the runs.

use super::{Named, Subject};
use crate::arguments::{PlotArguments, PlotOver};
use crate::failure::Failure;
use ablate_config::nearest;
use ablate_plot::{CurveVariant, Curves, Measure};
use ablate_runs::{Measurement, RunId};
use std::collections::{BTreeMap, HashMap};

/// A metric and a split.
type Key = (String, String);

/// What is known of a metric on a split, and its curves by run.
struct Series {
    measure: Measure,
    runs: HashMap<RunId, Vec<(f64, f64)>>,
}

impl Series {
    /// Whether there is more than one point.
    fn is_curve(&self) -> bool {
        let mut places = self.runs.values().flatten().map(|(x, _)| *x);
        let first = places.next();
        places.any(|x| Some(x) != first)
    }
}

/// One picture per metric and split: what the experiment measures on `train` and `valid`, or what was asked for.
pub(super) fn curves(
    subject: &Subject<'_>,
    arguments: &PlotArguments,
) -> Result<Vec<Named>, Failure> {
    let series = read(subject, arguments.x)?;
    let wanted = wanted(subject, arguments, &series)?;
    Ok(wanted.into_iter().map(|key| picture(subject, arguments, &series[&key])).collect())
}

fn read(subject: &Subject<'_>, over: PlotOver) -> Result<BTreeMap<Key, Series>, Failure> {
    let mut series: BTreeMap<Key, Series> = BTreeMap::new();
    for run in subject.runs.values() {
        let measurements = subject.store.run(&run.id)?.measurements()?;
        // Looked up once per metric and split, not once per line.
        let mut own: HashMap<(&str, &str), Vec<(f64, f64)>> = HashMap::new();
        let mut first: Vec<&Measurement> = Vec::new();
        for measurement in &measurements {
            let Measurement { metric, split, step, epoch, value, .. } = measurement;
            let x = match over {
                PlotOver::Step => *step as f64,
                PlotOver::Epoch => *epoch as f64,
            };
            let curve = own.entry((metric, split)).or_insert_with(|| {
                first.push(measurement);
                Vec::new()
            });
            curve.push((x, *value));
        }
        for measurement in first {
            let Measurement { metric, split, unit, higher_is_better, .. } = measurement;
            let known = series.entry((metric.clone(), split.clone())).or_insert_with(|| Series {
                measure: Measure {
                    name: metric.clone(),
                    split: split.clone(),
                    unit: unit.clone().filter(|unit| !unit.is_empty()),
                    higher_is_better: *higher_is_better,
                },
                runs: HashMap::new(),
            });
            known.runs.extend(own.remove(&(metric, split)).map(|curve| (run.id, curve)));
        }
    }
    Ok(series)
}

/// The metrics of the experiment in the order of its table, then the loss.
fn metrics(subject: &Subject<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for variant in &subject.source.record.variants {
        for metric in variant.spec["metrics"].as_array().into_iter().flatten() {
            let name = metric["name"].as_str().unwrap_or_default();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names.push("loss".to_owned());
    names
}

fn wanted(
    subject: &Subject<'_>,
    arguments: &PlotArguments,
    series: &BTreeMap<Key, Series>,
) -> Result<Vec<Key>, Failure> {
    let known = |name: &str| series.keys().any(|(metric, _)| metric == name);
    let mut names = metrics(subject);
    if !arguments.metrics.is_empty() {
        names.clone_from(&arguments.metrics);
        let unknown = names.iter().find(|name| !series.is_empty() && !known(name));
        if let Some(unknown) = unknown {
            let mut all: Vec<&str> = series.keys().map(|(metric, _)| metric.as_str()).collect();
            all.dedup();
            let mut failure = Failure::user(format!("no metric `{unknown}`"));
            if let Some(near) = nearest(unknown, all.iter().copied()) {
                failure = failure.hint(format!("did you mean `{near}`?"));
            }
            return Err(failure.hint(format!("there are `{}`", all.join("`, `"))));
        }
    }
    let splits = |name: &str| -> Vec<String> {
        if !arguments.split.is_empty() {
            return arguments.split.clone();
        }
        let of = |split: &String| series.get(&(name.to_owned(), split.clone()));
        let learning = ["train".to_owned(), "valid".to_owned()];
        let curves: Vec<String> =
            learning.into_iter().filter(|split| of(split).is_some_and(Series::is_curve)).collect();
        if !curves.is_empty() {
            return curves;
        }
        // What is measured at the end only is no curve, but better than nothing.
        let measured = || series.keys().filter(|(metric, _)| metric == name);
        let valid = measured().find(|(_, split)| split == "valid").or(measured().next());
        valid.map(|(_, split)| split.clone()).into_iter().collect()
    };
    let all = names
        .iter()
        .flat_map(|name| splits(name).into_iter().map(move |split| (name.clone(), split)));
    Ok(all.filter(|key| series.contains_key(key)).collect())
}

fn picture(subject: &Subject<'_>, arguments: &PlotArguments, series: &Series) -> Named {
    let record = &subject.source.record;
    let mut seeds: HashMap<&str, Vec<Vec<(f64, f64)>>> = HashMap::new();
    for trial in &record.trials {
        let run = subject.runs.get(&trial.identity);
        if let Some(curve) = run.and_then(|run| series.runs.get(&run.id)) {
            seeds.entry(&trial.variant).or_default().push(curve.clone());
        }
    }
    let variant = |name: &String| CurveVariant {
        name: name.clone(),
        seeds: seeds.remove(name.as_str()).unwrap_or_default(),
    };
    let x = match arguments.x {
        PlotOver::Step => "optimizer steps",
        PlotOver::Epoch => "epochs",
    };
    let input = Curves {
        experiment: record.experiment.clone(),
        measure: series.measure.clone(),
        x: x.to_owned(),
        baseline: record.baseline.clone(),
        variants: record.variants.iter().map(|variant| &variant.name).map(variant).collect(),
        notes: subject.notes.clone(),
    };
    Named::new("curves", String::new(), series.measure.clone(), ablate_plot::curves(&input))
}
