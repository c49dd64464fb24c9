//! The models of full size in `experiments/rqvae/full.toml`, and the blocks of `rqvae` in a run.

use crate::harness::Place;

/// The preset as it is published, with this place's plugins.
const FULL: &str = include_str!("../../experiments/rqvae/full.toml");

/// Parameters by variant: the figures of the proposal, exactly. Without learned queries there are
/// 512 · 1024 fewer.
const PARAMETERS: [(&str, u64); 7] = [
    ("global", 122_428_673),
    ("sliding-w25-s12", 105_618_689),
    ("sliding-w50-s25", 105_618_689),
    ("sliding-w10-s5", 105_618_689),
    ("sliding-norms", 105_630_977 - 524_288),
    ("sliding-norms-learned", 105_630_977),
    ("residual-mlp", 10_645_761),
];

#[test]
fn the_models_of_full_size_have_the_parameters_that_were_proposed() {
    let place = Place::new();
    let text = format!("{FULL}\n[plugins]\nfolders = [\"../plugins\"]\n");
    place.write("rqvae/full.toml", text);
    let json = place.ablate(&["describe", "rqvae/full.toml", "--format", "json"]).expect(0).json();
    let found: Vec<_> = json["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| (variant["name"].as_str().unwrap(), variant["parameters"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, PARAMETERS);
}

#[test]
fn transformer_and_multi_window_train_from_a_file() {
    let place = Place::new();
    place.edit(r#"{ use = "convolution", layers = 1, kernel = 3 }"#, r#"{ use = "transformer" }"#);
    place.edit(r#"{ use = "located", heads = 2 }"#, r#"{ use = "multi-window", blocks = 1 }"#);
    place.edit(r#"{ use = "mean" }"#, r#"{ use = "sliding-window", window = 10, stride = 5 }"#);
    place.ablate(&["sweep", "pooling"]).expect(0);
    assert!(place.runs().iter().all(|run| run.status() == "done"));
}

#[test]
fn an_item_beyond_the_learned_queries_ends_the_run_with_the_way_out() {
    let place = Place::new();
    let decoder = r#"{ use = "positional", queries = "learned", max_frames = 8 }"#;
    place.edit(r#"{ use = "located", heads = 2 }"#, decoder);
    let answer = place.ablate(&["run", "pooling"]).expect(1);
    let said = &answer.stderr;
    let parts = [
        "item 0 of the batch has ",
        " frames, more than the 8 that `queries = \"learned\"` has positions for",
        "choose `queries = \"sinusoidal\"`, which takes any length, set `max_frames` to ",
    ];
    for part in parts {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
}
