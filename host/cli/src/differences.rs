//! What differs between two runs in what they wrote down: spec and manifest, key by key.

use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Keys of a spec that results do not depend on; `report` and below are such keys too.
const IDLE: [&str; 3] = ["question", "train.prefetch_batches", "train.prefetch_workers"];
/// What a manifest says about a machine, and whether numbers may depend on it.
const MACHINE: [(&str, bool); 8] = [
    ("host", false),
    ("cpu", true),
    ("cpu_features", true),
    ("arch", true),
    ("os", true),
    ("system", true),
    ("kernel", false),
    ("cores", false),
];
/// Environment variables that say where and when, not how.
const PLACES: [&str; 2] = ["SLURM_JOB_ID", "TZ"];

/// One key with two values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) area: Area,
    pub(crate) key: String,
    /// Null where a run does not have the key.
    pub(crate) left: Value,
    pub(crate) right: Value,
    /// Whether results may depend on it.
    pub(crate) matters: bool,
}

/// Where a difference lies, in the order of listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Area {
    Seed,
    Spec,
    Plugins,
    Data,
    Settings,
    Program,
    Machine,
    Code,
}

impl Area {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Spec => "spec",
            Self::Plugins => "plugins",
            Self::Data => "data",
            Self::Settings => "settings",
            Self::Program => "program",
            Self::Machine => "machine",
            Self::Code => "code",
        }
    }
}

impl Row {
    fn new(area: Area, key: &str, left: &Value, right: &Value, matters: bool) -> Self {
        Self { area, key: key.to_owned(), left: left.clone(), right: right.clone(), matters }
    }

    /// Both values for people.
    pub(crate) fn values(&self) -> (String, String) {
        (shown(&self.key, &self.left), shown(&self.key, &self.right))
    }
}

/// A value for people: hashes and commits by their beginning.
fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::String(text)
            if key.ends_with("sha256") || matches!(key, "commit" | "fingerprint") =>
        {
            text.chars().take(12).collect()
        }
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            items.join(" ")
        }
        other => other.to_string(),
    }
}

/// The rows of `left` and `right` whose values differ, by key.
fn rows(
    area: Area,
    left: &BTreeMap<String, Value>,
    right: &BTreeMap<String, Value>,
    matters: impl Fn(&str) -> bool,
) -> Vec<Row> {
    let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    let value = |side: &BTreeMap<String, Value>, key: &str| side.get(key).cloned();
    keys.into_iter()
        .map(|key| {
            (key, value(left, key).unwrap_or_default(), value(right, key).unwrap_or_default())
        })
        .filter(|(_, left, right)| left != right)
        .map(|(key, left, right)| Row::new(area, key, &left, &right, matters(key)))
        .collect()
}

/// What differs between two resolved specs, by the keys of an experiment's file.
pub(crate) fn specs(left: &Value, right: &Value) -> Vec<Row> {
    let matters = |key: &str| !IDLE.contains(&key) && !key.starts_with("report.");
    let mut rows = rows(Area::Spec, &spec_keys(left), &spec_keys(right), matters);
    // Whatever fills a place comes before how it is set.
    rows.sort_by_key(|row| match row.key.strip_suffix(".use") {
        Some(place) => format!("{place}."),
        None => row.key.clone(),
    });
    rows
}

/// The keys of a spec with their values, as an experiment's file would set them.
fn spec_keys(spec: &Value) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    for (key, value) in object(spec) {
        match key.as_str() {
            // Among the settings, as they were in the end.
            "device" | "threads" => {}
            "dataset" | "model" => component(key, value, &mut keys),
            "blocks" => object(value)
                .for_each(|(name, block)| component(&format!("blocks.{name}"), block, &mut keys)),
            "losses" => named("loss", value, &mut keys),
            "metrics" => named("metric", value, &mut keys),
            "artifacts" => named("artifact", value, &mut keys),
            _ => leaves(key, value, &mut keys),
        }
    }
    keys
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A component: what is used, its own keys, and what fills its slots.
fn component(path: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    if let Some(name) = value.get("use") {
        keys.insert(format!("{path}.use"), name.clone());
    }
    for (key, value) in object(&value["config"]) {
        leaves(&format!("{path}.{key}"), value, keys);
    }
    for (name, filled) in object(&value["slots"]) {
        slot(&format!("{path}.{name}"), filled, keys);
    }
}

