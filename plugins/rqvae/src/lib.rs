//! The residual-quantized autoencoder (RQ-VAE) of documents.
//!
//! Frames are encoded, pooled to one vector per window (or one per document) by the block in the
//! slot `pooling`, quantized by a cascade of codebooks, and reconstructed from the codes alone:
//! the decoder's queries are positions, so nothing can bypass the codes.

mod codebook;
mod config;
mod decoder;
mod draws;
mod encoder;
mod model;
mod positions;
mod quantizer;
mod rows;

use ablate_sdk::burn;

pub use codebook::{Codebook, cluster};
pub use config::RqVaeConfig;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use model::{Reconstruction, RqVae, autoencode};
pub use positions::Places;
pub use quantizer::{Quantized, ResidualQuantizer, TrainingSeeds};

ablate_sdk::export_plugin!(ablate_plugin_rqvae, [model RqVae]);
