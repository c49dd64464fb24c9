//! Tables by keys: rows, groups of columns, filters, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_report::{Axes, Layout, VariantKeys, lay_out};
use serde_json::{Value, json};

struct Variant {
    name: String,
    set: Vec<(String, Value)>,
    spec: Value,
}

/// A resolved spec; `window` belongs to one pooling only.
fn spec(dataset: &str, pooling: &str, levels: u64, batch_size: u64) -> Value {
    let config = if pooling == "window" { json!({ "width": 25 }) } else { json!({}) };
    json!({
        "dataset": { "use": dataset, "config": { "root": format!("/{dataset}") }, "slots": {} },
        "model": { "use": "rqvae", "config": { "levels": levels }, "slots": {
            "pooling": { "one": { "use": pooling, "config": config, "slots": {} } } } },
        "train": { "batch_size": batch_size },
    })
}

/// The product of two poolings, two datasets and two numbers of levels, in a grid's names.
fn grid() -> Vec<Variant> {
    let mut variants = Vec::new();
    for pooling in ["mean", "window"] {
        for dataset in ["read", "spontaneous"] {
            for levels in [2, 4] {
                variants.push(Variant {
                    name: format!("pooling={pooling},dataset={dataset},levels={levels}"),
                    set: vec![
                        ("model.pooling".into(), json!({ "use": pooling })),
                        ("dataset.use".into(), json!(dataset)),
                        ("model.levels".into(), json!(levels)),
                    ],
                    spec: spec(dataset, pooling, levels, 8),
                });
            }
        }
    }
    variants
}

fn laid_out(
    variants: &[Variant],
    baseline: &str,
    axes: &Axes,
) -> Result<Layout, ablate_report::Error> {
    let variants: Vec<VariantKeys<'_>> = variants
        .iter()
        .map(|variant| VariantKeys { name: &variant.name, set: &variant.set, spec: &variant.spec })
        .collect();
    lay_out(&variants, baseline, axes)
}

fn axes(by: Option<&str>, columns: Option<&str>, filters: &[(&str, &str)]) -> Axes {
    Axes {
        by: by.map(str::to_owned),
        columns: columns.map(str::to_owned),
        filters: filters
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

const BASE: &str = "pooling=mean,dataset=read,levels=2";

#[test]
fn without_axes_rows_are_variants() {
    let variants = grid();
    let layout = laid_out(&variants, BASE, &Axes::default()).unwrap();
    assert_eq!(layout.rows.len(), 8);
    assert_eq!(layout.groups, [""]);
    assert_eq!(layout.places[3], Some((3, 0)));
    assert_eq!(layout.sets[3], variants[3].set);
}

#[test]
fn a_key_becomes_groups_of_columns_and_leaves_the_names_of_the_rest() {
    let layout = laid_out(&grid(), BASE, &axes(None, Some("dataset.use"), &[])).unwrap();
    assert_eq!(layout.groups, ["read", "spontaneous"]);
    let rows = [
        "pooling=mean,levels=2",
        "pooling=mean,levels=4",
        "pooling=window,levels=2",
        "pooling=window,levels=4",
    ];
    assert_eq!(layout.rows, rows);
    assert_eq!(layout.places[2], Some((0, 1)), "mean, spontaneous, 2");
    assert_eq!(layout.baseline, 0);
    assert_eq!(layout.sets[0].len(), 2);
}

#[test]
fn named_variants_keep_the_name_they_have_where_the_key_is_left_alone() {
    let dataset = || ("dataset".to_owned(), json!({ "use": "spontaneous" }));
    let window = || ("model.pooling".to_owned(), json!({ "use": "window" }));
    let variants = [
        ("base", vec![], spec("read", "mean", 2, 8)),
        ("windows", vec![window()], spec("read", "window", 2, 8)),
        ("base on spontaneous", vec![dataset()], spec("spontaneous", "mean", 2, 8)),
        ("windows on spontaneous", vec![window(), dataset()], spec("spontaneous", "window", 2, 8)),
    ]
    .map(|(name, set, spec)| Variant { name: name.into(), set, spec });
    let layout = laid_out(&variants, "base", &axes(None, Some("dataset"), &[])).unwrap();
    assert_eq!(
        (layout.rows, layout.groups),
        (vec!["base".to_owned(), "windows".into()], vec!["read".to_owned(), "spontaneous".into()],)
    );
}

#[test]
fn two_axes_pin_everything_or_say_what_is_open() {
    let two = axes(Some("model.pooling.use"), Some("model.levels"), &[]);
    let error = laid_out(&grid(), BASE, &two).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`mean` × `levels=2` is more than one variant: `pooling=mean,dataset=read,levels=2` and \
         `pooling=mean,dataset=spontaneous,levels=2` differ in `dataset.use`"
    );
    assert_eq!(
        error.hints(),
        [
            "choose with `--where dataset.use=read`",
            "or put its values side by side with `--columns dataset.use`"
        ]
    );
    let two =
        axes(Some("model.pooling.use"), Some("model.levels"), &[("dataset.use", "spontaneous")]);
    let layout = laid_out(&grid(), BASE, &two).unwrap();
    assert_eq!(layout.rows, ["mean", "window"]);
    assert_eq!(layout.groups, ["levels=2", "levels=4"]);
    // The baseline is left out, but the row that is like it is there.
    assert_eq!(layout.baseline, 0);
    assert_eq!(layout.places.iter().flatten().count(), 4);
}

#[test]
fn values_of_one_filter_are_alternatives_and_filters_are_conditions() {
    let filters = [("dataset.use", "read"), ("model.levels", "2"), ("model.levels", "4")];
    let layout = laid_out(&grid(), BASE, &axes(None, None, &filters)).unwrap();
    assert_eq!(layout.rows.len(), 4);
}

#[test]
fn keys_and_values_that_nobody_has_are_named() {
    let error = laid_out(&grid(), BASE, &axes(Some("model.pool"), None, &[])).unwrap_err();
    assert_eq!(error.to_string(), "no variant has the key `model.pool`");
    assert_eq!(
        error.hints(),
        ["variants differ in `model.levels`, `dataset.use`, `model.pooling.use`"]
    );
    let error = laid_out(&grid(), BASE, &axes(None, None, &[("model.levels", "3")])).unwrap_err();
    assert_eq!(error.to_string(), "no variant has `model.levels = 3`");
    assert_eq!(error.hints(), ["its values: `2`, `4`"]);
}

#[test]
fn a_baseline_that_is_filtered_out_is_an_error() {
    let mut variants = grid();
    variants[0].spec = spec("read", "mean", 2, 16);
    let filters = [("dataset.use", "spontaneous")];
    let error = laid_out(&variants, BASE, &axes(None, None, &filters)).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("the baseline `{BASE}` is left out")),
        "{error}"
    );
}
