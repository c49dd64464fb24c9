//! Pooling blocks: a sequence of frames to one vector, or one per window.
//!
//! All play the role `pooling`: `features: f32[B, T, D]` and `mask: bool[B, T]` (true = a frame
//! that counts; without it every frame does) to `pooled: f32[B, W, D]` and `mask: bool[B, W]`.
//! A padding frame never matters, whatever it holds, and a row without a single valid frame gives
//! zeros and a false mask.
//!
//! ```
//! use ablate_pooling::Mean;
//! use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
//!
//! let device = Device::flex();
//! let features = Tensor::<3>::from_floats([[[1.0], [3.0], [100.0]]], &device);
//! let mask = Tensor::<2, Bool>::from_bool([[true, true, false]], &device);
//! let (pooled, _) = Mean {}.pool(features, mask);
//! assert_eq!(pooled.into_scalar::<f32>(), 2.0);
//! ```

mod attention;
mod attentive;
mod frames;
mod mean;
mod sliding;
mod windows;

use ablate_sdk::burn;

pub use attentive::{AttentiveConfig, AttentiveMean, AttentiveStats, AttentiveStatsPerChannel};
pub use mean::Mean;
pub use sliding::{SlidingWindow, SlidingWindowConfig, pool_windows};
pub use windows::{Tail, Windows};

ablate_sdk::export_plugin!(
    ablate_plugin_pooling,
    [
        block Mean,
        block AttentiveMean,
        block AttentiveStats,
        block AttentiveStatsPerChannel,
        block SlidingWindow,
    ]
);
