//! Why a table cannot be made.

/// Numbers that must not be put into one table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The baseline is none of the variants.
    #[error("unknown baseline `{baseline}`")]
    Baseline {
        /// The baseline asked for.
        baseline: String,
        /// The variants there are.
        variants: Vec<String>,
    },
    /// A variant, seed or metric is listed twice.
    #[error("{what} `{name}` is listed twice")]
    ListedTwice {
        /// What is listed.
        what: &'static str,
        /// Its name or number.
        name: String,
    },
    /// A value belongs to a variant, seed or metric that the table does not have.
    #[error("run `{run}` has a value for {what} `{name}`, which is not in the table")]
    Unlisted {
        /// Where the value comes from.
        run: String,
        /// What is not listed.
        what: &'static str,
        /// Its name or number.
        name: String,
    },
    /// Two values for one metric of one variant and seed.
    #[error(
        "variant `{variant}` seed {seed} has two values of `{metric}`: runs `{first}` and `{second}`"
    )]
    Duplicate {
        /// The variant.
        variant: String,
        /// The seed.
        seed: u64,
        /// The metric.
        metric: String,
        /// One run.
        first: String,
        /// The other run; the same one, if it gave the value twice.
        second: String,
    },
    /// Two runs of one variant that differ in more than the seed.
    #[error("variant `{variant}` mixes configurations: runs `{first}` and `{second}`")]
    Mixed {
        /// The variant.
        variant: String,
        /// One run.
        first: String,
        /// A run of another configuration.
        second: String,
    },
    /// A key that no variant has.
    #[error("no variant has the key `{key}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// The keys in which variants differ.
        varying: Vec<String>,
    },
    /// A filter that leaves nothing.
    #[error("no variant has `{key} = {value}`")]
    NothingLeft {
        /// The key.
        key: String,
        /// The value asked for.
        value: String,
        /// The values that there are.
        values: Vec<String>,
    },
    /// The filters leave out the baseline and everything like it.
    #[error("the baseline `{baseline}` is left out, and nothing that is left equals it otherwise")]
    BaselineLeftOut {
        /// The baseline.
        baseline: String,
        /// What is left.
        variants: Vec<String>,
    },
    /// A cell of a table by keys that several variants belong to.
    #[error("{place} is more than one variant: `{first}` and `{second}` differ in `{}`", keys.join("`, `"))]
    NotPinned {
        /// The cell.
        place: String,
        /// One of its variants.
        first: String,
        /// Another one.
        second: String,
        /// The keys in which variants of one cell still differ.
        keys: Vec<String>,
        /// A filter for each of the keys.
        filters: Vec<String>,
    },
    /// A comment of a table in a document that cannot be read.
    #[error("line {line}: the comment of a table cannot be read: {reason}")]
    Comment {
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that has no mean.
    #[error("`{metric}` of run `{run}` (variant `{variant}`, seed {seed}) is {value}")]
    NotFinite {
        /// The run.
        run: String,
        /// The variant.
        variant: String,
        /// The seed.
        seed: u64,
        /// The metric.
        metric: String,
        /// NaN or an infinity.
        value: f64,
    },
}

impl Error {
    /// Advice on what to do, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Baseline { variants, .. } => {
                vec![format!("variants: `{}`", variants.join("`, `"))]
            }
            Self::NotFinite { run, .. } => {
                vec![format!("`ablate show {run}` shows where it began")]
            }
            Self::Duplicate { first, second, .. } if first != second => {
                vec!["a seed counts once: choose one of the two runs".into()]
            }
            Self::Mixed { first, second, .. } => {
                vec![format!("`ablate diff {first} {second}` says in what they differ")]
            }
            Self::UnknownKey { varying, .. } if varying.is_empty() => {
                vec!["the variants do not differ in any key".into()]
            }
            Self::UnknownKey { varying, .. } => {
                vec![format!("variants differ in `{}`", varying.join("`, `"))]
            }
            Self::NothingLeft { values, .. } => {
                vec![format!("its values: `{}`", values.join("`, `"))]
            }
            Self::BaselineLeftOut { variants, .. } => {
                vec![format!(
                    "left are `{}`; `sweep.baseline=NAME` compares with one of them",
                    variants.join("`, `")
                )]
            }
            Self::NotPinned { keys, filters, .. } => {
                let mut hints: Vec<String> = filters
                    .iter()
                    .map(|filter| format!("choose with `--where {filter}`"))
                    .collect();
                hints.extend(
                    keys.first().map(|key| {
                        format!("or put its values side by side with `--columns {key}`")
                    }),
                );
                hints
            }
            Self::Comment { .. } => {
                vec!["make the table anew with `ablate table EXPERIMENT --format latex`".into()]
            }
            _ => Vec::new(),
        }
    }
}
