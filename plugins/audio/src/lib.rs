//! Audio for plugins: decoding, resampling, log-mel features and the feature cache.
//!
//! Plain slices in and out; the crate knows neither Burn nor the plugin SDK.
//!
//! ```no_run
//! use ablate_audio::{FeatureCache, FeatureConfig, walk_audio};
//!
//! let cache = FeatureCache::open("cache/features")?;
//! let config = FeatureConfig::default();
//! for path in walk_audio("corpus")? {
//!     let features = cache.features(&path, &config)?;
//!     assert_eq!(features.bins, 80);
//! }
//! # Ok::<(), ablate_audio::Error>(())
//! ```

mod error;

mod walk;

mod decode;

mod resample;

mod fbank;

mod features;

mod cache;

pub use cache::{CACHE_REVISION, CacheKey, Cached, FeatureCache, Source};
pub use decode::{Audio, decode};
pub use error::Error;
pub use fbank::{Fbank, FbankConfig, Window};
pub use features::{FeatureConfig, Features};
pub use resample::resample;
pub use walk::{AUDIO_EXTENSIONS, walk_audio};
