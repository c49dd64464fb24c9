//! What revision v1 of the border carries beyond the components that the project ships: a search
//! with several results per item, data that goes through a frozen encoder, optimizer groups, a loss
//! with parameters, and a metric over a whole split. All of it in trials, and through interruptions.

use crate::harness::{Place, RunFolder, results};
use crate::processes::{Running, send};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;

/// A tagger on features of a frozen encoder.
const TAGGER: &str = r#"question = "What do frozen features tell about tokens?"

[plugins]
folders = ["../plugins"]

[dataset]
use = "encoded-sequences"
items = 24
[dataset.encoder]
use = "frozen-encoder"

[model]
use = "beam-tagger"

[loss.tokens]
use = "cross-entropy"

[metric.accuracy]
use = "accuracy"
objective = true

[train]
total_epochs = 10
batch_size = 8
optimizer = { use = "adamw", learning_rate = 0.1 }

[sweep]
seeds = [0]
"#;

/// Three numbers in three groups, and a loss with two of its own: one batch is the whole split.
const GROUPED: &str = r#"question = "Do groups move at their own rates?"

[plugins]
folders = ["../plugins"]

[dataset]
use = "encoded-sequences"
items = 8
[dataset.encoder]
use = "frozen-encoder"

[model]
use = "grouped"

[loss.error]
use = "mse"

[metric.weights]
use = "mean-values"
inputs = { values = "weights" }

[metric.ranks]
use = "rank-correlation"
objective = true

[train]
total_epochs = 6
batch_size = 8
eval_every_steps = 1
optimizer = { use = "sgd", learning_rate = 0.25 }

[sweep]
seeds = [0]
"#;

/// Changes [`GROUPED`] to the loss that learns how to weight two terms.
const UNCERTAIN: [&str; 2] = [
    "loss.error={use = \"uncertainty\"}",
    "train.optimizer.groups.uncertainty.learning_rate_scale=0.5",
];

fn place(experiment: &str) -> Place {
    let place = Place::with_plugins(&["fixture", "losses", "metrics"]);
    place.write("versions/experiment.toml", experiment);
    place
}

/// The values of a metric on a split, in the order of the steps.
fn measured(run: &RunFolder, metric: &str, split: &str) -> Vec<f64> {
    let lines = run.measurements.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["metric"] == metric && line["split"] == split)
        .map(|line| line["value"].as_f64().unwrap())
        .collect()
}

#[test]
fn a_tagger_learns_from_features_of_a_frozen_encoder() {
    let place = place(TAGGER);
    place.ablate(&["run", "versions"]).expect(0);
    let runs = place.runs();
    let losses = measured(&runs[0], "loss", "valid");
    assert_eq!(losses.len(), 10);
    assert!(losses[9] < 0.75 * losses[0], "{losses:?}");
    // The encoder is no part of what is trained, counted or saved.
    let described = place.ablate(&["describe", "versions", "--format", "json"]).expect(0).raw;
    assert!(described.contains("frozen-encoder"), "{described}");
    let saved = fs::read_dir(runs[0].folder.join("checkpoints/last")).unwrap();
    let saved: Vec<String> =
        saved.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(saved.iter().any(|name| name == "model"), "{saved:?}");
    assert!(!saved.iter().any(|name| name.contains("encoder")), "{saved:?}");
}

/// What the dataset said about its preparation.
fn prepared(run: &RunFolder) -> (u64, u64) {
    let report = &run.manifest()["dataset"]["prepared"];
    (report["computed"].as_u64().unwrap(), report["cached"].as_u64().unwrap())
}

#[test]
fn features_are_computed_once_and_kept_by_content() {
    let place = place(TAGGER);
    place.ablate(&["run", "versions"]).expect(0);
    assert_eq!(prepared(&place.runs()[0]), (48, 0));
    // Another seed, another model: the features are there.
    place.ablate(&["run", "versions", "--seed", "1"]).expect(0);
    assert_eq!(prepared(&place.runs()[1]), (0, 48));
    // Fewer items are among them.
    place.ablate(&["run", "versions", "dataset.items=12"]).expect(0);
    let fewer = place.runs().into_iter().find(|run| prepared(run).1 == 24);
    assert_eq!(prepared(&fewer.unwrap()), (0, 24));
    // Another encoder computes something else.
    place.ablate(&["run", "versions", "dataset.encoder.size=5"]).expect(0);
    assert_eq!(place.runs().iter().filter(|run| prepared(run) == (48, 0)).count(), 2);
    // What was kept is what would be computed.
    let fresh = self::place(TAGGER);
    fresh.ablate(&["run", "versions", "--seed", "1"]).expect(0);
    let kept = place.runs().into_iter().find(|run| run.seed == 1).unwrap();
    assert_eq!(kept.results(), fresh.runs()[0].results());
}

