//! What the loop computes: gradients, accumulation, clipping, groups.

use serde_json::json;

use crate::components::Weights;
use crate::dataset::Table;
use crate::harness::{Ran, chain, component, fresh, spec};

fn table(width: usize, outputs: usize) -> Table {
    Table { splits: Vec::new(), width, outputs, damaged: None, cancels: None }
}

/// Solves the normal equations of least squares for one output by elimination.
fn least_squares(rows: &[(Vec<f32>, Vec<f32>)], column: usize) -> Vec<f64> {
    let width = rows[0].0.len();
    let mut system = vec![vec![0.0; width + 1]; width];
    for (x, y) in rows {
        for i in 0..width {
            for j in 0..width {
                system[i][j] += f64::from(x[i]) * f64::from(x[j]);
            }
            system[i][width] += f64::from(x[i]) * f64::from(y[column]);
        }
    }
    for pivot in 0..width {
        let above = system[pivot].clone();
        for (_, row) in system.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
            let ratio = row[pivot] / above[pivot];
            row.iter_mut().zip(&above).for_each(|(value, above)| *value -= ratio * above);
        }
    }
    (0..width).map(|k| system[k][width] / system[k][k]).collect()
}

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    let near = |(f, e): (&f32, &f64)| (f64::from(*f) - e).abs() <= tolerance;
    assert!(found.len() == expected.len(), "{found:?}, expected {expected:?}");
    assert!(found.iter().zip(expected).all(near), "{found:?}, expected {expected:?}");
}

#[test]
fn full_batch_descent_reaches_the_least_squares_solution() {
    let ran = fresh(&spec(|json| {
        json["train"]["batch_size"] = json!(30);
        json["train"]["total_epochs"] = json!(400);
        json["train"]["eval_every_epochs"] = json!(400);
        json["train"]["checkpoint_every_epochs"] = json!(400);
        json["train"]["optimizer"]["learning_rate"] = json!(0.5);
    }));
    let finished = ran.finished();
    assert_eq!((finished.steps, finished.epochs, finished.stopped_early), (400, 400, false));
    let rows: Vec<_> = (0..30).map(|index| table(3, 1).row("train", index)).collect();
    close(&ran.weights(), &least_squares(&rows, 0), 2e-5);
}

#[test]
fn gradients_flow_through_blocks_of_this_and_another_library() {
    // prediction = s x w: the product of both parameters is what least squares gives.
    for block in ["scale", "scale-elsewhere"] {
        let ran = fresh(&spec(|json| {
            json["model"]["slots"]["refiner"] = json!({ "one": component(block, json!({})) });
            json["train"]["batch_size"] = json!(30);
            json["train"]["total_epochs"] = json!(300);
            json["train"]["eval_every_epochs"] = json!(300);
            json["train"]["checkpoint_every_epochs"] = json!(300);
            json["train"]["optimizer"]["learning_rate"] = json!(0.1);
        }));
        ran.finished();
        let rows: Vec<_> = (0..30).map(|index| table(3, 1).row("train", index)).collect();
        let scale = ran.fakes.blocks[0].1.weights.lock().unwrap().values[0];
        assert!((scale - 1.0).abs() > 0.05, "{block}: the block did not train");
        let product: Vec<f32> = ran.weights().iter().map(|weight| weight * scale).collect();
        close(&product, &least_squares(&rows, 0), 1e-4);
    }
}

#[test]
fn accumulation_weighs_by_elements_and_else_alike() {
    let run = |batch_size: usize, accumulate: usize, reports: bool| {
        fresh(&spec(|json| {
            json["dataset"]["config"] = json!({ "train": 6 });
            json["losses"][0]["component"]["config"]["reports"] = json!(reports);
            json["train"]["batch_size"] = json!(batch_size);
            json["train"]["accumulate_steps"] = json!(accumulate);
            json["train"]["bucketing"] = json!(false);
            json["train"]["total_epochs"] = json!(null);
            json["train"]["total_steps"] = json!(1);
        }))
        .weights()
    };
    let double = |list: &[f32]| list.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let whole = double(&run(6, 1, true));
    close(&run(3, 2, true), &whole, 1e-6);
    close(&run(4, 2, true), &whole, 1e-6);
    close(&run(1, 6, true), &whole, 1e-6);
    close(&run(3, 2, false), &whole, 1e-6);
    // Four and two items that count alike are not the mean over all.
    let alike = run(4, 2, false);
    assert!(alike.iter().zip(&whole).any(|(a, w)| (f64::from(*a) - w).abs() > 1e-4));
}

