//! What a spec holds once resolved, and what of it is identity.

use serde_json::json;

use super::{BASE, Catalog, Folder};
use crate::{Algorithm, ScheduleSpec, SlotSpec, Spec, identity_json, input_files, resolve};

#[test]
fn fills_in_defaults() {
    let spec = Folder::new(BASE).resolve(&[]).unwrap();
    assert_eq!(
        serde_json::to_value(&spec).unwrap(),
        json!({
            "question": "Does pooling matter?",
            "device": "flex",
            "threads": null,
            "dataset": {
                "use": "synthetic-speech",
                "config": { "root": null, "lists": [], "items": 0 },
                "slots": {},
            },
            "model": {
                "use": "rqvae",
                "config": {
                    "latent_dim": 64, "dropout": 0.1, "name": null,
                    "quantizer": { "levels": 4, "codes": 128 },
                    "activation": "relu", "noise": { "kind": "off" }, "widths": [8, 8],
                },
                "slots": { "pooling": { "one": {
                    "use": "sliding-window",
                    "config": { "window": 25, "stride": 12, "tail": "pad" },
                    "slots": { "inner": { "one": { "use": "mean", "config": {}, "slots": {} } } },
                } } },
            },
            "blocks": {},
            "losses": [
                {
                    "name": "reconstruction",
                    "component": { "use": "masked-mse", "config": {}, "slots": {} },
                    "inputs": { "prediction": "reconstruction", "target": "features" },
                    "weight": 1.0,
                },
                {
                    "name": "commitment",
                    "component": { "use": "output", "config": {}, "slots": {} },
                    "inputs": {},
                    "weight": 0.25,
                },
            ],
            "metrics": [{
                "name": "utilization",
                "component": { "use": "codebook-utilization", "config": {}, "slots": {} },
                "inputs": {},
                "objective": true,
            }],
            "train": {
                "batch_size": 4,
                "total_epochs": 10, "total_steps": null,
                "eval_every_epochs": 1, "eval_every_steps": null,
                "checkpoint_every_epochs": 1, "checkpoint_every_steps": null,
                "optimizer": {
                    "use": "adamw", "learning_rate": 0.001, "betas": [0.9, 0.999],
                    "epsilon": 1e-8, "weight_decay": 0.01, "groups": {},
                },
                "schedule": { "use": "constant" },
                "clip_norm": null, "accumulate_steps": 1, "early_stopping": null,
                "bucketing": true, "prefetch_batches": 2, "prefetch_workers": 1,
            },
            "report": { "split": null, "checkpoint": "last" },
        })
    );
}

#[test]
fn a_spec_reads_back_as_it_was_written() {
    let text = format!(
        "{BASE}schedule = {{ use = \"cosine\", warmup_steps = 50 }}\nclip_norm = 1\n\
         early_stopping = {{ patience_evals = 3 }}\n\
         [train.optimizer.groups.encoder]\nfrozen = true\n[blocks.shared]\nuse = \"mean\"\n"
    );
    let text = text.replace(
        "optimizer = { use = \"adamw\", learning_rate = 1e-3 }",
        "optimizer.use = \"sgd\"\noptimizer.momentum = 0.9",
    );
    let spec = Folder::new(&text)
        .resolve(&[
            "model={ use = 'stack', layers = [{ use = 'mean' }, { ref = 'blocks.shared' }] }",
            "threads=2",
            "report.checkpoint=best",
        ])
        .unwrap();
    let SlotSpec::Many(layers) = &spec.model.slots["layers"] else { panic!("a slot for many") };
    assert!(matches!(&layers[0], SlotSpec::One(mean) if mean.name == "mean"));
    assert_eq!(layers[1], SlotSpec::Ref("shared".into()));
    assert!(matches!(spec.train.optimizer.algorithm, Algorithm::Sgd { momentum: 0.9, .. }));
    assert!(matches!(spec.train.schedule, ScheduleSpec::Cosine { warmup_steps: 50, .. }));
    let written = serde_json::to_string_pretty(&spec).unwrap();
    assert_eq!(serde_json::from_str::<Spec>(&written).unwrap(), spec);
}

