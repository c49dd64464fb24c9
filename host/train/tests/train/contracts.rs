//! What contracts must agree on, and what is said when they do not.

use ablate_config::Spec;
use serde_json::{Value, json};

use crate::harness::{bound, chain, component, spec};

fn error(change: impl FnOnce(&mut Value)) -> String {
    chain(&bound(&spec(change)).unwrap_err())
}

fn port(name: &str, dtype: &str, shape: Value) -> Value {
    json!([{ "name": name, "dtype": dtype, "shape": shape }])
}

fn free(inputs: Value, outputs: Value) -> Value {
    component("free", json!({ "inputs": inputs, "outputs": outputs }))
}

/// A model with a slot of the same form as the speech model: features in, one vector per window out.
fn pooled(block: Value) -> impl FnOnce(&mut Value) {
    move |json| {
        json["dataset"] =
            free(json!([]), json!(["features: f32[B, T, 64]", "mask: bool[B, T]", "y: f32[B, 1]"]));
        let slots = json!({ "pooling": {
            "inputs": [
                { "name": "features", "dtype": "f32", "shape": ["B", "T", "F"] },
                { "name": "mask", "dtype": "bool", "shape": ["B", "T"] },
            ],
            "outputs": port("pooled", "f32", json!(["B", "W", "F"])),
        } });
        let config = json!({
            "inputs": ["features: f32[B, T, F]", "mask?: bool[B, T]"],
            "outputs": ["prediction: f32[B, 1]"],
            "slots": slots,
        });
        json["model"] = component("free", config);
        json["model"]["slots"]["pooling"] = json!({ "one": block });
    }
}

#[test]
fn sizes_flow_from_the_data_through_slots() {
    let block = free(json!(["features: f32[N, S, D]"]), json!(["pooled: f32[N, 1, D]"]));
    let bound = bound(&spec(pooled(block))).unwrap();
    let sizes = |path: &str| -> Vec<(&str, u64)> {
        bound.dimensions[path].iter().map(|(name, size)| (name.as_str(), *size)).collect()
    };
    assert_eq!(sizes("model"), [("F", 64), ("W", 1)]);
    assert_eq!(sizes("model.pooling"), [("D", 64)]);
    assert_eq!(sizes("loss.fit"), [("O", 1)]);
    let block = &bound.contracts["model.pooling"];
    assert_eq!(block.inputs[0].to_string(), "features: f32[N, S, 64]");
    assert_eq!(block.outputs[0].to_string(), "pooled: f32[N, 1, 64]");
    assert_eq!(bound.model_inputs, ["features", "mask"]);
}

#[test]
fn a_block_that_gives_another_size_is_refused_with_where_the_size_comes_from() {
    let wide = free(json!(["features: f32[N, S, D]"]), json!(["pooled: f32[N, W, 128]"]));
    assert_eq!(
        error(pooled(wide)),
        "contract mismatch between `model` (`free`) and the block in its slot `pooling` (`free`): \
         the block gives `pooled: f32[N, W, 128]`, `model` expects `pooled: f32[B, W, F]` with \
         F = 64 by `features: f32[B, T, 64]` of `dataset`"
    );
    let narrow = free(json!(["features: f32[N, S, 80]"]), json!(["pooled: f32[N, W, 80]"]));
    assert_eq!(
        error(pooled(narrow)),
        "contract mismatch between `model` (`free`) and the block in its slot `pooling` (`free`): \
         the slot of `model` gives `features: f32[B, T, F]` with F = 64 by \
         `features: f32[B, T, 64]` of `dataset`, the block expects `features: f32[N, S, 80]`"
    );
    let halving = free(json!(["features: f32[N, S, D]"]), json!(["pooled: f32[N, W, H]"]));
    // Nothing says what H is until the model asks for F.
    assert!(bound(&spec(pooled(halving))).is_ok());
}

