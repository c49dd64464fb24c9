//! The files that runs leave.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_runs::{Artifact, Error, NewRun, Outcome, Published, Run, Store};
use serde_json::json;

fn run(store: &Store) -> Run {
    let identity = "aa11".into();
    let (experiment, variant) = ("pooling".into(), "mean".into());
    let manifest = json!({});
    store
        .create(NewRun { identity, experiment, variant, seed: 0, spec: json!({}), manifest })
        .unwrap()
}

/// A done run with a published file and two that its components wrote by themselves.
fn with_artifacts(store: &Store) -> Run {
    let run = run(store);
    let path = run.place_artifact("id_map", "map.json").unwrap();
    fs_err::write(&path, "abc").unwrap();
    fs_err::create_dir(run.artifacts().join("notes")).unwrap();
    fs_err::write(run.artifacts().join("notes/b.txt"), "b").unwrap();
    fs_err::write(run.artifacts().join("a.txt"), "").unwrap();
    let published = Published { name: "id_map".into(), component: "id-map".into(), path };
    let artifacts = run.list_artifacts(&[published]).unwrap();
    run.finish(&Outcome { artifacts, ..Outcome::default() }).unwrap();
    run
}

#[test]
fn a_result_lists_what_was_published_and_then_what_else_is_there() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = *with_artifacts(&store).id();
    let result = Store::open(home.path()).unwrap().run(&id).unwrap().result().unwrap().unwrap();
    let artifact =
        |name: &str, file: &str, component: Option<&str>, bytes, sha256: &str| Artifact {
            name: name.into(),
            file: file.into(),
            component: component.map(str::to_owned),
            bytes,
            sha256: sha256.into(),
        };
    // The published test vectors of SHA-256 for "abc" and "", and `printf b | sha256sum`.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let b = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
    let expected = [
        artifact("id_map", "id_map/map.json", Some("id-map"), 3, abc),
        artifact("a.txt", "a.txt", None, 0, empty),
        artifact("notes/b.txt", "notes/b.txt", None, 1, b),
    ];
    assert_eq!(result.outcome.artifacts, expected);
}

#[test]
fn a_file_is_handed_out_only_as_it_was_left() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = with_artifacts(&store);
    let (artifact, path) = run.artifact("id_map").unwrap();
    assert_eq!((artifact.bytes, fs_err::read_to_string(&path).unwrap()), (3, "abc".to_owned()));
    let error = |expected: &str| {
        let error = run.artifact("id_map").unwrap_err();
        assert!(matches!(error, Error::DamagedArtifact { .. }), "{error}");
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(error.hints()[0].starts_with("`ablate reproduce "), "{:?}", error.hints());
    };
    fs_err::write(&path, "abd").unwrap();
    error("does not have the content that was written");
    fs_err::write(&path, "ab").unwrap();
    error("has 2 bytes, 3 were written");
    fs_err::remove_file(&path).unwrap();
    error("is missing");
    let unknown = run.artifact("id_mop").unwrap_err();
    assert_eq!(unknown.to_string(), format!("run `{}` has no artifact `id_mop`", run.id()));
    assert_eq!(unknown.hints(), ["its artifacts: `id_map`, `a.txt`, `notes/b.txt`"]);
}

#[test]
fn what_a_lost_attempt_left_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = run(&store);
    let path = run.place_artifact("id_map", "map.json").unwrap();
    fs_err::write(&path, "half").unwrap();
    fs_err::write(path.with_file_name("map.json.part"), "half").unwrap();
    assert!(matches!(run.artifact("id_map"), Err(Error::NotDone { .. })));
    let path = run.place_artifact("id_map", "map.json").unwrap();
    assert!(!path.exists());
    assert!(run.list_artifacts(&[]).unwrap().is_empty());
    let published = Published { name: "id_map".into(), component: "id-map".into(), path };
    let error = run.list_artifacts(&[published]).unwrap_err().to_string();
    assert!(error.ends_with("is missing"), "{error}");
    let error = run.place_artifact("../id_map", "map.json").unwrap_err().to_string();
    assert!(error.starts_with("invalid artifact `../id_map`"), "{error}");
}

#[test]
fn results_from_before_artifacts_still_load() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let run = run(&store);
    run.finish(&Outcome::default()).unwrap();
    let text = fs_err::read_to_string(run.folder().join("result.json")).unwrap();
    assert!(!text.contains("artifacts"), "{text}");
    assert!(run.result().unwrap().unwrap().outcome.artifacts.is_empty());
    let error = run.artifact("id_map").unwrap_err();
    assert!(error.hints()[0].starts_with("it left none"), "{:?}", error.hints());
}
