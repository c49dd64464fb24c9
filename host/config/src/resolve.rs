//! From a tree to the resolved spec: every key checked, every default filled in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::conform::Config;
use crate::error::{At, Error, UnknownComponent, nearest};
use crate::experiment::device;
use crate::key_path::KeyPath;
use crate::known::Known;
use crate::memory::Memory;
use crate::schema::{Schemas, SlotSchema};
use crate::section::{FINITE, Section, list, number, refuse_unknown, table, text, texts};
use crate::sound::deeper;
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
    Resolver::new(schemas).resolve(tree)
}

/// Resolves the variants of a sweep; what it has learned about components for one variant, it need
/// not learn for the next.
pub struct Resolver<'a> {
    schemas: &'a dyn Schemas,
    known: RefCell<Vec<Rc<Known>>>,
    memory: RefCell<Memory>,
}

impl<'a> Resolver<'a> {
    /// One that has learned nothing yet.
    #[must_use]
    pub fn new(schemas: &'a dyn Schemas) -> Self {
        Self { schemas, known: RefCell::default(), memory: RefCell::default() }
    }

    /// The resolved spec of one variant.
    ///
    /// # Errors
    /// The first key that is wrong, with the file and line, variable or argument that said it.
    pub fn resolve(&self, tree: &Tree) -> Result<Spec, Error> {
        let root = Section::loose_root(tree)?;
        let blocks = Blocks::list(&root)?;
        self.memory.borrow_mut().open(root.node("blocks"));
        let (defaults, depth) = (RefCell::default(), Cell::default());
        whole(&Pass { resolver: self, blocks, defaults, depth }, &root)
    }

