//! The residual-quantized autoencoder (RQ-VAE) of documents.
//!
//! Frames are encoded, pooled to one vector per window (or one per document) by the block in the
//! slot `pooling`, quantized by a cascade of codebooks, and reconstructed from the codes alone:
//! the decoder's queries are positions, so nothing can bypass the codes.
//!
//! The model has slots for all four stages. Blocks of role `frame-encoder`, `quantizer` and
//! `decoder` are here, those of role `pooling` in the plugin of that name.

mod attention;
mod codebook;
mod config;
mod decoder;
mod draws;
mod dropout;
mod encoder;
mod frame_positions;
mod layers;
mod model;
mod positions;
mod quantizer;
mod residual;

use ablate_sdk::burn;

pub use codebook::{Codebook, cluster};
pub use config::RqVaeConfig;
pub use decoder::{
    LocatedConfig, LocatedDecoder, MemoryPositions, MultiWindowConfig, MultiWindowDecoder, Norms,
    PositionalConfig, PositionalDecoder, ResidualMlpDecoder,
};
pub use encoder::{
    ConvolutionConfig, ConvolutionEncoder, ResidualMlpEncoder, TransformerConfig,
    TransformerEncoder,
};
pub use frame_positions::{Positions, Queries};
pub use layers::{Activation, NormPlace};
pub use model::{Reconstruction, RqVae, Stages};
pub use positions::Places;
pub use quantizer::{
    EmaConfig, EmaQuantizer, GradientConfig, GradientQuantizer, Quantized, StraightThrough,
    TrainingSeeds,
};
pub use residual::ResidualMlpConfig;

ablate_sdk::export_plugin!(
    ablate_plugin_rqvae,
    [
        model RqVae,
        block ConvolutionEncoder,
        block TransformerEncoder,
        block ResidualMlpEncoder,
        block EmaQuantizer,
        block GradientQuantizer,
        block LocatedDecoder,
        block PositionalDecoder,
        block MultiWindowDecoder,
        block ResidualMlpDecoder,
    ]
);
