//! Metrics over a whole split: codebook use, code rate, signal-to-noise ratio, accuracy, error.
//!
//! States merge exactly: however the batches were spread over instances, the values have the same
//! bits.
//!
//! ```
//! use ablate_metrics::CodebookUtilization;
//! use ablate_sdk::{Arrays, Metric};
//!
//! let mut metric = CodebookUtilization::with_size(4)?;
//! // Three items of one window and one level.
//! metric.update(&Arrays::new().with("codes", vec![0_i64, 1, 0], &[3, 1, 1]), &[])?;
//! assert_eq!(metric.compute()?[0].value, 0.5);
//! # Ok::<(), ablate_sdk::Error>(())
//! ```

mod accuracy;
mod aggregation;
mod code_counts;
mod code_rate;
mod codebook_gini;
mod codebook_perplexity;
mod codebook_utilization;
mod codes;
mod compression;
mod effective_capacity;
mod exact_sum;
mod mae;
mod pairs;
mod snr_db;
mod unique_code_ratio;

pub use accuracy::{Accuracy, AccuracyConfig};
pub use code_counts::CodebookConfig;
pub use code_rate::CodeRate;
pub use codebook_gini::CodebookGini;
pub use codebook_perplexity::CodebookPerplexity;
pub use codebook_utilization::CodebookUtilization;
pub use compression::Compression;
pub use effective_capacity::EffectiveCapacity;
pub use mae::Mae;
pub use snr_db::{Baseline, SnrDb, SnrDbConfig};
pub use unique_code_ratio::UniqueCodeRatio;

ablate_sdk::export_plugin!(
    ablate_plugin_metrics,
    [
        metric CodebookUtilization,
        metric CodebookPerplexity,
        metric CodebookGini,
        metric EffectiveCapacity,
        metric CodeRate,
        metric Compression,
        metric UniqueCodeRatio,
        metric SnrDb,
        metric Accuracy,
        metric Mae,
    ]
);
