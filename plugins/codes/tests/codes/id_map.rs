//! The map as its readers see it, and the values beside it.

use ablate_codes::IdMap;
use ablate_sdk::{Arrays, Error, Metric, serde_json};
use std::collections::BTreeMap;

fn batch(codes: &[i64], shape: [usize; 3], mask: &[bool]) -> Arrays {
    let books = [shape[2], 16, 1];
    Arrays::new()
        .with("codes", codes.to_vec(), &shape)
        .with("code_mask", mask.to_vec(), &shape[..2])
        .with("codebooks", vec![0.0_f32; shape[2] * 16], &books)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

fn text(metric: &IdMap) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("id_map.json");
    metric.publish(&path).expect("written");
    std::fs::read_to_string(path).expect("read")
}

/// Four documents of two levels, two of which share their codes, and one without any.
fn five() -> IdMap {
    let mut metric = IdMap::default();
    metric.items("train", &ids(&["b", "a"])).expect("new ids");
    metric.update(&batch(&[1, 2, 3, 4], [2, 1, 2], &[true, true]), &[]).expect("fits");
    metric.items("test", &ids(&["c", "nothing", "d"])).expect("new ids");
    let codes = [1, 2, 9, 9, 3, 5];
    metric.update(&batch(&codes, [3, 1, 2], &[true, false, true]), &[]).expect("fits");
    metric
}

#[test]
fn lists_the_documents_in_the_order_of_the_items() {
    let text = text(&five());
    assert_eq!(
        text,
        "{\n  \"b\": [1, 2],\n  \"a\": [3, 4],\n  \"c\": [1, 2],\n  \"d\": [3, 5]\n}\n"
    );
    let map: BTreeMap<String, Vec<i64>> = serde_json::from_str(&text).expect("JSON");
    assert_eq!((map.len(), &map["d"]), (4, &vec![3, 5]));
}

#[test]
fn a_map_of_several_tuples_is_one_of_lists() {
    let mut metric = IdMap::default();
    metric.items("train", &ids(&["a\"b", "ä"])).expect("new ids");
    let codes = [1, 2, 3, 4, 5, 6, 0, 0];
    let mask = [true, true, true, false];
    metric.update(&batch(&codes, [2, 2, 2], &mask), &[]).expect("fits");
    assert_eq!(text(&metric), "{\n  \"a\\\"b\": [[1, 2], [3, 4]],\n  \"ä\": [[5, 6]]\n}\n");
}

#[test]
fn measures_how_documents_can_be_told_apart() {
    let values: Vec<(String, f64)> =
        five().compute().expect("measured").into_iter().map(|v| (v.name, v.value)).collect();
    let of = |name: &str| values.iter().find(|(known, _)| known == name).expect("a value").1;
    // (3 4) and (3 5) are unique, of five documents.
    assert_eq!((values[0].0.as_str(), values[0].1), ("", 0.4));
    assert_eq!((of("documents"), of("colliding"), of("largest-group")), (5.0, 2.0, 2.0));
    assert_eq!(of("without-codes"), 1.0);
    // Level 1: two codes, twice each: 2. Level 2: 2, 4, 2, 5 with shares 1/2, 1/4, 1/4: 2^1.5.
    assert!((of("effective-capacity") - 2.0 * 2.0_f64.powf(1.5)).abs() < 1e-12);
}

#[test]
fn an_id_twice_is_an_error() {
    let mut metric = five();
    let text = |result: Result<(), Error>| result.expect_err("must fail").to_string();
    let wanted = "item `a` of split `valid` has an id that was there before";
    assert_eq!(text(metric.items("valid", &ids(&["x", "a"]))), wanted);
    assert_eq!(text(metric.items("valid", &ids(&["a", "x"]))), wanted);
    let wanted = "item `x` of split `valid` has an id that was there before";
    assert_eq!(text(metric.items("valid", &ids(&["x", "x"]))), wanted);
    // What was refused is not remembered.
    metric.items("valid", &ids(&["x"])).expect("a new id");
    let state = five().state().expect("written");
    let error = metric.merge(&state).expect_err("must fail").to_string();
    assert_eq!(error, "item `b` has an id that was there before");
}

#[test]
fn merged_parts_are_the_whole() {
    let mut metric = IdMap::default();
    metric.items("train", &ids(&["b", "a"])).expect("new ids");
    metric.update(&batch(&[1, 2, 3, 4], [2, 1, 2], &[true, true]), &[]).expect("fits");
    let mut other = IdMap::default();
    other.items("test", &ids(&["c", "nothing", "d"])).expect("new ids");
    let codes = [1, 2, 9, 9, 3, 5];
    other.update(&batch(&codes, [3, 1, 2], &[true, false, true]), &[]).expect("fits");
    metric.merge(&other.state().expect("written")).expect("its own state");
    assert_eq!(metric.compute().expect("measured"), five().compute().expect("measured"));
    assert_eq!(text(&metric), text(&five()));
    let error = metric.merge(b"{\"levels\":2,\"list\":[{\"id\":null,\"codes\":[1]}]}");
    assert_eq!(error.expect_err("must fail").to_string(), "a state with broken tuples of 2 levels");
}

#[test]
fn without_ids_it_only_measures() {
    let mut metric = IdMap::default();
    metric.update(&batch(&[1, 2], [1, 1, 2], &[true]), &[]).expect("fits");
    assert_eq!(metric.compute().expect("measured")[0].value, 1.0);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = metric.publish(&folder.path().join("map")).expect_err("must fail").to_string();
    assert_eq!(error, "items came without their ids, and cannot be published");
    metric.reset();
    let error = metric.compute().expect_err("must fail").to_string();
    assert_eq!(error, "nothing was measured: no batch held a document");
}

#[test]
fn refuses_batches_that_do_not_fit() {
    let mut metric = IdMap::default();
    metric.items("train", &ids(&["a", "b"])).expect("new ids");
    let mut text = |inputs: &Arrays| metric.update(inputs, &[]).expect_err("must fail").to_string();
    let three = batch(&[1, 2, 3], [3, 1, 1], &[true; 3]);
    assert_eq!(text(&three), "a batch of 3 items, but 2 ids were announced");
    assert_eq!(
        text(&batch(&[1, 16], [2, 1, 1], &[true; 2])),
        "code `16` is not in [0, 16): item 1 of the batch, window 1, level 1"
    );
    let other = Arrays::new().with("codes", vec![0_i64, 1], &[2, 1, 1]).with(
        "codebooks",
        vec![0.0_f32; 32],
        &[2, 16, 1],
    );
    assert_eq!(text(&other), "`codebooks` is f32[2, 16, 1], but `codes` has 1 levels");
    let flat = Arrays::new().with("codes", vec![0_i64, 1], &[2, 1, 1]).with(
        "codebooks",
        vec![0.0_f32; 16],
        &[1, 16],
    );
    assert_eq!(text(&flat), "`codebooks` is f32[1, 16], expected 3 dimensions");
    // And then takes one that fits.
    metric.update(&batch(&[1, 2], [2, 1, 1], &[true; 2]), &[]).expect("fits");
    let levels = metric.update(&batch(&[1, 2], [1, 1, 2], &[true]), &[]).expect_err("must fail");
    assert_eq!(levels.to_string(), "`codes` has 2 levels, but had 1 before");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("missing").join("id_map.json");
    let error = five().publish(&path).expect_err("must fail").to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
}
