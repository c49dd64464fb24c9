//! What makes a trial another trial, and what does not.

use crate::harness::Place;
use fs_err as fs;

/// `N done, M to run` of a sweep.
#[track_caller]
fn planned(stderr: &str) -> &str {
    let line = stderr.lines().find(|line| line.contains(" trials, "));
    let (_, counts) = line.and_then(|line| line.split_once(" trials, ")).unwrap_or_else(|| {
        panic!("{stderr}");
    });
    counts.split(" (").next().unwrap()
}

#[test]
fn a_changed_setting_runs_only_what_it_changes() {
    let place = Place::new();
    let sweep = |change: &str| {
        let answer = place.ablate(&["sweep", "pooling", change]).expect(0);
        planned(&answer.stderr).to_owned()
    };
    assert_eq!(sweep("train.batch_size=4"), "0 done, 4 to run");
    // Only the first variant has an attention.
    assert_eq!(sweep("model.pooling.hidden=4"), "2 done, 2 to run");
    assert_eq!(sweep("sweep.seeds=[0, 1, 2]"), "4 done, 2 to run");
    assert_eq!(sweep("train.optimizer.learning_rate=0.002"), "0 done, 4 to run");
    // Back to what was, in other words.
    assert_eq!(sweep("train.optimizer.learning_rate=0.001"), "4 done, 0 to run");
    // How many batches are made ahead, and what the text of the question is, changes no result.
    assert_eq!(sweep("train.prefetch_batches=4"), "4 done, 0 to run");
    assert_eq!(sweep("question=Which one?"), "4 done, 0 to run");
    assert_eq!(place.runs().len(), 12);
}

#[test]
fn the_environment_is_a_layer_of_the_experiment() {
    let place = Place::new();
    let mut command = place.command(&["sweep", "pooling", "--dry-run", "--format", "json"]);
    command.env("ABLATE_SET__sweep__seeds", "[5]");
    let json = place.answer(command).expect(0).json();
    let seeds: Vec<_> =
        json["trials"].as_array().unwrap().iter().map(|trial| trial["seed"].as_u64()).collect();
    assert_eq!(seeds, [Some(5), Some(5)]);
}

#[test]
fn only_the_bytes_of_the_plugins_in_use_count() {
    let place = Place::with_plugins(&["losses", "metrics", "pooling", "rqvae", "speech"]);
    let sweep = || {
        let answer = place.ablate(&["sweep", "pooling"]).expect(0);
        planned(&answer.stderr).to_owned()
    };
    assert_eq!(sweep(), "0 done, 4 to run");
    // Another plugin appears, and is rebuilt: nothing that is used has changed.
    let other = place.add_plugin("fixture");
    assert_eq!(sweep(), "4 done, 0 to run");
    rebuild(&other);
    assert_eq!(sweep(), "4 done, 0 to run");
    // The same bytes under another name and time are the same plugin.
    let pooling = place.path("plugins/libablate_pooling.so");
    let bytes = fs::read(&pooling).unwrap();
    fs::remove_file(&pooling).unwrap();
    place.write("plugins/libablate_renamed.so", bytes);
    assert_eq!(sweep(), "4 done, 0 to run");
    rebuild(&place.path("plugins/libablate_renamed.so"));
    assert_eq!(sweep(), "0 done, 4 to run");
}

#[test]
fn an_index_that_was_wiped_is_made_again_from_the_run_folders() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let list = || place.ablate(&["runs", "--format", "json"]).expect(0).raw;
    let before = list();
    assert_eq!(before.matches("\"status\": \"done\"").count(), 4, "{before}");
    for entry in fs::read_dir(place.path("home")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("index.sqlite") {
            fs::remove_file(path).unwrap();
        }
    }
    let rebuilt = place.ablate(&["registry", "rebuild"]).expect(0);
    rebuilt.says("indexed 4 runs\nnext: ablate runs\n");
    assert_eq!(list(), before);
    // Without a rebuild too: whoever looks first makes it again.
    fs::remove_file(place.path("home/index.sqlite")).unwrap();
    assert_eq!(list(), before);
    let swept = place.ablate(&["sweep", "pooling"]).expect(0);
    assert_eq!(planned(&swept.stderr), "4 done, 0 to run");
    let home = place.ablate(&["registry", "path"]).expect(0);
    assert_eq!(home.stdout, "[PLACE]/home\n");
}

/// Another library of the same behavior: bytes after the end of an ELF file mean nothing.
fn rebuild(library: &std::path::Path) {
    let mut bytes = fs::read(library).unwrap();
    bytes.extend(b"rebuilt");
    fs::remove_file(library).unwrap();
    fs::write(library, bytes).unwrap();
}
