//! What makes two trials the same trial.

use crate::failure::Failure;
use crate::located::Located;
use ablate_config::{Schemas, Spec, identity_json, input_files};
use ablate_train::RESULTS_REV;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The hash so far of what trials of one variant share: a JSON text and then the fingerprint of the data; a seed
/// makes it an identity.
pub(crate) struct VariantIdentity(Sha256);

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
        Ok(Self(with_text(Sha256::new(), &shared.to_string())))
    }

    /// With the fingerprint of the data.
    pub(crate) fn of_data(self, fingerprint: &str) -> Self {
        Self(with_text(self.0, fingerprint))
    }

    /// The identity of the trial with this seed: a sha256 in hexadecimal.
    pub(crate) fn of_seed(&self, seed: u64) -> String {
        let mut hash = self.0.clone();
        hash.update(seed.to_le_bytes());
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