fn slot(path: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    for (form, value) in object(value) {
        match (form.as_str(), value) {
            ("one", value) => component(path, value, keys),
            ("many", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    slot(&format!("{path}.{index}"), item, keys);
                }
            }
            (form, value) => leaves(&format!("{path}.{form}"), value, keys),
        }
    }
}

/// Losses and metrics: a component with a name, and keys of the host beside it.
fn named(section: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    for entry in value.as_array().into_iter().flatten() {
        let path = format!("{section}.{}", entry["name"].as_str().unwrap_or_default());
        for (key, value) in object(entry) {
            match key.as_str() {
                "name" => {}
                "component" => component(&path, value, keys),
                _ => leaves(&format!("{path}.{key}"), value, keys),
            }
        }
    }
}

fn leaves(path: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, keys));
        }
        // Not set is not there.
        Value::Null => {}
        other => drop(keys.insert(path.to_owned(), other.clone())),
    }
}

/// What differs between two manifests.
pub(crate) fn manifests(left: &Value, right: &Value) -> Vec<Row> {
    let mut all = Vec::new();
    let mut pick = |area: Area, key: &str, pointer: &str, matters: bool| {
        let side = |manifest: &Value| manifest.pointer(pointer).cloned().unwrap_or_default();
        let (left, right) = (side(left), side(right));
        // What one of the two never wrote down is not known to differ.
        if left != right && !(matters && (left.is_null() || right.is_null())) {
            all.push(Row::new(area, key, &left, &right, matters));
        }
    };
    pick(Area::Seed, "seed", "/run/seed", true);
    pick(Area::Data, "fingerprint", "/dataset/fingerprint", true);
    pick(Area::Data, "sources", "/dataset/sources", false);
    pick(Area::Settings, "device", "/device", true);
    pick(Area::Settings, "threads", "/threads", true);
    pick(Area::Program, "results_rev", "/results_rev", true);
    pick(Area::Program, "ablate", "/ablate", false);
    pick(Area::Program, "sha256", "/program/sha256", true);
    for (key, matters) in MACHINE {
        pick(Area::Machine, key, &format!("/machine/{key}"), matters);
    }
    pick(Area::Code, "commit", "/git/commit", false);
    pick(Area::Code, "branch", "/git/branch", false);
    pick(Area::Code, "changed_files", "/git/changed_files", false);
    pick(Area::Code, "diff_sha256", "/git/diff_sha256", false);
    pick(Area::Code, "untracked_files", "/git/untracked_files", false);
    all.extend(plugins(left, right));
    all.extend(environment(left, right));
    all.sort_by_key(|row| row.area);
    all
}

/// Plugins by name, then places that are filled by another plugin under the same name.
fn plugins(left: &Value, right: &Value) -> Vec<Row> {
    const ATTRIBUTES: [&str; 7] = ["sha256", "version", "rustc", "burn", "sdk", "target", "debug"];
    let by_name = |manifest: &Value| -> BTreeMap<String, Map<String, Value>> {
        let plugins = manifest["plugins"].as_array().into_iter().flatten();
        plugins
            .filter_map(|plugin| {
                Some((plugin["name"].as_str()?.to_owned(), plugin.as_object()?.clone()))
            })
            .collect()
    };
    let (before, after) = (by_name(left), by_name(right));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let mut all = Vec::new();
    for name in names {
        let (Some(left), Some(right)) = (before.get(name), after.get(name)) else {
            // The spec, which is listed too, asks for other plugins.
            let side = |side: &BTreeMap<String, Map<String, Value>>| {
                side.get(name).and_then(|plugin| plugin.get("version")).cloned().unwrap_or_default()
            };
            all.push(Row::new(Area::Plugins, name, &side(&before), &side(&after), false));
            continue;
        };
        for attribute in ATTRIBUTES {
            let (left, right) = (left.get(attribute), right.get(attribute));
            if let (Some(left), Some(right)) = (left, right)
                && left != right
            {
                let key = format!("{name}.{attribute}");
                all.push(Row::new(Area::Plugins, &key, left, right, attribute == "sha256"));
            }
        }
    }
    all.extend(moved(left, right));
    all
}

