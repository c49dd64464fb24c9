//! `[artifact.NAME]`: what it means, what it changes, and what is wrong with it.

use serde_json::json;

use super::{BASE, Catalog, Folder};
use crate::{KeyPath, Spec, identity_json};

const ARTIFACT: &str = "[artifact.id_map]\nuse = \"id-map\"\ninputs = { codes = \"tokens\" }\n\
                        splits = [\"test\", \"train\"]\naggregation = { use = \"mean\" }\n";

fn resolve(text: &str) -> Spec {
    Folder::new(&format!("{BASE}{text}")).resolve(&[]).unwrap()
}

fn check(text: &str, expected: &str) {
    let folder = Folder::new(&format!("{BASE}{text}"));
    let error = folder.resolve(&[]).expect_err("the experiment is wrong");
    assert_eq!(folder.show(&error), expected);
}

#[test]
fn an_artifact_is_a_metric_with_inputs_and_splits() {
    let spec = resolve(ARTIFACT);
    let artifacts = serde_json::to_value(&spec.artifacts).unwrap();
    assert_eq!(
        artifacts,
        json!([{
            "name": "id_map",
            "component": {
                "use": "id-map",
                "config": {},
                "slots": { "aggregation": { "one": { "use": "mean", "config": {}, "slots": {} } } },
            },
            "inputs": { "codes": "tokens" },
            "splits": ["test", "train"],
        }])
    );
    let value = |key: &str| spec.value(&key.parse::<KeyPath>().unwrap());
    assert_eq!(value("artifact.id_map.aggregation.use"), Some(json!("mean")));
    assert_eq!(value("artifact.id_map.splits"), Some(json!(["test", "train"])));
}

#[test]
fn without_splits_it_is_of_all() {
    let spec = resolve("[artifact.all]\nuse = \"id-map\"\naggregation = { use = \"mean\" }\n");
    assert_eq!(spec.artifacts[0].splits, None);
    let again: Spec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
}

#[test]
fn a_spec_without_artifacts_is_written_and_identified_as_before_there_were_any() {
    let folder = Folder::new(BASE);
    let spec = folder.resolve(&[]).unwrap();
    let json = serde_json::to_value(&spec).unwrap();
    assert!(json.get("artifacts").is_none());
    assert_eq!(serde_json::from_value::<Spec>(json).unwrap(), spec);
    assert!(identity_json(&spec, &Catalog).unwrap().get("artifacts").is_none());
    let left_out = Folder::new(&format!("{BASE}{ARTIFACT}"));
    assert_eq!(left_out.resolve(&["artifact.id_map=false"]).unwrap(), spec);
}

#[test]
fn what_is_published_belongs_to_the_identity() {
    let folder = Folder::new(&format!("{BASE}{ARTIFACT}"));
    let identity = |arguments: &[&str]| {
        identity_json(&folder.resolve(arguments).unwrap(), &Catalog).unwrap().to_string()
    };
    let base = identity(&[]);
    assert_eq!(identity(&["artifact.id_map.aggregation.use=mean"]), base);
    for other in ["artifact.id_map.aggregation.use=attention", "artifact.id_map.splits=['test']"] {
        assert_ne!(identity(&[other]), base, "{other}");
    }
}

#[test]
fn names_what_is_wrong_with_an_artifact() {
    check(
        "[artifact.id_map]\nuse = \"accuracy\"\n",
        "depth/experiment.toml:30: `artifact.id_map`: metric `accuracy` publishes nothing\n\
         hint: metrics that publish: `id-map`\n\
         hint: what only measures stands under `[metric.id_map]`",
    );
    check(
        "[artifact.id_map]\nuse = \"id-mop\"\n",
        "depth/experiment.toml:30: `artifact.id_map`: unknown metric `id-mop`\n\
         hint: did you mean `id-map`?\n\
         hint: known metrics: `codebook-utilization`, `accuracy`, `id-map`; searched \
         `target/release` (5 plugins)",
    );
    check(
        &ARTIFACT.replace("splits", "split"),
        "depth/experiment.toml:32: `artifact.id_map.split`: unknown key\n\
         hint: did you mean `splits`?\n\
         hint: valid keys: `aggregation`, `inputs`, `splits`",
    );
    check(
        &ARTIFACT.replace("[\"test\", \"train\"]", "[]"),
        "depth/experiment.toml:32: `artifact.id_map.splits`: an artifact of no split would be \
         empty: leave the key out for all of them",
    );
    check(
        &ARTIFACT.replace("\"test\", \"train\"", "\"test\", \"test\""),
        "depth/experiment.toml:32: `artifact.id_map.splits[1]`: `test` is there twice",
    );
    check(
        &ARTIFACT.replace("[artifact.id_map]", "[artifact.\"id/map\"]"),
        "depth/experiment.toml:29: `artifact.\"id/map\"`: the name of an artifact has letters, \
         digits, `-` and `_` only, at least one and at most 128",
    );
}
