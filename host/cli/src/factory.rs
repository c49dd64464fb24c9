//! Components from the libraries that a plan has located.

use crate::child::Said;
use crate::failure::Failure;
use crate::lineage::{self, Given};
use crate::located::Located;
use crate::printer;
use ablate_abi::v1::{Component, Create, Kind, PluginError, SharedDataset};
use ablate_config::Spec;
use ablate_loader::{Library, Loader};
use ablate_train::{Describe, Factory, GivenArtifact};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What libraries have said: most variants share most of it.
#[derive(Default)]
pub(crate) struct Answers {
    /// Contracts by library, kind, name and config.
    contracts: HashMap<(String, u32, String, String), Value>,
    /// Descriptions by library.
    descriptions: HashMap<String, Value>,
}

/// Makes the components of one variant.
pub(crate) struct LoadedFactory<'a> {
    loader: &'a Loader,
    components: &'a [Located],
    answers: Answers,
    given: Vec<Given>,
}

impl<'a> LoadedFactory<'a> {
    pub(crate) fn new(loader: &'a Loader, components: &'a [Located]) -> Self {
        Self { loader, components, answers: Answers::default(), given: Vec::new() }
    }

    /// With what is known from other variants.
    pub(crate) fn with_answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    /// With the artifacts that the variant's configs name.
    pub(crate) fn with_given(mut self, given: &[Given]) -> Self {
        self.given = given.to_vec();
        self
    }

    /// What is known now.
    pub(crate) fn into_answers(self) -> Answers {
        self.answers
    }

    fn located(
        &self,
        kind: Kind,
        name: &str,
        role: Option<&str>,
    ) -> Result<&'a Located, PluginError> {
        let matches = |component: &&Located| {
            component.kind == kind.name()
                && component.name == name
                && role.is_none_or(|role| component.role.as_deref() == Some(role))
        };
        self.components.iter().find(matches).ok_or_else(|| {
            PluginError::other(format!("no library was planned for {} `{name}`", kind.name()))
        })
    }

    fn library(
        &self,
        kind: Kind,
        name: &str,
        role: Option<&str>,
    ) -> Result<Arc<Library>, PluginError> {
        let located = self.located(kind, name, role)?;
        self.loader.open(&located.library, Some(&located.sha256)).map_err(|error| {
            let failure = Failure::from(error);
            PluginError::other(failure.message)
        })
    }

    /// The dataset of a spec, not prepared.
    pub(crate) fn dataset(&mut self, spec: &Spec) -> Result<SharedDataset, Failure> {
        Ok(ablate_train::dataset(spec, self)?)
    }
}

impl Describe for LoadedFactory<'_> {
    fn contract(
        &mut self,
        kind: Kind,
        name: &str,
        role: Option<&str>,
        config: &Value,
    ) -> Result<Value, PluginError> {
        let config = config.to_string();
        let located = self.located(kind, name, role)?;
        let key = (located.sha256.clone(), kind.0, name.to_owned(), config);
        if let Some(contract) = self.answers.contracts.get(&key) {
            return Ok(contract.clone());
        }
        printer::line(&Said::Entering(format!(
            "the contract of {} `{name}` (plugin `{}`)",
            kind.name(),
            located.plugin
        )));
        let text = self.library(kind, name, role)?.contract(kind, name, &key.3)?;
        let contract: Value = serde_json::from_str(&text)
            .map_err(|error| PluginError::contract(format!("the contract is no JSON: {error}")))?;
        self.answers.contracts.insert(key, contract.clone());
        Ok(contract)
    }

    fn slot_role(
        &mut self,
        kind: Kind,
        name: &str,
        role: Option<&str>,
        slot: &str,
    ) -> Option<String> {
        let library = self.library(kind, name, role).ok()?;
        let key = library.sha256().to_owned();
        if !self.answers.descriptions.contains_key(&key) {
            let description = serde_json::from_str(&library.description().ok()?).ok()?;
            self.answers.descriptions.insert(key.clone(), description);
        }
        let components = self.answers.descriptions.get(&key)?.get("components")?.as_array()?;
        let component = components.iter().find(|component| {
            component["kind"] == kind.name()
                && component["name"] == name
                && role.is_none_or(|role| component["role"] == role)
        })?;
        let slots = component.get("slots")?.as_array()?;
        let slot = slots.iter().find(|candidate| candidate["name"] == slot)?;
        slot.get("role")?.as_str().map(ToOwned::to_owned)
    }
}

impl Factory for LoadedFactory<'_> {
    fn create(&mut self, role: Option<&str>, request: Create) -> Result<Component, PluginError> {
        printer::line(&Said::Entering(format!("`{}` (`{}`)", request.path, request.name)));
        self.library(request.kind, &request.name, role)?.create(request)
    }

    fn image(&mut self, kind: Kind, name: &str, role: Option<&str>) -> u64 {
        self.library(kind, name, role).map_or(0, |library| library.image())
    }

    fn artifacts(&mut self, path: &str) -> Vec<GivenArtifact> {
        lineage::of_component(&self.given, path)
    }

    fn sha256(&mut self, kind: Kind, name: &str, role: Option<&str>) -> String {
        self.located(kind, name, role).map_or_else(|_| String::new(), |found| found.sha256.clone())
    }
}
