//! What a table is made from.

/// The numbers of one experiment.
#[derive(Clone, Debug, Default)]
pub struct TableInput {
    /// The experiment's name.
    pub experiment: String,
    /// The variant that the others are compared with.
    pub baseline: String,
    /// All variants, in the order of the table.
    pub variants: Vec<String>,
    /// All seeds that each variant should have.
    pub seeds: Vec<u64>,
    /// All metrics; objectives come first in the table, else the order stays.
    pub metrics: Vec<MetricColumn>,
    /// One value per variant, seed and metric.
    pub cells: Vec<SeedValue>,
    /// Trials without a result, and why.
    pub missing: Vec<MissingTrial>,
    /// Which checkpoint the values come from: `last` or `best`.
    pub checkpoint: String,
    /// How many variants of the experiment have ever been scored on the test split.
    pub test_variants: usize,
}

/// One metric of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricColumn {
    /// The metric's name.
    pub name: String,
    /// The split that its values come from.
    pub split: String,
    /// The unit, such as `dB`.
    pub unit: Option<String>,
    /// The direction; without one no value is the best.
    pub higher_is_better: Option<bool>,
    /// Whether the experiment is decided by it.
    pub objective: bool,
}

/// The value of a metric in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedValue {
    /// The variant.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// The metric's name.
    pub metric: String,
    /// The value, which must be finite.
    pub value: f64,
    /// The id of the run, as it is to be shown.
    pub run: String,
}

/// A trial that has no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTrial {
    /// The variant.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Why, in a few words.
    pub why: String,
}
