//! The block as text, for states of a sweep and sizes of a terminal.

use super::super::model::Model;
use super::super::usage::Usage;
use super::super::{Objective, Overview, TrialEvent, VariantOverview};
use super::{frame, scaled, troubles};
use std::time::Duration;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn variant(name: &str, seeds: usize, values: &[(u64, f64)]) -> VariantOverview {
    VariantOverview {
        name: name.to_owned(),
        baseline: false,
        seeds,
        values: values.to_vec(),
        done: values.len(),
        failed: 0,
        expected: None,
    }
}

fn model(variants: Vec<VariantOverview>) -> Model {
    Model::new(Overview {
        experiment: "pooling".to_owned(),
        objective: Some(Objective {
            metric: "utilization".to_owned(),
            split: "test".to_owned(),
            higher_is_better: Some(true),
        }),
        jobs: 2,
        threads: 1,
        cores: 4,
        total: variants.iter().map(|variant| variant.seeds).sum(),
        done: variants.iter().map(|variant| variant.done).sum(),
        variants,
    })
}

fn start(job: usize, variant: usize, seed: u64) -> TrialEvent<'static> {
    TrialEvent::Started { job, variant, seed, attempt: 1, pid: 1 }
}

fn fail(job: usize, class: &'static str, retry: Option<(u32, u32)>) -> TrialEvent<'static> {
    TrialEvent::Failed {
        job,
        class,
        message: "it broke",
        hints: &[],
        run: "0199",
        log: None,
        retry,
        wall: second(3),
    }
}

fn text(model: &Model, columns: usize, rows: usize) -> Vec<String> {
    let lines = frame(model, second(41), columns, rows);
    let texts = lines.iter().map(|line| {
        assert!(line.width() < columns, "{} at {columns}", line.text());
        line.text()
    });
    let texts: Vec<String> = texts.collect();
    assert!(texts.len() < rows, "{texts:#?}");
    texts
}

#[track_caller]
fn check(model: &Model, (columns, rows): (usize, usize), expected: &[&str]) {
    let found = text(model, columns, rows);
    assert!(found == expected, "found:\n{}\nexpected:\n{}", found.join("\n"), expected.join("\n"));
}

/// In the middle of things: a baseline that is done, a variant that runs, one that failed.
fn middle() -> Model {
    let mut base = variant("attentive-stats", 5, &[(0, 0.70), (1, 0.72), (2, 0.74)]);
    base.baseline = true;
    let mut model =
        model(vec![base, variant("mean", 5, &[(0, 0.65), (1, 0.69)]), variant("x", 3, &[])]);
    let events = [
        start(0, 0, 3),
        TrialEvent::Done { job: 0, value: Some(0.72), text: "", wall: second(10), run: "" },
        start(1, 1, 3),
        TrialEvent::Step { job: 1, epoch: 4, epochs: 10, step: 40, steps: 100, loss: 0.4123 },
        TrialEvent::Measured { job: 1, metric: "utilization", split: "valid", value: 0.61 },
        start(2, 1, 2),
        fail(2, "signal", Some((2, 3))),
        start(3, 2, 0),
        fail(3, "nan", None),
        start(4, 2, 1),
    ];
    for event in events {
        let now = if matches!(event, TrialEvent::Step { .. }) { 41 } else { 31 };
        model.apply(&event, second(now));
    }
    model.usage = Some(Usage { cpu_percent: 183.4, memory_bytes: 222_298_112 });
    model
}

/// 200 variants with 40 seeds: six are done, one has a failure, two run.
fn many() -> Model {
    let names = (0..200).map(|index| format!("grid-{index:03}"));
    let mut variants: Vec<_> = names.map(|name| variant(&name, 40, &[])).collect();
    variants[0].baseline = true;
    let mut model = model(variants);
    for index in [0, 20, 40, 60, 80, 100] {
        for seed in 0..40 {
            let value = 0.5 + index as f64 / 1000.0 + seed as f64 / 1000.0;
            model.apply(&start(index, index, seed), second(index as u64 / 10));
            let done = TrialEvent::Done {
                job: index,
                value: Some(value),
                text: "",
                wall: second(10),
                run: "",
            };
            model.apply(&done, second(index as u64 / 10 + 1));
        }
    }
    for event in [start(1, 130, 7), fail(1, "data", None), start(2, 150, 0), start(3, 199, 39)] {
        model.apply(&event, second(30));
    }
    model
}

#[test]
fn a_row_says_how_far_a_variant_is_and_what_runs() {
    let head = "pooling  6/13 trials  running 2  failed 1  0:41 so far  eta 0:50  \
                cpu 183 % of 200 %  mem 212 MiB";
    check(
        &middle(),
        (140, 24),
        &[
            "",
            head,
            "variant          seeds        test utilization ↑  Δ base  now",
            // Mean and sample deviation of 0.70, 0.72, 0.74, 0.72.
            "attentive-stats  ▮▮▮▮▯ 4/5    0.720 ± 0.016         base",
            // The difference is that of seeds 0 and 1: (-0.05 - 0.03) / 2.
            "mean             ▮▮▸▯▯ 2/5    0.670 ± 0.028       -0.040  \
             ✗ seed 2 signal, attempt 2/3 · seed 3  epoch 4/10  loss 0.412  valid 0.610",
            "x                ✗▸▯   0/3                                \
             ✗ seed 0 nan · seed 1  starting",
        ],
    );
}

#[test]
fn a_row_says_how_far_artifacts_are() {
    let mut model = middle();
    let publishing = TrialEvent::Publishing { job: 1, split: "train", batch: 3, batches: 12 };
    model.apply(&publishing, second(41));
    let rows = text(&model, 140, 24);
    let found = rows.iter().any(|row| row.ends_with("seed 3  artifacts: split train 3/12"));
    assert!(found, "{rows:?}");
}

#[test]
fn other_processes_and_trials_that_were_given_up_are_told() {
    let mut model = middle();
    let (epochs, step, steps) = (1, 3, 700);
    for event in [
        start(5, 0, 4),
        TrialEvent::Elsewhere { job: 5 },
        start(6, 2, 2),
        TrialEvent::Step { job: 6, epoch: 1, epochs, step, steps, loss: f64::NAN },
        TrialEvent::Paused { job: 4, epoch: 3, run: "" },
        TrialEvent::Pruned { variant: 2, seed: 1, epoch: 3, text: "" },
    ] {
        model.apply(&event, second(40));
    }
    let rows = text(&model, 120, 24);
    let expected = [
        "",
        "pooling  6/13 trials  running 2  elsewhere 1  failed 1  pruned 1  eta 0:40  \
         cpu 183 % of 200 %  mem 212 MiB",
        "variant          seeds        test utilization ↑  Δ base  now",
        "attentive-stats  ▮▮▮▮▹ 4/5    0.720 ± 0.016         base  seed 4 in another process",
        "mean             ▮▮▸▯▯ 2/5    0.670 ± 0.028       -0.040  ✗ seed 2 signal, attempt 2/3 \
         · seed 3  epoch 4/10  loss 0.41…",
        "x                -✗▸   0/3                                ✗ seed 0 nan · seed 2  \
         step 3/700  loss NaN · pruned 1",
    ];
    assert!(rows == expected, "{}", rows.join("\n"));
}

#[test]
fn failures_of_a_variant_are_summed_up() {
    let mut base = variant("a", 8, &[]);
    base.failed = 2;
    let mut model = model(vec![base]);
    let mut summed_up = |events: &[TrialEvent<'_>]| {
        for event in events {
            model.apply(event, second(1));
        }
        troubles(&model.variants[0]).unwrap().text()
    };
    assert_eq!(summed_up(&[]), "✗ 2 failed");
    assert_eq!(summed_up(&[start(0, 0, 0), fail(0, "nan", None)]), "✗ seed 0 nan");
    let again = Some((2, 3));
    assert_eq!(summed_up(&[start(0, 0, 1), fail(0, "nan", again)]), "✗ seeds 0, 1 nan");
    // A new attempt: what it makes of it will be seen.
    assert_eq!(summed_up(&[start(0, 0, 0)]), "✗ seed 1 nan, attempt 2/3");
    assert_eq!(summed_up(&[fail(0, "nan", again)]), "✗ seeds 0, 1 nan, again later");
    assert_eq!(summed_up(&[start(0, 0, 2), fail(0, "signal", None)]), "✗ seeds 0, 1, 2 failed");
    assert_eq!(summed_up(&[start(0, 0, 3), fail(0, "nan", None)]), "✗ 4 seeds failed");
}

#[test]
fn a_narrow_terminal_loses_what_matters_least() {
    let model = middle();
    check(
        &model,
        (80, 24),
        &[
            "",
            "pooling  6/13 trials  running 2  failed 1  eta 0:50  mem 212 MiB",
            "variant          seeds        test utiliza…  Δ base  now",
            "attentive-stats  ▮▮▮▮▯ 4/5    0.720 ± 0.016    base",
            "mean             ▮▮▸▯▯ 2/5    0.670 ± 0.028  -0.040  ✗ seed 2 signal, attempt …",
            "x                ✗▸▯   0/3                           ✗ seed 0 nan · seed 1  st…",
        ],
    );
    check(
        &model,
        (60, 24),
        &[
            "",
            "pooling  6/13 trials  running 2  failed 1  eta 0:50",
            "variant          seeds  test utiliza…  now",
            "attentive-stats  4/5    0.720 ± 0.016",
            "mean             2/5    0.670 ± 0.028  ✗ seed 2 signal, at…",
            "x                0/3                   ✗ seed 0 nan · seed…",
        ],
    );
    check(
        &model,
        (30, 24),
        &[
            "",
            "6/13 trials  failed 1",
            "variant   seeds  now",
            "attenti…  4/5",
            "mean      2/5    ✗ seed 2 si…",
            "x         0/3    ✗ seed 0 na…",
        ],
    );
}

#[test]
fn no_size_of_a_terminal_is_too_small() {
    for model in [middle(), many(), model(Vec::new())] {
        for columns in 1..100 {
            for rows in 1..40 {
                // Checks the widths and the number of lines.
                let lines = text(&model, columns, rows);
                assert!(rows < 2 || !lines.is_empty(), "{columns} × {rows}");
            }
        }
    }
    check(
        &model(Vec::new()),
        (80, 24),
        &["", "pooling  0/0 trials  running 0  0:41 so far  eta 0:00"],
    );
    let head = "pooling  6/13 trials  running 2  failed 1  eta 0:50  mem 212 MiB";
    check(&middle(), (80, 3), &[head, "3 variants: 2 running, 1 begun, 1 with failures"]);
    check(&middle(), (80, 2), &[head]);
    check(&middle(), (80, 1), &[]);
}

#[test]
fn of_many_variants_those_that_run_and_those_that_failed_come_first() {
    let head = "pooling  240/8000 trials  running 2  failed 1  0:41 so far  eta 10:46:25";
    let titles = "variant   seeds               test utilization ↑  Δ base  now";
    check(
        &many(),
        (100, 5),
        &[
            head,
            titles,
            "grid-150  ▸▯▯▯▯▯▯▯▯▯▯▯ 0/40                               seed 0  starting",
            "… 199 more: 6 over, 1 running, 1 begun, 191 waiting, 1 with failures",
        ],
    );
    // Then the baseline and the best; what ended last before what ended long ago.
    check(
        &many(),
        (100, 10),
        &[
            head,
            titles,
            "grid-000  ▮▮▮▮▮▮▮▮▮▮▮▮ 40/40  0.520 ± 0.012         base  done",
            "grid-100  ▮▮▮▮▮▮▮▮▮▮▮▮ 40/40  0.620 ± 0.012       +0.100  done",
            "grid-130  ✗▯▯▯▯▯▯▯▯▯▯▯ 0/40                               ✗ seed 7 data",
            "grid-150  ▸▯▯▯▯▯▯▯▯▯▯▯ 0/40                               seed 0  starting",
            "grid-199  ▸▯▯▯▯▯▯▯▯▯▯▯ 0/40                               seed 39  starting",
            "… 195 more: 4 over, 191 waiting",
        ],
    );
    let rows = text(&many(), 100, 17);
    assert!(rows[4].starts_with("grid-060 ") && rows[5].starts_with("grid-080 "), "{rows:#?}");
}

#[test]
fn names_of_any_script_keep_the_columns() {
    let mut variants = vec![
        variant("注意力池化", 3, &[(0, 1.0), (1, 2.0)]),
        variant("größe-🦀", 3, &[(0, 1.5)]),
        variant("e\u{301}tat", 3, &[]),
        variant("a\tb\x1b[31mc", 3, &[]),
    ];
    variants[1].baseline = true;
    let mut model = model(variants);
    model.apply(&start(0, 1, 1), second(1));
    check(
        &model,
        (100, 24),
        &[
            "",
            "pooling  3/12 trials  running 1  0:41 so far  eta …",
            "variant     seeds      test utilization ↑  Δ base  now",
            "注意力池化  ▮▮▯ 2/3    1.50 ± 0.71          -0.50",
            "größe-🦀    ▮▸▯ 1/3    1.50                  base  seed 1  starting",
            "e\u{301}tat        ▯▯▯ 0/3",
            "a bc        ▯▯▯ 0/3",
        ],
    );
}

#[test]
fn the_best_mean_is_strong_and_nothing_where_no_direction_is_known() {
    let strong = |higher_is_better| {
        let mut model = model(vec![variant("a", 2, &[(0, 1.0)]), variant("b", 2, &[(0, 3.0)])]);
        model.objective.as_mut().unwrap().higher_is_better = higher_is_better;
        let lines = frame(&model, second(1), 80, 24);
        let lines: Vec<String> = lines.iter().map(|line| line.paint(true)).collect();
        ["1.000", "3.000"]
            .map(|mean| lines.iter().any(|line| line.contains(&format!("\x1b[1m{mean}"))))
    };
    assert_eq!(strong(Some(true)), [false, true]);
    assert_eq!(strong(Some(false)), [true, false]);
    assert_eq!(strong(None), [false, false]);
}

#[test]
fn a_sweep_without_an_objective_has_no_column_for_it() {
    let mut model = model(vec![variant("a", 2, &[]), variant("b", 2, &[])]);
    model.objective = None;
    let rows = text(&model, 80, 24);
    assert_eq!(rows[2..], ["variant  seeds     now", "a        ▯▯ 0/2", "b        ▯▯ 0/2"]);
}

#[test]
fn in_a_long_bar_nothing_that_is_there_vanishes() {
    assert_eq!(scaled([50, 0, 1, 1, 0, 148], 12), [3, 0, 1, 1, 0, 7]);
    assert_eq!(scaled([39, 0, 0, 1, 0, 0], 12), [11, 0, 0, 1, 0, 0]);
    assert_eq!(scaled([2, 1, 0, 0, 0, 9], 12), [2, 1, 0, 0, 0, 9]);
    for done in 0..60 {
        for failed in 0..10 {
            let counts = [done, 0, failed, 2, 0, 60 - done];
            let sizes = scaled(counts, 12);
            assert_eq!(sizes.iter().sum::<usize>(), 12, "{counts:?}: {sizes:?}");
            let kept = counts.iter().zip(sizes).all(|(count, size)| (*count > 0) == (size > 0));
            assert!(kept, "{counts:?}: {sizes:?}");
        }
    }
}
