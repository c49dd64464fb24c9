//! `plugins list` and `plugins info`, and how long they take.

use crate::harness::{Place, keys, library};
use fs_err as fs;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;

/// The sha256 of a file in hexadecimal.
pub(crate) fn sha256_of(file: &Path) -> String {
    let hash = Sha256::digest(fs::read(file).unwrap());
    hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[test]
fn list_has_the_documented_fields_and_the_hash_of_the_file() {
    let place = Place::with_plugins(&["pooling", "metrics"]);
    let json = place.ablate(&["plugins", "list", "--folder", "plugins", "--format", "json"]);
    let json = json.expect(0).json();
    let plugins = json["plugins"].as_array().unwrap();
    let names: Vec<_> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["metrics", "pooling"]);
    for plugin in plugins {
        let file =
            place.path(&format!("plugins/libablate_{}.so", plugin["name"].as_str().unwrap()));
        assert_eq!(plugin["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(plugin["library"], file.to_str().unwrap());
        assert_eq!(plugin["sha256"], sha256_of(&file).as_str());
        assert_eq!(plugin["abi"], "v1");
        for component in plugin["components"].as_array().unwrap() {
            for key in ["kind", "name", "doc"] {
                assert!(
                    component[key].as_str().is_some_and(|text| !text.is_empty()),
                    "{component}"
                );
            }
        }
    }
    let pooling = plugins[1]["components"].as_array().unwrap();
    let mut names: Vec<_> = pooling.iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "attentive-mean",
        "attentive-stats",
        "attentive-stats-per-channel",
        "mean",
        "sliding-window",
    ];
    assert_eq!(names, expected);
    assert!(pooling.iter().all(|component| component["kind"] == "block"));
    assert_eq!(keys(&json), ["broken", "plugins"]);
}

#[test]
fn info_shows_keys_defaults_and_slots() {
    let place = Place::new();
    let info = |name: &str| {
        place.ablate(&["plugins", "info", name, "--folder", "plugins"]).expect(0).stdout
    };
    let text = info("sliding-window");
    let expected = "
block pooling `sliding-window` (plugin `pooling` 0.1.0)
  One vector per window, pooled by the block in the slot.
    stride (default 12): Frames from the start of one window to the start of the next.
    tail (default \"pad\"): What happens with the frames at the end that fill no whole window.
    window (default 25): Frames in a window.
    slot inner (role `pooling`, default `attentive-stats`, null component `mean`): Pools the frames of one window to one vector.
";
    assert!(text == expected, "expected:\n{expected}\nfound:\n{text}");
    let text = info("pooling");
    assert!(text.starts_with("library: [PLACE]/plugins/libablate_pooling.so\n"), "{text}");
    let arguments = ["plugins", "info", "rqvae", "--folder", "plugins", "--format", "json"];
    let json = place.ablate(&arguments).expect(0).json();
    assert_eq!(json["name"], "rqvae");
    assert_eq!(json["components"][0]["defaults"]["latent_dim"], 64);
    assert_eq!(json["components"][0]["slots"][1]["role"], "pooling");
    let ema = json["components"].as_array().unwrap().iter().find(|block| block["name"] == "ema");
    assert_eq!(ema.unwrap()["defaults"]["levels"], 4);
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let place = Place::with_plugins(&[]);
    let list = place.ablate(&["plugins", "list"]).expect(0);
    assert_eq!(list.stdout, "no plugins\n");
    let runs = place.ablate(&["runs"]).expect(0);
    runs.says("no runs yet\nnext: ablate sweep EXPERIMENT\n");
}

#[test]
fn listing_fifty_plugins_opens_no_library() {
    let place = Place::with_plugins(&["fixture", "losses", "pooling", "rqvae", "speech"]);
    let bytes = fs::read(library("metrics")).unwrap();
    for number in 0..45 {
        // Bytes after the end of an ELF file mean nothing, but make another library.
        let mut bytes = bytes.clone();
        bytes.extend(format!("copy {number}").bytes());
        place.write(&format!("plugins/libablate_metrics_{number:02}.so"), bytes);
    }
    let arguments = ["plugins", "list", "--folder", "plugins"];
    let first = place.ablate(&arguments).expect(0);
    assert_eq!(first.stdout.matches("  note: the plugin folder is used instead of").count(), 44);
    // Known by content now: what follows reads no library, so libraries that cannot be opened are
    // listed all the same.
    let place_time = median(|| place.ablate(&arguments).expect(0).took);
    let runs_time = median(|| place.ablate(&["runs"]).expect(0).took);
    eprintln!(
        "50 plugins: first listing {:?}, then {place_time:?}; `runs` {runs_time:?} (medians of 20)",
        first.took
    );
}

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..20).map(|_| measure()).collect();
    times.sort();
    times[times.len() / 2]
}
