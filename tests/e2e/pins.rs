//! Plugins pinned by their bytes, and the store that keeps what runs refer to.

use crate::harness::Place;
use crate::install;
use fs_err as fs;

/// Changes the bytes of a plugin and not what it does: a loader does not look behind the last section.
fn rebuild(place: &Place, plugin: &str) {
    let file = place.path(&format!("plugins/libablate_{plugin}.so"));
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(b"rebuilt");
    place.write(&format!("plugins/libablate_{plugin}.so"), bytes);
}

#[test]
fn without_a_lock_any_bytes_will_do_and_with_one_only_those() {
    let place = Place::new();
    let dry = ["sweep", "pooling", "--dry-run"];
    place.ablate(&dry).expect(0);
    assert!(!place.path("pooling/ablate.lock").exists());
    let pinned = place.ablate(&["sweep", "pooling", "--dry-run", "--update-lock"]).expect(0);
    for plugin in ["losses", "metrics", "pooling", "rqvae", "speech"] {
        pinned.says_line(&format!("pinned plugin `{plugin}` 0.1.0"));
    }
    let lock = fs::read_to_string(place.path("pooling/ablate.lock")).unwrap();
    assert_eq!(lock.matches("sha256 = ").count(), 5, "{lock}");
    place.ablate(&dry).expect(0);
    rebuild(&place, "pooling");
    let refused = place.ablate(&["sweep", "pooling"]).expect(1);
    assert!(refused.stderr.contains("plugin `pooling` 0.1.0 ("), "{}", refused.stderr);
    assert!(refused.stderr.contains(") is pinned to 0.1.0 ("), "{}", refused.stderr);
    refused.says_line("hint: `--update-lock` pins the plugins as they are now");
    assert!(place.runs().is_empty());
    let updated = place.ablate(&["sweep", "pooling", "--update-lock"]).expect(0);
    updated.says_line("pinned plugin `pooling` 0.1.0");
    assert!(!updated.stderr.contains("pinned plugin `rqvae`"), "{}", updated.stderr);
    // What the experiment does not use is not pinned, and is refused once it is used.
    let unpinned = place.ablate(&["sweep", "pooling", "model.pooling.use=noisy"]).expect(1);
    assert!(unpinned.stderr.contains("plugin `fixture` 0.1.0 ("), "{}", unpinned.stderr);
    assert!(unpinned.stderr.contains(") is not pinned"), "{}", unpinned.stderr);
}

#[test]
fn the_store_keeps_what_runs_refer_to_and_gives_up_the_rest() {
    let place = Place::new();
    place.ablate(&["run", "pooling"]).expect(0);
    let stored = || fs::read_dir(place.path("home/store")).unwrap().count();
    assert_eq!(stored(), 5);
    rebuild(&place, "pooling");
    // Planned and stopped before there was a run: a sweep that fails while it is checked.
    place.ablate(&["run", "pooling", "model.latent_dim=15"]).expect(1);
    assert_eq!(stored(), 6);
    let early = place.ablate(&["registry", "gc"]).expect(0);
    assert!(early.stdout.starts_with("removed 0 libraries"), "{}", early.stdout);
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    for entry in fs::read_dir(place.path("home/store")).unwrap() {
        std::fs::File::open(entry.unwrap().path()).unwrap().set_modified(old).unwrap();
    }
    let json = place.ablate(&["registry", "gc", "--dry-run", "--format", "json"]).expect(0).json();
    assert_eq!((json["removed"].as_array().unwrap().len(), &json["kept"]), (1, &5.into()));
    assert_eq!(stored(), 6);
    let removed = place.ablate(&["registry", "gc"]).expect(0);
    assert!(removed.stdout.starts_with("removed 1 libraries"), "{}", removed.stdout);
    assert_eq!(stored(), 5);
    // The run can still be made again, although the plugin beside the experiment is another one.
    let run = &place.runs()[0].id;
    let again = place.ablate(&["reproduce", run]).expect(0);
    assert!(again.stdout.starts_with("equal: "), "{}", again.stdout);
}

#[test]
fn an_old_run_is_reproduced_although_a_newer_library_was_added() {
    let place = install::place();
    place.ablate(&["plugins", "add", install::LIBRARY]).expect(0);
    place.ablate(&["sweep", "plain", "--update-lock"]).expect(0);
    // Added and never used, then replaced.
    for _ in 0..2 {
        rebuild(&place, "plain");
        let newer = place.ablate(&["plugins", "add", install::LIBRARY]).expect(0);
        assert!(newer.stderr.contains(") in place of `plain` 1.0.0 ("), "{}", newer.stderr);
        assert!(newer.stderr.contains("`plain/ablate.lock`: plugin `plain`"), "{}", newer.stderr);
        newer.says_line("next: ablate sweep plain --update-lock");
    }
    let refused = place.ablate(&["sweep", "plain"]).expect(1);
    assert!(refused.stderr.contains(") is pinned to 1.0.0 ("), "{}", refused.stderr);
    refused.says_line("hint: `--update-lock` pins the plugins as they are now");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    for entry in fs::read_dir(place.path("home/store")).unwrap() {
        std::fs::File::open(entry.unwrap().path()).unwrap().set_modified(old).unwrap();
    }
    // That of the runs and that which is installed stay.
    let json = place.ablate(&["registry", "gc", "--format", "json"]).expect(0).json();
    assert_eq!((json["removed"].as_array().unwrap().len(), &json["kept"]), (1, &2.into()));
    let runs = place.runs();
    let again = place.ablate(&["reproduce", &runs[0].id]).expect(0);
    assert!(again.stdout.starts_with("equal: "), "{}", again.stdout);
    place.ablate(&["sweep", "plain", "--update-lock"]).expect(0);
    // Other bytes are another plugin: all trials ran again.
    assert_eq!((runs.len(), place.runs().len()), (4, 8));
}

#[test]
fn an_added_plugin_without_a_pin_is_refused_where_there_is_a_lock() {
    let place = install::place();
    place.write("plain/ablate.lock", "version = 1\n");
    let mut command = place.command(&["plugins", "add", "../plugins/libablate_plain.so"]);
    command.current_dir(place.path("plain"));
    let added = place.answer(command).expect(0);
    let told = added.stderr.contains("`ablate.lock`: plugin `plain` 1.0.0 (");
    assert!(told && added.stderr.contains(") is not pinned, so"), "{}", added.stderr);
    added.says_line("next: ablate sweep . --update-lock");
    let sweep = |more: &[&str]| {
        let mut command = place.command(&[&["sweep", "."], more].concat());
        command.current_dir(place.path("plain"));
        place.answer(command)
    };
    let refused = sweep(&[]).expect(1);
    assert!(refused.stderr.contains(") is not pinned"), "{}", refused.stderr);
    refused.says_line("hint: `--update-lock` pins the plugins as they are now");
    assert!(place.runs().is_empty());
    sweep(&["--update-lock"]).expect(0).says_line("pinned plugin `plain` 1.0.0");
    sweep(&[]).expect(0);
    // Pinned now, so that adding it again has nothing to tell.
    let again = place.ablate(&["plugins", "add", install::LIBRARY]).expect(0);
    assert!(!again.stderr.contains("lock"), "{}", again.stderr);
}
