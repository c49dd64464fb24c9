//! What of a spec decides its results, as one canonical JSON, and the files that it reads.

use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use crate::error::{At, Error, UnknownComponent};
use crate::json_schema::{branches, deref};
use crate::key_path::KeyPath;
use crate::references;
use crate::schema::{ComponentSchema, Schemas};
use crate::spec::{ComponentSpec, SlotSpec, Spec};
use crate::tree::Origin;

/// A file whose content decides results: a config value marked `"x-ablate": "input"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Its key: `model.encoder.weights`.
    pub key: KeyPath,
    /// The value as given, relative to the current folder.
    pub path: PathBuf,
}

/// The part of `spec` that decides results, with sorted keys, for hashing.
///
/// Left out are the question, the split of the report, how batches are prefetched, config values that say only
/// where data lies (`"x-ablate": "location"`), those that name artifacts (`"x-ablate": "artifact"`, see
/// [`artifact_references`](crate::artifact_references)), and on the device `flex` the number of threads.
///
/// # Errors
/// A component that `schemas` does not know.
pub fn identity_json(spec: &Spec, schemas: &dyn Schemas) -> Result<Json, Error> {
    let mut spec = spec.clone();
    visit_spec(&mut spec, schemas, &mut |component, schema, _| {
        // What an artifact is counts by who made it or by its content, not by how it is named.
        for mark in ["location", references::MARK] {
            for place in marked(&schema.schema, &component.config, mark) {
                remove(&mut component.config, &place);
            }
        }
    })?;
    let flex = spec.device == "flex";
    let json = serde_json::to_value(&spec).expect("a spec is plain data");
    let Json::Object(mut json) = json else { return Ok(json) };
    json.remove("question");
    // Which checkpoint is measured decides the numbers, which split is shown does not.
    if let Some(report) = json.get_mut("report").and_then(Json::as_object_mut) {
        report.retain(|key, _| key == "checkpoint");
    }
    if flex {
        json.remove("threads");
    }
    if let Some(train) = json.get_mut("train").and_then(Json::as_object_mut) {
        train.remove("prefetch_batches");
        train.remove("prefetch_workers");
    }
    Ok(sorted(Json::Object(json)))
}

/// The files whose content belongs to the identity of `spec`, in the order of their keys.
///
/// # Errors
/// A component that `schemas` does not know.
pub fn input_files(spec: &Spec, schemas: &dyn Schemas) -> Result<Vec<InputFile>, Error> {
    let mut files = Vec::new();
    visit_spec(&mut spec.clone(), schemas, &mut |component, schema, path| {
        for place in marked(&schema.schema, &component.config, "input") {
            let value = place.iter().try_fold(&component.config, |json, key| json.get(key));
            let values = match value {
                Some(Json::Array(items)) => items.iter().collect(),
                other => Vec::from_iter(other),
            };
            let key = place.iter().fold(path.clone(), |path, key| path.child(key.as_str()));
            files.extend(values.into_iter().filter_map(|value| {
                Some(InputFile { key: key.clone(), path: PathBuf::from(value.as_str()?) })
            }));
        }
    })?;
    files.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(files)
}

pub(crate) type Visitor<'a> = &'a mut dyn FnMut(&mut ComponentSpec, &ComponentSchema, &KeyPath);

pub(crate) fn visit_spec(
    spec: &mut Spec,
    schemas: &dyn Schemas,
    visitor: Visitor<'_>,
) -> Result<(), Error> {
    let root = KeyPath::root();
    visit(&mut spec.dataset, ("dataset", None), &root.child("dataset"), schemas, visitor)?;
    visit(&mut spec.model, ("model", None), &root.child("model"), schemas, visitor)?;
    for (name, block) in &mut spec.blocks {
        let path = root.child("blocks").child(name.as_str());
        visit(block, ("block", None), &path, schemas, visitor)?;
    }
    for loss in &mut spec.losses {
        let path = root.child("loss").child(loss.name.as_str());
        visit(&mut loss.component, ("loss", None), &path, schemas, visitor)?;
    }
    for metric in &mut spec.metrics {
        let path = root.child("metric").child(metric.name.as_str());
        visit(&mut metric.component, ("metric", None), &path, schemas, visitor)?;
    }
    for artifact in &mut spec.artifacts {
        let path = root.child("artifact").child(artifact.name.as_str());
        visit(&mut artifact.component, ("metric", None), &path, schemas, visitor)?;
    }
    Ok(())
}

fn visit(
    component: &mut ComponentSpec,
    (kind, role): (&str, Option<&str>),
    path: &KeyPath,
    schemas: &dyn Schemas,
    visitor: Visitor<'_>,
) -> Result<(), Error> {
    let schema = schemas.component(kind, &component.name, role).map_err(|unknown| {
        Error::UnknownComponent(Box::new(UnknownComponent {
            at: At { origin: Origin::Spec, key: path.clone() },
            kind: kind.to_owned(),
            role: role.map(str::to_owned),
            name: component.name.clone(),
            unknown,
        }))
    })?;
    visitor(component, &schema, path);
    for (name, slot) in &mut component.slots {
        let role = schema.slots.iter().find(|slot| slot.name == *name);
        let role = role.map(|slot| slot.role.as_str());
        visit_slot(slot, role, &path.child(name.as_str()), schemas, visitor)?;
    }
    Ok(())
}

fn visit_slot(
    slot: &mut SlotSpec,
    role: Option<&str>,
    path: &KeyPath,
    schemas: &dyn Schemas,
    visitor: Visitor<'_>,
) -> Result<(), Error> {
    match slot {
        SlotSpec::One(component) => visit(component, ("block", role), path, schemas, visitor),
        SlotSpec::Many(items) => items.iter_mut().enumerate().try_for_each(|(index, item)| {
            visit_slot(item, role, &path.item(index), schemas, visitor)
        }),
        SlotSpec::Ref(_) => Ok(()),
    }
}

/// The places in `config` whose schema says `"x-ablate": mark`, as keys from the config's root.
pub(crate) fn marked(schema: &Json, config: &Json, mark: &str) -> Vec<Vec<String>> {
    let mut places = Vec::new();
    collect_marked(schema, schema, config, mark, &mut Vec::new(), &mut places);
    places
}

fn collect_marked(
    root: &Json,
    schema: &Json,
    config: &Json,
    mark: &str,
    path: &mut Vec<String>,
    places: &mut Vec<Vec<String>>,
) {
    let target = deref(root, schema);
    if [schema, target].iter().any(|s| s.get("x-ablate").and_then(Json::as_str) == Some(mark)) {
        places.push(path.clone());
        return;
    }
    for branch in branches(root, target).unwrap_or_default() {
        collect_marked(root, branch, config, mark, path, places);
    }
    let (Some(properties), Some(entries)) =
        (target.get("properties").and_then(Json::as_object), config.as_object())
    else {
        return;
    };
    for (key, property) in properties {
        if let Some(inner) = entries.get(key) {
            path.push(key.clone());
            collect_marked(root, property, inner, mark, path, places);
            path.pop();
        }
    }
}

fn remove(config: &mut Json, place: &[String]) {
    let Some((last, parents)) = place.split_last() else { return };
    let parent = parents.iter().try_fold(config, |json, key| json.get_mut(key));
    if let Some(parent) = parent.and_then(Json::as_object_mut) {
        parent.remove(last);
    }
}

/// Keys in byte order at every level, whatever order `serde_json` was built to keep.
fn sorted(json: Json) -> Json {
    match json {
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Json::Object(
                entries.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}
