//! A component in a plugin's list: its description and how to make it.

use crate::Error;
use crate::build::Build;
#[cfg(feature = "burn")]
use crate::contract::Contract;
use crate::data::{Dataset, Metric, ServedDataset, ServedMetric};
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RArc, RNone, RSome};
use ablate_abi::v1::{Component, Create, Dataset_TO, Kind, Metric_TO};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a configuration type must be able to do. `#[serde(deny_unknown_fields)]` belongs on it,
/// `#[serde(default)]` where every field has one. Where not, `#[schemars(example = …)]` gives the
/// conformance checks a configuration to work with.
///
/// The doc comment of a field is its help text, a range is checked before anything runs:
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use std::path::PathBuf;
///
/// /// Configuration of `corpus`.
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// #[schemars(example = serde_json::json!({ "root": "tests/data/corpus" }))]
/// struct CorpusConfig {
///     /// Folder of the corpus; where it lies is no part of a trial's identity.
///     #[schemars(extend("x-ablate" = "location"))]
///     root: PathBuf,
///     /// Longer items are cut to this many seconds.
///     #[serde(default = "ten")]
///     #[schemars(range(min = 0.0))]
///     max_seconds: f64,
/// }
///
/// fn ten() -> f64 {
///     10.0
/// }
///
/// fn is_config<C: ablate_sdk::Config>() {}
/// is_config::<CorpusConfig>();
/// let schema = schemars::schema_for!(CorpusConfig).to_value();
/// assert_eq!(schema["properties"]["max_seconds"]["minimum"].as_f64(), Some(0.0));
/// assert_eq!(schema["examples"][0]["root"], "tests/data/corpus");
/// ```
pub trait Config: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {}

impl<C: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static> Config for C {}

/// The configuration of a component that has none.
#[derive(Serialize, serde::Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// A slot of a component.
///
/// ```
/// use ablate_sdk::SlotSpec;
///
/// let slots = vec![
///     SlotSpec::new("pooling", "pooling", "Frames to one vector.")
///         .default_block("attentive-stats") // unless the experiment says otherwise
///         .null_block("mean"),              // what an ablation puts here to remove it
///     SlotSpec::new("fusion", "fusion", "Mixes in a second input.").optional(),
///     SlotSpec::new("heads", "head", "One for each task.").many(),
/// ];
/// ```
///
/// [`crate::Build`] hands the blocks over: `slot`, `optional_slot` and `slot_list`. An example of
/// the whole is at [`crate::Model`].
#[derive(Clone, Debug)]
pub struct SlotSpec {
    name: &'static str,
    role: &'static str,
    doc: &'static str,
    optional: bool,
    many: bool,
    default: Option<Value>,
    null: Option<Value>,
}

impl SlotSpec {
    /// A slot that holds one block of `role`.
    pub fn new(name: &'static str, role: &'static str, doc: &'static str) -> Self {
        Self { name, role, doc, optional: false, many: false, default: None, null: None }
    }

    /// It may stay empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// It holds a list of blocks.
    #[must_use]
    pub fn many(mut self) -> Self {
        self.many = true;
        self
    }

    /// The block that it holds when the experiment names none.
    #[must_use]
    pub fn default_block(mut self, name: &str) -> Self {
        self.default = Some(json!({ "use": name }));
        self
    }

    /// The block that stands for none: what an ablation puts here to remove the one that it holds.
    /// An optional slot needs none, since it can be left empty.
    #[must_use]
    pub fn null_block(mut self, name: &str) -> Self {
        self.null = Some(json!({ "use": name }));
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "role": self.role, "doc": self.doc,
            "optional": self.optional, "many": self.many, "default": self.default,
            "null": self.null,
        })
    }
}

/// A component in a plugin's list.
pub struct Entry {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    role: Option<&'static str>,
    doc: &'static str,
    slots: Vec<SlotSpec>,
    surrogates: &'static [(&'static str, &'static str)],
    methods: &'static [&'static str],
    publishes: Option<&'static str>,
    schema: fn() -> Value,
    defaults: fn() -> Value,
    pub(crate) contract: fn(&str) -> Result<Value, Error>,
    pub(crate) create: fn(Create) -> Result<Component, Error>,
}

