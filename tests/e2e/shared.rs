//! One home for several sweeps at once, and plugins that change meanwhile.

use crate::harness::Place;
use crate::plugins::sha256_of;
use crate::processes::Running;
use serde_json::Value;

/// Two variants, one after the other, a second or so each.
const SLOW: [&str; 4] = ["sweep", "pooling", "train.total_epochs=40", "sweep.seeds=[0]"];

#[test]
fn two_sweeps_at_once_share_the_work_and_do_nothing_twice() {
    let place = Place::new();
    let mut first = Running::start(&place, &[&SLOW[..], &["--jobs", "2"]].concat());
    first.wait_for_checkpoint(1);
    let second = place.ablate(&SLOW);
    // Either it came while the first was running a trial, or all was done.
    let skipped = second.stderr.contains("another process runs it");
    assert_eq!(second.code, Some(if skipped { 2 } else { 0 }), "{}", second.stderr);
    first.finish().expect(0);
    assert_eq!(place.runs().len(), 2);
    assert!(place.runs().iter().all(|run| run.status() == "done"));
    place.ablate(&SLOW).expect(0);
    assert_eq!(place.runs().len(), 2);
}

#[test]
fn a_plugin_that_is_rebuilt_in_the_middle_changes_nothing() {
    let place = Place::new();
    let library = place.path("plugins/libablate_rqvae.so");
    let before = sha256_of(&library);
    let mut running = Running::start(&place, &[&SLOW[..], &["--jobs", "1"]].concat());
    running.wait_for_checkpoint(1);
    // The second trial has not begun.
    place.write("plugins/libablate_rqvae.so", "half a library");
    running.finish().expect(0);
    let used: Vec<String> = place.runs().iter().map(|run| rqvae(&run.manifest())).collect();
    assert_eq!(used, [before.clone(), before]);
}

fn rqvae(manifest: &Value) -> String {
    let plugins = manifest["plugins"].as_array().unwrap();
    let plugin = plugins.iter().find(|plugin| plugin["name"] == "rqvae").unwrap();
    plugin["sha256"].as_str().unwrap().to_owned()
}
