//! Codes of windows to codes of documents, and the maps of documents that are made of them.
//!
//! The blocks play the role `aggregation`: `codes: int[B, W, L]`, `mask: bool[B, W]` (true = a
//! window that counts) and `codebooks: f32[L, K, D]` to `codes: int[B, A, L]` and `mask: bool[B, A]`.
//! What lies outside the mask never matters; an item without a valid window gets zeros and a false
//! mask. Codes have no gradient.
//!
//! The metrics `id-map` and `codes` publish codes by the ids of their items.
//!
//! ```
//! use ablate_codes::Codebooks;
//!
//! // One level of two codes: (0, 0) and (4, 0).
//! let codebooks = Codebooks::new(vec![0.0, 0.0, 4.0, 0.0], [1, 2, 2])?;
//! // The mean of three windows, two of code 1, is (8/3, 0).
//! assert_eq!(codebooks.quantize(&[8.0 / 3.0, 0.0]), [1]);
//! # Ok::<(), ablate_sdk::Error>(())
//! ```

mod aggregation;
mod announced;
mod arrays;
mod code_file;
mod codebooks;
mod id_map;
mod publish;
mod slot;
mod windows;

use ablate_sdk::burn;

pub use aggregation::{All, Attention, AttentionConfig, First, Mean, Medoid, Score, Vote};
pub use code_file::CodeFile;
pub use codebooks::Codebooks;
pub use id_map::IdMap;

ablate_sdk::export_plugin!(
    ablate_plugin_codes,
    [
        block All,
        block Mean,
        block Vote,
        block Medoid,
        block First,
        block Attention,
        metric IdMap,
        metric CodeFile,
    ]
);
