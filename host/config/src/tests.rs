//! What the tests share: a few components with schemas by schemars, and experiments in a folder.

mod artifacts;
mod errors;
mod hostile;
mod layers;
mod references;
mod resolved;
mod sweeps;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{
    ComponentSchema, Error, Experiment, Layers, Schemas, SlotSchema, Spec, Unknown, load, nearest,
    resolve,
};

/// The experiment that the tests change.
const BASE: &str = r#"question = "Does pooling matter?"

[dataset]
use = "synthetic-speech"

[model]
use = "rqvae"
latent_dim = 64
[model.pooling]
use = "sliding-window"
window = 25
stride = 12

[loss.reconstruction]
use = "masked-mse"
inputs = { prediction = "reconstruction", target = "features" }
[loss.commitment]
use = "output"
weight = 0.25

[metric.utilization]
use = "codebook-utilization"
objective = true

[train]
total_epochs = 10
batch_size = 4
optimizer = { use = "adamw", learning_rate = 1e-3 }
"#;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Rqvae {
    #[schemars(range(min = 1, max = 4096))]
    latent_dim: u32,
    dropout: f64,
    name: Option<String>,
    quantizer: Quantizer,
    activation: Activation,
    noise: Noise,
    widths: Vec<u32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Quantizer {
    levels: u32,
    codes: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Activation {
    /// Rectified.
    Relu,
    /// Smooth.
    Gelu,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Noise {
    Off,
    Gaussian { scale: f64 },
}

impl Default for Quantizer {
    fn default() -> Self {
        Self { levels: 3, codes: 64 }
    }
}

impl Default for Rqvae {
    fn default() -> Self {
        Self {
            latent_dim: 32,
            dropout: 0.1,
            name: None,
            quantizer: Quantizer { levels: 4, codes: 128 },
            activation: Activation::Relu,
            noise: Noise::Off,
            widths: vec![8, 8],
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SlidingWindow {
    window: u32,
    stride: u32,
    #[serde(default)]
    tail: Tail,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Tail {
    #[default]
    Pad,
    Drop,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Speech {
    #[schemars(extend("x-ablate" = "location"))]
    root: Option<String>,
    #[schemars(extend("x-ablate" = "input"))]
    lists: Vec<String>,
    items: u32,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Empty {}

fn schema<C: JsonSchema>(defaults: Option<Json>, slots: Vec<SlotSchema>) -> ComponentSchema {
    let schema = schemars::schema_for!(C).to_value();
    ComponentSchema { schema, defaults, slots, publishes: None }
}

fn with_defaults<C: JsonSchema + Default + Serialize>(slots: Vec<SlotSchema>) -> ComponentSchema {
    schema::<C>(Some(serde_json::to_value(C::default()).unwrap()), slots)
}

fn slot(name: &str, role: &str) -> SlotSchema {
    SlotSchema { name: name.into(), role: role.into(), ..SlotSchema::default() }
}

/// (kind, role, name) of everything that the tests' catalog has.
const NAMES: [(&str, Option<&str>, &str); 12] = [
    ("dataset", None, "synthetic-speech"),
    ("model", None, "rqvae"),
    ("model", None, "stack"),
    ("block", Some("pooling"), "attention"),
    ("block", Some("pooling"), "mean"),
    ("block", Some("pooling"), "sliding-window"),
    ("block", Some("refiner"), "mixer"),
    ("loss", None, "masked-mse"),
    ("loss", None, "output"),
    ("metric", None, "codebook-utilization"),
    ("metric", None, "accuracy"),
    ("metric", None, "id-map"),
];

struct Catalog;

impl Schemas for Catalog {
    fn component(
        &self,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        let fits =
            |(k, r, _): &&(&str, Option<&str>, &str)| *k == kind && (role.is_none() || role == *r);
        let known: Vec<&str> = NAMES.iter().filter(fits).map(|(.., name)| *name).collect();
        if !known.contains(&name) {
            let elsewhere = NAMES.iter().find(|(.., other)| *other == name);
            return Err(Unknown {
                near: nearest(name, known.iter().copied()),
                known: known.into_iter().map(str::to_owned).collect(),
                searched: vec!["`target/release` (5 plugins)".into()],
                elsewhere: elsewhere
                    .map(|(kind, is, _)| format!("`{name}` exists as a {}", is.unwrap_or(kind))),
            });
        }
        Ok(Arc::new(match name {
            "synthetic-speech" => with_defaults::<Speech>(vec![]),
            "rqvae" => with_defaults::<Rqvae>(vec![
                slot("pooling", "pooling"),
                SlotSchema { optional: true, ..slot("refiner", "refiner") },
            ]),
            "stack" => {
                with_defaults::<Empty>(vec![SlotSchema { many: true, ..slot("layers", "pooling") }])
            }
            "sliding-window" => schema::<SlidingWindow>(
                None,
                vec![SlotSchema {
                    default: Some(json!({ "use": "mean" })),
                    ..slot("inner", "pooling")
                }],
            ),
            "id-map" => ComponentSchema {
                publishes: Some("id_map.json".to_owned()),
                ..with_defaults::<Empty>(vec![slot("aggregation", "pooling")])
            },
            _ => with_defaults::<Empty>(vec![]),
        }))
    }

    fn publishing(&self) -> Vec<String> {
        vec!["id-map".to_owned()]
    }
}

/// A folder `depth` with an experiment; messages show paths relative to it.
struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self { root: tempfile::tempdir().unwrap() };
        folder.write("experiment.toml", text)
    }

    fn write(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("depth").join(name)
    }

    fn load(&self, overrides: &[&str]) -> Result<Experiment, Error> {
        self.load_file("", overrides)
    }

    fn load_file(&self, name: &str, overrides: &[&str]) -> Result<Experiment, Error> {
        let layers = Layers {
            overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
            ..Layers::default()
        };
        load(&self.path(name), &layers)
    }

    fn resolve(&self, overrides: &[&str]) -> Result<Spec, Error> {
        resolve(self.load(overrides)?.tree(), &Catalog)
    }

    /// The message and the hints, one line each.
    fn show(&self, error: &Error) -> String {
        let lines: Vec<String> = std::iter::once(error.to_string())
            .chain(error.hints().into_iter().map(|hint| format!("hint: {hint}")))
            .collect();
        let root = format!("{}/", self.root.path().display());
        lines.join("\n").replace(&root, "")
    }
}
