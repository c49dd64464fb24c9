//! Single values of a resolved spec, by the keys that an experiment file would give them.

use serde_json::{Map, Value as Json};

use crate::key_path::{KeyPath, Segment};
use crate::spec::{ComponentSpec, SlotSpec, Spec};

impl Spec {
    /// The value at a key, defaults included: `model.pooling.use`, `train.batch_size`. A component
    /// is a table with `use`, its config and its slots. `None` where there is no such key, and for
    /// an empty slot.
    #[must_use]
    pub fn value(&self, key: &KeyPath) -> Option<Json> {
        let (first, rest) = key.segments().split_first()?;
        let Segment::Key(first) = first else { return None };
        match first.as_str() {
            "question" => at(Json::from(self.question.as_str()), rest),
            "device" => at(Json::from(self.device.as_str()), rest),
            "threads" => at(Json::from(self.threads?), rest),
            "dataset" => component(&self.dataset, rest),
            "model" => component(&self.model, rest),
            "train" => at(json(&self.train), rest),
            "report" => at(json(&self.report), rest),
            "blocks" => {
                let (name, rest) = named(rest)?;
                component(self.blocks.get(name)?, rest)
            }
            "loss" => {
                let (name, rest) = named(rest)?;
                let loss = self.losses.iter().find(|loss| loss.name == name)?;
                let beside = [("weight", json(&loss.weight)), ("inputs", json(&loss.inputs))];
                with_beside(&loss.component, beside, rest)
            }
            "metric" => {
                let (name, rest) = named(rest)?;
                let metric = self.metrics.iter().find(|metric| metric.name == name)?;
                let objective = ("objective", json(&metric.objective));
                with_beside(&metric.component, [objective, ("inputs", json(&metric.inputs))], rest)
            }
            "artifact" => {
                let (name, rest) = named(rest)?;
                let artifact = self.artifacts.iter().find(|artifact| artifact.name == name)?;
                let splits = ("splits", json(&artifact.splits));
                let inputs = ("inputs", json(&artifact.inputs));
                with_beside(&artifact.component, [splits, inputs], rest)
            }
            _ => None,
        }
    }
}

fn named(path: &[Segment]) -> Option<(&str, &[Segment])> {
    match path.split_first()? {
        (Segment::Key(name), rest) => Some((name, rest)),
        _ => None,
    }
}

fn with_beside<const N: usize>(
    spec: &ComponentSpec,
    beside: [(&str, Json); N],
    path: &[Segment],
) -> Option<Json> {
    let Some((key, rest)) = named(path) else {
        let mut table = whole(spec);
        table.extend(beside.map(|(key, value)| (key.to_owned(), value)));
        return Some(Json::Object(table));
    };
    match beside.into_iter().find(|(beside, _)| *beside == key) {
        Some((_, value)) => at(value, rest),
        None => component(spec, path),
    }
}

fn component(spec: &ComponentSpec, path: &[Segment]) -> Option<Json> {
    let Some((key, rest)) = named(path) else {
        return path.is_empty().then(|| Json::Object(whole(spec)));
    };
    if key == "use" {
        return at(Json::from(spec.name.as_str()), rest);
    }
    match spec.slots.get(key) {
        Some(filling) => slot(filling, rest),
        None => at(spec.config.get(key)?.clone(), rest),
    }
}

fn slot(spec: &SlotSpec, path: &[Segment]) -> Option<Json> {
    match (spec, path.split_first()) {
        (SlotSpec::One(one), _) => component(one, path),
        (SlotSpec::Many(items), Some((Segment::Index(index), rest))) => {
            slot(items.get(*index)?, rest)
        }
        (SlotSpec::Many(items), None) => {
            items.iter().map(|item| slot(item, &[])).collect::<Option<Vec<_>>>().map(Json::Array)
        }
        (SlotSpec::Ref(name), _) => {
            at(serde_json::json!({ "ref": format!("blocks.{name}") }), path)
        }
        _ => None,
    }
}

fn whole(spec: &ComponentSpec) -> Map<String, Json> {
    let mut table = spec.config.as_object().cloned().unwrap_or_default();
    table.insert("use".to_owned(), Json::from(spec.name.as_str()));
    table.extend(
        spec.slots.iter().filter_map(|(name, filling)| Some((name.clone(), slot(filling, &[])?))),
    );
    table
}

fn at(json: Json, path: &[Segment]) -> Option<Json> {
    let found = path.iter().try_fold(&json, |json, segment| match segment {
        Segment::Key(key) => json.get(key),
        Segment::Index(index) => json.get(index),
    })?;
    // What is not set is not there.
    (!found.is_null()).then(|| found.clone())
}

fn json(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).expect("a spec is plain data")
}
