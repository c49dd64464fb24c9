//! Every check catches the flaw that it is for, and a plugin without flaws passes all of them.
//!
//! The plugin is written against the border alone, without the SDK and without Burn.

mod block;
mod dataset;
mod flaw;
mod metric;
mod plugin;

use ablate_conformance::{Kit, Outcome, Report};
use std::sync::{Mutex, PoisonError};

/// Checks the plugin with one flaw; one at a time, since the flaw is a static of this program.
fn check(flaw: &'static str, component: Option<&str>) -> Report {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    flaw::set(flaw);
    let kit = Kit::linked(plugin::root()).expect("it starts");
    let kit = match component {
        Some(component) => kit.only(component),
        None => kit,
    };
    kit.run()
}

/// The checks that failed, with what they say.
fn failed(report: &Report) -> Vec<(&str, &str)> {
    let checks = report.components.iter().flat_map(|component| &component.checks);
    checks
        .filter(|check| check.outcome == Outcome::Failed)
        .map(|check| (check.name.as_str(), check.detail.as_str()))
        .collect()
}

#[test]
fn a_plugin_without_flaws_passes_every_check() {
    let report = check("none", None);
    assert!(report.passed(), "{report}");
    assert_eq!(report.count(Outcome::Skipped), 0, "{report}");
    let names: Vec<&str> =
        report.components.iter().map(|component| component.name.as_str()).collect();
    assert_eq!(names, ["toy", "toy-block", "toy-data", "toy-metric"]);
}

/// The flaw fails exactly these checks, and the first says this.
#[track_caller]
fn caught(component: Option<&str>, flaw: &'static str, checks: &[&str], text: &str) {
    let report = check(flaw, component);
    let found = failed(&report);
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, checks, "{flaw}: {report}");
    assert!(found[0].1.contains(text), "{flaw}: {}", found[0].1);
}

#[test]
fn descriptions_that_are_incomplete() {
    let caught = |flaw, text| caught(None, flaw, &["description"], text);
    caught("no-version", "`0.1` is no version such as `1.2.3`");
    caught("no-doc", "its doc is not one line of text: ``");
    caught("bad-name", "it is called `Toy Block`, which is not in kebab case");
    caught("bad-defaults", "does not satisfy its own schema");
    caught("no-key-doc", "the configuration key `gain` has no doc comment");
    let text = "its contract is broken: `pooled` has the unknown element type";
    self::caught(None, "broken-contract", &["description", "create"], text);
}

#[test]
fn required_keys_need_an_example() {
    let report = check("required-key", Some("toy-block"));
    let block = &report.components[0];
    assert_eq!((block.checks.len(), block.count(Outcome::Skipped)), (2, 1), "{report}");
    let text = "not exercised: it has required keys, and its schema no `examples`";
    assert_eq!(block.checks[1].detail, text);
    let report = check("required-key-with-example", Some("toy-block"));
    assert!(report.passed(), "{report}");
    assert_eq!(report.count(Outcome::Skipped), 0, "{report}");
    assert_eq!(report.components[0].config, Some(serde_json::json!({ "gain": 0.25 })));
}

#[test]
fn configurations_that_should_be_refused() {
    let block = Some("toy-block");
    caught(block, "unknown-keys", &["config"], "an unknown key was taken");
    caught(block, "other-kind", &["config"], "an unknown key was not refused as `config`");
}

#[test]
fn outputs_that_break_the_contract() {
    let block = Some("toy-block");
    let text = "output `pooled` is f64, which is not `pooled: f32[B, 1, ";
    // Gradients of other element types are of no use either.
    let report = check("wrong-dtype", block);
    assert!(failed(&report)[0].1.contains(text), "{report}");
    caught(block, "nan-when-empty", &["shapes"], "the last row all padding: output `pooled`");
    caught(block, "missing-output", &["shapes"], "output `mask` is missing");
}

#[test]
fn gradients_that_are_none() {
    let block = Some("toy-block");
    let text = "the gradient of input `features` is no derivative";
    caught(block, "two-percent", &["gradients"], text);
    let text = "the gradient of parameter `weight` is no derivative";
    caught(block, "no-weight-gradient", &["gradients"], text);
    let text = "the gradient of input `features` is no derivative";
    caught(block, "square-gradient", &["gradients", "linearity"], text);
    let text = "two passes in a row: the gradient of parameter `weight` is off by";
    caught(block, "overwrites", &["linearity"], text);
    let report = check("keeps-gradients", block);
    assert!(failed(&report).iter().any(|(name, _)| *name == "linearity"), "{report}");
}

#[test]
fn graphs_that_stay() {
    let block = Some("toy-block");
    let text = "graphs are still alive after all were dropped";
    let report = check("leaves-contexts", block);
    let found = failed(&report);
    assert!(found.iter().any(|(name, detail)| *name == "contexts" && detail.contains(text)));
    let text = "a second backward on the same graph was taken";
    caught(block, "backward-again", &["contexts"], text);
}

#[test]
fn instances_that_are_not_their_seed() {
    let block = Some("toy-block");
    caught(block, "one-seed", &["seeds"], "another seed gives the same parameters");
    caught(block, "one-place", &["seeds"], "another place gives the same parameters");
    let report = check("no-seed", block);
    let text = "the same seed gives another `weight`";
    assert!(failed(&report).contains(&("seeds", text)), "{report}");
}

#[test]
fn state_that_is_not_all_of_it() {
    let text = "after `resume` and two steps, `weight` is another one";
    caught(Some("toy-block"), "no-momentum", &["saving"], text);
}

#[test]
fn padding_that_matters() {
    let text = "what the padding holds changes valid values of `pooled`";
    caught(Some("toy-block"), "padding", &["padding"], text);
}

#[test]
fn wrong_calls_that_are_taken() {
    let block = Some("toy-block");
    caught(block, "takes-anything", &["misuse"], "a missing `mask` was taken");
    let text = "a missing `features` (";
    caught(block, "stays-broken", &["misuse"], text);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_and_threads_that_are_not_given_back() {
    let block = Some("toy-block");
    caught(block, "keeps-memory", &["memory"], "cycles keep");
    caught(block, "many-threads", &["threads"], "1 are allowed");
}

#[test]
fn datasets_that_are_not_the_same_twice() {
    let data = Some("toy-data");
    caught(data, "no-stream", &["streams"], "the same stream gives another `features` again");
    caught(data, "new-fingerprint", &["splits"], "the fingerprint is empty, or changes");
    caught(data, "other-rows", &["batches"], "`features` has shape");
    caught(data, "any-split", &["misuse"], "a batch of a split that is not there was given");
    caught(data, "never-stops", &["cancelling"], "a cancelled `prepare` went on for");
    caught(data, "stops-otherwise", &["cancelling"], "a cancelled `prepare` ends with another");
}

#[test]
fn metrics_that_depend_on_how_they_are_asked() {
    let metric = Some("toy-metric");
    caught(metric, "mean-of-means", &["parts"], "0 batches merged with 5");
    caught(metric, "nan-when-nothing", &["empty"], "with nothing measured `` is not a number");
    caught(metric, "never-resets", &["values"], "after a reset: `` was");
    caught(metric, "any-state", &["misuse"], "bytes that are no state were merged");
}
