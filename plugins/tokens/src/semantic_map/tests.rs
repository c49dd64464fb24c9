//! What is measured and published, and what is refused.

use super::*;
use ablate_sdk::serde_json::{Value, json};

fn batch(tokens: &[&[i64]], seconds: Option<&[f32]>) -> Arrays {
    let longest = tokens.iter().map(|item| item.len()).max().unwrap_or(0);
    let (mut values, mut mask) = (Vec::new(), Vec::new());
    for item in tokens {
        values.extend_from_slice(item);
        mask.resize(values.len(), true);
        // Padding is no token, whatever it holds.
        values.resize(values.len() + longest - item.len(), -7);
        mask.resize(values.len(), false);
    }
    let shape = [tokens.len(), longest];
    let arrays = Arrays::new()
        .with("tokens", values, &shape)
        .with("token_mask", mask, &shape)
        .with("codebook", vec![0.0_f32; 5 * 2], &[5, 2]);
    match seconds {
        Some(seconds) => arrays.with("seconds", seconds.to_vec(), &[seconds.len()]),
        None => arrays,
    }
}

fn metric(config: Value) -> SemanticMap {
    let config = serde_json::from_value(config).expect("a configuration");
    SemanticMap::with(config, None).expect("made")
}

fn ids(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn values(metric: &SemanticMap) -> Vec<(String, f64)> {
    metric.compute().expect("values").into_iter().map(|one| (one.name, one.value)).collect()
}

/// Two batches of a run of the host.
fn fill(metric: &mut SemanticMap) {
    metric.items("train", &ids(&["b", "a \"quoted\""])).expect("announced");
    metric.update(&batch(&[&[0, 0, 1, 2], &[0, 1]], None), &[]).expect("taken");
    metric.items("test", &ids(&["empty", "c"])).expect("announced");
    metric.update(&batch(&[&[], &[3, 3, 0, 1, 1]], None), &[]).expect("taken");
}

fn published(metric: &SemanticMap) -> (String, Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("semantic_map.json");
    metric.publish(&path).expect("published");
    let map = std::fs::read_to_string(&path).expect("written");
    let beside = folder.path().join("vocabulary.json");
    let vocabulary = std::fs::read_to_string(beside).expect("written");
    (map, serde_json::from_str(&vocabulary).expect("JSON"))
}

#[test]
fn publishes_one_line_per_item_in_order_and_the_vocabulary() {
    let mut metric = metric(json!({}));
    fill(&mut metric);
    let (map, vocabulary) = published(&metric);
    assert_eq!(
        map,
        "{\n\"b\": [0, 1, 2],\n\"a \\\"quoted\\\"\": [0, 1],\n\"empty\": [],\n\"c\": [3, 0, 1]\n}\n"
    );
    assert!(serde_json::from_str::<Value>(&map).is_ok());
    assert_eq!(
        vocabulary,
        json!({
            "format": 1, "units": 5, "deduplicated": true, "merges": [],
            "size": 8, "bos": 5, "eos": 6, "pad": 7,
        })
    );
}

#[test]
fn merges_are_learned_from_all_items_and_the_vocabulary_is_what_came_of_them() {
    // 0 1 occurs three times, and no pair twice after that: far fewer merges than asked for.
    let mut metric = metric(json!({ "bpe_vocabulary": 5000 }));
    fill(&mut metric);
    let (map, vocabulary) = published(&metric);
    assert_eq!(
        map,
        "{\n\"b\": [5, 2],\n\"a \\\"quoted\\\"\": [5],\n\"empty\": [],\n\"c\": [3, 5]\n}\n"
    );
    assert_eq!(vocabulary["merges"], json!([[0, 1]]));
    assert_eq!((&vocabulary["bos"], &vocabulary["size"]), (&json!(6), &json!(9)));
}

#[test]
fn runs_may_stay() {
    let mut metric = metric(json!({ "deduplicate": false }));
    fill(&mut metric);
    let (map, vocabulary) = published(&metric);
    assert!(map.contains("\"c\": [3, 3, 0, 1, 1]"), "{map}");
    assert_eq!(vocabulary["deduplicated"], json!(false));
}

#[test]
fn measures_lengths_before_and_after() {
    let mut metric = metric(json!({ "bpe_vocabulary": 6 }));
    let items: [&[i64]; 2] = [&[0, 0, 1, 2], &[0, 1]];
    metric.update(&batch(&items, Some(&[0.08, 0.04])), &[]).expect("taken");
    // Six frames, five runs, three tokens after 0 1 became one.
    let expected = [
        ("", 3.0 / 6.0),
        ("runs", 5.0 / 6.0),
        ("vocabulary", 9.0),
        ("merges", 1.0),
        ("per-second", 3.0 / (f64::from(0.08_f32) + f64::from(0.04_f32))),
    ];
    assert_eq!(values(&metric), expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn a_vocabulary_of_another_run_is_used_as_it_is() {
    let mut first = metric(json!({ "bpe_vocabulary": 5000 }));
    fill(&mut first);
    let given = first.vocabulary().expect("learned").clone();
    let config = || SemanticMapConfig::default();
    let mut second = SemanticMap::with(config(), Some(given.clone())).expect("made");
    second.items("train", &ids(&["x"])).expect("announced");
    second.update(&batch(&[&[4, 2, 4, 2, 0, 1]], None), &[]).expect("taken");
    // 4 2 occurs twice here, but was no merge there.
    let (map, vocabulary) = published(&second);
    assert_eq!(map, "{\n\"x\": [4, 2, 4, 2, 5]\n}\n");
    assert_eq!(vocabulary["merges"], json!([[0, 1]]));

    let other = Arrays::new().with("tokens", vec![0_i64], &[1, 1]).with(
        "codebook",
        vec![0.0_f32; 3],
        &[3, 1],
    );
    assert_eq!(
        second.update(&other, &[]).expect_err("must fail").to_string(),
        "`vocabulary` is of 5 units, but there are 3"
    );
    let config = SemanticMapConfig { deduplicate: Some(false), ..config() };
    assert_eq!(
        SemanticMap::with(config, Some(given)).expect_err("must fail").to_string(),
        "`deduplicate` is false, but `vocabulary` was made with it"
    );
}

#[test]
fn refuses_what_makes_no_map() {
    let text = |metric: &SemanticMap| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        metric.publish(&folder.path().join("map")).expect_err("must fail").to_string()
    };
    assert_eq!(text(&metric(json!({}))), "nothing was measured: no batch held an item");
    let mut unnamed = metric(json!({}));
    unnamed.update(&batch(&[&[1]], None), &[]).expect("taken");
    assert_eq!(text(&unnamed), "0 ids for 1 items");
    let mut twice = metric(json!({}));
    for _ in 0..2 {
        twice.items("train", &ids(&["a"])).expect("announced");
        twice.update(&batch(&[&[1]], None), &[]).expect("taken");
    }
    assert_eq!(text(&twice), "two items are called `a`, a map needs different ids");
    let mut small = metric(json!({ "bpe_vocabulary": 4 }));
    small.items("train", &ids(&["a"])).expect("announced");
    small.update(&batch(&[&[1]], None), &[]).expect("taken");
    assert_eq!(text(&small), "`bpe_vocabulary` is 4, must be at least the number of units (5)");

    let mut metric = metric(json!({}));
    metric.items("train", &ids(&["a", "b"])).expect("announced");
    let error = metric.update(&batch(&[&[1]], None), &[]).expect_err("must fail");
    assert_eq!(error.to_string(), "2 ids for a batch of 1 items");
    let tokens = || Arrays::new().with("tokens", vec![0_i64], &[1, 1]);
    assert_eq!(
        metric.update(&tokens(), &[]).expect_err("must fail").to_string(),
        "`units` is not set and `codebook` not wired"
    );
}

#[test]
fn refuses_a_configuration_that_contradicts_itself() {
    let check = |config: Value, expected: &str| {
        let config: SemanticMapConfig = serde_json::from_value(config).expect("a configuration");
        assert_eq!(config.check().expect_err("must fail").to_string(), expected);
    };
    check(json!({ "units": 0 }), "`units` is 0, must be at least 1");
    check(
        json!({ "units": 500, "bpe_vocabulary": 400 }),
        "`bpe_vocabulary` is 400, must be at least the number of units (500)",
    );
    let config = serde_json::from_value(json!({ "bpe_vocabulary": 400 })).expect("valid");
    let mut build = ablate_sdk::testing::build("metric", 0, &[("K", 500)], vec![]).expect("built");
    assert_eq!(
        SemanticMap::new(&config, &mut build).map(drop).expect_err("must fail").to_string(),
        "`bpe_vocabulary` is 400, must be at least the number of units (500)"
    );
    check(
        json!({ "bpe_vocabulary": 400, "vocabulary": "vocabulary.json" }),
        "`bpe_vocabulary` and `vocabulary` are both set: one learns merges, the other takes those \
         of another run",
    );
}

#[test]
fn merges_to_what_one_saw() {
    let config = || json!({ "bpe_vocabulary": 20 });
    let batches = [
        batch(&[&[0, 1, 0, 1], &[2, 0, 1]], Some(&[1.0, 2.0])),
        batch(&[&[0, 1, 2, 0, 1, 2]], Some(&[0.5])),
    ];
    let measured = |batches: &[Arrays]| {
        let mut metric = metric(config());
        for batch in batches {
            metric.update(batch, &[]).expect("taken");
        }
        metric
    };
    let whole = measured(&batches);
    let mut merged = measured(&batches[..1]);
    // What was learned before is out of date after a merge.
    let before = values(&merged);
    merged.merge(&measured(&batches[1..]).state().expect("a state")).expect("merged");
    assert_ne!(values(&merged), before);
    assert_eq!(values(&merged), values(&whole));
    assert!(merged.merge(b"no state").is_err());
    merged.reset();
    assert!(merged.compute().is_err());
}