#[test]
fn gradients_are_clipped_by_their_global_norm() {
    // One item: loss (w·x - y)² at w = 0 has the gradient -2 y x.
    let (x, y) = table(2, 1).row("train", 0);
    let gradient: Vec<f64> = x.iter().map(|x| -2.0 * f64::from(y[0]) * f64::from(*x)).collect();
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let weights = |clip: f64| {
        fresh(&spec(|json| {
            json["dataset"]["config"] = json!({ "train": 1, "width": 2 });
            json["train"]["clip_norm"] = json!(clip);
            json["train"]["total_epochs"] = json!(1);
        }))
        .weights()
    };
    let step = |scale: f64| gradient.iter().map(|g| -0.1 * scale * g).collect::<Vec<_>>();
    close(&weights(norm / 4.0), &step(0.25), 1e-7);
    close(&weights(norm * 4.0), &step(1.0), 1e-7);
}

#[test]
fn losses_on_one_output_add_up_by_weight() {
    let weights = |losses: &[f64]| {
        fresh(&spec(|json| {
            let loss = json["losses"][0].clone();
            let list = losses.iter().enumerate().map(|(index, weight)| {
                let mut loss = loss.clone();
                loss["name"] = json!(format!("loss-{index}"));
                loss["weight"] = json!(weight);
                loss
            });
            json["losses"] = list.collect();
        }))
    };
    let (one, two) = (weights(&[1.0]), weights(&[0.75, 0.25, 0.0]));
    let expected: Vec<f64> = one.weights().into_iter().map(f64::from).collect();
    close(&two.weights(), &expected, 1e-5);
    // A loss without weight is measured all the same.
    let last = |name: &str| two.memory.values(name, "valid").last().unwrap().1;
    assert_eq!(last("loss/loss-2"), last("loss/loss-0"));
}

#[test]
fn groups_scale_and_freeze() {
    let run = |groups: serde_json::Value| {
        let spec = spec(|json| {
            json["model"]["slots"]["refiner"] =
                json!({ "one": component("scale-elsewhere", json!({})) });
            json["train"]["optimizer"]["groups"] = groups;
        });
        fresh(&spec)
    };
    let scale = |ran: &Ran| {
        let weights: Weights = ran.fakes.blocks[0].1.weights.lock().unwrap().clone();
        weights.values[0]
    };
    let frozen = run(json!({ "scales": { "learning_rate_scale": 1.0, "frozen": true } }));
    assert_eq!(scale(&frozen), 1.0);
    let trainable = |ran: &Ran| {
        let counts = ablate_train::parameters(&ran.parts).unwrap();
        counts.into_iter().map(|count| (count.path, count.trainable)).collect::<Vec<_>>()
    };
    let path = |path: &str, count| (path.to_owned(), count);
    let expected = [path("model.refiner", 0), path("model", 3), path("loss.fit", 1)];
    assert_eq!(trainable(&frozen), expected);
    let still = run(json!({ "scales": { "learning_rate_scale": 0.0, "frozen": false } }));
    assert_eq!(scale(&still), 1.0);
    assert_ne!(scale(&run(json!({}))), 1.0);
    let unknown = run(json!({ "scale": { "learning_rate_scale": 1.0, "frozen": false } }));
    let error = unknown.outcome.unwrap_err();
    assert_eq!(chain(&error), "no component has the parameter group `scale`");
    assert_eq!(error.hints(), ["there is `default`, `scales`"]);
}
