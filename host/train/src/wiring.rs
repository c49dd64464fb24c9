//! Which tensor each input of a loss or metric is.

use std::collections::BTreeMap;

use ablate_config::nearest;
use serde::{Deserialize, Serialize};

use crate::bind::{missing, shown};
use crate::contract::{Port, find};
use crate::error::{ComponentId, Error, Offer};

/// One input of a loss or metric and the tensor that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// Name of the input.
    pub input: String,
    /// The tensor.
    pub source: Source,
}

/// A tensor that losses and metrics can take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An output of the model.
    Model(String),
    /// A tensor of the batch.
    Batch(String),
}

impl Source {
    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Model(name) | Self::Batch(name) => name,
        }
    }
}

impl Wire {
    pub(crate) fn model_output(&self) -> Option<&str> {
        match &self.source {
            Source::Model(name) => Some(name),
            Source::Batch(_) => None,
        }
    }

    pub(crate) fn batch_tensor(&self) -> Option<&str> {
        match &self.source {
            Source::Model(_) => None,
            Source::Batch(name) => Some(name),
        }
    }
}

/// What there is to take.
pub(crate) struct Wiring<'a> {
    pub(crate) model: &'a [Port],
    pub(crate) dataset: &'a [Port],
}

/// A loss or metric with what the spec says about its inputs.
#[derive(Clone, Copy)]
pub(crate) struct Consumer<'a> {
    pub(crate) id: &'a ComponentId,
    pub(crate) inputs: &'a [Port],
    pub(crate) wired: &'a BTreeMap<String, String>,
}

impl Wiring<'_> {
    /// The tensor of each input, in the order of the contract. Optional inputs that nobody wired and
    /// that have nobody's name are left out.
    pub(crate) fn resolve(&self, consumer: Consumer<'_>) -> Result<Vec<Wire>, Error> {
        let Consumer { id, inputs, wired } = consumer;
        if let Some(unknown) = wired.keys().find(|name| find(inputs, name).is_none()) {
            let known = || inputs.iter().map(|port| port.name.as_str());
            return Err(Error::UnknownInput {
                component: id.boxed(),
                input: unknown.clone(),
                near: nearest(unknown, known()),
                known: known().map(str::to_owned).collect(),
            });
        }
        let mut wires = Vec::new();
        for input in inputs {
            let chosen = wired.get(&input.name);
            let name = chosen.unwrap_or(&input.name);
            match (self.find(name), chosen) {
                (Some(source), _) => wires.push(Wire { input: input.name.clone(), source }),
                (None, Some(chosen)) => return Err(self.unknown_source(id, &input.name, chosen)),
                (None, None) if input.optional => {}
                (None, None) => return Err(missing(id, input, self.offers(), true)),
            }
        }
        Ok(wires)
    }

    fn find(&self, name: &str) -> Option<Source> {
        let model = |name: &str| find(self.model, name).map(|_| Source::Model(name.to_owned()));
        let batch = |name: &str| find(self.dataset, name).map(|_| Source::Batch(name.to_owned()));
        match (name.strip_prefix("model."), name.strip_prefix("batch.")) {
            (Some(name), _) => model(name),
            (_, Some(name)) => batch(name),
            _ => model(name).or_else(|| batch(name)),
        }
    }

    fn unknown_source(&self, id: &ComponentId, input: &str, name: &str) -> Error {
        let known = self.model.iter().chain(self.dataset).map(|port| port.name.as_str());
        Error::UnknownSource {
            component: id.boxed(),
            input: input.to_owned(),
            source_name: name.to_owned(),
            near: nearest(name, known),
            given: self.offers(),
        }
    }

    fn offers(&self) -> Vec<Offer> {
        let offer = |giver: &str, ports| Offer { giver: giver.to_owned(), ports: shown(ports) };
        vec![offer("`model`", self.model), offer("`dataset`", self.dataset)]
    }
}
