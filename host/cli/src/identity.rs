//! What makes two trials the same trial.

use crate::failure::Failure;
use crate::located::Located;
use ablate_config::{Schemas, Spec, identity_json, input_files};
use ablate_train::RESULTS_REV;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The hash so far of what trials of one variant share: a JSON text and then the fingerprint of the data; a seed
/// makes it an identity, with the identities of the trials that it is made from.
#[derive(Clone)]
pub(crate) struct VariantIdentity {
    hash: Sha256,
    /// Whether the fingerprint of the data is in it.
    is_whole: bool,
    needs: Vec<Need>,
}

/// What an artifact adds to the identity of a trial that reads it.
#[derive(Clone)]
pub(crate) struct Need {
    /// The key that names it.
    key: String,
    what: What,
}

#[derive(Clone)]
enum What {
    /// The content of a file, or an identity that was written down.
    Known(String),
    /// An artifact of a variant's trial with a seed, that of the reader unless it is given.
    Trial { variant: Box<VariantIdentity>, seed: Option<u64>, artifact: String },
}

impl Need {
    /// A file with this sha256.
    pub(crate) fn content(key: &str, sha256: &str) -> Self {
        Self { key: key.to_owned(), what: What::Known(format!("file {sha256}")) }
    }

    /// An artifact of a trial of this identity.
    pub(crate) fn made_by(key: &str, artifact: &str, identity: &str) -> Self {
        Self { key: key.to_owned(), what: What::Known(format!("{artifact} of {identity}")) }
    }

    /// An artifact of the variant's trial with `seed`, else with that of the reader.
    pub(crate) fn trial(
        key: &str,
        artifact: &str,
        variant: VariantIdentity,
        seed: Option<u64>,
    ) -> Self {
        let (variant, artifact) = (Box::new(variant), artifact.to_owned());
        Self { key: key.to_owned(), what: What::Trial { variant, seed, artifact } }
    }

    fn of_seed(&self, reader: u64) -> String {
        match &self.what {
            What::Known(text) => text.clone(),
            What::Trial { variant, seed, artifact } => {
                format!("{artifact} of {}", variant.of_seed(seed.unwrap_or(reader)))
            }
        }
    }

    fn is_whole(&self) -> bool {
        match &self.what {
            What::Known(_) => true,
            What::Trial { variant, .. } => variant.is_whole(),
        }
    }
}

impl VariantIdentity {
    /// From the spec, the bytes of the plugins that it uses, the files that it reads, and what it is made from.
    pub(crate) fn new(
        spec: &Spec,
        schemas: &dyn Schemas,
        components: &[Located],
        needs: Vec<Need>,
    ) -> Result<Self, Failure> {
        let plugins: BTreeMap<&str, &str> = components
            .iter()
            .map(|component| (component.plugin.as_str(), component.sha256.as_str()))
            .collect();
        let mut files = BTreeMap::new();
        for file in input_files(spec, schemas)? {
            let bytes = fs_err::read(&file.path).map_err(|error| {
                Failure::user(format!("`{}`: {error}", file.key))
                    .hint("the path is relative to the current folder")
            })?;
            files.insert(file.key.to_string(), hex(&Sha256::digest(bytes)));
        }
        let mut shared = json!({ "results_rev": RESULTS_REV, "plugins": plugins, "files": files });
        // Not within `json!`, which would copy it.
        shared["spec"] = identity_json(spec, schemas)?;
        let hash = with_text(Sha256::new(), &shared.to_string());
        Ok(Self { hash, is_whole: false, needs })
    }

    /// With the fingerprint of the data; without one, where that is known only once an artifact is made,
    /// it is the identity of no trial.
    pub(crate) fn of_data(self, fingerprint: Option<&str>) -> Self {
        let (hash, is_whole) = (self.hash, fingerprint.is_some());
        let text = fingerprint.unwrap_or("not known yet");
        Self { hash: with_text(hash, text), is_whole, ..self }
    }

    /// Whether trials can be found and run by it: everything that is in it is known.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole && self.needs.iter().all(Need::is_whole)
    }

    /// The identity of the trial with this seed: a sha256 in hexadecimal.
    pub(crate) fn of_seed(&self, seed: u64) -> String {
        let mut hash = self.hash.clone();
        hash.update(seed.to_le_bytes());
        if !self.is_whole() {
            hash = with_text(hash, "not whole");
        }
        for need in &self.needs {
            hash = with_text(with_text(hash, &need.key), &need.of_seed(seed));
        }
        hex(&hash.finalize())
    }
}

/// With the length of the text before it, so that no two texts can pass for two others.
fn with_text(hash: Sha256, text: &str) -> Sha256 {
    hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Need, VariantIdentity};
    use sha2::{Digest, Sha256};

    fn variant(text: &str, needs: Vec<Need>) -> VariantIdentity {
        let hash = Sha256::new().chain_update(text);
        VariantIdentity { hash, is_whole: false, needs }.of_data(Some("data"))
    }

    fn reader(needs: Vec<Need>) -> String {
        variant("reader", needs).of_seed(1)
    }

    #[test]
    fn an_identity_without_artifacts_is_spec_data_and_seed() {
        let expected = Sha256::new()
            .chain_update("reader")
            .chain_update(4_u64.to_le_bytes())
            .chain_update("data")
            .chain_update(1_u64.to_le_bytes());
        assert_eq!(reader(Vec::new()), super::hex(&expected.finalize()));
    }

    #[test]
    fn a_trial_is_another_when_what_it_is_made_from_is() {
        let need = |text: &str, artifact: &str, key: &str, seed| {
            reader(vec![Need::trial(key, artifact, variant(text, Vec::new()), seed)])
        };
        let usual = need("a", "map", "model.map", None);
        assert_eq!(usual, need("a", "map", "model.map", None));
        // Its own seed is 1.
        assert_eq!(usual, need("a", "map", "model.map", Some(1)));
        let others = [
            need("b", "map", "model.map", None),
            need("a", "codes", "model.map", None),
            need("a", "map", "model.codes", None),
            need("a", "map", "model.map", Some(0)),
            reader(Vec::new()),
        ];
        assert!(others.iter().all(|other| *other != usual));
        // What was written down about it gives the same.
        let identity = variant("a", Vec::new()).of_seed(1);
        assert_eq!(usual, reader(vec![Need::made_by("model.map", "map", &identity)]));
    }

    #[test]
    fn a_change_at_the_begin_of_a_chain_reaches_its_end() {
        let chain = |text: &str| {
            let first = Need::trial("model.a", "a", variant(text, Vec::new()), None);
            reader(vec![Need::trial("model.b", "b", variant("middle", vec![first]), None)])
        };
        assert_ne!(chain("a"), chain("b"));
    }

    #[test]
    fn what_is_made_from_unknown_data_is_not_whole() {
        let hash = Sha256::new();
        let unknown = VariantIdentity { hash, is_whole: false, needs: Vec::new() }.of_data(None);
        assert!(!unknown.is_whole());
        let needs = vec![Need::trial("model.map", "map", unknown, None)];
        assert!(!variant("reader", needs).is_whole());
        assert!(variant("reader", Vec::new()).is_whole());
    }
}