#[test]
fn groups_have_rates_and_schedules_of_their_own() {
    let resolve = |group: &str| {
        let text = format!("{BASE}[train.optimizer.groups.encoder]\n{group}\n");
        let text = text.replace(
            "optimizer = { use = \"adamw\", learning_rate = 1e-3 }",
            "optimizer.use = \"sgd\"",
        );
        Folder::new(&text).resolve(&[])
    };
    let spec = resolve("schedule = { use = \"linear-warmup\", warmup_steps = 5 }").unwrap();
    let group = &spec.train.optimizer.groups["encoder"];
    assert_eq!((group.learning_rate_scale, group.frozen), (1.0, false));
    assert_eq!(group.schedule, Some(ScheduleSpec::LinearWarmup { warmup_steps: 5 }));
    // What is not said is not written, so that old records are what they were.
    let plain = resolve("learning_rate_scale = 0.5").unwrap();
    let written = serde_json::to_value(&plain.train.optimizer.groups).unwrap();
    assert_eq!(written, json!({ "encoder": { "learning_rate_scale": 0.5, "frozen": false } }));
    let wrong = resolve("schedule = { use = \"linear-warmup\" }").unwrap_err().to_string();
    assert!(wrong.contains("train.optimizer.groups.encoder.schedule.warmup_steps"), "{wrong}");
    let wrong = resolve("learning_rate = 0.5").unwrap_err();
    assert_eq!(wrong.hints()[1], "valid keys: `learning_rate_scale`, `frozen`, `schedule`");
}

#[test]
fn nested_defaults_stay_beside_what_is_set() {
    let config = |argument: &str| {
        let spec = Folder::new(BASE).resolve(&[argument]).unwrap();
        spec.model.config
    };
    assert_eq!(
        config("model.quantizer.levels=2")["quantizer"],
        json!({ "levels": 2, "codes": 128 })
    );
    let noise = config("model.noise={ kind = 'gaussian', scale = 1 }")["noise"].clone();
    assert_eq!(noise, json!({ "kind": "gaussian", "scale": 1.0 }));
    assert_eq!(config("model.name=x")["name"], json!("x"));
    // An integer where a number is asked for means the same as the number.
    assert_eq!(config("model.dropout=0"), config("model.dropout=0.0"));
}

#[test]
fn identity_leaves_out_what_does_not_change_results() {
    let identity = |arguments: &[&str]| {
        let spec = Folder::new(BASE).resolve(arguments).unwrap();
        identity_json(&spec, &Catalog).unwrap().to_string()
    };
    let base = identity(&[]);
    for same in [
        "question=other",
        "threads=2",
        "dataset.root=/data",
        "report.split=valid",
        "train.prefetch_workers=2",
        "train.batch_size=4",
        "model.dropout=0.1",
    ] {
        assert_eq!(identity(&[same]), base, "{same}");
    }
    for other in [
        "train.batch_size=5",
        "dataset.items=3",
        "dataset.lists=['a.txt']",
        "model.pooling.window=3",
        "loss.commitment.weight=1",
        "device='libtorch:cpu'",
    ] {
        assert_ne!(identity(&[other]), base, "{other}");
    }
    let device = "device='libtorch:cpu'";
    assert_ne!(identity(&[device]), identity(&[device, "threads=2"]));
}

#[test]
fn identity_has_sorted_keys() {
    let spec = Folder::new(BASE).resolve(&[]).unwrap();
    let text = identity_json(&spec, &Catalog).unwrap().to_string();
    let places: Vec<_> = [
        "\"blocks\"",
        "\"dataset\"",
        "\"device\"",
        "\"losses\"",
        "\"metrics\"",
        "\"model\"",
        "\"train\"",
    ]
    .map(|key| text.find(key).unwrap())
    .into();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn lists_input_files() {
    let spec = Folder::new(BASE).resolve(&["dataset.lists=['a.txt', 'b.txt']"]).unwrap();
    let files = input_files(&spec, &Catalog).unwrap();
    let shown: Vec<_> =
        files.iter().map(|file| format!("{}: {}", file.key, file.path.display())).collect();
    assert_eq!(shown, ["dataset.lists: a.txt", "dataset.lists: b.txt"]);
}

#[test]
fn resolving_is_quick() {
    let experiment = Folder::new(BASE).load(&[]).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..100 {
        resolve(experiment.tree(), &Catalog).unwrap();
    }
    println!("one spec in {:?}", start.elapsed() / 100);
}
