//! Ablation forms on real plugins: what is removed, and what cannot be.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::harness::Place;

#[test]
fn takes_parts_away_one_by_one_and_two_by_two() {
    let place = Place::new();
    let arguments = [
        "sweep",
        "pooling",
        "sweep.variant=false",
        "sweep.leave_one_out=['model.pooling', 'loss.commitment']",
        "sweep.pairs=true",
        "sweep.seeds=1",
    ];
    let swept = place.ablate(&arguments).expect(0);
    assert!(swept.stdout.starts_with("pooling: 4 variants × 1 seed"), "{}", swept.stdout);
    let runs = place.runs();
    let used: BTreeMap<&str, (String, usize)> = runs
        .iter()
        .map(|run| {
            let spec = fs_err::read(run.folder.join("spec.json")).unwrap();
            let spec: Value = serde_json::from_slice(&spec).unwrap();
            let pooling = spec["model"]["slots"]["pooling"]["one"]["use"].as_str().unwrap();
            let losses = spec["losses"].as_array().unwrap().len();
            (run.variant.as_str(), (pooling.to_owned(), losses))
        })
        .collect();
    let expected = [
        ("-commitment", ("attentive-mean", 1)),
        ("-pooling", ("mean", 2)),
        ("-pooling-commitment", ("mean", 1)),
        ("attentive", ("attentive-mean", 2)),
    ];
    let expected = expected.map(|(name, (pooling, losses))| (name, (pooling.to_owned(), losses)));
    assert_eq!(used, BTreeMap::from(expected));
}

#[test]
fn says_what_cannot_be_taken_away() {
    let place = Place::new();
    let refused = |arguments: &[&str], expected: &str| {
        let all = [&["sweep", "pooling"], arguments].concat();
        place.ablate(&all).expect(1).says(expected);
        assert!(place.runs().is_empty());
    };
    refused(
        &["sweep.leave_one_out=['model.poling']"],
        "error: command line `sweep.leave_one_out=['model.poling']`: `sweep.leave_one_out[0]`: \
         `model.poling` cannot be removed: `rqvae` has no slot `poling`\n\
         hint: did you mean `pooling`?\nhint: slots of `rqvae`: `encoder`, `pooling`, `quantizer`, `decoder`\n",
    );
    refused(
        &[
            "sweep.leave_one_out=['model.pooling']",
            "model.use=tiny",
            "model.pooling.use=attentive-mean",
        ],
        "error: command line `sweep.leave_one_out=['model.pooling']`: `sweep.leave_one_out[0]`: \
         `model.pooling` cannot be removed: slot `pooling` of `tiny` must hold a block of \
         role `pooling`, and declares no null component\n\
         hint: to try other blocks there, write `one_at_a_time = { \"model.pooling\" = [{ use = \
         \"…\" }] }`\n\
         hint: whoever writes `tiny` can declare one: `SlotSpec::new(\"pooling\", \
         …).null_block(\"…\")`, or `.optional()`\n",
    );
}

/// The tests of the sweep language run without plugins, on what these said about themselves.
#[test]
fn what_the_sweep_language_is_tested_with_is_what_the_plugins_say() {
    let place = Place::new();
    place.ablate(&["describe", "pooling"]).expect(0);
    let cache = fs_err::read(place.path("home/cache/plugins/descriptions.json")).unwrap();
    let cache: Value = serde_json::from_slice(&cache).unwrap();
    let plugins = cache["descriptions"].as_object().unwrap();
    let said: Vec<&Value> =
        plugins.values().flat_map(|plugin| plugin["components"].as_array().unwrap()).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sweep/tests/catalog/components.json");
    let stored: Vec<Value> = serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap();
    for component in &stored {
        let found = said
            .iter()
            .find(|said| ["kind", "name"].iter().all(|key| said[key] == component[key]))
            .unwrap_or_else(|| {
                panic!("no plugin exports {} {}", component["kind"], component["name"])
            });
        for key in ["role", "schema", "defaults", "slots"] {
            assert_eq!(found[key], component[key], "`{key}` of {}", component["name"]);
        }
    }
}
