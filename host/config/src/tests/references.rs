//! Values that name artifacts: which there are, where their paths lead, and what they add to an identity.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::Folder;
use crate::{
    ArtifactReference, ComponentSchema, Error, ReferenceSource, Schemas, SlotSchema, Spec, Unknown,
    artifact_references, identity_json, input_files, resolve,
};

/// A dataset with an artifact, an optional one and one in a table; a model with a list of such blocks.
struct Readers;

fn schema() -> Json {
    json!({
        "type": "object",
        "$defs": {
            "ArtifactSource": {
                "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/PublishedBy" }],
                "x-ablate": "artifact",
            },
            "PublishedBy": {
                "type": "object",
                "additionalProperties": false,
                "required": ["from", "artifact"],
                "properties": {
                    "from": { "type": "string" },
                    "artifact": { "type": "string" },
                    "seed": { "type": ["integer", "null"], "minimum": 0 },
                },
            },
            "Codes": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "map": { "$ref": "#/$defs/ArtifactSource" } },
            },
        },
        "properties": {
            "indices": { "$ref": "#/$defs/ArtifactSource" },
            "more": { "anyOf": [{ "$ref": "#/$defs/ArtifactSource" }, { "type": "null" }], "default": null },
            "codes": { "$ref": "#/$defs/Codes", "default": {} },
            "size": { "type": "integer", "default": 1 },
        },
    })
}

impl Schemas for Readers {
    fn component(
        &self,
        kind: &str,
        _: &str,
        _: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        let many = SlotSchema {
            name: "parts".to_owned(),
            role: "part".to_owned(),
            optional: true,
            many: true,
            ..SlotSchema::default()
        };
        let slots = if kind == "model" { vec![many] } else { Vec::new() };
        Ok(Arc::new(ComponentSchema { schema: schema(), slots, ..ComponentSchema::default() }))
    }
}

const REST: &str =
    "loss.fit.use = 'mse'\ntrain.total_epochs = 1\nmodel.use = 'm'\ndataset.use = 'd'\n";

fn read(text: &str, overrides: &[&str]) -> Result<Spec, Error> {
    let folder = Folder::new(&format!("{REST}{text}"));
    resolve(folder.load(overrides)?.tree(), &Readers)
}

fn references(spec: &Spec) -> Vec<ArtifactReference> {
    artifact_references(spec, &Readers).unwrap()
}

fn trial(from: &str, artifact: &str, seed: Option<u64>) -> ReferenceSource {
    ReferenceSource::Trial { from: from.to_owned(), artifact: artifact.to_owned(), seed }
}

#[test]
fn every_named_artifact_is_found_with_its_component_and_key() {
    let spec = read(
        "dataset.indices = { from = 'experiments/rqvae:w25', artifact = 'id_map' }\n\
         dataset.codes.map = 'maps/codes.json'\n\
         model.parts = [{ use = 'p' }, { use = 'p', more = { from = 'a', artifact = 'b', seed = 3 } }]\n",
        &[],
    );
    let found = references(&spec.unwrap());
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.key.to_string(), one.component.as_str(), one.name.as_str(), &one.source))
        .collect();
    let expected = [
        (
            "dataset.codes.map",
            "dataset",
            "codes.map",
            ReferenceSource::File("maps/codes.json".into()),
        ),
        ("dataset.indices", "dataset", "indices", trial("experiments/rqvae:w25", "id_map", None)),
        ("model.parts[1].more", "model.parts.1", "more", trial("a", "b", Some(3))),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, c, name, source)| ((*key).to_owned(), *c, *name, source))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_begins_with_a_dot_is_relative_to_the_file_that_says_it() {
    let source = |text: &str, overrides: &[&str]| {
        let folder = Folder::new("extends = 'deeper/base.toml'\n")
            .write("deeper/base.toml", &format!("{REST}{text}"));
        let spec = resolve(folder.load(overrides).unwrap().tree(), &Readers).unwrap();
        let root = format!("{}/", folder.path("").display()).replace("//", "/");
        match references(&spec).remove(0).source {
            ReferenceSource::File(path) => path.display().to_string().replace(&root, "<"),
            ReferenceSource::Trial { from, .. } => from.replace(&root, "<"),
        }
    };
    let table = |from: &str| format!("dataset.indices = {{ from = '{from}', artifact = 'x' }}\n");
    assert_eq!(source(&table("../other:v"), &[]), "<other:v");
    assert_eq!(source(&table("./other"), &[]), "<deeper/other");
    assert_eq!(source(&table("other/.."), &[]), "other/..");
    assert_eq!(source(&table(".hidden"), &[]), ".hidden");
    assert_eq!(source("dataset.indices = '../map.json'\n", &[]), "<map.json");
    assert_eq!(source("dataset.indices = 'map.json'\n", &[]), "map.json");
    // What was typed begins where it was typed.
    let typed = "dataset.indices={from='./here', artifact='x'}";
    assert_eq!(source(&table("../other"), &[typed]), "./here");
}

#[test]
fn how_an_artifact_is_named_is_no_part_of_the_identity() {
    let identity = |indices: &str, size: u64| {
        let spec =
            read(&format!("dataset.indices = {indices}\ndataset.size = {size}\n"), &[]).unwrap();
        assert_eq!(input_files(&spec, &Readers).unwrap(), []);
        identity_json(&spec, &Readers).unwrap()
    };
    let one = identity("{ from = 'a', artifact = 'b' }", 1);
    assert_eq!(one["dataset"]["config"], json!({ "codes": {}, "size": 1 }));
    assert_eq!(one, identity("{ from = 'c:d', artifact = 'e', seed = 1 }", 1));
    assert_eq!(one, identity("'maps/x.json'", 1));
    assert_ne!(one, identity("'maps/x.json'", 2));
    let none = read("", &[]).unwrap();
    assert_eq!(references(&none), []);
    assert_eq!(one, identity_json(&none, &Readers).unwrap());
}

#[test]
fn what_names_no_artifact_is_refused_where_it_stands() {
    let message = |value: &str| {
        let error = read("", &[&format!("dataset.indices={value}")]).unwrap_err();
        let hints = error.hints().join("; ");
        let text = error.to_string();
        (text.rsplit_once("`dataset.indices").unwrap().1.to_owned(), hints)
    };
    let (text, _) = message("3");
    assert!(text.starts_with("`: expected ") && text.ends_with("found the integer `3`"), "{text}");
    let (text, hints) = message("{ from = 'a', artifcat = 'b' }");
    assert_eq!(text, ".artifcat`: unknown key");
    assert!(hints.starts_with("did you mean `artifact`?"), "{hints}");
    assert!(message("{ from = 'a' }").0.starts_with(".artifact` is missing"));
    assert!(
        message("{ from = 'a', artifact = 'b', seed = 'c' }").0.starts_with(".seed`: expected")
    );
    assert!(message("{ from = 'a', artifact = 'b', seed = -1 }").0.contains("at least 0"));
    assert!(message("{ from = '', artifact = 'b' }").0.starts_with(".from`: must be a name"));
    assert_eq!(
        references(&read("dataset.more = 'x'", &[]).unwrap())[0].source,
        ReferenceSource::File(PathBuf::from("x"))
    );
}
