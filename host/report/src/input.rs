//! What a table is made from.

/// The numbers of one experiment.
#[derive(Clone, Debug, Default)]
pub struct TableInput {
    /// The experiment's name.
    pub experiment: String,
    /// The row that the others are compared with.
    pub baseline: String,
    /// All rows, in the order of the table.
    pub variants: Vec<String>,
    /// All seeds that each variant should have; with [`TableInput::sequential`] the most that it may have.
    pub seeds: Vec<u64>,
    /// All columns. Those of one group and split stand together, objectives first, else the order stays.
    pub metrics: Vec<MetricColumn>,
    /// One value per variant, seed and column.
    pub cells: Vec<SeedValue>,
    /// Trials without a result, and why.
    pub missing: Vec<MissingTrial>,
    /// Variants that a group of columns does not have by design.
    pub absent: Vec<AbsentVariant>,
    /// Trials that were stopped because their variant was hopeless.
    pub pruned: Vec<PrunedTrial>,
    /// The rule by which seeds were added, if their number differs by design.
    pub sequential: Option<SequentialSeeds>,
    /// Variants that change what two others change.
    pub pairs: Vec<ChangePair>,
    /// Which checkpoint the values come from: `last` or `best`.
    pub checkpoint: String,
    /// How many different configurations of the experiment have ever been scored.
    pub test_variants: usize,
    /// What is shown beside the means.
    pub view: View,
}

/// What is shown beside the means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is shown or not")]
pub struct View {
    /// The title of the column with the rows' names; `variant` if empty.
    pub row_title: String,
    /// Only means and no differences, as in a table with two axes.
    pub means_only: bool,
    /// Whether variants may have different numbers of seeds.
    pub allow_unequal: bool,
    /// Whether interquartile means are shown.
    pub iqm: bool,
    /// Whether ranks and Friedman's test are shown.
    pub ranks: bool,
    /// The arguments that ask for this view, to be recorded with the table.
    pub arguments: Vec<String>,
}

/// One column of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricColumn {
    /// The metric's name.
    pub name: String,
    /// The split that its values come from.
    pub split: String,
    /// What the column's group is called, such as a dataset; empty where there are no groups.
    pub group: String,
    /// The unit, such as `dB`.
    pub unit: Option<String>,
    /// The direction; without one no value is the best.
    pub higher_is_better: Option<bool>,
    /// Whether the experiment is decided by it.
    pub objective: bool,
}

/// The value of a metric in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeedValue {
    /// The variant.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// The metric's name.
    pub metric: String,
    /// The column's split.
    pub split: String,
    /// The column's group.
    pub group: String,
    /// The value, which must be finite.
    pub value: f64,
    /// The id of the run, as it is to be shown.
    pub run: String,
    /// What was run, but for the seed: all values of one variant and group must have the same.
    pub configuration: String,
}

/// A trial that has no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingTrial {
    /// The variant.
    pub variant: String,
    /// The group of columns that lacks it.
    pub group: String,
    /// The seed.
    pub seed: u64,
    /// Why, in a few words.
    pub why: String,
}

/// A variant that a group of columns does not have by design.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbsentVariant {
    /// The variant.
    pub variant: String,
    /// The group.
    pub group: String,
}

/// A trial that was stopped early because its variant was hopeless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedTrial {
    /// The variant. Values of its other seeds are left out too: the seeds that survive are no fair sample.
    pub variant: String,
    /// The group of columns that it belongs to.
    pub group: String,
    /// The seed.
    pub seed: u64,
    /// Passes over the training split that it had done.
    pub epoch: u64,
}

/// Seeds were added one by one until an interval was narrow enough.
#[derive(Clone, Debug, PartialEq)]
pub struct SequentialSeeds {
    /// The half width of the 95 % interval that was enough, in the unit of the objective, if it is known.
    pub half_width: Option<f64>,
    /// The most seeds that a variant may have.
    pub max: usize,
}

/// A variant that changes what two others change, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangePair {
    /// The variant with the one change.
    pub first: String,
    /// The variant with the other change.
    pub second: String,
    /// The variant with both.
    pub both: String,
}
