//! How many seeds are enough: as many as it takes until an interval is narrow.
//!
//! A fixed-width sequential procedure (Chow and Robbins, 1965): variants get one more seed at a time
//! until the 95 % interval of their paired difference to the baseline is narrow enough. Its coverage
//! is that of the interval in the limit; with a small `start` it is a little less.

use ablate_config::SequentialSeeds;

use crate::plan::Trial;

/// What is known about one variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Whether the others are compared with it.
    pub baseline: bool,
    /// The seeds that were started, whatever became of them.
    pub seeds: Vec<u64>,
    /// Whether some of them still run.
    pub running: bool,
    /// Half the width of the 95 % interval of the difference to the baseline, paired by seed; of the
    /// mean, where the baseline is all there is. `None` where there are too few values.
    pub half_width: Option<f64>,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// The trials to start now, seed by seed. None where nothing is running either: the end.
    pub trials: Vec<Trial>,
    /// For every variant why it gets more seeds, or no more.
    pub verdicts: Vec<SeedVerdict>,
}

/// Why a variant gets more seeds, or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedVerdict {
    /// It is the baseline, and gets every seed that another one gets.
    Baseline,
    /// What it has started decides.
    Waiting,
    /// It gets more.
    More {
        /// Why: `±0.812 after 3 seeds, ±0.5 is wanted`.
        reason: String,
    },
    /// Its interval is narrow enough.
    Settled {
        /// Why: `±0.43 after 5 seeds`.
        reason: String,
    },
    /// It has all the seeds that it may have, and its interval is still too wide.
    AtLimit {
        /// Why: `±0.7 after 10 seeds, the most allowed; ±0.5 was wanted`.
        reason: String,
    },
}

/// Which trials come next, from what is known about all variants.
///
/// Every variant starts with seeds 0 to `start` − 1 and goes on with the next one. The baseline gets
/// every seed that another variant has. Where there is nothing but the baseline, its own mean counts.
#[must_use]
pub fn next_seeds(spec: &SequentialSeeds, variants: &[Evidence]) -> Round {
    let alone = variants.iter().all(|variant| variant.baseline);
    let baseline_runs = variants.iter().any(|variant| variant.baseline && variant.running);
    let mut wanted: Vec<Vec<u64>> = Vec::with_capacity(variants.len());
    let mut verdicts = Vec::with_capacity(variants.len());
    for variant in variants {
        let (seeds, verdict) = if variant.baseline && !alone {
            (Vec::new(), SeedVerdict::Baseline)
        } else {
            judge(spec, variant, baseline_runs)
        };
        wanted.push(seeds);
        verdicts.push(verdict);
    }
    let others: Vec<u64> = variants
        .iter()
        .zip(&wanted)
        .filter(|(variant, _)| !variant.baseline)
        .flat_map(|(variant, wanted)| variant.seeds.iter().chain(wanted).copied())
        .collect();
    let mut trials: Vec<Trial> = Vec::new();
    for (index, (variant, wanted)) in variants.iter().zip(&wanted).enumerate() {
        let for_others = others.iter().filter(|_| variant.baseline);
        for seed in wanted.iter().chain(for_others) {
            let trial = Trial { variant: index, seed: *seed };
            if !variant.seeds.contains(seed) && !trials.contains(&trial) {
                trials.push(trial);
            }
        }
    }
    trials.sort_by_key(|trial| (trial.seed, trial.variant));
    Round { trials, verdicts }
}

fn judge(
    spec: &SequentialSeeds,
    variant: &Evidence,
    baseline_runs: bool,
) -> (Vec<u64>, SeedVerdict) {
    let first: Vec<u64> = (0..spec.start).filter(|seed| !variant.seeds.contains(seed)).collect();
    if !first.is_empty() {
        let reason = format!("{} seeds to start with", spec.start);
        return (first, SeedVerdict::More { reason });
    }
    if variant.running || baseline_runs {
        return (Vec::new(), SeedVerdict::Waiting);
    }
    let (seeds, target) = (variant.seeds.len(), short(spec.until_ci_half_width));
    let so_far = match variant.half_width {
        Some(width) => format!("±{} after {seeds} seeds", short(width)),
        None => format!("no interval after {seeds} seeds"),
    };
    if variant.half_width.is_some_and(|width| width <= spec.until_ci_half_width) {
        return (Vec::new(), SeedVerdict::Settled { reason: so_far });
    }
    if seeds as u64 >= spec.max {
        let reason = format!("{so_far}, the most allowed; ±{target} was wanted");
        return (Vec::new(), SeedVerdict::AtLimit { reason });
    }
    let mut candidates = 0..=seeds as u64;
    let next =
        candidates.find(|seed| !variant.seeds.contains(seed)).expect("one more than there are");
    let reason = format!("{so_far}, ±{target} is wanted");
    (vec![next], SeedVerdict::More { reason })
}

/// Three digits are enough to see why.
fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().expect("a formatted number is a number");
    rounded.to_string()
}

#[cfg(test)]
mod tests;
