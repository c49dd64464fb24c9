//! Metrics with a block of role `aggregation` in their slot, which is of another library: one run
//! tells how many documents each way of making their codes can tell apart, and publishes them.

use ablate_abi::v1::{
    CallOutput, Create, Dimension, Kind, NamedTensor, OwnedMetric, PluginError, RVec, Slot, Tensor,
    share,
};
use ablate_border::{alone, block_with, library};
use ablate_loader::{Library, Loader, NoServices};
use std::sync::Arc;

fn open(loader: &Loader, name: &str) -> Arc<Library> {
    loader.open(&library(name), None).expect("a library that opens")
}

/// A metric with the block `aggregation` of `codes` in its slot, or none.
fn metric(
    library: &Library,
    name: &str,
    (codes, aggregation): (&Library, Option<&str>),
    sizes: &[(&str, u64)],
) -> Result<OwnedMetric, PluginError> {
    let slot = aggregation.map(|name| Slot {
        name: "aggregation".into(),
        block: share(&block_with(codes, name, "metric.unique.aggregation", &[])),
        shared: false,
    });
    let size = |(name, size): &(&str, u64)| Dimension { name: (*name).into(), size: *size };
    let made = library.create(Create {
        kind: Kind::METRIC,
        name: name.into(),
        config: "{}".into(),
        path: "metric.unique".into(),
        seed: 7,
        device: "flex".into(),
        dimensions: sizes.iter().map(size).collect(),
        slots: slot.into_iter().collect(),
        artifacts: RVec::new(),
        properties: RVec::new(),
    })?;
    Ok(made.metric.into_option().expect("a metric"))
}

/// Three documents of three windows and one level of the codes 0, 10, 20 and 30 on a line.
fn batch() -> RVec<NamedTensor> {
    let codes = vec![0_i64, 0, 3, 3, 0, 0, 0, 1, 99];
    let mask = vec![true, true, true, true, true, true, true, true, false];
    [
        NamedTensor::new("codes", Tensor::from_vec(codes, &[3, 3, 1])),
        NamedTensor::new("code_mask", Tensor::from_vec(mask, &[3, 3])),
        NamedTensor::new(
            "codebooks",
            Tensor::from_vec(vec![0.0_f32, 10.0, 20.0, 30.0], &[1, 4, 1]),
        ),
    ]
    .into_iter()
    .collect()
}

const SIZES: [(&str, u64); 3] = [("L", 1), ("K", 4), ("D", 1)];

#[test]
fn each_aggregation_has_its_own_share_of_unique_codes() {
    let _turn = alone();
    let loader = Loader::new(NoServices, 1);
    let (metrics, codes) = (open(&loader, "metrics"), open(&loader, "codes"));
    // Mean: 10, 10 and 5, of which the first of the two nearest is 0. Vote: 0, 0 and 0, the smaller
    // of two. Medoid: 0, 0, 0. First: 0, 3, 0. All windows: different all.
    for (aggregation, unique) in [
        (None, 1.0),
        (Some("all"), 1.0),
        (Some("mean"), 1.0 / 3.0),
        (Some("vote"), 0.0),
        (Some("medoid"), 0.0),
        (Some("first"), 1.0 / 3.0),
        (Some("attention"), 1.0 / 3.0),
    ] {
        let made = metric(&metrics, "unique-code-ratio", (&codes, aggregation), &SIZES);
        let mut metric = made.expect("it can be made");
        metric.update(batch(), RVec::new()).into_result().expect("fits");
        let values = metric.compute().into_result().expect("measured");
        assert_eq!(values[0].value, unique, "{aggregation:?}");
    }
}

#[test]
fn an_aggregation_without_codebooks_is_refused_before_the_first_batch() {
    let _turn = alone();
    let loader = Loader::new(NoServices, 1);
    let (metrics, codes) = (open(&loader, "metrics"), open(&loader, "codes"));
    let made = metric(&metrics, "unique-code-ratio", (&codes, Some("mean")), &SIZES[..1]);
    let error = made.map(drop).expect_err("must fail").to_string();
    assert!(
        error.starts_with("slot `aggregation` is filled, but `codebooks` is not wired"),
        "{error}"
    );
    metric(&metrics, "unique-code-ratio", (&codes, None), &SIZES[..1]).expect("needs none");
}

#[test]
fn a_map_holds_what_the_aggregation_makes() {
    let _turn = alone();
    let loader = Loader::new(NoServices, 1);
    let codes = open(&loader, "codes");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (aggregation, wanted) in [
        ("mean", "{\n  \"a\": [1],\n  \"b\": [1],\n  \"c\": [0]\n}\n"),
        ("first", "{\n  \"a\": [0],\n  \"b\": [3],\n  \"c\": [0]\n}\n"),
        (
            "all",
            "{\n  \"a\": [[0], [0], [3]],\n  \"b\": [[3], [0], [0]],\n  \"c\": [[0], [1]]\n}\n",
        ),
    ] {
        let made = metric(&codes, "id-map", (&codes, Some(aggregation)), &SIZES);
        let mut metric = made.expect("it can be made");
        let mut call = |name: &str, json: serde_json::Value| -> Result<CallOutput, PluginError> {
            metric.call(name.into(), json.to_string().as_str().into(), RVec::new()).into_result()
        };
        call("items", serde_json::json!({ "split": "train", "ids": ["a", "b", "c"] }))
            .expect("new ids");
        metric.update(batch(), RVec::new()).into_result().expect("fits");
        let path = folder.path().join(aggregation);
        let json = serde_json::json!({ "path": path }).to_string();
        metric
            .call("publish".into(), json.as_str().into(), RVec::new())
            .into_result()
            .expect("written");
        assert_eq!(std::fs::read_to_string(path).expect("read"), wanted, "{aggregation}");
    }
}
