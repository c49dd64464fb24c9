//! `halving`: stopping hopeless variants early, by successive halving.

use crate::error::Error;
use crate::section::Section;
use crate::sweep::seeds::{Seeds, measured};
use crate::sweep::stated;
use crate::tree::Data;

/// How variants are stopped early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalvingSpec {
    /// The measurement that decides; the objective by default.
    pub metric: Option<String>,
    /// Epochs before the first decision, at least 1.
    pub min_epochs: u64,
    /// One of so many goes on at each decision, and so many times longer; at least 2.
    pub reduction: u64,
    /// Epochs after which nobody is stopped any more; there is no such bound by default.
    pub max_epochs: Option<u64>,
}

impl HalvingSpec {
    /// The epochs at which a trial of `total_epochs` waits for a decision, and then its end:
    /// `min_epochs`, `reduction` times as many, and so on.
    #[must_use]
    pub fn rungs(&self, total_epochs: u64) -> Vec<u64> {
        let last = self.max_epochs.unwrap_or(u64::MAX);
        let steps =
            std::iter::successors(Some(self.min_epochs), |rung| rung.checked_mul(self.reduction));
        let decisions = steps.take_while(|rung| *rung < total_epochs && *rung <= last);
        decisions.chain([total_epochs]).collect()
    }
}

pub(super) fn read(
    root: &Section<'_>,
    section: &Section<'_>,
    seeds: &Seeds,
) -> Result<Option<HalvingSpec>, Error> {
    let Some(node) = stated(section, "halving") else { return Ok(None) };
    let keys = ["metric", "min_epochs", "reduction", "max_epochs"];
    let halving = match node.data {
        Data::Bool(_) => Section::open(None, section.path("halving"), &node.origin, &keys)?,
        _ => section.section("halving", &keys)?,
    };
    if let Seeds::Sequential(_) = seeds {
        let problem = "needs a fixed list of seeds: `seeds` says how many only while running";
        return Err(Error::Misplaced { at: halving.at(), problem: problem.to_owned() });
    }
    let spec = HalvingSpec {
        metric: measured(root, &halving)?,
        min_epochs: halving.count("min_epochs", 1)?.unwrap_or(1),
        reduction: halving.count("reduction", 2)?.unwrap_or(3),
        max_epochs: None,
    };
    let spec = HalvingSpec { max_epochs: halving.count("max_epochs", spec.min_epochs)?, ..spec };
    let train = Section::loose(root, "train")?;
    let Some(end) = train.count("total_epochs", 1)? else {
        return Err(Error::Sweep {
            at: halving.at(),
            problem: "decisions fall at ends of epochs, and `train` counts steps".to_owned(),
            hints: vec!["set `train.total_epochs` instead of `train.total_steps`".to_owned()],
        });
    };
    if spec.min_epochs >= end {
        return Err(Error::OutOfRange {
            at: halving.at_key("min_epochs"),
            bound: format!("below the {end} epochs of a whole trial"),
            found: spec.min_epochs.to_string(),
        });
    }
    Ok(Some(spec))
}
