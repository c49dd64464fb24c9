//! What a shell sees: usage, pipes that close, homes that cannot be written.

use crate::harness::Place;
use std::process::Stdio;

#[test]
fn help_and_version_are_no_failures_and_wrong_usage_is() {
    let place = Place::with_plugins(&[]);
    let help = place.ablate(&["--help"]).expect(0);
    for command in ["run", "sweep", "table", "describe", "runs", "show", "plugins", "registry"] {
        let listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(help.stdout.lines().any(listed), "{}", help.stdout);
    }
    // What the host uses itself is nobody's business.
    assert!(!help.stdout.contains("__"), "{}", help.stdout);
    place.ablate(&["--version"]).expect(0);
    for arguments in [&["swep"][..], &["sweep"], &["sweep", "pooling", "--jobs", "0"], &[]] {
        let wrong = place.ablate(arguments).expect(1);
        assert!(
            wrong.stdout.is_empty()
                && wrong.stderr.contains("Usage: ") | wrong.stderr.contains("--help")
        );
    }
}

#[test]
fn nobody_reading_is_no_failure() {
    let place = Place::new();
    let mut command = place.command(&["sweep", "pooling", "sweep.seeds=[0]"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Both ends are closed before there is anything to read.
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.runs().iter().filter(|run| run.status() == "done").count(), 2);
}

#[test]
fn a_home_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.write("home", "a file, not a folder");
    for arguments in [&["runs"][..], &["sweep", "pooling"], &["plugins", "list"]] {
        let answer = place.ablate(arguments);
        assert!(answer.code.is_some_and(|code| code == 1 || code == 2), "{answer:?}");
        assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
        assert!(answer.stderr.contains("`[PLACE]/home"), "{}", answer.stderr);
    }
}

#[test]
fn runs_are_filtered_and_limited() {
    let place = Place::new();
    place.write("pooling/other.toml", "extends = \"experiment.toml\"\n[sweep]\nseeds = [5]\n");
    place.ablate(&["sweep", "pooling/other.toml"]).expect(0);
    place.ablate(&["run", "pooling", "--seed", "6"]).expect(0);
    let list = |arguments: &[&str]| {
        let arguments = [&["runs", "--format", "json"], arguments].concat();
        let json = place.ablate(&arguments).expect(0).json();
        let runs = json["runs"].as_array().unwrap().iter();
        runs.map(|run| format!("{} {}", run["experiment"].as_str().unwrap(), run["seed"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["pooling 6", "pooling:other 5", "pooling:other 5"]);
    assert_eq!(list(&["pooling"]), ["pooling 6"]);
    assert_eq!(list(&["-n", "1"]), ["pooling 6"]);
    let text = place.ablate(&["runs", "pooling"]).expect(0);
    let row = text.stdout.lines().nth(1).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..6], ["[RUN]", "pooling", "attentive", "6", "done", "[DATE]"]);
    text.says("next: ablate show [RUN]\n");
}
