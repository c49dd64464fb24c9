//! The configuration of the model.

use ablate_sdk::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the model `rqvae`. Everything else is a matter of the blocks in its slots.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct RqVaeConfig {
    /// Width of the encoded frames and of the codes.
    #[schemars(range(min = 1))]
    pub latent_dim: usize,
}

impl Default for RqVaeConfig {
    fn default() -> Self {
        Self { latent_dim: 64 }
    }
}

impl RqVaeConfig {
    /// Whether a model can be made of it.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        if self.latent_dim == 0 {
            return Err(Error::config("`latent_dim` is 0, must be at least 1"));
        }
        Ok(())
    }
}