#[test]
fn a_preparation_can_be_stopped_and_goes_on_where_it_was() {
    let place = place(TAGGER);
    let arguments = ["run", "versions", "dataset.encode_ms=60"];
    let mut running = Running::start(&place, &arguments);
    running.wait_for_stderr("preparing encoding: ");
    send(running.pid(), Signal::INT);
    let stopped = running.finish().expect(2);
    assert!(stopped.stderr.contains("stopped"), "{}", stopped.stderr);
    assert!(stopped.took < std::time::Duration::from_secs(10), "{:?}", stopped.took);
    assert!(place.runs().is_empty());
    place.ablate(&arguments).expect(0);
    let (computed, cached) = prepared(&place.runs()[0]);
    assert_eq!(computed + cached, 48);
    assert!(cached > 0, "nothing was kept of what was computed before");
}

#[test]
fn a_dataset_shares_no_block() {
    let place = place(TAGGER);
    let shared =
        ["blocks.encoder={use = \"frozen-encoder\"}", "dataset.encoder={ref = \"blocks.encoder\"}"];
    let refused = place.ablate(&[&["run", "versions"], &shared[..]].concat()).expect(1);
    refused.says_line(
        "error: `dataset.encoder` refers to `blocks.encoder`, but a dataset shares no block",
    );
    refused.says_line("hint: write what `[blocks.encoder]` says into the slot itself");
}

#[test]
fn groups_move_at_their_own_rates_and_frozen_ones_stay() {
    let place = place(GROUPED);
    let groups = [
        "train.optimizer.groups.front.learning_rate_scale=0.5",
        "train.optimizer.groups.fixed.frozen=true",
        "train.optimizer.groups.front.schedule={use = \"step\", step_every_steps = 2, gamma = 0.5}",
        "train.schedule={use = \"linear-warmup\", warmup_steps = 4}",
    ];
    place.ablate(&[&["run", "versions"], &groups[..]].concat()).expect(0);
    let run = &place.runs()[0];
    let found = ["weights", "weights/1", "weights/2"].map(|name| measured(run, name, "valid"));
    // Gradient descent by hand, on the data as it is defined.
    let (mut front, mut back, fixed) = (0.5, -0.25, 0.125);
    for step in 0..6usize {
        let rate = 0.25 * f64::min(1.0, (step + 1) as f64 / 4.0);
        let (mut of_front, mut of_back) = (0.0, 0.0);
        for item in 1..=8 {
            let x = f64::from(item) / 8.0;
            let error = front * x + back * x * x + fixed - (3.0 * x * x - 1.0);
            of_front += 2.0 * error * x / 8.0;
            of_back += 2.0 * error * x * x / 8.0;
        }
        front -= 0.5 * 0.25 * 0.5f64.powi(step as i32 / 2) * of_front;
        back -= rate * of_back;
        for (name, found, expected) in
            [("front", found[0][step], front), ("back", found[1][step], back)]
        {
            assert!((found - expected).abs() < 1e-6, "{name} after {step}: {found} {expected}");
        }
        assert_eq!(found[2][step].to_bits(), f64::to_bits(fixed), "the frozen group moved");
    }
}

#[test]
fn a_group_that_no_component_has_is_refused_before_anything_runs() {
    let place = place(GROUPED);
    let refused = place
        .ablate(&["run", "versions", "train.optimizer.groups.frnt.learning_rate_scale=0.5"])
        .expect(1);
    refused.says_line("error: no component has the parameter group `frnt`");
    refused.says_line("hint: there is `default`, `fixed`, `front`");
    assert!(place.runs().is_empty());
}

