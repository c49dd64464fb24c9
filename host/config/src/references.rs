//! Config values that name what other runs have made: those whose schema says `"x-ablate": "artifact"`.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::error::{At, Error};
use crate::identity::{marked, visit_spec};
use crate::key_path::{KeyPath, Segment};
use crate::load::tidy;
use crate::schema::Schemas;
use crate::spec::Spec;
use crate::tree::{Data, Node, Origin};

/// The mark of such a value in a schema.
pub(crate) const MARK: &str = "artifact";

/// A value in a component's config that stands for an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactReference {
    /// Its key: `model.decoder.indices`.
    pub key: KeyPath,
    /// The component's place in the trial: `model.decoder`, and `model.refine.0` of a list.
    pub component: String,
    /// The key inside of the component's config: `indices`, and `codes.map` inside of a table.
    pub name: String,
    /// What it names.
    pub source: ReferenceSource,
}

/// What an [`ArtifactReference`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceSource {
    /// A file, relative to the current folder.
    File(PathBuf),
    /// What a trial of another experiment publishes.
    Trial {
        /// The experiment and, behind a colon, its variant.
        from: String,
        /// The artifact's name there.
        artifact: String,
        /// The seed; `None` is that of the trial which asks.
        seed: Option<u64>,
    },
}

/// The values of `spec` that stand for artifacts, in the order of their keys.
///
/// # Errors
/// A component that `schemas` does not know.
pub fn artifact_references(
    spec: &Spec,
    schemas: &dyn Schemas,
) -> Result<Vec<ArtifactReference>, Error> {
    let mut references = Vec::new();
    visit_spec(&mut spec.clone(), schemas, &mut |component, schema, path| {
        for place in marked(&schema.schema, &component.config, MARK) {
            let value = place.iter().try_fold(&component.config, |json, key| json.get(key));
            let Some(source) = value.and_then(source) else { continue };
            references.push(ArtifactReference {
                key: place.iter().fold(path.clone(), |path, key| path.child(key.as_str())),
                component: dotted(path),
                name: place.join("."),
                source,
            });
        }
    })?;
    references.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(references)
}

/// What a value names; `None` where it names nothing, as an optional one may.
fn source(value: &Json) -> Option<ReferenceSource> {
    if let Some(path) = value.as_str() {
        return Some(ReferenceSource::File(PathBuf::from(path)));
    }
    Some(ReferenceSource::Trial {
        from: value.get("from")?.as_str()?.to_owned(),
        artifact: value.get("artifact")?.as_str()?.to_owned(),
        seed: value.get("seed").and_then(Json::as_u64),
    })
}

/// The place of a component as the trial names it.
fn dotted(path: &KeyPath) -> String {
    let words = path.segments().iter().map(|segment| match segment {
        Segment::Key(key) => key.clone(),
        Segment::Index(index) => index.to_string(),
    });
    words.collect::<Vec<_>>().join(".")
}

/// Refuses what has the right shape and can mean nothing.
///
/// # Errors
/// An empty name, a negative seed.
pub(crate) fn check(node: &Node, path: impl Fn() -> KeyPath) -> Result<(), Error> {
    let refused = |at: &Node, path: KeyPath, bound: &str| {
        let (at, found) = (At::new(&at.origin, &path), at.show());
        Err(Error::OutOfRange { at, bound: bound.to_owned(), found })
    };
    if node.text() == Some("") {
        return refused(node, path(), "the path of a file");
    }
    for (key, value) in node.table().into_iter().flatten() {
        match &value.data {
            Data::Text(text) if text.is_empty() => {
                return refused(value, path().child(key.as_str()), "a name");
            }
            Data::Integer(..0) => return refused(value, path().child(key.as_str()), "at least 0"),
            _ => {}
        }
    }
    Ok(())
}

/// A marked value as it is kept: what begins with `./` or `../` in a file is relative to that file, and from
/// then on no longer says where it was written.
pub(crate) fn settled(node: &Node, value: Json) -> Json {
    let settle = |node: &Node, text: &str| match &node.origin {
        Origin::File { file, .. } if is_beside(text) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            Json::from(tidy(&folder.join(text)).to_string_lossy().into_owned())
        }
        _ => Json::from(text),
    };
    match (&node.data, value) {
        (Data::Text(text), _) => settle(node, text),
        (Data::Table(table), Json::Object(mut entries)) => {
            if let Some((from, text)) =
                table.get("from").and_then(|from| Some((from, from.text()?)))
            {
                entries.insert("from".to_owned(), settle(from, text));
            }
            Json::Object(entries)
        }
        (_, value) => value,
    }
}

/// Whether a path says by itself that it begins where it stands.
fn is_beside(path: &str) -> bool {
    let first = path.split(['/', ':']).next();
    matches!(first, Some("." | ".."))
}
