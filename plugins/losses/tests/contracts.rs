//! What the losses take and are configured by, as experiments and the host's checks see it.

use ablate_losses::{
    CrossEntropy, CrossEntropyConfig, MaskedMse, ModelOutput, Mse, SmoothL1, SmoothL1Config,
};
use ablate_sdk::Loss;
use ablate_sdk::schemars::schema_for;

/// Names of the inputs under the default configuration; optional ones end in `?`.
fn inputs<L: Loss<Config: Default>>() -> Vec<String> {
    let contract = L::contract(&L::Config::default()).expect("defaults are valid");
    let contract = contract.to_json().expect("well written");
    let ports = contract["inputs"].as_array().expect("a list").iter();
    ports
        .map(|port| {
            let optional = if port["optional"] == true { "?" } else { "" };
            format!("{}{optional}", port["name"].as_str().expect("text"))
        })
        .collect()
}

#[test]
fn inputs_bind_by_the_names_that_models_and_datasets_use() {
    assert_eq!(inputs::<MaskedMse>(), ["prediction", "target", "mask?"]);
    assert_eq!(inputs::<Mse>(), ["prediction", "target"]);
    assert_eq!(inputs::<SmoothL1>(), ["prediction", "target"]);
    assert_eq!(inputs::<CrossEntropy>(), ["logits", "labels"]);
    assert_eq!(inputs::<ModelOutput>(), ["value"]);
}

#[test]
fn schemas_tell_the_ranges() {
    let schema = schema_for!(SmoothL1Config).to_value();
    let beta = &schema["properties"]["beta"];
    assert_eq!((&beta["exclusiveMinimum"], &beta["default"]), (&0.0.into(), &1.0.into()));
    assert_eq!(schema["additionalProperties"], false);

    let schema = schema_for!(CrossEntropyConfig).to_value();
    let smoothing = &schema["properties"]["label_smoothing"];
    assert_eq!(smoothing["minimum"].as_f64(), Some(0.0));
    assert_eq!((&smoothing["exclusiveMaximum"], &smoothing["default"]), (&1.0.into(), &0.0.into()));
    assert_eq!(schema["additionalProperties"], false);
}
