//! When evaluation, checkpoints and early stopping happen, and what is reported.

use ablate_train::CheckpointKind::{Best, Last};
use serde_json::json;

use crate::harness::{Ran, fresh, spec};

fn finals(ran: &Ran, metric: &str) -> Vec<(ablate_train::CheckpointKind, String, u64, f64)> {
    let of_metric = ran.finished().finals.iter().filter(|f| f.measurement.metric == metric);
    of_metric
        .map(|f| {
            let m = &f.measurement;
            (f.checkpoint, m.split.clone(), m.step, m.value)
        })
        .collect()
}

#[test]
fn evaluates_and_saves_when_the_spec_says() {
    let ran = fresh(&spec(|json| {
        json["train"]["total_epochs"] = json!(null);
        json["train"]["total_steps"] = json!(21);
        json["train"]["eval_every_epochs"] = json!(null);
        json["train"]["eval_every_steps"] = json!(6);
    }));
    let steps = |metric: &str, split: &str| -> Vec<u64> {
        ran.memory.values(metric, split).into_iter().map(|(step, _)| step).collect()
    };
    // 8 steps are an epoch.
    assert_eq!(steps("loss", "train"), [10, 20, 21]);
    assert_eq!(steps("loss/fit", "train"), [10, 20, 21]);
    assert_eq!(steps("mae", "valid"), [6, 12, 18, 21]);
    assert_eq!(steps("mae/count", "valid"), [6, 12, 18, 21]);
    assert_eq!(steps("mae", "test"), [0u64; 0]);
    let last: Vec<u64> =
        ran.memory.checkpoints.iter().filter(|c| c.0 == Last).map(|c| c.1).collect();
    assert_eq!(last, [8, 16, 21]);
    assert_eq!(ran.memory.starts, [0]);
    let splits: Vec<String> = finals(&ran, "mae").into_iter().map(|f| f.1).collect();
    assert_eq!(splits, ["train", "valid", "test"]);
    let test = ran.finished().finals.iter().find(|f| f.measurement.split == "test").unwrap();
    assert_eq!((test.measurement.step, test.measurement.epoch), (21, 2));
    let unit = |metric: &str| {
        let found = ran.memory.measurements.iter().find(|m| m.metric == metric).unwrap();
        (found.unit.clone(), found.higher_is_better)
    };
    assert_eq!(unit("mae"), (Some("m".to_owned()), Some(false)));
    assert_eq!(unit("mae/count"), (None, Some(false)));
    assert_eq!(finals(&ran, "mae/count").iter().map(|f| f.3).collect::<Vec<_>>(), [30.0, 8.0, 9.0]);
}

#[test]
fn an_evaluation_is_the_mean_over_all_elements_of_the_split() {
    let ran = fresh(&spec(|json| {
        json["train"]["optimizer"]["learning_rate"] = json!(1e-9);
    }));
    let table = crate::dataset::Table {
        splits: Vec::new(),
        width: 3,
        outputs: 1,
        damaged: None,
        cancels: None,
    };
    // The model predicts 0: the loss is the mean square of the 9 targets, in batches of 4, 4 and 1.
    let targets: Vec<f64> = (0..9).map(|index| f64::from(table.row("test", index).1[0])).collect();
    let mean = |f: fn(f64) -> f64| targets.iter().map(|y| f(*y)).sum::<f64>() / 9.0;
    let found = |metric: &str| finals(&ran, metric).pop().unwrap().3;
    assert!((found("loss") - mean(|y| y * y)).abs() < 1e-6);
    assert!((found("mae") - mean(f64::abs)).abs() < 1e-6);
}

fn scripted(values: &[f64], direction: i8, min_delta: f64) -> Ran {
    fresh(&spec(|json| {
        json["metrics"][0]["component"]["config"] =
            json!({ "script": values, "direction": direction });
        json["train"]["total_epochs"] = json!(10);
        json["train"]["early_stopping"] = json!({ "patience_evals": 2, "min_delta": min_delta });
        json["report"]["checkpoint"] = json!("best");
    }))
}

#[test]
fn stops_early_and_reports_the_best_checkpoint() {
    // Lower is better: the best is the second, and two evaluations after it do not beat it.
    let ran = scripted(&[3.0, 1.0, 2.0, 1.0, 9.0], -1, 0.0);
    let finished = ran.finished();
    assert_eq!((finished.steps, finished.epochs, finished.stopped_early), (32, 4, true));
    assert_eq!(finished.best.map(|best| (best.value, best.step, best.epoch)), Some((1.0, 16, 2)));
    let best: Vec<_> = ran.memory.checkpoints.iter().filter(|c| c.0 == Best).collect();
    assert_eq!(best, [&(Best, 8), &(Best, 16)]);
    // The losses of the best checkpoint are those that were measured when it was written.
    let recorded = ran.memory.values("loss", "valid");
    let measured = finals(&ran, "loss");
    let valid = |kind| measured.iter().find(|f| f.0 == kind && f.1 == "valid").unwrap();
    assert_eq!((valid(Best).2, valid(Best).3), recorded[1]);
    assert_eq!((valid(Last).2, valid(Last).3), recorded[3]);
    // Afterwards the components are in the last state again.
    let resumed = finals(&ran, "loss").len();
    assert_eq!(resumed, 6);
}

#[test]
fn small_gains_are_kept_and_do_not_extend_the_wait() {
    let ran = scripted(&[1.0, 1.05, 1.08, 9.0], 1, 0.1);
    let finished = ran.finished();
    assert_eq!((finished.epochs, finished.stopped_early), (3, true));
    assert_eq!(finished.best.map(|best| (best.value, best.epoch)), Some((1.08, 3)));
    let ran = scripted(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], 1, 0.1);
    assert!(!ran.finished().stopped_early);
}

#[test]
fn an_objective_needs_a_direction_and_a_split() {
    let text = scripted(&[1.0], 0, 0.0).error();
    let expected =
        "`metric.mae` (`error`) cannot be the objective: neither higher nor lower is better";
    assert_eq!(text, expected);
    let without = |change: fn(&mut serde_json::Value)| {
        fresh(&spec(|json| {
            json["report"]["checkpoint"] = json!("best");
            change(json);
        }))
        .error()
    };
    assert_eq!(
        without(|json| json["dataset"]["config"] = json!({ "valid": false })),
        "`dataset` (`table`) has no split `valid`, which `report.checkpoint = \"best\"` needs: \
         its splits are `train`, `test`"
    );
    assert_eq!(
        without(|json| json["metrics"][0]["objective"] = json!(false)),
        "`report.checkpoint = \"best\"` needs a metric with `objective = true`"
    );
}

#[test]
fn a_split_without_items_is_named() {
    let error = |config| fresh(&spec(|json| json["dataset"]["config"] = config)).error();
    assert_eq!(
        error(json!({ "test": 0 })),
        "`dataset` (`table`) has no items in split `test`: its splits are `train`, `valid`, `test`"
    );
    assert_eq!(
        error(json!({ "train": false })),
        "`dataset` (`table`) has no split `train`: its splits are `valid`, `test`"
    );
}
