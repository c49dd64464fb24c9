//! What is not finite or breaks its contract while running is named with component, tensor and step.

use ablate_config::Spec;
use serde_json::{Value, json};

use crate::harness::{component, fresh, spec};

#[test]
fn a_loss_that_is_nan_is_named_with_its_step() {
    let ran = fresh(&spec(|json| {
        json["losses"][0]["component"]["config"] = json!({ "nan_step": 7 });
    }));
    let expected = "`loss.fit` (`mse`) is NaN in step 7 although its inputs are finite: \
                    `prediction`, `target`";
    assert_eq!(ran.error(), expected);
    let error = ran.outcome.unwrap_err();
    assert_eq!(error.kind(), "not-finite");
    assert_eq!(error.hints().len(), 1);
}

fn with_block(block: &str, config: Value) -> Spec {
    spec(|json| {
        json["dataset"]["config"] = json!({ "train": 32 });
        json["model"]["slots"]["refiner"] = json!({ "one": component(block, config) });
    })
}

#[test]
fn nan_in_a_block_of_another_library_is_named_there() {
    let ran = fresh(&with_block("scale-elsewhere", json!({ "nan_step": 3 })));
    let expected = "`model` (`linear`) failed to compute step 3: in slot `refiner`: \
                    `model.refiner` (`scale-elsewhere`): output `x` holds NaN at [0, 1] in step 3 \
                    (1 of 12 values)";
    assert_eq!(ran.error(), expected);
    assert_eq!(ran.outcome.unwrap_err().kind(), "not-finite");
}

#[test]
fn nan_in_a_native_block_is_found_in_what_the_model_gives() {
    let ran = fresh(&with_block("scale", json!({ "nan_step": 3 })));
    let expected = "`model` (`linear`): output `prediction` holds NaN at [0, 0] in step 3 \
                    (1 of 4 values)";
    assert_eq!(ran.error(), expected);
}

#[test]
fn infinity_in_a_batch_is_named_with_its_item() {
    let ran = fresh(&spec(|json| {
        json["dataset"]["config"] = json!({ "damaged": 11 });
        json["train"]["batch_size"] = json!(1);
    }));
    let expected = "`dataset` (`table`): output `x` holds inf at [0, 1] in a batch of split \
                    `train` (item `row-11`) (1 of 3 values)";
    assert_eq!(ran.error(), expected);
}

#[test]
fn a_parameter_gradient_that_is_infinite_is_named() {
    let ran = fresh(&spec(|json| {
        json["losses"][0]["component"]["config"] = json!({ "infinite_step": 2 });
    }));
    let expected = "the gradient of `weight` in `loss.fit` (`mse`) is not finite in step 2";
    assert_eq!(ran.error(), expected);
}

#[test]
fn a_metric_that_is_nan_is_recorded_and_named() {
    let ran = fresh(&spec(|json| {
        json["metrics"][0]["component"]["config"] = json!({ "script": [1.0, null] });
    }));
    assert_eq!(ran.error(), "`metric.mae` (`error`): `mae` is NaN on split `valid`");
    let values = ran.memory.values("mae", "valid");
    assert_eq!((values[0], values[1].0, values[1].1.is_nan()), ((8, 1.0), 16, true));
}

#[test]
fn a_shared_block_is_one_instance_behind_checks() {
    let ran = fresh(&spec(|json| {
        json["blocks"]["one"] = component("scale", json!({ "nan_step": 3 }));
        json["model"]["slots"]["left"] = json!({ "ref": "one" });
        json["model"]["slots"]["right"] = json!({ "ref": "one" });
    }));
    assert_eq!(ran.fakes.slots, [("left".to_owned(), true), ("right".to_owned(), true)]);
    let paths: Vec<&str> = ran.fakes.blocks.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["blocks.one"]);
    let expected = "`model` (`linear`) failed to compute step 3: in slot `left`: `blocks.one` \
                    (`scale`): output `x` holds NaN at [0, 1] in step 3 (1 of 12 values)";
    assert_eq!(ran.error(), expected);
}

#[test]
fn a_block_that_is_referred_to_once_is_not_shared() {
    let ran = fresh(&spec(|json| {
        json["blocks"]["one"] = component("scale", json!({}));
        json["model"]["slots"]["left"] = json!({ "ref": "one" });
        json["model"]["slots"]["right"] =
            json!({ "many": [{ "one": component("scale", json!({})) }] });
    }));
    ran.finished();
    assert_eq!(ran.fakes.slots, [("left".to_owned(), false), ("right".to_owned(), false)]);
    let paths: Vec<&str> = ran.fakes.blocks.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["blocks.one", "model.right.0"]);
}

#[test]
fn a_block_that_breaks_its_contract_is_named() {
    let ran = fresh(&with_block("scale-elsewhere", json!({ "wide_step": 2 })));
    let expected = "`model` (`linear`) failed to compute step 2: in slot `refiner`: \
                    `model.refiner` (`scale-elsewhere`): output `x` is f32[4, 4], its contract \
                    says `x: f32[N, 3]`";
    assert_eq!(ran.error(), expected);
    assert_eq!(ran.outcome.unwrap_err().kind(), "contract");
}

#[test]
fn a_gradient_that_is_nan_is_named() {
    let ran = fresh(&with_block("scale-elsewhere", json!({ "nan_gradient": true })));
    let expected = "`model` (`linear`) failed to compute the gradients of step 1: \
                    `model.refiner` (`scale-elsewhere`): the gradient of input `x` holds NaN at \
                    [0, 0] in step 1 (12 of 12 values)";
    assert_eq!(ran.error(), expected);
}

#[test]
fn a_block_that_panicked_takes_no_more_calls() {
    let with_retry = |retry: bool| {
        let mut spec = with_block("scale-elsewhere", json!({ "panic_step": 2 }));
        spec.model.config = json!({ "retry": retry });
        fresh(&spec).error()
    };
    let start = "`model` (`linear`) failed to compute step 2: in slot `refiner`:";
    let named = "`model.refiner` (`scale-elsewhere`): index out of bounds";
    assert_eq!(with_retry(false), format!("{start} {named}"));
    let refused = "`model.refiner` (`scale-elsewhere`) panicked before and takes no more calls";
    assert_eq!(with_retry(true), format!("{start} {refused}"));
}
