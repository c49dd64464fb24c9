//! The configuration of the model.

use ablate_sdk::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the model `rqvae`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct RqVaeConfig {
    /// Width of the encoded frames and of the codes; even, and a multiple of `heads`.
    #[schemars(range(min = 2))]
    pub latent_dim: usize,
    /// Convolution blocks of the encoder.
    pub encoder_layers: usize,
    /// Frames that a convolution sees; odd.
    #[schemars(range(min = 1))]
    pub kernel: usize,
    /// Attention blocks of the decoder.
    #[schemars(range(min = 1))]
    pub decoder_layers: usize,
    /// Attention heads of the decoder.
    #[schemars(range(min = 1))]
    pub heads: usize,
    /// Codebooks, each for what the ones before it left over.
    #[schemars(range(min = 1))]
    pub levels: usize,
    /// Codes of one codebook.
    #[schemars(range(min = 1))]
    pub codebook_size: usize,
    /// Share of the old value in the moving averages of the codebooks.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: f64,
    /// Weight of the term that keeps the encoder near its codes.
    #[schemars(range(min = 0.0))]
    pub commitment: f64,
    /// Start the codebooks from k-means over the first training batch.
    pub kmeans_init: bool,
    /// A code used less than this share of the mean use starts again from a vector of the batch;
    /// 0 turns that off.
    #[schemars(range(min = 0.0))]
    pub dead_code_ratio: f64,
    /// Updates of the codebooks before codes may start again.
    pub dead_code_warmup: usize,
}

impl Default for RqVaeConfig {
    fn default() -> Self {
        Self {
            latent_dim: 64,
            encoder_layers: 2,
            kernel: 5,
            decoder_layers: 1,
            heads: 4,
            levels: 4,
            codebook_size: 64,
            decay: 0.9,
            commitment: 0.25,
            kmeans_init: true,
            dead_code_ratio: 0.05,
            dead_code_warmup: 100,
        }
    }
}

impl RqVaeConfig {
    /// Whether a model can be made of it.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        let counts = [
            ("latent_dim", self.latent_dim),
            ("kernel", self.kernel),
            ("decoder_layers", self.decoder_layers),
            ("heads", self.heads),
            ("levels", self.levels),
            ("codebook_size", self.codebook_size),
        ];
        for (name, value) in counts {
            if value == 0 {
                return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
            }
        }
        let Self { latent_dim, heads, kernel, decay, .. } = *self;
        if latent_dim % 2 != 0 || latent_dim % heads != 0 {
            let text = format!(
                "`latent_dim` is {latent_dim}, must be even and a multiple of `heads` ({heads})"
            );
            return Err(Error::config(text));
        }
        if kernel % 2 == 0 {
            return Err(Error::config(format!("`kernel` is {kernel}, must be odd")));
        }
        if !(0.0..1.0).contains(&decay) {
            let text = format!("`decay` is {decay}, must be at least 0 and less than 1");
            return Err(Error::config(text));
        }
        let weights = [("commitment", self.commitment), ("dead_code_ratio", self.dead_code_ratio)];
        for (name, value) in weights {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::config(format!("`{name}` is {value}, must be at least 0")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_model_can_be_made_of() {
        let check = |change: fn(&mut RqVaeConfig), expected: &str| {
            let mut config = RqVaeConfig::default();
            change(&mut config);
            assert_eq!(config.check().expect_err("must fail").to_string(), expected);
        };
        check(|c| c.levels = 0, "`levels` is 0, must be at least 1");
        check(
            |c| c.latent_dim = 66,
            "`latent_dim` is 66, must be even and a multiple of `heads` (4)",
        );
        check(|c| c.kernel = 4, "`kernel` is 4, must be odd");
        check(|c| c.decay = 1.0, "`decay` is 1, must be at least 0 and less than 1");
        check(|c| c.commitment = -1.0, "`commitment` is -1, must be at least 0");
        assert!(RqVaeConfig::default().check().is_ok());
    }
}