    fn known(
        &self,
        origin: &Origin,
        path: &KeyPath,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<Rc<Known>, Error> {
        if let Some(known) = self.known.borrow().iter().find(|known| known.is(kind, name, role)) {
            return Ok(known.clone());
        }
        let component = self.schemas.component(kind, name, role).map_err(|unknown| {
            Error::UnknownComponent(Box::new(UnknownComponent {
                at: At { origin: origin.clone(), key: path.clone() },
                kind: kind.to_owned(),
                role: role.map(str::to_owned),
                name: name.to_owned(),
                unknown,
            }))
        })?;
        let known = Rc::new(Known::new((kind, name, role), component)?);
        self.known.borrow_mut().push(known.clone());
        Ok(known)
    }
}

fn whole(pass: &Pass<'_>, root: &Section<'_>) -> Result<Spec, Error> {
    let dataset = pass.required(root, "dataset", "an experiment needs data")?;
    let model = pass.required(root, "model", "an experiment needs a model")?;
    let shared = pass.shared()?;
    let losses = pass.losses(root)?;
    let metrics = pass.metrics(root)?;
    let artifacts = pass.artifacts(root)?;
    let train = train::read(root)?;
    let report = report(root)?;
    let has_objective = metrics.iter().any(|metric| metric.objective);
    let needs_objective = |at| {
        let problem = "needs a metric with `objective = true`".to_owned();
        if has_objective { Ok(()) } else { Err(Error::Misplaced { at, problem }) }
    };
    if report.checkpoint == ReportCheckpoint::Best {
        let section = Section::loose(root, "report")?;
        needs_objective(section.at_key("checkpoint"))?;
    }
    if train.early_stopping.is_some() {
        let section = Section::loose(root, "train")?;
        needs_objective(section.at_key("early_stopping"))?;
    }
    Ok(Spec {
        question: root.text("question")?.unwrap_or_default().to_owned(),
        device: device(root)?,
        threads: root.count("threads", 1)?.map(|threads| threads as usize),
        dataset,
        model,
        blocks: shared,
        losses,
        metrics,
        artifacts,
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

/// Components in components, counted over slots. A spec that is nested deeper cannot be read back.
const DEEPEST: usize = 16;
/// Lists and tables in the config of one component.
const DEEPEST_CONFIG: usize = 40;

/// A resolver at work on one tree.
pub(crate) struct Pass<'a> {
    resolver: &'a Resolver<'a>,
    blocks: Blocks<'a>,
    /// The slots whose defaults are being resolved: component and slot.
    defaults: RefCell<Vec<(String, String)>>,
    depth: Cell<usize>,
}

/// What a component's table may hold beside its config and its slots.
type Beside<'a> = &'a [&'a str];

impl Pass<'_> {
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
        let mut given = named.iter().filter(|(_, node)| !is_left_out(node)).peekable();
        if given.peek().is_none() {
            return Err(missing());
        }
        given
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
            if is_left_out(node) {
                continue;
            }
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

    /// Refuses a metric that publishes nothing.
    pub(crate) fn check_publishes(
        &self,
        chosen: &Node,
        path: &KeyPath,
        name: &str,
    ) -> Result<(), Error> {
        let known = self.resolver.known(&chosen.origin, path, "metric", name, None)?;
        if known.publishes().is_some() {
            return Ok(());
        }
        Err(Error::PublishesNothing {
            at: At::new(&chosen.origin, path),
            metric: name.to_owned(),
            known: self.resolver.schemas.publishing(),
        })
    }

    pub(crate) fn component(
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
        if let Some(component) = self.resolver.memory.borrow().recall(node, kind, role) {
            return Ok(component);
        }
        let name = text(chosen, &path.child("use"))?;
        let known = self.resolver.known(&chosen.origin, path, kind, name, role)?;
        let config = Config { known: &known, path, origin: &chosen.origin, beside };
        let config =
            config.read(entries).map_err(|error| self.meant_for_slot(error, &known, node, path))?;
        let too_deep = |what: &str, most: usize| Error::Misplaced {
            at: At::new(&node.origin, path),
            problem: format!("{what} nested deeper than {most} levels"),
        };
        if deeper(&config, DEEPEST_CONFIG) {
            return Err(too_deep("values are", DEEPEST_CONFIG));
        }
        if self.depth.replace(self.depth.get() + 1) >= DEEPEST {
            return Err(too_deep("blocks are", DEEPEST));
        }
        let mut slots = BTreeMap::new();
        for slot in known.slots() {
            let filled = self.slot(slot, entries.get(&slot.name), path, name, &chosen.origin)?;
            if let Some(filled) = filled {
                slots.insert(slot.name.clone(), filled);
            }
        }
        self.depth.set(self.depth.get() - 1);
        let component = ComponentSpec { name: name.to_owned(), config, slots };
        self.resolver.memory.borrow_mut().keep(node, kind, role, &component);
        Ok(component)
    }

    /// The error for a key that the component does not have, with where it belongs if a block in
    /// one of its slots has it.
    fn meant_for_slot(&self, error: Error, known: &Known, node: &Node, path: &KeyPath) -> Error {
        let Error::UnknownKey { at, near, known: valid } = error else { return error };
        let has = |slot: &SlotSchema, key: &str| {
            let given = node.get(&slot.name).and_then(|block| block.get("use"));
            let default = || slot.default.as_ref().and_then(|block| block["use"].as_str());
            let Some(name) = given.and_then(Node::text).or_else(default) else { return false };
            let block = self.resolver.schemas.component("block", name, Some(&slot.role));
            block.is_ok_and(|block| block.schema["properties"].get(key).is_some())
        };
        let wrong = node.table().into_iter().flat_map(|table| table.keys());
        let wrong = wrong.filter(|key| path.child(key.as_str()) == at.key).find_map(|key| {
            let slot = known.slots().iter().find(|slot| !slot.many && has(slot, key))?;
            Some(path.child(slot.name.as_str()).child(key.as_str()).to_string())
        });
        Error::UnknownKey { at, near: wrong.or(near), known: valid }
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
        let missing = |origin| Error::MissingSlot {
            at: At::new(origin, &path),
            component: component.to_owned(),
            role: slot.role.clone(),
        };
        let Some(node) = given.or(default.as_ref()) else {
            return if slot.optional { Ok(None) } else { Err(missing(chosen)) };
        };
        let _open =
            if given.is_none() { Some(self.open(component, slot, &path, chosen)?) } else { None };
        if is_left_out(node) {
            return if slot.optional { Ok(None) } else { Err(missing(&node.origin)) };
        }
        if !slot.many {
            return self.filling(node, &path, &slot.role).map(Some);
        }
        let items = list(node, &path, "a list of tables such as `[{ use = \"NAME\" }]`")?;
        if items.is_empty() && !slot.optional {
            return Err(missing(&node.origin));
        }
        let filled: Result<Vec<_>, _> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.filling(item, &path.item(index), &slot.role))
            .collect();
        Ok(Some(SlotSpec::Many(filled?)))
    }

    /// Notes that the default of a slot is being resolved, which must not lead to itself.
    fn open(
        &self,
        component: &str,
        slot: &SlotSchema,
        path: &KeyPath,
        chosen: &Origin,
    ) -> Result<Open<'_>, Error> {
        let entry = (component.to_owned(), slot.name.clone());
        let mut open = self.defaults.borrow_mut();
        if let Some(start) = open.iter().position(|known| *known == entry) {
            let chain = open[start..].iter().chain([&entry]);
            let chain = chain.map(|(component, slot)| format!("{component}.{slot}")).collect();
            return Err(Error::DefaultCycle { at: At::new(chosen, path), chain });
        }
        open.push(entry);
        Ok(Open(&self.defaults))
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
            self.resolver.known(&reference.origin, &path, "block", component, Some(role))?;
        }
        Ok(SlotSpec::Ref(name.to_owned()))
    }
}

/// A slot whose default is being resolved, until it is dropped.
struct Open<'a>(&'a RefCell<Vec<(String, String)>>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().pop();
    }
}

/// `false` in the place of a component: there is none.
pub(crate) fn is_left_out(node: &Node) -> bool {
    matches!(node.data, Data::Bool(false))
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