#[test]
fn a_loss_learns_how_to_weight_its_terms() {
    let place = place(GROUPED);
    place.ablate(&[&["run", "versions"], &UNCERTAIN[..]].concat()).expect(0);
    let run = &place.runs()[0];
    let found = measured(run, "loss", "valid");
    // By hand, with `valid` of half as many items.
    let data = |count: i32| (1..=count).map(move |item| f64::from(item) / f64::from(count));
    let errors = |weights: [f64; 3], count: i32| {
        let squares = data(count).map(|x| {
            let [front, back, fixed] = weights;
            let first = front * x + back * x * x + fixed - (3.0 * x * x - 1.0);
            [first, back * x - (1.0 - 2.0 * x)]
        });
        squares.collect::<Vec<_>>()
    };
    let mean = |errors: &[[f64; 2]], side: usize| {
        errors.iter().map(|error| error[side] * error[side]).sum::<f64>() / errors.len() as f64
    };
    let (mut weights, mut log_variance) = ([0.5, -0.25, 0.125], [0.0f64, 0.0]);
    for found in found {
        let all = errors(weights, 8);
        let scales = log_variance.map(|s| 0.5 * (-s).exp());
        let mut slopes = [0.0; 3];
        for (x, [first, second]) in data(8).zip(&all) {
            let first = scales[0] * 2.0 * first / 8.0;
            let second = scales[1] * 2.0 * second / 8.0;
            let of = [first * x, first * x * x + second * x, first];
            slopes.iter_mut().zip(of).for_each(|(sum, slope)| *sum += slope);
        }
        let of_variance = [0, 1].map(|side| 0.5 - scales[side] * mean(&all, side));
        weights.iter_mut().zip(slopes).for_each(|(weight, slope)| *weight -= 0.25 * slope);
        log_variance.iter_mut().zip(of_variance).for_each(|(s, slope)| *s -= 0.125 * slope);
        let all = errors(weights, 4);
        let term = |side: usize| {
            0.5 * ((-log_variance[side]).exp() * mean(&all, side) + log_variance[side])
        };
        let expected = term(0) + term(1);
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn a_rank_correlation_is_that_of_the_whole_split_whatever_the_batches() {
    let place = place(GROUPED);
    let mut values = Vec::new();
    // No step: the numbers stay what they are, and only the batches of the evaluation differ.
    for size in ["batch_size=8", "batch_size=3", "batch_size=1"] {
        let size = format!("train.{size}");
        let still = ["dataset.items=40", "train.optimizer.learning_rate=1e-30"];
        place.ablate(&[&["run", "versions", &size], &still[..]].concat()).expect(0);
        let run = place.runs().into_iter().max_by_key(|run| run.id.clone()).unwrap();
        values.push(measured(&run, "ranks", "valid")[0]);
    }
    assert_eq!(values[0].to_bits(), values[1].to_bits());
    assert_eq!(values[0].to_bits(), values[2].to_bits());
    // Counted pair by pair.
    let (predictions, targets): (Vec<f32>, Vec<f32>) = (1..=20u8)
        .map(|item| f32::from(item) / 20.0)
        .map(|x| (0.5 * x - 0.25 * x * x + 0.125, 3.0 * x * x - 1.0))
        .unzip();
    let rank = |values: &[f32], of: usize| {
        let below = values.iter().filter(|value| **value < values[of]).count();
        let equal = values.iter().filter(|value| **value == values[of]).count();
        below as f64 + f64::midpoint(equal as f64, 1.0)
    };
    let squares = (0..20).map(|item| (rank(&predictions, item) - rank(&targets, item)).powi(2));
    // Without ties: 1 − 6 Σ d² / (n (n² − 1)).
    let expected = 1.0 - 6.0 * squares.sum::<f64>() / (20.0 * 399.0);
    assert!((values[0] - expected).abs() < 1e-12, "{} {expected}", values[0]);
}

#[test]
fn killed_trials_of_all_of_these_go_on_with_the_same_bits() {
    let groups = [
        "train.optimizer={use = \"adamw\", learning_rate = 0.01}",
        "train.optimizer.groups.fixed.frozen=true",
        "dataset.items=24",
        "train.eval_every_steps=5",
    ];
    let uncertain = [&UNCERTAIN[..], &groups[..]].concat();
    for (experiment, settings) in [(TAGGER, &[][..]), (GROUPED, &uncertain[..])] {
        let long =
            ["train.total_epochs=40", "train.checkpoint_every_steps=3", "dataset.batch_ms=4"];
        let arguments = [&["run", "versions"], &long[..], settings].concat();
        let (whole, broken) = (place(experiment), place(experiment));
        whole.ablate(&arguments).expect(0);
        let mut running = Running::start(&broken, &arguments);
        let run = running.wait_for_checkpoint(6);
        send(running.trial(), Signal::KILL);
        running.finish();
        let resumed = broken.ablate(&arguments).expect(0);
        let runs = broken.runs();
        assert_eq!((runs.len(), &runs[0].id), (1, &run.id), "{}", resumed.stderr);
        assert_eq!(results(&runs), results(&whole.runs()));
    }
}
