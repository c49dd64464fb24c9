//! `describe` and `show`: the documented fields with the right values.

use crate::harness::{Place, keys};
use crate::plugins::sha256_of;
use serde_json::{Value, json};

/// Parameters of the small experiment without its pooling, by hand: D = 16, F = 20. They are all of
/// blocks in slots: the model has none of its own, and codebooks are no parameters.
const MODEL: u64 = ENCODER + DECODER;

/// Input F·D + D = 336, one block with a norm 2·D = 32, three taps 3·D = 48 and a linear
/// layer D·D + D = 272, a last norm 32.
const ENCODER: u64 = 720;

/// Two positions, each D·D + D = 272 and 16·D = 256; one block with two norms 64, four
/// linear layers 1088, D to 2·D and back 544 + 528; a norm 32; output D·F + F = 340.
const DECODER: u64 = 3652;

/// Of `attentive-mean` with 8 hidden: 16·8 + 8 and 8 + 1.
const ATTENTION: u64 = 136 + 9;

#[test]
fn json_has_components_parameters_and_contracts() {
    let place = Place::new();
    let json = place.ablate(&["describe", "pooling", "--format", "json"]).expect(0).json();
    let variants = json["variants"].as_array().unwrap();
    let summary: Vec<_> = variants
        .iter()
        .map(|variant| (variant["name"].as_str().unwrap(), variant["parameters"].as_u64().unwrap()))
        .collect();
    assert_eq!(summary, [("attentive", MODEL + ATTENTION), ("mean", MODEL)]);

    let components = variants[0]["components"].as_array().unwrap();
    let expected = [
        ("dataset", "dataset", "synthetic-speech", "speech", 0),
        ("dataset.encoder", "block", "log-mel", "speech", 0),
        ("model", "model", "rqvae", "rqvae", 0),
        ("model.decoder", "block", "located", "rqvae", DECODER),
        ("model.encoder", "block", "convolution", "rqvae", ENCODER),
        ("model.pooling", "block", "attentive-mean", "pooling", ATTENTION),
        ("model.quantizer", "block", "ema", "rqvae", 0),
        ("loss.reconstruction", "loss", "masked-mse", "losses", 0),
        ("loss.commitment", "loss", "output", "losses", 0),
        ("metric.utilization", "metric", "codebook-utilization", "metrics", 0),
    ];
    assert_eq!(components.len(), expected.len());
    for (component, (path, kind, name, plugin, parameters)) in components.iter().zip(expected) {
        let library = place.path(&format!("plugins/libablate_{plugin}.so"));
        let expected = json!({
            "path": path, "kind": kind, "use": name, "plugin": plugin, "parameters": parameters,
            "library": library, "sha256": sha256_of(&library),
        });
        assert_eq!(*component, expected);
    }

    let contracts = variants[0]["contracts"].as_array().unwrap();
    assert!(
        contracts
            .iter()
            .all(|line| { keys(line) == ["component", "direction", "dtype", "shape", "tensor"] })
    );
    let line = |component: &str, tensor: &str| -> &Value {
        let found = contracts.iter().find(|line| {
            line["component"] == component
                && line["direction"] == "output"
                && line["tensor"] == tensor
        });
        found.unwrap_or_else(|| panic!("no `{tensor}` of `{component}` in {contracts:#?}"))
    };
    let shape = |line: &Value| line["shape"].as_array().unwrap().clone();
    assert_eq!(line("dataset", "features")["dtype"], "f32");
    let features = shape(line("dataset", "features"));
    assert!(features[0].is_string() && features[1].is_string(), "{features:?}");
    assert_eq!(features[2], 20);
    assert_eq!(shape(line("model", "reconstruction"))[2], 20);
    assert_eq!(shape(line("model", "codes"))[2], 2);
    assert_eq!(shape(line("model", "codebooks")), [2, 8, 16]);
    assert_eq!(line("model", "codes")["dtype"], "int");
    // A symbol of the pooling's contract that the model's slot fixes is a number.
    assert_eq!(shape(line("model.pooling", "pooled"))[1..], [json!(1), json!(16)]);
    assert_eq!(line("model.pooling", "mask")["dtype"], "bool");

    let one = place.ablate(&["describe", "pooling", "--variant", "mean", "--format", "json"]);
    let one = one.expect(0).json();
    assert_eq!(one["variants"].as_array().unwrap().len(), 1);
    assert_eq!(one["variants"][0], variants[1]);
    assert!(place.runs().is_empty());
}