impl Entry {
    /// A dataset.
    pub fn dataset<D: Dataset>() -> Self {
        Self {
            kind: Kind::DATASET,
            name: D::NAME,
            role: None,
            doc: D::DOC,
            slots: D::slots(),
            surrogates: &[],
            methods: &[],
            publishes: None,
            schema: schema::<D::Config>,
            defaults: defaults::<D::Config>,
            contract: |config| D::contract(&parse(config)?)?.to_json(),
            create: |create| {
                let (mut build, config) = Build::new(create)?;
                let config = parse::<D::Config>(&config)?;
                let contract = D::contract(&config)?.to_json()?.to_string();
                let dataset = D::new(&config, &mut build)?;
                let served = ServedDataset { dataset, contract };
                let dataset = Dataset_TO::from_ptr(RArc::new(served), TD_Opaque);
                Ok(Component { differentiable: RNone, dataset: RSome(dataset), metric: RNone })
            },
        }
    }

    /// A metric.
    pub fn metric<M: Metric>() -> Self {
        Self {
            kind: Kind::METRIC,
            name: M::NAME,
            role: None,
            doc: M::DOC,
            slots: M::slots(),
            surrogates: &[],
            methods: &[],
            publishes: M::PUBLISHES,
            schema: schema::<M::Config>,
            defaults: defaults::<M::Config>,
            contract: |config| {
                let mut contract = M::contract(&parse(config)?)?.to_json()?;
                say_publishes(&mut contract, M::PUBLISHES);
                Ok(contract)
            },
            create: |create| {
                let (mut build, config) = Build::new(create)?;
                let metric = M::new(&parse(&config)?, &mut build)?;
                let metric = Metric_TO::from_value(ServedMetric(metric), TD_Opaque);
                Ok(Component { differentiable: RNone, dataset: RNone, metric: RSome(metric) })
            },
        }
    }

    pub(crate) fn describe(&self) -> Value {
        let mut description = json!({
            "kind": self.kind.name(),
            "name": self.name,
            "role": self.role,
            "doc": self.doc,
            "schema": (self.schema)(),
            "defaults": (self.defaults)(),
            "slots": self.slots.iter().map(SlotSpec::to_json).collect::<Vec<_>>(),
            "methods": self.methods,
            "surrogate_gradients": self.surrogates.iter().map(surrogate).collect::<Vec<_>>(),
        });
        say_publishes(&mut description, self.publishes);
        description
    }
}

/// Says what file a metric writes, where it writes one.
fn say_publishes(object: &mut Value, file: Option<&str>) {
    if let Some(file) = file {
        object["publishes"] = json!(file);
    }
}

fn surrogate((port, reason): &(&str, &str)) -> Value {
    json!({ "port": port, "reason": reason })
}

fn schema<C: Config>() -> Value {
    schemars::schema_for!(C).to_value()
}

fn defaults<C: Config>() -> Value {
    parse::<C>("{}")
        .ok()
        .and_then(|config| serde_json::to_value(config).ok())
        .unwrap_or(Value::Null)
}

fn parse<C: Config>(config: &str) -> Result<C, Error> {
    // A list would be taken as the fields in their order.
    if !config.trim_start().starts_with('{') {
        return Err(Error::config(format!("a configuration is an object, not `{config}`")));
    }
    serde_json::from_str(config).map_err(|error| Error::config(error.to_string()))
}

#[cfg(feature = "burn")]
mod differentiable {
    use super::{Build, Component, Contract, Create, Entry, Error, Kind, RNone, RSome};
    use super::{Value, defaults, parse, schema};
    use crate::any::Tensors;
    use crate::call::Call;
    use crate::component::{Block, Loss, Model, Output};
    use crate::served::{Custom, Forward, Served};
    use crate::walk::walk;
    use burn::module::Module;

