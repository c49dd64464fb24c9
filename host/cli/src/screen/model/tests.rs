//! Counts, values and the time that is left, by hand.

use super::super::{Objective, Overview, TrialEvent, VariantOverview};
use super::{Model, Summary};
use std::time::Duration;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two variants with four seeds each, two trials at once on a machine with three cores.
fn model(expected: Option<Duration>) -> Model {
    let variant = |name: &str, baseline, values: &[(u64, f64)]| VariantOverview {
        name: name.to_owned(),
        baseline,
        seeds: 4,
        values: values.to_vec(),
        done: values.len(),
        failed: 0,
        expected,
    };
    Model::new(Overview {
        experiment: "depth".to_owned(),
        objective: Some(Objective {
            metric: "error".to_owned(),
            split: "test".to_owned(),
            higher_is_better: Some(false),
        }),
        jobs: 2,
        threads: 2,
        cores: 3,
        variants: vec![variant("deep", true, &[(0, 3.0)]), variant("flat", false, &[])],
        total: 8,
        done: 1,
    })
}

fn start(job: usize, variant: usize, seed: u64, attempt: u32) -> TrialEvent<'static> {
    TrialEvent::Started { job, variant, seed, attempt, pid: 100 + job as u32 }
}

fn done(job: usize, value: f64, wall: u64) -> TrialEvent<'static> {
    TrialEvent::Done { job, value: Some(value), text: "", wall: second(wall), run: "" }
}

fn step(job: usize, step: u64) -> TrialEvent<'static> {
    TrialEvent::Step { job, epoch: 1, epochs: 2, step, steps: 100, loss: 0.5 }
}

fn failed(job: usize, retry: Option<(u32, u32)>) -> TrialEvent<'static> {
    TrialEvent::Failed {
        job,
        class: "signal",
        message: "",
        hints: &[],
        run: "",
        log: None,
        retry,
        wall: second(1),
    }
}

#[test]
fn trials_are_counted_once_whatever_their_way() {
    let mut model = model(None);
    let counts = |model: &Model| (model.done, model.running.len(), model.failed(), model.pruned());
    assert_eq!((counts(&model), model.cores), ((1, 0, 0, 0), 3));
    model.apply(&start(0, 0, 1, 1), second(0));
    model.apply(&start(1, 1, 0, 1), second(0));
    assert_eq!((counts(&model), model.processes()), ((1, 2, 0, 0), vec![100, 101]));
    model.apply(&failed(1, Some((2, 2))), second(1));
    assert_eq!(
        (counts(&model), model.variants[1].troubles[&0].retry),
        ((1, 1, 0, 0), Some((2, 2)))
    );
    model.apply(&start(2, 1, 0, 2), second(1));
    assert!(model.variants[1].troubles.is_empty());
    model.apply(&failed(2, None), second(2));
    assert_eq!(counts(&model), (1, 1, 1, 0));
    model.apply(&done(0, 2.0, 2), second(2));
    model.apply(&start(3, 1, 1, 1), second(2));
    model.apply(&TrialEvent::Paused { job: 3, epoch: 1, run: "" }, second(3));
    assert_eq!(counts(&model), (2, 0, 1, 0));
    let pruned = TrialEvent::Pruned { variant: 1, seed: 1, epoch: 1, text: "" };
    model.apply(&pruned, second(3));
    assert_eq!((counts(&model), model.variants[1].over()), ((2, 0, 1, 1), 2));
    model.apply(&start(4, 1, 2, 1), second(3));
    model.apply(&TrialEvent::Elsewhere { job: 4 }, second(3));
    assert_eq!((counts(&model), model.elsewhere(), model.busy(1)), ((2, 0, 1, 1), 1, 1));
    let elsewhere = TrialEvent::ElsewhereDone { variant: 1, seed: 2, value: Some(5.0) };
    model.apply(&elsewhere, second(4));
    model.apply(&start(5, 1, 3, 1), second(4));
    model.apply(&TrialEvent::Stopped { job: 5, run: "" }, second(4));
    assert_eq!((counts(&model), model.elsewhere(), model.variants[1].over()), ((3, 0, 1, 1), 0, 3));
    // A trial that failed before and is run after all.
    model.apply(&start(6, 1, 0, 3), second(5));
    assert_eq!(counts(&model), (3, 1, 0, 1));
}

#[test]
fn events_about_unknown_trials_change_nothing() {
    let mut model = model(None);
    for event in [done(7, 1.0, 1), failed(7, None), step(7, 1), start(0, 9, 0, 1)] {
        assert!(model.trial(&event).is_none());
        model.apply(&event, second(1));
    }
    assert_eq!((model.done, model.failed(), model.running.len()), (1, 0, 0));
}

