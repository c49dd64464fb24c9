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
            _ => Vec::new(),
        }
    }
}