#[test]
fn rank_and_element_type_must_agree() {
    let flat = free(json!(["features: f32[N, D]"]), json!(["pooled: f32[N, 1, D]"]));
    assert_eq!(
        error(pooled(flat)),
        "contract mismatch between `model` (`free`) and the block in its slot `pooling` (`free`): \
         the slot of `model` gives `features: f32[B, T, F]` with 3 dimensions, the block expects \
         `features: f32[N, D]` with 2 dimensions"
    );
    let floats = free(
        json!(["features: f32[N, S, D]", "mask?: f32[N, S]"]),
        json!(["pooled: f32[N, 1, D]"]),
    );
    assert_eq!(
        error(pooled(floats)),
        "contract mismatch between `model` (`free`) and the block in its slot `pooling` (`free`): \
         the slot of `model` gives `mask: bool[B, T]`, the block expects `mask?: f32[N, S]`"
    );
}

#[test]
fn what_a_slot_asks_for_and_gives_must_be_there() {
    let block = free(json!(["features: f32[N, S, D]"]), json!(["mean: f32[N, 1, D]"]));
    assert_eq!(
        error(pooled(block)),
        "`model` (`free`) needs `pooled: f32[B, W, F]` from the block in its slot `pooling`, but \
         `model.pooling` (`free`) gives `mean: f32[N, 1, D]`"
    );
    let block =
        free(json!(["features: f32[N, S, D]", "speaker: int[N]"]), json!(["pooled: f32[N, 1, D]"]));
    assert_eq!(
        error(pooled(block)),
        "`model.pooling` (`free`) needs the input `speaker: int[N]`, which is not given: the slot \
         `pooling` of `model` gives `features: f32[B, T, F]`, `mask: bool[B, T]`"
    );
}

#[test]
fn inputs_of_the_model_come_from_the_data() {
    let images = |json: &mut Value| {
        json["dataset"] = free(json!([]), json!(["image: f32[B, 784]", "y: f32[B, 1]"]));
    };
    assert_eq!(
        error(images),
        "`model` (`linear`) needs the input `x: f32[B, D]`, which is not given: `dataset` gives \
         `image: f32[B, 784]`, `y: f32[B, 1]`"
    );
    let sometimes = |json: &mut Value| {
        json["dataset"] = free(json!([]), json!(["x?: f32[B, 784]", "y: f32[B, 1]"]));
    };
    assert_eq!(
        error(sometimes),
        "`model` (`linear`) needs the input `x`, which `dataset` gives only sometimes \
         (`x?: f32[B, 784]`)"
    );
}

#[test]
fn losses_and_metrics_are_wired_by_name() {
    let wired = |inputs: Value| {
        bound(&spec(|json| {
            json["dataset"] = free(
                json!([]),
                json!([
                    "x: f32[B, 3]",
                    "y: f32[B, 1]",
                    "target: f32[B, 1]",
                    "prediction: f32[B, 1]"
                ]),
            );
            json["losses"][0]["inputs"] = inputs;
        }))
        .map(|bound| {
            serde_json::to_value(&bound.losses[0])
                .unwrap()
                .as_array()
                .unwrap()
                .iter()
                .map(|wire| wire["source"].clone())
                .collect::<Vec<_>>()
        })
    };
    let sources = |inputs| wired(inputs).unwrap();
    // Equal names bind, outputs of the model first.
    assert_eq!(
        sources(json!({})),
        [json!({ "model": "prediction" }), json!({ "batch": "target" })]
    );
    assert_eq!(
        sources(json!({ "target": "batch.prediction" })),
        [json!({ "model": "prediction" }), json!({ "batch": "prediction" })]
    );
    assert_eq!(sources(json!({ "target": "y" }))[1], json!({ "batch": "y" }));
    let refused = wired(json!({ "target": "targt" })).unwrap_err();
    assert_eq!(
        chain(&refused),
        "input `target` of `loss.fit` (`mse`) is wired to `targt`, which is not given: `model` \
         gives `prediction: f32[B, O]`; `dataset` gives `x: f32[B, 3]`, `y: f32[B, 1]`, \
         `target: f32[B, 1]`, `prediction: f32[B, 1]`"
    );
    assert_eq!(refused.hints(), ["did you mean `target`?"]);
    let refused = wired(json!({ "predicted": "y" })).unwrap_err();
    assert_eq!(chain(&refused), "`loss.fit` (`mse`) has no input `predicted`");
    assert_eq!(
        refused.hints(),
        ["did you mean `prediction`?", "its inputs are `prediction`, `target`"]
    );
}

