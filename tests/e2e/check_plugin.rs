//! `plugins check`: the conformance checks on libraries, and what becomes of those that crash.

use crate::harness::Place;
use serde_json::Value;

/// Outcome and detail of one check in a report.
fn found<'a>(report: &'a Value, name: &str, config: &Value, check: &str) -> (&'a str, &'a str) {
    let components = report["components"].as_array().unwrap();
    let component = components.iter().find(|c| c["name"] == name && c["config"] == *config);
    let component = component.unwrap_or_else(|| panic!("no `{name}` in {report}"));
    let checks = component["checks"].as_array().unwrap();
    let check = checks.iter().find(|known| known["name"] == check).unwrap();
    (check["outcome"].as_str().unwrap(), check["detail"].as_str().unwrap())
}

#[test]
fn a_plugin_that_conforms_is_told_so_by_file_and_by_name() {
    let place = Place::with_plugins(&["losses", "pooling"]);
    let file = "plugins/libablate_losses.so";
    let answer = place.ablate(&["plugins", "check", file, "--folder", "plugins"]).expect(0);
    assert!(answer.raw.starts_with("plugin `losses` 0.1.0: "), "{}", answer.raw);
    assert!(answer.raw.contains("\n  loss `masked-mse`: 14 passed ("), "{}", answer.raw);
    assert!(!answer.raw.contains("FAILED"), "{}", answer.raw);
    assert!(answer.stderr.ends_with("next: ablate plugins info losses\n"), "{}", answer.stderr);
    let arguments = ["plugins", "check", "mean", "--folder", "plugins", "--format", "json"];
    let report = place.ablate(&arguments).expect(0).json();
    assert_eq!(report["plugin"], "pooling");
    assert_eq!(report["components"].as_array().unwrap().len(), 1, "only the component");
    assert_eq!(found(&report, "mean", &Value::Null, "gradients").0, "passed");
}

#[test]
fn a_crash_an_exit_and_a_hang_are_failed_checks_and_the_others_still_run() {
    let place = Place::with_plugins(&["fixture"]);
    let how = |how: &str| serde_json::json!({ "how": how });
    let all = serde_json::json!({ "misbehaving": [how("abort"), how("exit"), how("hang")] });
    place.write("configurations.json", all.to_string());
    let answer = place.ablate(&[
        "plugins",
        "check",
        "misbehaving",
        "--folder",
        "plugins",
        "--configurations",
        "configurations.json",
        "--timeout",
        "10",
        "--format",
        "json",
    ]);
    let report = answer.expect(1).json();
    let shapes = |config: &str| found(&report, "misbehaving", &how(config), "shapes");
    assert_eq!(shapes("abort"), ("failed", "it ended the process: signal 6 (SIGABRT)"));
    assert_eq!(shapes("exit"), ("failed", "it ended the process: exit code 0"));
    let text = "it was not over after 10 s; the checks behind it were left out";
    assert_eq!(shapes("hang"), ("failed", text));
    assert_eq!(found(&report, "misbehaving", &how("exit"), "config").0, "passed");
    // The checks behind the crash.
    assert_eq!(found(&report, "misbehaving", &how("abort"), "misuse").0, "passed");
    assert_eq!(found(&report, "misbehaving", &how("abort"), "threads").0, "failed");
}

#[test]
fn what_cannot_be_checked_is_one_clear_error() {
    let place = Place::with_plugins(&["pooling"]);
    place.write("libtext.so", "no library");
    place.write("list.json", "[]");
    let error = |arguments: &[&str]| {
        let all = [&["plugins", "check", "--folder", "plugins"], arguments].concat();
        place.ablate(&all).expect(1).stderr
    };
    let text = error(&["./libtext.so"]);
    assert!(text.starts_with("error: `./libtext.so` is not a plugin: "), "{text}");
    let text = error(&["./libgone.so"]);
    assert!(text.starts_with("error: failed to read plugin `./libgone.so`: "), "{text}");
    let text = error(&["poling"]);
    let wanted = "error: no file, no plugin and no component is called `poling`\n\
                  hint: did you mean `pooling`?\n";
    assert!(text.starts_with(wanted), "{text}");
    let text = error(&["pooling", "--configurations", "list.json"]);
    assert!(text.starts_with("error: `list.json`: it is no JSON object\n"), "{text}");
}