#[test]
fn text_shows_variants_components_and_contracts() {
    let place = Place::new();
    let text = place.ablate(&["describe", "pooling", "--variant", "attentive"]).expect(0);
    text.says("next: ablate sweep pooling\n");
    let expected = "\
pooling
Which pooling?

attentive (baseline): 4,517 parameters
  dataset              dataset `synthetic-speech`  plugin `speech` 0.1.0
                         -> features: f32[B, T, 20]
                         -> mask: bool[B, T]
                         -> seconds: f32[B]
                         -> speaker: int[B]
                         -> word: int[B]
  dataset.encoder      block `log-mel`  plugin `speech` 0.1.0
                         <- audio: f32[B, S]
                         <- mask: bool[B, S]
                         -> features: f32[B, T, 20]
                         -> mask: bool[B, T]
  model                model `rqvae`  plugin `rqvae` 0.1.0
                         <- features: f32[B, T, 20]
                         <- mask: bool[B, T]
                         -> reconstruction: f32[B, T, 20]
                         -> codes: int[B, 1, 2]
                         -> code_mask: bool[B, 1]
                         -> commitment: f32[1]
                         -> codebooks: f32[2, 8, 16]
  model.decoder        block `located`  plugin `rqvae` 0.1.0  3,652 parameters
                         <- memory: f32[B, 1, 16]
                         <- memory_mask: bool[B, 1]
                         <- mask: bool[B, T]
                         -> frames: f32[B, T, 20]
  model.encoder        block `convolution`  plugin `rqvae` 0.1.0  720 parameters
                         <- features: f32[B, T, 20]
                         <- mask: bool[B, T]
                         -> encoded: f32[B, T, 16]
  model.pooling        block `attentive-mean`  plugin `pooling` 0.1.0  145 parameters
                         <- features: f32[B, T, 16]
                         <- mask: bool[B, T]
                         -> pooled: f32[B, 1, 16]
                         -> mask: bool[B, 1]
  model.quantizer      block `ema`  plugin `rqvae` 0.1.0
                         <- vectors: f32[B, 1, 16]
                         <- mask: bool[B, 1]
                         -> quantized: f32[B, 1, 16]
                         -> codes: int[B, 1, 2]
                         -> commitment: f32[1]
                         -> codebooks: f32[2, 8, 16]
  loss.reconstruction  loss `masked-mse`  plugin `losses` 0.1.0
                         <- prediction: f32[B, T, 20]
                         <- target: f32[B, T, 20]
                         <- mask: bool[B, T]
                         -> loss: f32[1]
  loss.commitment      loss `output`  plugin `losses` 0.1.0
                         <- value: f32[1]
                         -> loss: f32[1]
  metric.utilization   metric `codebook-utilization`  plugin `metrics` 0.1.0
                         <- codes: int[B, 1, 2]
                         <- code_mask: bool[B, 1]
                         <- codebooks: f32[2, 8, 16]
";
    assert!(text.stdout == expected, "expected:\n{expected}\nfound:\n{}", text.stdout);
}

#[test]
fn show_has_the_documented_fields() {
    let place = Place::new();
    place.ablate(&["run", "pooling", "--seed", "3"]).expect(0);
    let run = &place.runs()[0];
    let json = place.ablate(&["show", &run.id[..8], "--format", "json"]).expect(0).json();
    for key in ["id", "status", "variant", "seed", "spec", "manifest", "measurements"] {
        assert!(json.get(key).is_some(), "no `{key}` in {json:#}");
    }
    assert_eq!(json["id"], run.id.as_str());
    assert_eq!(json["status"], "done");
    assert_eq!((&json["variant"], &json["seed"]), (&json!("attentive"), &json!(3)));
    assert_eq!(json["spec"]["model"]["config"]["latent_dim"], 16);
    // A default that the file does not name is in the resolved spec.
    assert_eq!(json["spec"]["model"]["slots"]["quantizer"]["one"]["config"]["decay"], 0.9);
    assert_eq!(json["spec"]["model"]["slots"]["pooling"]["one"]["use"], "attentive-mean");
    let manifest = &json["manifest"];
    let plugins = manifest["plugins"].as_array().unwrap();
    for plugin in plugins {
        // Trials load from the store, whatever becomes of the folder.
        let library = std::path::Path::new(plugin["library"].as_str().unwrap());
        assert!(library.starts_with(place.path("home/store")), "{}", library.display());
        assert_eq!(plugin["sha256"], sha256_of(library).as_str());
    }
    let mut names: Vec<_> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["losses", "metrics", "pooling", "rqvae", "speech"]);
    assert_eq!(manifest["parameters"], MODEL + ATTENTION);
    assert!(manifest["machine"]["cores"].as_u64().unwrap() > 0);
    assert_eq!(manifest["dataset"]["fingerprint"].as_str().unwrap().len(), 64);
    let measurements = json["measurements"].as_array().unwrap();
    assert_eq!(measurements.len(), run.measurements.lines().count());
    for measurement in measurements {
        for key in ["metric", "split", "step", "epoch", "value"] {
            assert!(measurement.get(key).is_some(), "no `{key}` in {measurement}");
        }
    }
    // Twelve items in batches of four, twice: six steps.
    let last = measurements.iter().filter_map(|m| m["step"].as_u64()).max();
    assert_eq!(last, Some(6));
    assert!(json["result"]["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);

    let text = place.ablate(&["show", &run.id[..8]]).expect(0).stdout;
    assert!(text.contains("trial      pooling · attentive · seed 3\nstatus     done\n"), "{text}");
}