#[test]
fn an_input_that_nobody_gives_is_named_with_what_there_is() {
    let refused = bound(&spec(|json| json["losses"][0]["inputs"] = json!({}))).unwrap_err();
    assert_eq!(
        chain(&refused),
        "`loss.fit` (`mse`) needs the input `target: f32[B, O]`, which is not given: `model` \
         gives `prediction: f32[B, O]`; `dataset` gives `x: f32[B, 3]`, `y: f32[B, 1]`"
    );
    assert_eq!(
        refused.hints(),
        ["wire it to another tensor with `loss.fit.inputs.target = \"NAME\"`"]
    );
}

#[test]
fn an_optional_input_that_does_not_fit_is_not_dropped() {
    let refused = bound(&spec(|json| {
        json["losses"][0]["component"] =
            free(json!(["prediction: f32[B, O]", "y?: bool[B, O]"]), json!(["loss: f32[1]"]));
        json["losses"][0]["inputs"] = json!({});
    }))
    .unwrap_err();
    assert_eq!(
        chain(&refused),
        "contract mismatch between `loss.fit` (`free`) and `dataset` (`table`): `dataset` gives \
         `y: f32[B, 1]`, `loss.fit` expects `y?: bool[B, O]`"
    );
    assert_eq!(refused.hints(), ["wire it to another tensor with `loss.fit.inputs.y = \"NAME\"`"]);
}

#[test]
fn a_loss_gives_a_scalar_and_takes_something_of_the_model() {
    let with = |inputs: Value, outputs: Value| {
        error(|json| {
            json["losses"][0]["component"] = free(inputs, outputs);
            json["losses"][0]["inputs"] = json!({});
        })
    };
    assert_eq!(
        with(json!(["prediction: f32[B, O]"]), json!(["loss: f32[B]"])),
        "the contract of `loss.fit` (`free`) cannot be read: a loss has an output `loss: f32[1]`"
    );
    assert_eq!(
        with(json!(["y: f32[B, O]"]), json!(["loss: f32[1]"])),
        "no loss with a weight takes a float output of `model` (`linear`): nothing would be trained"
    );
}

/// The linear model with one block in both of its slots.
fn shared(block: Value) -> Spec {
    spec(|json| {
        json["model"] = component(
            "free",
            json!({
                "inputs": ["x: f32[B, D]"],
                "outputs": ["prediction: f32[B, 1]"],
                "slots": {
                    "left": { "inputs": port("x", "f32", json!(["B", "D"])) },
                    "right": { "inputs": port("x", "f32", json!(["B", 7])) },
                },
            }),
        );
        json["model"]["slots"] = json!({ "left": { "ref": "one" }, "right": { "ref": "one" } });
        json["blocks"]["one"] = block;
    })
}

#[test]
fn a_shared_block_may_see_another_size_in_each_slot() {
    let bound = bound(&shared(free(json!(["x: f32[N, C]"]), json!([])))).unwrap();
    assert_eq!(bound.dimensions["blocks.one"], []);
    assert_eq!(bound.ambiguous["blocks.one"], [("C".to_owned(), vec![3, 7])]);
    assert_eq!(bound.contracts["blocks.one"].inputs[0].to_string(), "x: f32[N, C]");
}

#[test]
fn blocks_in_a_circle_are_refused() {
    let text = error(|json| {
        json["blocks"]["a"] = component("scale", json!({}));
        json["blocks"]["a"]["slots"] = json!({ "inner": { "ref": "b" } });
        json["blocks"]["b"] = component("scale", json!({}));
        json["blocks"]["b"]["slots"] = json!({ "inner": { "ref": "a" } });
        json["model"]["slots"]["refiner"] = json!({ "ref": "a" });
    });
    assert_eq!(text, "blocks hold each other in a circle: blocks.a → blocks.b → blocks.a");
}

#[test]
fn a_component_that_cannot_say_its_contract_is_named() {
    let text = error(|json| json["model"] = component("nonesuch", json!({})));
    assert_eq!(
        text,
        "`model` (`nonesuch`) failed to describe its tensors: no component `nonesuch`"
    );
}
