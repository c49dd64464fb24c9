//! Trials that fail, as they stand on the screen, in the table and in `show`; what can go wrong in a
//! component is in `zoo::run`.

use crate::harness::{Answer, Place, RunFolder, slow};
use crate::processes::{Running, send, wait_until_gone};
use rustix::process::Signal;
use serde_json::Value;

/// Where the block is from that goes wrong.
const PLUGIN: &str = "`misbehaving` is from plugin `fixture` 0.1.0";

/// A place whose second variant goes wrong in its fourth step.
fn place(how: &str) -> Place {
    let place = Place::new();
    place.edit("name = \"mean\"", "name = \"bad\"");
    let set = format!("{{ use = \"misbehaving\", how = \"{how}\", after_steps = 3 }}");
    place.edit("{ use = \"mean\" }", &set);
    // Every recording has 1 + (6400 - 400) / 160 = 38 frames.
    place.edit("min_seconds = 0.3", "min_seconds = 0.4");
    place.edit("max_seconds = 0.5", "max_seconds = 0.4");
    place
}

/// Sweeps, checks that the other variant stands in the table, and gives the block of lines about
/// the first failed trial.
fn sweep(place: &Place) -> (Answer, String) {
    let answer = place.ablate(&["sweep", "pooling", "sweep.retry=false"]).expect(1);
    assert!(answer.stdout.starts_with("pooling: 2 variants × 2 seeds, incomplete"));
    assert_eq!(answer.stderr.matches("done    attentive seed").count(), 2, "{}", answer.stderr);
    assert_eq!(answer.stderr.matches("failed  bad seed").count(), 2, "{}", answer.stderr);
    let runs = place.runs();
    let status: Vec<_> = runs.iter().map(|run| (run.variant.as_str(), run.status())).collect();
    let expected =
        [("attentive", "done"), ("attentive", "done"), ("bad", "failed"), ("bad", "failed")];
    assert_eq!(status, expected);
    let mut lines = answer.stderr.lines().skip_while(|line| !line.contains("failed  bad seed 0"));
    let mut block = lines.next().unwrap().to_owned();
    for line in lines.take_while(|line| line.starts_with("        ")) {
        block.push('\n');
        block.push_str(line);
    }
    (answer, block)
}

fn failed(place: &Place) -> RunFolder {
    place.runs().into_iter().find(|run| run.status() == "failed").unwrap()
}

/// What `show` says of the failed run, as text and as JSON.
fn shown(place: &Place) -> (String, Value) {
    let id = failed(place).id;
    let text = place.ablate(&["show", &id]).expect(0).stdout;
    let json = place.ablate(&["show", &id, "--format", "json"]).expect(0).json();
    (text, json)
}

#[track_caller]
fn check(how: &str, class: &str, message: &str, hints: &[&str]) {
    let place = place(how);
    let (answer, block) = sweep(&place);
    let mut lines = vec![format!("[TIME] failed  bad seed 0 [TOOK]  {class}"), message.to_owned()];
    lines.extend(hints.iter().map(|hint| format!("hint: {hint}")));
    lines.push("log: [PLACE]/home/runs/[RUN]/attempts/001/log.txt".to_owned());
    lines.push("ablate show [RUN]".to_owned());
    let expected = lines.join("\n        ");
    assert!(block == expected, "expected:\n{expected}\nfound:\n{block}");
    let missing = format!("missing: `bad` seed 0: failed: {message} ([RUN])");
    let unwrapped = answer.stdout.replace('\n', " ");
    assert!(unwrapped.contains(&missing), "{missing}\nin\n{}", answer.stdout);
    let (text, json) = shown(&place);
    assert!(text.contains(&format!("status     failed: {class}\n")), "{text}");
    assert!(text.contains(&format!("error      {message}\n")), "{text}");
    assert_eq!(json["status"], "failed");
    assert_eq!(json["result"]["error"]["kind"], class);
    assert_eq!(json["result"]["error"]["message"], message);
    assert_eq!(json["result"]["error"]["hints"].as_array().unwrap().len(), hints.len());
}

#[test]
fn a_panic_loses_one_trial() {
    check(
        "panic",
        "panic",
        "`model` (`rqvae`) failed to compute step 4: in the block of slot `pooling`: \
         `model.pooling` (`misbehaving`): the misbehaving block panicked",
        &["it panicked at [FIXTURE]", PLUGIN],
    );
}

#[test]
fn an_abort_is_named_by_its_signal() {
    let message = "the process of the trial ended with signal 6 (SIGABRT) in `model.pooling` \
                   (`misbehaving`)";
    check("abort", "signal", message, &[PLUGIN]);
}

#[test]
fn a_failed_trial_is_tried_again_and_only_it() {
    let place = place("abort");
    sweep(&place);
    let again = place.ablate(&["sweep", "pooling"]).expect(1);
    let first = "pooling: 2 variants × 2 seeds = 4 trials, 2 done, 2 to run";
    assert!(again.stderr.starts_with(first), "{}", again.stderr);
    // Three steps go well.
    place.edit("total_epochs = 2", "total_steps = 3");
    place.ablate(&["run", "pooling", "--variant", "bad"]).expect(0);
}

#[test]
fn a_trial_that_hangs_is_ended_when_the_sweep_is_stopped() {
    if !slow() {
        return;
    }
    let place = Place::new();
    let arguments = ["run", "pooling", "train.total_epochs=400"];
    let mut running = Running::start(&place, &arguments);
    running.wait_for_checkpoint(1);
    let trial = running.trial();
    // Stopped, it does not hear that it should end: to its parent that is an endless loop.
    send(trial, Signal::STOP);
    send(running.pid(), Signal::INT);
    running.finish().expect(2);
    wait_until_gone(trial);
    place.ablate(&["run", "pooling", "train.total_epochs=3"]).expect(0);
}

#[test]
fn training_that_diverges_names_what_and_when() {
    let place = Place::new();
    let arguments = ["sweep", "pooling", "sweep.seeds=[0]", "train.optimizer.learning_rate=1e30"];
    let answer = place.ablate(&arguments).expect(1);
    assert_eq!(answer.stderr.matches(" failed  ").count(), 2, "{}", answer.stderr);
    assert!(answer.stderr.contains(" in step 2"), "{}", answer.stderr);
    assert!(answer.stderr.contains("input `features` holds NaN at [0, 0, 0]"), "{}", answer.stderr);
    assert!(answer.stdout.contains(", incomplete\n"), "{}", answer.stdout);
}