/// Components of the same name at the same place that come from other plugins.
fn moved(left: &Value, right: &Value) -> Vec<Row> {
    let by_place = |manifest: &Value| -> BTreeMap<String, Value> {
        let components = manifest["components"].as_array().into_iter().flatten();
        let key = |component: &Value| {
            Some(format!("{} ({})", component["path"].as_str()?, component["use"].as_str()?))
        };
        components
            .filter_map(|component| Some((key(component)?, component["plugin"].clone())))
            .collect()
    };
    let (left, right) = (by_place(left), by_place(right));
    let mut rows = rows(Area::Plugins, &left, &right, |_| true);
    rows.retain(|row| !row.left.is_null() && !row.right.is_null());
    rows
}

fn environment(left: &Value, right: &Value) -> Vec<Row> {
    let variables = |manifest: &Value| -> BTreeMap<String, Value> {
        object(&manifest["environment"])
            // What it says is in the spec, or says where the home is.
            .filter(|(name, _)| !name.starts_with("ABLATE_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let matters = |name: &str| !PLACES.contains(&name);
    rows(Area::Settings, &variables(left), &variables(right), matters)
}

/// What differs and matters, in words: one entry for each thing that somebody would have changed.
pub(crate) fn subjects(rows: &[Row]) -> Vec<String> {
    let mut subjects: Vec<String> = Vec::new();
    let filled: Vec<&str> = rows
        .iter()
        .filter(|row| row.area == Area::Spec)
        .filter_map(|row| row.key.strip_suffix(".use"))
        .collect();
    for row in rows.iter().filter(|row| row.matters) {
        let subject = match row.area {
            Area::Seed => "the seed".to_owned(),
            Area::Spec => {
                // What belongs to a component goes with it.
                let inside = |place: &&&str| {
                    row.key.strip_prefix(**place).is_some_and(|rest| rest.starts_with('.'))
                };
                let place = filled.iter().filter(inside).min_by_key(|place| place.len());
                format!("`{}`", place.copied().unwrap_or(&row.key))
            }
            Area::Plugins => match row.key.strip_suffix(".sha256") {
                Some(plugin) => format!("the library of plugin `{plugin}`"),
                None => format!("the plugin of `{}`", row.key),
            },
            Area::Data => "the data".to_owned(),
            Area::Settings if row.key == "threads" => "the number of threads".to_owned(),
            Area::Settings if row.key == "device" => "the device".to_owned(),
            Area::Settings => format!("the environment variable `{}`", row.key),
            Area::Program => "ablate itself".to_owned(),
            Area::Machine => "the machine".to_owned(),
            Area::Code => "the code".to_owned(),
        };
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::{Area, Row, manifests, specs, subjects};
    use serde_json::{Value, json};

    fn spec(pooling: &Value, batch_size: u64) -> Value {
        json!({
            "question": "Which?", "device": "flex", "threads": null,
            "dataset": { "use": "synthetic-speech", "config": { "speakers": 2 }, "slots": {} },
            "model": { "use": "rqvae", "config": { "latent_dim": 16 },
                       "slots": { "pooling": { "one": pooling } } },
            "blocks": {},
            "losses": [{ "name": "reconstruction", "weight": 1.0, "inputs": { "target": "features" },
                         "component": { "use": "masked-mse", "config": {}, "slots": {} } }],
            "metrics": [],
            "train": { "batch_size": batch_size, "prefetch_workers": batch_size, "clip_norm": null,
                       "optimizer": { "use": "adamw", "betas": [0.9, 0.999] } },
            "report": { "split": null, "checkpoint": "last" },
        })
    }

    fn attentive() -> Value {
        json!({ "use": "attentive-mean", "config": { "hidden": 8 }, "slots": {} })
    }

    fn mean() -> Value {
        json!({ "use": "mean", "config": {}, "slots": {} })
    }

    fn listed(rows: &[Row]) -> Vec<(&str, String, String, bool)> {
        let row = |row: &'_ Row| (row.values(), row.matters);
        rows.iter()
            .map(|one| (one.key.as_str(), row(one)))
            .map(|(key, ((left, right), matters))| (key, left, right, matters))
            .collect()
    }

    #[test]
    fn equal_specs_have_no_rows() {
        assert_eq!(specs(&spec(&mean(), 4), &spec(&mean(), 4)), []);
    }

    #[test]
    fn another_block_is_one_subject_with_all_its_keys() {
        let rows = specs(&spec(&attentive(), 4), &spec(&mean(), 4));
        let expected = [
            ("model.pooling.use", "attentive-mean".to_owned(), "mean".to_owned(), true),
            ("model.pooling.hidden", "8".to_owned(), "—".to_owned(), true),
        ];
        assert_eq!(listed(&rows), expected);
        assert_eq!(subjects(&rows), ["`model.pooling`"]);
    }

    #[test]
    fn what_results_do_not_depend_on_is_listed_and_no_subject() {
        let rows = specs(&spec(&mean(), 4), &spec(&mean(), 8));
        let keys: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.matters)).collect();
        assert_eq!(keys, [("train.batch_size", true), ("train.prefetch_workers", false)]);
        assert_eq!(subjects(&rows), ["`train.batch_size`"]);
    }

    #[test]
    fn losses_and_lists_have_the_keys_of_the_file() {
        let left = spec(&mean(), 4);
        let mut right = left.clone();
        right["losses"][0]["weight"] = json!(2.0);
        right["losses"][0]["inputs"]["target"] = json!("other");
        right["train"]["optimizer"]["betas"] = json!([0.9, 0.95]);
        let rows = specs(&left, &right);
        let keys: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
        let expected = [
            "loss.reconstruction.inputs.target",
            "loss.reconstruction.weight",
            "train.optimizer.betas",
        ];
        assert_eq!(keys, expected);
    }

    fn manifest() -> Value {
        json!({
            "run": { "seed": 0 }, "ablate": "0.1.0", "results_rev": 1,
            "program": { "sha256": "aa" }, "threads": 1, "device": "flex",
            "plugins": [{ "name": "rqvae", "version": "0.1.0", "sha256": "11", "burn": "0.22.1" },
                        { "name": "pooling", "version": "0.1.0", "sha256": "22" }],
            "components": [{ "path": "model", "use": "rqvae", "plugin": "rqvae" }],
            "dataset": { "fingerprint": "33", "sources": ["synthetic"] },
            "machine": { "cpu": "A", "kernel": "6.1" },
            "environment": { "ABLATE_HOME": "/h", "SLURM_JOB_ID": "1" },
            "git": { "commit": "c0", "changed_files": [] },
        })
    }

    #[test]
    fn manifests_differ_where_they_were_changed() {
        assert_eq!(manifests(&manifest(), &manifest()), []);
        let check = |pointer: &str, value: Value, expected: (Area, &str, bool)| {
            let mut right = manifest();
            *right.pointer_mut(pointer).unwrap() = value;
            let rows = manifests(&manifest(), &right);
            let found: Vec<_> = rows.iter().map(|r| (r.area, r.key.as_str(), r.matters)).collect();
            assert_eq!(found, [expected], "{pointer}");
        };
        check("/run/seed", json!(1), (Area::Seed, "seed", true));
        check("/plugins/0/sha256", json!("12"), (Area::Plugins, "rqvae.sha256", true));
        check("/plugins/0/burn", json!("0.23.0"), (Area::Plugins, "rqvae.burn", false));
        check("/components/0/plugin", json!("x"), (Area::Plugins, "model (rqvae)", true));
        check("/dataset/fingerprint", json!("34"), (Area::Data, "fingerprint", true));
        check("/threads", json!(2), (Area::Settings, "threads", true));
        check("/program/sha256", json!("ab"), (Area::Program, "sha256", true));
        check("/machine/cpu", json!("B"), (Area::Machine, "cpu", true));
        check("/machine/kernel", json!("6.2"), (Area::Machine, "kernel", false));
        check("/environment/SLURM_JOB_ID", json!("2"), (Area::Settings, "SLURM_JOB_ID", false));
        check("/git/commit", json!("c1"), (Area::Code, "commit", false));
    }

    #[test]
    fn what_an_older_manifest_did_not_hold_is_no_change() {
        let mut old = manifest();
        old.as_object_mut().unwrap().remove("program");
        old["machine"] = json!({});
        let rows = manifests(&old, &manifest());
        assert!(subjects(&rows).is_empty(), "{rows:?}");
    }

    #[test]
    fn a_plugin_on_one_side_only_follows_from_the_spec() {
        let mut right = manifest();
        right["plugins"].as_array_mut().unwrap().pop();
        let rows = manifests(&manifest(), &right);
        assert_eq!(listed(&rows), [("pooling", "0.1.0".to_owned(), "—".to_owned(), false)]);
    }
}
