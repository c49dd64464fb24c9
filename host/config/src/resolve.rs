//! From a tree to the resolved spec: every key checked, every default filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::conform::Config;
use crate::error::{At, Error, UnknownComponent, nearest};
use crate::experiment::device;
use crate::key_path::KeyPath;
use crate::schema::{ComponentSchema, Schemas, SlotSchema};
use crate::section::{FINITE, Section, list, number, refuse_unknown, table, text, texts};
use crate::spec::{
    ComponentSpec, LossSpec, MetricSpec, ReportCheckpoint, ReportSpec, SlotSpec, Spec,
};
use crate::train;
use crate::tree::{Data, Node, Origin, Tree};

/// The resolved spec of one variant.
///
/// # Errors
/// The first key that is wrong, with the file and line, variable or argument that said it.
pub fn resolve(tree: &Tree, schemas: &dyn Schemas) -> Result<Spec, Error> {
    let root = Section::loose_root(tree)?;
    let blocks = Blocks::list(&root)?;
    let resolver = Resolver { schemas, blocks };
    let dataset = resolver.required(&root, "dataset", "an experiment needs data")?;
    let model = resolver.required(&root, "model", "an experiment needs a model")?;
    let shared = resolver.shared()?;
    let losses = resolver.losses(&root)?;
    let metrics = resolver.metrics(&root)?;
    let train = train::read(&root)?;
    let report = report(&root)?;
    let has_objective = metrics.iter().any(|metric| metric.objective);
    let needs_objective = |at| {
        let problem = "needs a metric with `objective = true`".to_owned();
        if has_objective { Ok(()) } else { Err(Error::Misplaced { at, problem }) }
    };
    if report.checkpoint == ReportCheckpoint::Best {
        let section = Section::loose(&root, "report")?;
        needs_objective(section.at_key("checkpoint"))?;
    }
    if train.early_stopping.is_some() {
        let section = Section::loose(&root, "train")?;
        needs_objective(section.at_key("early_stopping"))?;
    }
    Ok(Spec {
        question: root.text("question")?.unwrap_or_default().to_owned(),
        device: device(&root)?,
        threads: root.count("threads", 1)?.map(|threads| threads as usize),
        dataset,
        model,
        blocks: shared,
        losses,
        metrics,
        train,
        report,
    })
}

fn report(root: &Section<'_>) -> Result<ReportSpec, Error> {
    let section = root.section("report", &["split", "checkpoint"])?;
    let split = section.choice("split", &["train", "valid", "test"])?;
    let checkpoint = match section.choice("checkpoint", &["last", "best"])? {
        Some("best") => ReportCheckpoint::Best,
        _ => ReportCheckpoint::Last,
    };
    Ok(ReportSpec { split: split.map(str::to_owned), checkpoint })
}

/// What `[blocks]` says: the shared instances, not yet resolved.
struct Blocks<'a> {
    path: KeyPath,
    named: IndexMap<&'a str, &'a Node>,
}

impl<'a> Blocks<'a> {
    fn list(root: &Section<'a>) -> Result<Self, Error> {
        let path = root.path("blocks");
        let named = match root.node("blocks") {
            Some(node) => {
                table(node, &path)?.iter().map(|(name, node)| (name.as_str(), node)).collect()
            }
            None => IndexMap::new(),
        };
        Ok(Self { path, named })
    }
}

struct Resolver<'a> {
    schemas: &'a dyn Schemas,
    blocks: Blocks<'a>,
}

