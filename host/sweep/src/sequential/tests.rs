//! Rounds of seeds, against a simulation with known spreads.

use super::*;

const SPEC: SequentialSeeds =
    SequentialSeeds { start: 3, max: 6, until_ci_half_width: 0.5, metric: None };

fn evidence(baseline: bool, seeds: &[u64], half_width: Option<f64>) -> Evidence {
    Evidence { baseline, seeds: seeds.to_vec(), running: false, half_width }
}

fn trials(round: &Round) -> Vec<(usize, u64)> {
    round.trials.iter().map(|trial| (trial.variant, trial.seed)).collect()
}

#[test]
fn everyone_starts_with_the_same_seeds() {
    let round = next_seeds(&SPEC, &[evidence(true, &[], None), evidence(false, &[], None)]);
    assert_eq!(trials(&round), [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    let more = SeedVerdict::More { reason: "3 seeds to start with".into() };
    assert_eq!(round.verdicts, [SeedVerdict::Baseline, more]);
}

#[test]
fn only_who_is_not_settled_goes_on_and_the_baseline_with_it() {
    let round = next_seeds(
        &SPEC,
        &[
            evidence(true, &[0, 1, 2], Some(9.0)),
            evidence(false, &[0, 1, 2], Some(0.43)),
            evidence(false, &[0, 1, 2], Some(0.8123)),
        ],
    );
    assert_eq!(trials(&round), [(0, 3), (2, 3)]);
    let settled = SeedVerdict::Settled { reason: "±0.43 after 3 seeds".into() };
    let more = SeedVerdict::More { reason: "±0.812 after 3 seeds, ±0.5 is wanted".into() };
    assert_eq!(round.verdicts, [SeedVerdict::Baseline, settled, more]);
}

#[test]
fn nobody_goes_on_before_the_baseline_has_ended() {
    let mut baseline = evidence(true, &[0, 1, 2, 3], Some(1.0));
    baseline.running = true;
    let round = next_seeds(&SPEC, &[baseline, evidence(false, &[0, 1, 2, 3], Some(0.9))]);
    assert_eq!(round.trials, []);
    assert_eq!(round.verdicts, [SeedVerdict::Baseline, SeedVerdict::Waiting]);
}

#[test]
fn stops_at_the_limit_and_says_so() {
    let all = [0, 1, 2, 3, 4, 5];
    let limit = |half_width| {
        let others = [evidence(true, &all, None), evidence(false, &all, half_width)];
        let round = next_seeds(&SPEC, &others);
        assert_eq!(round.trials, []);
        round.verdicts[1].clone()
    };
    let reason = "±0.7 after 6 seeds, the most allowed; ±0.5 was wanted".into();
    assert_eq!(limit(Some(0.7)), SeedVerdict::AtLimit { reason });
    let reason = "no interval after 6 seeds, the most allowed; ±0.5 was wanted".into();
    assert_eq!(limit(None), SeedVerdict::AtLimit { reason });
    assert_eq!(limit(Some(f64::NAN)), {
        let reason = "±NaN after 6 seeds, the most allowed; ±0.5 was wanted".into();
        SeedVerdict::AtLimit { reason }
    });
}

#[test]
fn a_baseline_alone_is_judged_by_its_own_mean() {
    let round = next_seeds(&SPEC, &[evidence(true, &[0, 1, 2], Some(0.6))]);
    assert_eq!(trials(&round), [(0, 3)]);
    let round = next_seeds(&SPEC, &[evidence(true, &[0, 1, 2, 3], Some(0.4))]);
    assert_eq!(trials(&round), []);
}

/// Every variant has an interval of `width / sqrt(n)`: it is known when each has to stop.
#[test]
fn a_whole_sweep_takes_the_seeds_that_its_spreads_ask_for() {
    let spec = SequentialSeeds { start: 2, max: 40, until_ci_half_width: 0.25, metric: None };
    let widths = [0.0_f64, 0.3, 0.9, 1.0, 5.0];
    let mut variants: Vec<Evidence> =
        widths.iter().enumerate().map(|(index, _)| evidence(index == 0, &[], None)).collect();
    let mut rounds = 0;
    loop {
        let round = next_seeds(&spec, &variants);
        if round.trials.is_empty() {
            break;
        }
        rounds += 1;
        for trial in &round.trials {
            let variant = &mut variants[trial.variant];
            assert!(!variant.seeds.contains(&trial.seed), "{trial:?} a second time");
            variant.seeds.push(trial.seed);
        }
        for (variant, width) in variants.iter_mut().zip(widths) {
            variant.half_width = Some(width / (variant.seeds.len() as f64).sqrt());
        }
    }
    // n ≥ (width / 0.25)², at least 2 and at most 40; the baseline has as many as the most.
    let seeds: Vec<usize> = variants.iter().map(|variant| variant.seeds.len()).collect();
    assert_eq!(seeds, [40, 2, 13, 16, 40]);
    assert_eq!(rounds, 39);
}
