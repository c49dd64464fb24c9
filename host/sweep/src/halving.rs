//! Stopping hopeless variants early: asynchronous successive halving.
//!
//! Algorithm 2 of Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020), for a
//! fixed set of variants: at each rung the best of every `reduction` go on, decided with what is
//! there rather than when all are there. Three things differ. The baseline always goes on and takes
//! nobody's place. A variant is stopped as soon as nothing that may still come could let it go on.
//! And of a rung that is complete at least one goes on, however few there are.

use std::cmp::Ordering;

use ablate_config::HalvingSpec;

/// Successive halving over the variants of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halving {
    rungs: Vec<u64>,
    reduction: usize,
    higher_is_better: bool,
}

/// How far one variant is, with all of its seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contender {
    /// Whether the others are compared with it.
    pub baseline: bool,
    /// The mean over its seeds at every rung that all of them have reached.
    pub values: Vec<f64>,
    /// The number of rungs to which it was allowed to run; 0 if it has not started.
    pub allowed: usize,
    /// Whether it has failed for good.
    pub failed: bool,
}

/// What becomes of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may run to this rung, a position in [`Halving::rungs`].
    Run {
        /// The rung.
        rung: usize,
    },
    /// It is on its way to a rung.
    Running,
    /// Others decide whether it goes on.
    Waiting {
        /// Why: `4th of 5 after 3 epochs, 7 may still come`.
        reason: String,
    },
    /// It is stopped.
    Stopped {
        /// Why: `7th of 9 after 3 epochs, and 3 go on`.
        reason: String,
    },
    /// It has run to its end.
    Finished,
    /// It has failed.
    Failed,
}

impl Halving {
    /// For trials of `total_epochs`.
    #[must_use]
    pub fn new(spec: &HalvingSpec, total_epochs: u64, higher_is_better: bool) -> Self {
        let reduction = usize::try_from(spec.reduction).unwrap_or(usize::MAX).max(2);
        Self { rungs: spec.rungs(total_epochs), reduction, higher_is_better }
    }

    /// The epochs at which trials wait for a decision, and last the end of a trial.
    #[must_use]
    pub fn rungs(&self) -> &[u64] {
        &self.rungs
    }

    /// What becomes of every variant. To follow the paper, start those first that run to the highest
    /// rung. Equal values are ranked in the order of the list, and what is not finite last.
    #[must_use]
    pub fn decide(&self, contenders: &[Contender]) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> =
            contenders.iter().map(|contender| self.without_others(contender)).collect();
        // What is stopped at a rung comes to none above it, so rungs are decided from below.
        for rung in 0..self.rungs.len() {
            let may_come = (contenders.iter().zip(&verdicts))
                .filter(|(contender, verdict)| {
                    let out = matches!(verdict, Some(Verdict::Stopped { .. } | Verdict::Failed));
                    !contender.baseline && !out && contender.values.len() <= rung
                })
                .count();
            let ranked = self.ranked(contenders, rung);
            for (rank, index) in ranked.iter().enumerate() {
                if verdicts[*index].is_none() && contenders[*index].values.len() == rung + 1 {
                    verdicts[*index] = Some(self.at_rung(rung, rank, ranked.len(), may_come));
                }
            }
        }
        verdicts
            .into_iter()
            .map(|verdict| verdict.expect("who waits at a rung is ranked there"))
            .collect()
    }

    /// What is clear from the variant alone.
    fn without_others(&self, contender: &Contender) -> Option<Verdict> {
        let reached = contender.values.len();
        if reached >= self.rungs.len() {
            Some(Verdict::Finished)
        } else if contender.failed {
            Some(Verdict::Failed)
        } else if contender.allowed > reached {
            Some(Verdict::Running)
        } else if reached == 0 || contender.baseline {
            Some(Verdict::Run { rung: reached })
        } else {
            None
        }
    }

    /// The verdict on who is at `rank`, from zero, of `present`, when `may_come` more may come.
    fn at_rung(&self, rung: usize, rank: usize, present: usize, may_come: usize) -> Verdict {
        let epochs = self.rungs[rung];
        let most = ((present + may_come) / self.reduction).max(1);
        let now = if may_come == 0 { most } else { present / self.reduction };
        let place = format!("{} of {present} after {}", ordinal(rank + 1), plural(epochs));
        if rank < now {
            Verdict::Run { rung: rung + 1 }
        } else if rank < most {
            let reason = format!("{place}, {may_come} may still come");
            Verdict::Waiting { reason }
        } else {
            let go = if most == 1 { "1 goes on".to_owned() } else { format!("{most} go on") };
            let at_most = if may_come == 0 { "" } else { "at most " };
            Verdict::Stopped { reason: format!("{place}, and {at_most}{go}") }
        }
    }

    /// Who has a value at a rung, the best first; without the baseline.
    fn ranked(&self, contenders: &[Contender], rung: usize) -> Vec<usize> {
        let value = |index: &usize| contenders[*index].values[rung];
        let mut present: Vec<usize> = (0..contenders.len())
            .filter(|index| !contenders[*index].baseline && contenders[*index].values.len() > rung)
            .collect();
        present.sort_by(|left, right| self.order(value(left), value(right)).then(left.cmp(right)));
        present
    }

    fn order(&self, left: f64, right: f64) -> Ordering {
        match (left.is_finite(), right.is_finite()) {
            (true, true) if self.higher_is_better => right.total_cmp(&left),
            (true, true) => left.total_cmp(&right),
            (left, right) => right.cmp(&left),
        }
    }
}

fn plural(epochs: u64) -> String {
    if epochs == 1 { "1 epoch".to_owned() } else { format!("{epochs} epochs") }
}

fn ordinal(number: usize) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests;
