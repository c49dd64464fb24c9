//! Semantic tokens of speech: k-means over frames, deduplication, byte-pair encoding.
//!
//! The model `semantic-tokens` gives every frame of an encoder the number of its nearest center;
//! the metrics `kmeans` and `semantic-map` measure that and publish the centers, and the items'
//! token sequences with the vocabulary that they are of.
//!
//! ```
//! use ablate_tokens::{Merges, Vocabulary};
//!
//! // Three units; the pair 0 1 occurs most often and becomes token 3.
//! let merges = Merges::learn(3, &[vec![0, 1, 2, 0, 1]], 1);
//! let vocabulary = Vocabulary::new(merges, true);
//! assert_eq!(vocabulary.encode(&[0, 0, 1, 1, 2, 2]), [3, 2]);
//! assert_eq!(vocabulary.merges().decode(&[3, 2]), [0, 1, 2]);
//! // Special tokens follow, whatever was learned.
//! assert_eq!((vocabulary.bos(), vocabulary.size()), (4, 7));
//! ```

mod points;

mod seeding;

mod clusters;

mod codebook;

mod config;

mod model;

mod batch;

mod kmeans;

mod pairs;

mod vocabulary;

mod semantic_map;

use ablate_sdk::burn;

pub use clusters::{Clusters, nearest};
pub use config::SemanticTokensConfig;
pub use kmeans::KMeans;
pub use model::SemanticTokens;
pub use pairs::{Merges, Pair};
pub use points::Points;
pub use seeding::spread;
pub use semantic_map::{SemanticMap, SemanticMapConfig};
pub use vocabulary::{Vocabulary, without_runs};

ablate_sdk::export_plugin!(
    ablate_plugin_tokens,
    [model SemanticTokens, metric KMeans, metric SemanticMap]
);
