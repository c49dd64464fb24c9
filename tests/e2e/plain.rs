//! A library without Burn and without the SDK in whole trials: it learns, goes on bit for bit,
//! stands in a table, and meets libraries that have both.

use crate::harness::results;
use crate::plain_library::place;
use crate::processes::{Running, send};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn an_experiment_without_burn_learns_and_gives_a_table() {
    let place = place(&[]);
    place.ablate(&["sweep", "plain"]).expect(0);
    let runs = place.runs();
    assert_eq!(runs.len(), 4);
    for run in &runs {
        let losses = measured(&run.measurements, "loss", "valid");
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < first / 4.0, "{} {}: from {first} to {last}", run.variant, run.seed);
    }
    let table = place.ablate(&["table", "plain", "--format", "json"]).expect(0).json();
    let rows = table["rows"].as_array().unwrap();
    let cells = rows.iter().map(|row| (row["variant"].as_str(), row["metric"].as_str()));
    let expected = [("straight", "r2"), ("straight", "loss"), ("gain", "r2"), ("gain", "loss")];
    assert_eq!(cells.collect::<Vec<_>>(), expected.map(|(v, m)| (Some(v), Some(m))));
    // Noise of 0.1 times a uniform number leaves 0.0033 of a variance of 0.63.
    assert!(rows[0]["mean"].as_f64().unwrap() > 0.9, "{}", rows[0]);
    // Two seeds are two trials, two variants two models.
    let whole: Vec<&str> = runs.iter().map(|run| run.measurements.as_str()).collect();
    assert!((1..4).all(|one| (0..one).all(|other| whole[one] != whole[other])));
}

#[test]
fn a_killed_trial_without_burn_goes_on_with_the_same_bits() {
    for optimizer in ["{use = \"adamw\"}", "{use = \"sgd\", learning_rate = 0.02, momentum = 0.9}"]
    {
        let optimizer = format!("train.optimizer={optimizer}");
        let arguments = [
            "run",
            "plain",
            "--variant",
            "gain",
            &optimizer,
            "train.checkpoint_every_steps=3",
            "dataset.sleep_ms=5",
        ];
        let (whole, broken) = (place(&[]), place(&[]));
        whole.ablate(&arguments).expect(0);
        let mut running = Running::start(&broken, &arguments);
        let run = running.wait_for_checkpoint(8);
        send(running.trial(), Signal::KILL);
        running.finish();
        let resumed = broken.ablate(&arguments).expect(0);
        let runs = broken.runs();
        assert_eq!((runs.len(), &runs[0].id), (1, &run.id), "{}", resumed.stderr);
        assert_eq!(results(&runs), results(&whole.runs()));
    }
}

#[test]
fn a_loss_with_burn_trains_a_model_without() {
    let place = place(&["losses"]);
    let losses = |use_loss: &str| -> Vec<f64> {
        place.ablate(&["run", "plain", use_loss]).expect(0);
        let runs = place.runs();
        let run = runs.iter().max_by_key(|run| run.id.clone()).unwrap();
        measured(&run.measurements, "loss", "valid")
    };
    let own = losses("loss.error.use=plain-mse");
    let foreign = losses("loss.error.use=mse");
    assert_eq!(own.len(), foreign.len());
    // The same function, summed in another order.
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4 * a.abs().max(0.01);
    assert!(own.iter().zip(&foreign).all(near), "{own:?}\n{foreign:?}");
}

#[test]
fn a_library_without_burn_says_so() {
    let place = place(&[]);
    let arguments = ["plugins", "list", "--folder", "plugins", "--format", "json"];
    let json = place.ablate(&arguments).expect(0).json();
    let plain = &json["plugins"][0];
    assert_eq!((&plain["name"], &plain["burn"]), (&Value::from("plain"), &Value::Null));
    let components = plain["components"].as_array().unwrap();
    let names: Vec<_> = components.iter().map(|component| component["name"].as_str()).collect();
    let expected =
        ["plain-points", "plain-linear", "plain-gain", "plain-mse", "plain-r2", "plain-map"];
    assert_eq!(names, expected.map(Some));
}

/// The values of a metric on a split, in the order of the steps.
fn measured(measurements: &str, metric: &str, split: &str) -> Vec<f64> {
    let lines = measurements.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["metric"] == metric && line["split"] == split)
        .map(|line| line["value"].as_f64().unwrap())
        .collect()
}