/// What a component's table may hold beside its config and its slots.
type Beside<'a> = &'a [&'a str];

impl Resolver<'_> {
    fn required(&self, root: &Section<'_>, kind: &str, why: &str) -> Result<ComponentSpec, Error> {
        match root.node(kind) {
            Some(node) => self.component(node, &root.path(kind), kind, None, &[]),
            None => Err(Error::Missing { at: root.at_key(kind), why: why.to_owned() }),
        }
    }

    fn losses(&self, root: &Section<'_>) -> Result<Vec<LossSpec>, Error> {
        let path = root.path("loss");
        let why = "training needs at least one `[loss.NAME]`".to_owned();
        let missing = || Error::Missing { at: root.at_key("loss"), why };
        let Some(node) = root.node("loss") else { return Err(missing()) };
        let named = table(node, &path)?;
        if named.is_empty() {
            return Err(missing());
        }
        named
            .iter()
            .map(|(name, node)| {
                let path = path.child(name.as_str());
                let component = self.component(node, &path, "loss", None, &["inputs", "weight"])?;
                let weight = node
                    .get("weight")
                    .map(|weight| number(weight, &path.child("weight"), FINITE))
                    .transpose()?
                    .unwrap_or(1.0);
                let inputs = texts(node.get("inputs"), &path.child("inputs"))?;
                Ok(LossSpec { name: name.clone(), component, inputs, weight })
            })
            .collect()
    }

    fn metrics(&self, root: &Section<'_>) -> Result<Vec<MetricSpec>, Error> {
        let path = root.path("metric");
        let Some(node) = root.node("metric") else { return Ok(Vec::new()) };
        let mut metrics: Vec<MetricSpec> = Vec::new();
        for (name, node) in table(node, &path)? {
            let path = path.child(name.as_str());
            let beside = ["inputs", "objective"];
            let component = self.component(node, &path, "metric", None, &beside)?;
            let objective_key = path.child("objective");
            let objective = match node.get("objective").map(|node| (node, &node.data)) {
                None => false,
                Some((_, Data::Bool(value))) => *value,
                Some((node, _)) => {
                    return Err(crate::section::wrong_type(node, &objective_key, "true or false"));
                }
            };
            if let (true, Some(other)) = (objective, metrics.iter().find(|other| other.objective)) {
                let origin = node.get("objective").map_or(&node.origin, |node| &node.origin);
                return Err(Error::Misplaced {
                    at: At::new(origin, &objective_key),
                    problem: format!("`metric.{}` is the objective already", other.name),
                });
            }
            let inputs = texts(node.get("inputs"), &path.child("inputs"))?;
            metrics.push(MetricSpec { name: name.clone(), component, inputs, objective });
        }
        Ok(metrics)
    }

    /// All of `[blocks]`, checked to be free of circles.
    fn shared(&self) -> Result<BTreeMap<String, ComponentSpec>, Error> {
        let mut shared = BTreeMap::new();
        for (name, node) in &self.blocks.named {
            let path = self.blocks.path.child(*name);
            let component = self.component(node, &path, "block", None, &[])?;
            shared.insert((*name).to_owned(), component);
        }
        for name in shared.keys() {
            if let Some(chain) = circle(&shared, name, &mut vec![name.clone()]) {
                let node = self.blocks.named[name.as_str()];
                let path = self.blocks.path.child(name.as_str());
                let chain = chain.iter().map(|name| format!("blocks.{name}")).collect();
                return Err(Error::ReferenceCycle { at: At::new(&node.origin, &path), chain });
            }
        }
        Ok(shared)
    }

    fn component(
        &self,
        node: &Node,
        path: &KeyPath,
        kind: &str,
        role: Option<&str>,
        beside: Beside<'_>,
    ) -> Result<ComponentSpec, Error> {
        let expected = "a table such as `{ use = \"NAME\" }`";
        let entries =
            node.table().ok_or_else(|| crate::section::wrong_type(node, path, expected))?;
        let Some(chosen) = entries.get("use") else {
            let why = format!("it names the {}", role.unwrap_or(kind));
            return Err(Error::Missing { at: At::new(&node.origin, &path.child("use")), why });
        };
        let name = text(chosen, &path.child("use"))?;
        let known = self.known(&chosen.origin, path, kind, name, role)?;
        let own: IndexMap<String, Node> = entries
            .iter()
            .filter(|(key, _)| {
                let key = key.as_str();
                key != "use"
                    && !beside.contains(&key)
                    && !known.slots.iter().any(|slot| slot.name == key)
            })
            .map(|(key, node)| (key.clone(), node.clone()))
            .collect();
        let (schema, defaults) = without_slots(&known);
        let config = Config {
            kind,
            name,
            path,
            origin: &chosen.origin,
            schema: &schema,
            beside: known
                .slots
                .iter()
                .map(|slot| slot.name.as_str())
                .chain(beside.iter().copied())
                .map(str::to_owned)
                .collect(),
        };
        let config = config.read(&own, defaults.as_ref())?;
        let mut slots = BTreeMap::new();
        for slot in &known.slots {
            let filled = self.slot(slot, entries.get(&slot.name), path, name, &chosen.origin)?;
            if let Some(filled) = filled {
                slots.insert(slot.name.clone(), filled);
            }
        }
        Ok(ComponentSpec { name: name.to_owned(), config, slots })
    }

    fn known(
        &self,
        origin: &Origin,
        path: &KeyPath,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<ComponentSchema, Error> {
        self.schemas.component(kind, name, role).map_err(|unknown| {
            Error::UnknownComponent(Box::new(UnknownComponent {
                at: At { origin: origin.clone(), key: path.clone() },
                kind: kind.to_owned(),
                role: role.map(str::to_owned),
                name: name.to_owned(),
                unknown,
            }))
        })
    }

    fn slot(
        &self,
        slot: &SlotSchema,
        given: Option<&Node>,
        parent: &KeyPath,
        component: &str,
        chosen: &Origin,
    ) -> Result<Option<SlotSpec>, Error> {
        let path = parent.child(slot.name.as_str());
        let default = slot.default.as_ref().map(|default| {
            Node::from_json(default, &Origin::Default { component: Arc::from(component) })
        });
        let Some(node) = given.or(default.as_ref()) else {
            if slot.optional {
                return Ok(None);
            }
            return Err(Error::MissingSlot {
                at: At::new(chosen, &path),
                component: component.to_owned(),
                role: slot.role.clone(),
            });
        };
        if !slot.many {
            return self.filling(node, &path, &slot.role).map(Some);
        }
        let items = list(node, &path, "a list of tables such as `[{ use = \"NAME\" }]`")?;
        if items.is_empty() && !slot.optional {
            return Err(Error::MissingSlot {
                at: At::new(&node.origin, &path),
                component: component.to_owned(),
                role: slot.role.clone(),
            });
        }
        let filled: Result<Vec<_>, _> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.filling(item, &path.item(index), &slot.role))
            .collect();
        Ok(Some(SlotSpec::Many(filled?)))
    }

    /// One block in a slot: an own instance, or `{ ref = "blocks.NAME" }`.
    fn filling(&self, node: &Node, path: &KeyPath, role: &str) -> Result<SlotSpec, Error> {
        let Some(reference) = node.get("ref") else {
            return self.component(node, path, "block", Some(role), &[]).map(SlotSpec::One);
        };
        refuse_unknown(table(node, path)?, path, &["ref"])?;
        let path = path.child("ref");
        let given = text(reference, &path)?;
        let name = given.strip_prefix("blocks.").unwrap_or(given);
        let Some(shared) = self.blocks.named.get(name) else {
            let names = || self.blocks.named.keys().copied();
            return Err(Error::UnknownReference {
                at: At::new(&reference.origin, &path),
                name: name.to_owned(),
                near: nearest(name, names()).map(|near| format!("blocks.{near}")),
                known: names().map(|name| format!("blocks.{name}")).collect(),
            });
        };
        // The shared block has to have this slot's role, which its own place does not know.
        if let Some(component) = shared.get("use").and_then(Node::text) {
            self.known(&reference.origin, &path, "block", component, Some(role))?;
        }
        Ok(SlotSpec::Ref(name.to_owned()))
    }
}

