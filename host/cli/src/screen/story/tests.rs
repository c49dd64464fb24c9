//! What stays of each event, word for word.

use super::super::model::Model;
use super::super::usage::Usage;
use super::super::{Objective, Overview, TrialEvent, VariantOverview};
use super::{Form, alive, lines, message};
use std::path::Path;
use std::time::Duration;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn model() -> Model {
    let variant = |name: &str, baseline, values: &[(u64, f64)]| VariantOverview {
        name: name.to_owned(),
        baseline,
        seeds: 2,
        values: values.to_vec(),
        done: values.len(),
        failed: 0,
        expected: None,
    };
    let base = variant("attentive-stats", true, &[(0, 0.5), (1, 0.75)]);
    Model::new(Overview {
        experiment: "pooling".to_owned(),
        objective: Some(Objective {
            metric: "utilization".to_owned(),
            split: "test".to_owned(),
            higher_is_better: Some(true),
        }),
        jobs: 2,
        threads: 1,
        cores: 2,
        variants: vec![base, variant("mean", false, &[(0, 0.625)]), variant("x", false, &[])],
        total: 6,
        done: 3,
    })
}

fn told(model: &mut Model, event: &TrialEvent<'_>, now: u64, form: Form) -> Vec<String> {
    let trial = model.trial(event).unwrap();
    model.apply(event, second(now));
    lines(model, trial, event, second(now), form).iter().map(super::Line::text).collect()
}

