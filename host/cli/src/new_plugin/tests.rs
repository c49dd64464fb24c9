//! What the templates must hold without compiling anything; `tests/e2e` compiles them.

use super::*;

const KINDS: [NewKind; 5] =
    [NewKind::Block, NewKind::Model, NewKind::Loss, NewKind::Dataset, NewKind::Metric];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn files(kind: NewKind, sdk: Option<&Path>) -> Vec<(String, String)> {
    let names = Names::new("ablate-tiny-thing").unwrap();
    let role = (kind == NewKind::Block).then_some("pooling");
    // Without a path the checkout around the tests would be found.
    let toolkit = Toolkit::find(sdk.or(Some(root()))).unwrap();
    let code = block::code(&block::shape_preserving(), &names.type_name);
    Blank { names: &names, kind, role, toolkit: &toolkit }.files(&code, &[])
}

fn file<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
    &files.iter().find(|(known, _)| known == path).unwrap().1
}

#[test]
fn no_placeholder_is_left() {
    for kind in KINDS {
        for (path, text) in files(kind, None) {
            let rest = text.replace("${{", "");
            assert!(!rest.contains("{{"), "{kind:?}, {path}: {text}");
        }
    }
}

#[test]
fn manifests_say_what_the_catalog_and_the_registry_want() {
    for kind in KINDS {
        let files = files(kind, None);
        let manifest: toml::Table = file(&files, "Cargo.toml").parse().unwrap();
        let package = &manifest["package"];
        assert_eq!(package["name"].as_str(), Some("ablate-tiny-thing"));
        assert_eq!(package["metadata"]["ablate"]["plugin"].as_str(), Some("tiny-thing"));
        for key in ["description", "license", "readme"] {
            assert!(package[key].as_str().is_some_and(|text| !text.is_empty()), "{kind:?}: {key}");
        }
        assert!(package["keywords"].as_array().unwrap().len() <= 5);
        assert!(manifest["workspace"].as_table().unwrap().is_empty());
        let types = manifest["lib"]["crate-type"].as_array().unwrap();
        assert_eq!(
            types.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>(),
            ["cdylib", "rlib"]
        );
        let sdk = &manifest["dependencies"]["ablate-sdk"];
        assert!(sdk["path"].as_str().unwrap().ends_with("plugins/sdk"));
        let burn = sdk.get("default-features").and_then(toml::Value::as_bool).unwrap_or(true);
        assert_eq!(burn, kind.needs_burn());
        assert!(manifest["dev-dependencies"].get("ablate-conformance").is_some());
        let library = file(&files, "src/lib.rs");
        assert!(library.contains("ablate_plugin_tiny_thing, ["), "{library}");
        assert!(library.contains("pub use tiny_thing::{TinyThing, TinyThingConfig};"), "{library}");
    }
}

#[test]
fn without_a_checkout_the_published_versions_are_named() {
    let version = |folder: &str| {
        let text = fs_err::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        manifest["package"]["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(toolkit::SDK_PUBLISHED, version("plugins/sdk"));
    assert_eq!(toolkit::CONFORMANCE_PUBLISHED, version("plugins/conformance"));
    let toolkit = Toolkit::published();
    assert_eq!(toolkit.sdk_line(true), "ablate-sdk = \"0.1.0\"");
    assert_eq!(
        toolkit.sdk_line(false),
        "ablate-sdk = { version = \"0.1.0\", default-features = false }"
    );
    assert_eq!(toolkit.conformance_line(), "ablate-conformance = \"0.1.0\"");
    assert!(toolkit.lock.is_none());
}

#[test]
fn the_license_has_the_words_of_this_repository() {
    let files = files(NewKind::Metric, None);
    let read = |name: &str| fs_err::read_to_string(root().join(name)).unwrap();
    let body = |text: &str| text.split_once("\n\nPermission").unwrap().1.to_owned();
    assert_eq!(body(file(&files, "LICENSE-MIT")), body(&read("LICENSE-MIT")));
}

#[test]
fn names_follow_from_the_package() {
    let names = Names::new("ablate-segment-mean").unwrap();
    assert_eq!(names.component, "segment-mean");
    assert_eq!(names.library, "ablate_segment_mean");
    assert_eq!(names.module, "segment_mean");
    assert_eq!(names.type_name, "SegmentMean");
    assert_eq!(Names::new("wav2vec-2").unwrap().type_name, "Wav2vec2");
    let long = "a".repeat(65);
    for (name, why) in [
        ("", "it is empty"),
        ("Segment", "'S' is neither a small letter, nor a digit, nor a hyphen"),
        ("segment_mean", "'_' is neither a small letter, nor a digit, nor a hyphen"),
        ("../up", "'.' is neither a small letter, nor a digit, nor a hyphen"),
        ("größe", "'ö' is neither a small letter, nor a digit, nor a hyphen"),
        ("mean-", "a hyphen stands between two words"),
        ("-mean", "a hyphen stands between two words"),
        ("a--b", "a hyphen stands between two words"),
        ("2mean", "it does not start with a letter"),
        (&long, "it has 65 letters, at most 64 are allowed"),
    ] {
        let failure = Names::new(name).unwrap_err();
        assert_eq!(failure.message, format!("`{name}` cannot be the name of a crate: {why}"));
    }
    for name in ["lib", "match", "serde", "block", "tensors", "ablate-sdk", "ablate-loss"] {
        let failure = Names::new(name).unwrap_err();
        assert!(failure.message.contains("its code needs"), "{}", failure.message);
    }
}

#[test]
fn paths_are_shown_as_a_shell_takes_them() {
    assert_eq!(shell_word(Path::new("../segment-mean")), "../segment-mean");
    assert_eq!(shell_word(Path::new("my 'own'/x")), "'my '\\''own'\\''/x'");
}