#[test]
fn seeds_that_are_decided_on_later_are_counted() {
    let mut model = model(None);
    for seed in 1..6 {
        model.apply(&start(seed as usize, 0, seed, 1), second(0));
    }
    assert_eq!((model.variants[0].seeds, model.total), (6, 10));
}

#[test]
fn differences_are_paired_over_the_seeds_that_both_have() {
    let mut model = model(None);
    let values = [(0, 1, 2.0), (1, 0, 3.5), (1, 2, 9.0)];
    for (job, (variant, seed, value)) in values.into_iter().enumerate() {
        model.apply(&start(job, variant, seed, 1), second(0));
        model.apply(&done(job, value, 1), second(1));
    }
    let [deep, flat] = &model.variants[..] else { panic!("two variants") };
    // Only seed 0: 3.5 - 3.0.
    assert_eq!(flat.difference(deep), Some((0.5, 1)));
    // (2.5² + 2.5²) / (2 - 1) under the root, of 3.5 and 9.0 around 6.25: 2.75 √2.
    let Summary { mean, spread } = flat.summary().unwrap();
    assert_eq!(mean, 6.25);
    assert!((spread.unwrap() - 2.75 * 2_f64.sqrt()).abs() < 1e-12);
    // Lower is better.
    assert_eq!(model.best(), Some(0));
    assert_eq!(model.variants[1].difference(&model.variants[1]), Some((0.0, 2)));
}

#[test]
fn the_time_that_is_left_comes_from_what_is_known_best() {
    // Nothing is known.
    let mut nothing = model(None);
    assert_eq!(nothing.left(second(0)), None);
    nothing.apply(&start(0, 1, 0, 1), second(0));
    nothing.apply(&step(0, 1), second(5));
    assert_eq!(nothing.left(second(5)), None);
    // A quarter took 10 s: 30 s are left of it, and 40 s each for six more, two at once.
    nothing.apply(&step(0, 25), second(10));
    assert_eq!(nothing.left(second(10)), Some(second(30 + 6 * 40) / 2));
    // Until the next step, time goes by.
    assert_eq!(nothing.left(second(14)), Some(second(26 + 6 * 40) / 2));

    // Earlier runs took 20 s: seven trials, two at once.
    let mut known = model(Some(second(20)));
    assert_eq!(known.left(second(0)), Some(second(70)));
    known.apply(&start(0, 0, 1, 1), second(0));
    known.apply(&done(0, 1.0, 10), second(10));
    // Two more of 10 s, four of 20 s.
    assert_eq!(known.left(second(10)), Some(second(2 * 10 + 4 * 20) / 2));
    // One that just started, and one that takes longer than it should.
    known.apply(&start(1, 0, 2, 1), second(10));
    known.apply(&start(2, 1, 0, 1), second(10));
    assert_eq!(known.left(second(25)), Some(second(10 + 5 + 3 * 20) / 2));
    // It takes at least as long as the slowest.
    for (job, seed) in [(1, 2), (3, 3)] {
        known.apply(&start(job, 0, seed, 1), second(25));
        known.apply(&done(job, 1.0, 10), second(35));
    }
    for seed in 1..4 {
        known.apply(&start(3 + seed as usize, 1, seed, 1), second(35));
        known.apply(&done(3 + seed as usize, 1.0, 10), second(45));
    }
    known.apply(&step(2, 50), second(110));
    assert_eq!(known.left(second(110)), Some(second(100)));
    known.apply(&done(2, 1.0, 200), second(210));
    assert_eq!(known.left(second(210)), Some(second(0)));
}

#[test]
fn a_resumed_trial_is_as_fast_as_its_own_steps() {
    let mut model = model(None);
    model.apply(&start(0, 0, 1, 1), second(0));
    model.apply(&TrialEvent::Resumed { job: 0, step: 80 }, second(0));
    model.apply(&step(0, 90), second(10));
    // 10 steps in 10 s; 10 are left.
    assert_eq!(model.running[&0].left(second(10)), Some(10.0));
}

#[test]
fn of_many_measurements_one_a_minute_is_worth_a_line() {
    let mut model = model(None);
    model.apply(&start(0, 0, 1, 1), second(0));
    let mut told = |at, metric: &'static str| {
        let event = TrialEvent::Measured { job: 0, metric, split: "valid", value: 0.5 };
        model.apply(&event, second(at));
        model.running[&0].told
    };
    assert_eq!([told(10, "error"), told(60, "other"), told(61, "error")], [false, false, true]);
    assert_eq!([told(120, "error"), told(121, "error")], [false, true]);
}