/// What is said about the last of some events, on a terminal and in a log.
#[track_caller]
fn check(events: &[TrialEvent<'_>], live: &[&str], plain: &[&str]) {
    for (form, expected) in [(Form::Live, live), (Form::Plain, plain)] {
        let mut model = model();
        let mut last = Vec::new();
        for (index, event) in events.iter().enumerate() {
            last = told(&mut model, event, 70 * index as u64, form);
        }
        assert_eq!(last, expected, "{form:?}");
    }
}

const START: TrialEvent<'static> =
    TrialEvent::Started { job: 0, variant: 1, seed: 1, attempt: 1, pid: 4321 };

#[test]
fn a_trial_from_its_start_to_its_end() {
    check(&[START], &[], &["started mean seed 1              process 4321"]);
    let again = TrialEvent::Started { job: 0, variant: 1, seed: 1, attempt: 2, pid: 4321 };
    check(&[again], &[], &["started mean seed 1              process 4321  attempt 2"]);
    let resumed = "resumed mean seed 1              goes on after step 12";
    check(&[START, TrialEvent::Resumed { job: 0, step: 12 }], &[resumed], &[resumed]);
    let step = TrialEvent::Step { job: 0, epoch: 2, epochs: 5, step: 4, steps: 10, loss: 0.5 };
    let (metric, split) = ("utilization", "valid");
    let measured = TrialEvent::Measured { job: 0, metric, split, value: 0.612_34 };
    let now = "now     mean seed 1              epoch 2/5  valid utilization 0.612";
    check(&[START, step, measured], &[], &[now]);
    let publishing = |batch| TrialEvent::Publishing { job: 0, split: "train", batch, batches: 9 };
    let now = "now     mean seed 1              artifacts of split train";
    check(&[START, publishing(1)], &[], &[now]);
    check(&[START, publishing(1), publishing(2)], &[], &[]);
    let done = TrialEvent::Done {
        job: 0,
        value: Some(0.75),
        text: "test utilization 0.7500",
        wall: Duration::from_millis(12_340),
        run: "0199",
    };
    let line = "done    mean seed 1                12.3 s  test utilization 0.7500  0199";
    // Of 0.625 and 0.75: sd 0.0884; the differences are 0.125 and 0.
    let over = "over    mean                     2 of 2 seeds  utilization 0.688 ± 0.088  \
                +0.062 to attentive-stats";
    check(&[START, done], &[line], &[&format!("{line}  4/6"), over]);
}

#[test]
fn a_failure_says_what_where_why_and_what_next() {
    let hints = ["its last words: oh".to_owned(), "two\nlines".to_owned()];
    let failed = |retry| TrialEvent::Failed {
        job: 0,
        class: "signal",
        message: "the process of the trial ended with signal 11 (SIGSEGV)\nin training",
        hints: &hints,
        run: "0199",
        log: Some(Path::new("/home/ada/runs/0199/log.txt")),
        retry,
        wall: second(4000),
    };
    let mut lines = vec![
        "failed  mean seed 1               1:06:40  signal",
        "        the process of the trial ended with signal 11 (SIGSEGV)",
        "        in training",
        "        hint: its last words: oh",
        "        hint: two",
        "              lines",
        "        log: /home/ada/runs/0199/log.txt",
        "        ablate show 0199",
    ];
    // Without a value for seed 1, seed 0 is the only pair.
    let over = "over    mean                     1 of 2 seeds  utilization 0.625  \
                +0.125 to attentive-stats";
    check(&[START, failed(None)], &lines, &[&lines[..], &[over]].concat());
    lines.push("        attempt 2 of 3 follows");
    check(&[START, failed(Some((2, 3)))], &lines, &lines);
    let early = TrialEvent::Failed {
        job: 0,
        class: "config",
        message: "no",
        hints: &[],
        run: "",
        log: None,
        retry: Some((2, 2)),
        wall: second(0),
    };
    let lines = [
        "failed  mean seed 1                 0.0 s  config",
        "        no",
        "        attempt 2 of 2 follows",
    ];
    check(&[START, early], &lines, &lines);
}

#[test]
fn trials_that_end_otherwise() {
    let stopped = "stopped mean seed 1                70.0 s  0199";
    check(&[START, TrialEvent::Stopped { job: 0, run: "0199" }], &[stopped], &[stopped]);
    let skipped = "skipped mean seed 1              another process runs it";
    check(&[START, TrialEvent::Elsewhere { job: 0 }], &[skipped], &[skipped]);
    let elsewhere = TrialEvent::ElsewhereDone { variant: 2, seed: 1, value: Some(0.5) };
    let done = "done    x seed 1                 in another process  utilization 0.500";
    check(&[elsewhere], &[done], &[&format!("{done}  4/6")]);
    let paused = TrialEvent::Paused { job: 0, epoch: 3, run: "0199" };
    let waits = "paused  mean seed 1                70.0 s  after epoch 3  0199";
    check(&[START, paused], &[waits], &[waits]);
    let text = "7th of 8 at epoch 3";
    let pruned = TrialEvent::Pruned { variant: 2, seed: 0, epoch: 3, text };
    let line = "pruned  x seed 0                 after epoch 3  7th of 8 at epoch 3";
    check(&[pruned], &[line], &[line]);
}

#[test]
fn a_sign_of_life_says_where_the_sweep_is() {
    let mut model = model();
    assert_eq!(alive(&model, second(0)).text(), "3 of 6 done, 0 running");
    let start = |job, seed| TrialEvent::Started { job, variant: 2, seed, attempt: 1, pid: 1 };
    for event in [START, start(1, 0), start(2, 1)] {
        model.apply(&event, second(0));
    }
    let (epoch, epochs, step, steps) = (4, 10, 40, 100);
    let step = TrialEvent::Step { job: 0, epoch, epochs, step, steps, loss: 0.4123 };
    model.apply(&step, second(200));
    model.usage = Some(Usage { cpu_percent: 151.6, memory_bytes: 10 << 20 });
    // 40 percent in 200 s: 300 s are left of it, and by that of each other too; two at once.
    let expected = "3 of 6 done, 3 running (mean seed 1 epoch 4/10 loss 0.412; x seed 0 starting; \
                    x seed 1 starting), eta 7 min, cpu 152 % of 200 %, mem 10 MiB";
    assert_eq!(alive(&model, second(200)).text(), expected);
    model.apply(&start(3, 2), second(200));
    assert!(alive(&model, second(200)).text().contains("x seed 1 starting; 1 more), "));
}

#[test]
fn a_message_of_several_lines_is_one_block() {
    let lines: Vec<String> = message("one\ntwo").iter().map(super::Line::text).collect();
    assert_eq!(lines, ["one", "        two"]);
}
