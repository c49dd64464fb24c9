//! Blocks in the slots of data and metrics are frozen, and no part of what is trained.

use ablate_train::{Error, assemble, bind, dataset, parameters};
use serde_json::{Value, json};

use crate::harness::{Fakes, component, fresh, spec};

fn with_encoder(config: Value) -> ablate_config::Spec {
    spec(|json| json["dataset"]["slots"]["encoder"] = json!({ "one": component("scale", config) }))
}

/// What the dataset was told about its encoder.
fn identity(fakes: &Fakes) -> &str {
    let made = fakes.requests.iter().rev().find(|made| made.path == "dataset").unwrap();
    let [(name, value)] = made.properties.as_slice() else { panic!("{:?}", made.properties) };
    assert_eq!(name, "identity.encoder");
    value
}

#[test]
fn a_block_of_the_data_is_neither_trained_nor_counted_nor_seeded_by_the_trial() {
    let spec = with_encoder(json!({}));
    let mut fakes = Fakes::default();
    let bound = bind(&spec, &mut fakes).unwrap();
    let parts = assemble(&spec, bound, 7, &mut fakes).unwrap();
    let counted: Vec<String> =
        parameters(&parts).unwrap().into_iter().map(|count| count.path).collect();
    assert_eq!(counted, ["model", "loss.fit"]);
    let [(path, state)] = fakes.blocks.as_slice() else { panic!("one block") };
    assert_eq!(path, "dataset.encoder");
    assert!(state.weights.lock().unwrap().frozen);
    let seed = |path: &str| fakes.requests.iter().find(|made| made.path == path).unwrap().seed;
    assert_eq!(["dataset.encoder", "dataset", "model"].map(seed), [0, 0, 7]);
    // It is no part of a checkpoint either.
    let ran = fresh(&spec);
    ran.finished();
}

#[test]
fn the_identity_of_a_frozen_block_says_what_it_computes_and_not_for_whom() {
    let found = |config: Value, seed: u64| {
        let (spec, mut fakes) = (with_encoder(config), Fakes::default());
        let bound = bind(&spec, &mut fakes).unwrap();
        drop(assemble(&spec, bound, seed, &mut fakes).unwrap());
        identity(&fakes).to_owned()
    };
    assert_eq!(found(json!({}), 1), found(json!({}), 2));
    assert_ne!(found(json!({}), 1), found(json!({ "nan_step": 3 }), 1));
    // Made alone, as for its preparation, it is the same.
    let (spec, mut fakes) = (with_encoder(json!({})), Fakes::default());
    drop(dataset(&spec, &mut fakes).unwrap());
    assert_eq!(identity(&fakes), found(json!({}), 1));
}

#[test]
fn the_identity_of_a_frozen_block_covers_the_files_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.bin");
    let found = |content: &str| {
        fs_err::write(&weights, content).unwrap();
        let spec = with_encoder(json!({ "weights": weights }));
        let mut fakes = Fakes::default();
        drop(dataset(&spec, &mut fakes).unwrap());
        identity(&fakes).to_owned()
    };
    let one = found("one");
    assert_ne!(found("other"), one);
    assert_eq!(found("one"), one);
}

#[test]
fn the_slot_of_a_dataset_takes_no_shared_block() {
    let spec = spec(|json| {
        json["blocks"]["one"] = component("scale", json!({}));
        json["dataset"]["slots"]["encoder"] = json!({ "ref": "one" });
    });
    let error = bind(&spec, &mut Fakes::default()).unwrap_err();
    assert!(matches!(error, Error::SharedWithData { .. }));
    assert_eq!(
        error.to_string(),
        "`dataset.encoder` refers to `blocks.one`, but a dataset shares no block"
    );
    assert_eq!(error.hints()[1], "write what `[blocks.one]` says into the slot itself");
}
