//! What the metrics take, as experiments and the host's checks see it.

use ablate_metrics::{
    Accuracy, CodeRate, CodebookGini, CodebookPerplexity, CodebookUtilization, Compression,
    EffectiveCapacity, Mae, SnrDb, UniqueCodeRatio,
};
use ablate_sdk::Metric;
use ablate_sdk::schemars::schema_for;

/// `name: type[dimensions]` of each input under the default configuration.
fn inputs<M: Metric<Config: Default>>() -> Vec<String> {
    let contract = M::contract(&M::Config::default()).expect("defaults are valid");
    let contract = contract.to_json().expect("well written");
    let ports = contract["inputs"].as_array().expect("a list").iter();
    ports
        .map(|port| {
            let text = |key: &str| port[key].as_str().expect("text").to_owned();
            let optional = if port["optional"] == true { "?" } else { "" };
            let shape = port["shape"].as_array().expect("a list").iter();
            let shape: Vec<&str> = shape.map(|size| size.as_str().expect("a symbol")).collect();
            format!("{}{optional}: {}[{}]", text("name"), text("dtype"), shape.join(", "))
        })
        .collect()
}

#[test]
fn inputs_bind_by_the_names_that_models_and_datasets_use() {
    let codes = ["codes: int[B, W, L]", "code_mask?: bool[B, W]", "codebooks?: f32[L, K, D]"];
    assert_eq!(inputs::<CodebookUtilization>(), codes);
    assert_eq!(inputs::<CodebookPerplexity>(), codes);
    assert_eq!(inputs::<CodebookGini>(), codes);
    assert_eq!(inputs::<EffectiveCapacity>(), codes);
    assert_eq!(inputs::<UniqueCodeRatio>(), codes);
    assert_eq!(inputs::<CodeRate>(), [codes[0], codes[1], "seconds: f32[B]"]);
    assert_eq!(inputs::<Compression>(), [codes[0], codes[1], "mask: bool[B, T]"]);
    let frames = ["prediction: f32[B, T, F]", "target: f32[B, T, F]", "mask?: bool[B, T]"];
    assert_eq!(inputs::<SnrDb>(), frames);
    assert_eq!(inputs::<Mae>(), ["prediction: f32[...]", "target: f32[...]", "mask?: bool[...]"]);
    assert_eq!(inputs::<Accuracy>(), ["logits: f32[B, C]", "labels: int[B]"]);
}

#[test]
fn schemas_tell_the_range_of_the_codebook_size() {
    let schema = schema_for!(<CodebookUtilization as Metric>::Config).to_value();
    let size = &schema["properties"]["codebook_size"];
    assert_eq!((&size["minimum"], &size["maximum"]), (&1.into(), &16_777_216.into()));
    assert_eq!(schema["additionalProperties"], false);
}
