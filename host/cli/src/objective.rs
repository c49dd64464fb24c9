//! The measurement that decides an experiment.

use ablate_config::Spec;
use ablate_runs::Measurement;

/// The metric that decides: the one with `objective = true`, else the loss.
pub(crate) fn metric(spec: &Spec) -> &str {
    let objective = spec.metrics.iter().find(|metric| metric.objective);
    objective.map_or("loss", |metric| metric.name.as_str())
}

/// The split that tables are about: what the spec says, else `test` where there is one, `valid`, `train`.
pub(crate) fn split<'a>(spec: &'a Spec, finals: &[Measurement]) -> &'a str {
    let has = |split: &str| finals.iter().any(|measurement| measurement.split == split);
    match &spec.report.split {
        Some(split) => split,
        None => ["test", "valid", "train"].into_iter().find(|split| has(split)).unwrap_or("test"),
    }
}

/// The final measurement that decides.
pub(crate) fn find<'a>(spec: &Spec, finals: &'a [Measurement]) -> Option<&'a Measurement> {
    let (metric, split) = (metric(spec), split(spec, finals));
    let of = |split: &str| finals.iter().find(|m| m.metric == metric && m.split == split);
    of(split).or_else(|| of("train"))
}

/// Its value.
pub(crate) fn value(spec: &Spec, finals: &[Measurement]) -> Option<f64> {
    find(spec, finals).map(|measurement| measurement.value)
}