/// The schema and the defaults of a config without the keys that are slots.
fn without_slots(component: &ComponentSchema) -> (Json, Option<Json>) {
    let mut schema = match &component.schema {
        Json::Null => serde_json::json!({ "type": "object" }),
        schema => schema.clone(),
    };
    let mut defaults = component.defaults.clone();
    for slot in &component.slots {
        if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
            properties.remove(&slot.name);
        }
        if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
            required.retain(|name| name != slot.name.as_str());
        }
        if let Some(defaults) = defaults.as_mut().and_then(Json::as_object_mut) {
            defaults.remove(&slot.name);
        }
    }
    (schema, defaults)
}

/// The names from `start` back to itself over references, if there is such a way.
fn circle(
    blocks: &BTreeMap<String, ComponentSpec>,
    start: &str,
    chain: &mut Vec<String>,
) -> Option<Vec<String>> {
    let mut references = Vec::new();
    collect_references(blocks.get(chain.last()?)?, &mut references);
    for reference in references {
        let closed = reference == start;
        if !closed && chain.contains(&reference) {
            continue;
        }
        chain.push(reference);
        if closed {
            return Some(chain.clone());
        }
        if let Some(found) = circle(blocks, start, chain) {
            return Some(found);
        }
        chain.pop();
    }
    None
}

fn collect_references(component: &ComponentSpec, references: &mut Vec<String>) {
    fn visit(slot: &SlotSpec, references: &mut Vec<String>) {
        match slot {
            SlotSpec::One(component) => collect_references(component, references),
            SlotSpec::Many(items) => items.iter().for_each(|item| visit(item, references)),
            SlotSpec::Ref(name) => references.push(name.clone()),
        }
    }
    component.slots.values().for_each(|slot| visit(slot, references));
}