    impl Entry {
        /// A block.
        pub fn block<B: Block>() -> Self {
            Self {
                kind: Kind::BLOCK,
                name: B::NAME,
                role: Some(B::ROLE),
                doc: B::DOC,
                slots: B::slots(),
                surrogates: B::SURROGATE_GRADIENTS,
                methods: B::METHODS,
                publishes: None,
                schema: schema::<B::Config>,
                defaults: defaults::<B::Config>,
                contract: |config| B::contract(&parse(config)?)?.to_json(),
                create: |create| {
                    let custom = Custom { group: B::group, methods: B::METHODS };
                    make(create, B::contract, B::new, |b, i, c| Ok((b.forward(i, c)?, 0)), custom)
                },
            }
        }

        /// A model.
        pub fn model<M: Model>() -> Self {
            Self {
                kind: Kind::MODEL,
                name: M::NAME,
                role: None,
                doc: M::DOC,
                slots: M::slots(),
                surrogates: M::SURROGATE_GRADIENTS,
                methods: M::METHODS,
                publishes: None,
                schema: schema::<M::Config>,
                defaults: defaults::<M::Config>,
                contract: |config| M::contract(&parse(config)?)?.to_json(),
                create: |create| {
                    let custom = Custom { group: M::group, methods: M::METHODS };
                    make(create, M::contract, M::new, |m, i, c| Ok((m.forward(i, c)?, 0)), custom)
                },
            }
        }

        /// A loss.
        pub fn loss<L: Loss>() -> Self {
            Self {
                kind: Kind::LOSS,
                name: L::NAME,
                role: None,
                doc: L::DOC,
                slots: L::slots(),
                surrogates: L::SURROGATE_GRADIENTS,
                methods: &[],
                publishes: None,
                schema: schema::<L::Config>,
                defaults: defaults::<L::Config>,
                contract: |config| loss_contract::<L>(&parse(config)?)?.to_json(),
                create: |create| {
                    let custom = Custom { group: L::group, methods: &[] };
                    make(create, loss_contract::<L>, L::new, loss_forward::<L>, custom)
                },
            }
        }
    }

    fn loss_contract<L: Loss>(config: &L::Config) -> Result<Contract, Error> {
        Ok(L::contract(config)?.output("loss: f32[1]"))
    }

    fn loss_forward<L: Loss>(
        loss: &L,
        inputs: Tensors,
        call: &Call,
    ) -> Result<(Output, u64), Error> {
        let value = loss.forward(inputs, call)?;
        Ok((Tensors::new().with("loss", value.value).into(), value.averaged_over))
    }

    fn make<C: super::Config, M: Module + 'static>(
        create: Create,
        contract: fn(&C) -> Result<Contract, Error>,
        new: fn(&C, &mut Build) -> Result<M, Error>,
        forward: Forward<M>,
        custom: Custom,
    ) -> Result<Component, Error> {
        let (mut build, config) = Build::new(create)?;
        let config = parse::<C>(&config)?;
        let mut contract = contract(&config)?.to_json()?;
        bind(&mut contract, &build);
        // Every instance draws its parameters from a stream of its own.
        build.device().seed(build.seed("parameters"));
        let module = new(&config, &mut build)?;
        // Burn draws a parameter when it is first used: here, not in the middle of some call.
        walk(&module, &mut |_| ());
        let (path, device) = (build.path().to_owned(), build.device().clone());
        let slots = build.into_slots();
        let served = Served::new(module, forward, custom, slots, &contract, &path, &device);
        let differentiable = RSome(served.into_object());
        Ok(Component { differentiable, dataset: RNone, metric: RNone })
    }

    /// Replaces the symbols that the host has bound by their sizes.
    fn bind(contract: &mut Value, build: &Build) {
        match contract {
            Value::Object(map) => map.iter_mut().for_each(|(key, value)| {
                if let ("shape", Value::Array(shape)) = (key.as_str(), &mut *value) {
                    for dimension in shape {
                        let size = dimension.as_str().and_then(|symbol| build.dim(symbol).ok());
                        if let Some(size) = size {
                            *dimension = Value::from(size);
                        }
                    }
                } else {
                    bind(value, build);
                }
            }),
            Value::Array(list) => list.iter_mut().for_each(|value| bind(value, build)),
            _ => {}
        }
    }
}
