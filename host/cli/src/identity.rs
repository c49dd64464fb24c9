//! What makes two trials the same trial.

use crate::failure::Failure;
use crate::located::Located;
use ablate_config::{Schemas, Spec, identity_json, input_files};
use ablate_train::RESULTS_REV;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What trials of one variant share, as a JSON text and the fingerprint of the data; a seed makes it an
/// identity.
pub(crate) struct VariantIdentity {
    shared: String,
    data: String,
}

impl VariantIdentity {
    /// From the spec, the bytes of the plugins that it uses, and the files that it reads.
    pub(crate) fn new(
        spec: &Spec,
        schemas: &dyn Schemas,
        components: &[Located],
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
        let shared = json!({
            "results_rev": RESULTS_REV,
            "spec": identity_json(spec, schemas)?,
            "plugins": plugins,
            "files": files,
        });
        Ok(Self { shared: shared.to_string(), data: String::new() })
    }

    /// With the fingerprint of the data.
    pub(crate) fn of_data(self, fingerprint: &str) -> Self {
        Self { data: fingerprint.to_owned(), ..self }
    }

    /// The identity of the trial with this seed: a sha256 in hexadecimal.
    pub(crate) fn of_seed(&self, seed: u64) -> String {
        let mut hash = Sha256::new();
        // Both lengths, so that no text can pass for the other.
        for text in [&self.shared, &self.data] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(seed.to_le_bytes());
        hex(&hash.finalize())
    }
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
