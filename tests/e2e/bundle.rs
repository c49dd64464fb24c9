//! Runs in one file, read where there is no registry.

use crate::harness::Place;
use fs_err as fs;

#[test]
fn a_bundle_is_read_and_reproduced_from_in_another_home() {
    let (here, there) = (Place::new(), Place::with_plugins(&[]));
    here.ablate(&["sweep", "pooling"]).expect(0);
    let table = here.ablate(&["table", "pooling", "--format", "csv"]).expect(0);
    let made = here.ablate(&["bundle", "pooling", "--out", "all.ablate"]).expect(0);
    assert!(made.stdout.starts_with("all.ablate: 4 runs, 5 libraries, "), "{}", made.stdout);
    made.says("next: ablate --bundle all.ablate table pooling\n");
    let file = there.path("all.ablate");
    fs::copy(here.path("all.ablate"), &file).unwrap();
    let file = file.to_str().unwrap();
    // The experiment of that name beside it is not asked.
    fs::remove_file(there.path("pooling/experiment.toml")).unwrap();
    let same = there.ablate(&["--bundle", file, "table", "pooling", "--format", "csv"]).expect(0);
    assert_eq!(same.raw, table.raw);
    let listed = there.ablate(&["--bundle", file, "runs", "--format", "json"]).expect(0).json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 4);
    let again = there.ablate(&["--bundle", file, "reproduce", "pooling:mean:1"]).expect(0);
    assert!(again.stdout.starts_with("equal: "), "{}", again.stdout);
    assert!(there.runs().is_empty());
    let refused = there.ablate(&["--bundle", file, "sweep", "pooling"]).expect(1);
    assert!(refused.stderr.starts_with("error: a bundle can only be read\n"), "{}", refused.stderr);
}

#[test]
fn a_file_that_is_no_bundle_is_named() {
    let place = Place::new();
    place.ablate(&["run", "pooling"]).expect(0);
    place.ablate(&["bundle", &place.runs()[0].id, "--out", "one.ablate"]).expect(0);
    let bytes = fs::read(place.path("one.ablate")).unwrap();
    place.write("cut.ablate", &bytes[..bytes.len() / 2]);
    place.write("text.ablate", "hello\n");
    for file in ["cut.ablate", "text.ablate"] {
        let refused = place.ablate(&["--bundle", file, "runs"]).expect(1);
        let start = format!("error: `{file}` is no bundle, or a damaged one: ");
        assert!(refused.stderr.starts_with(&start), "{}", refused.stderr);
    }
    place.ablate(&["--bundle", "nothing.ablate", "runs"]).expect(1).says(
        "error: `nothing.ablate` is no file\n\
         hint: a bundle is a file that `ablate bundle` wrote, such as `pooling.ablate`\n",
    );
    // Nothing half unpacked stays behind.
    let left: Vec<_> = fs::read_dir(place.path("home/bundles")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_was_not_swept_cannot_be_bundled() {
    let place = Place::new();
    let answer = place.ablate(&["bundle", "pooling"]).expect(1);
    assert!(
        answer.stderr.starts_with("error: `pooling` has not been swept\n"),
        "{}",
        answer.stderr
    );
}
