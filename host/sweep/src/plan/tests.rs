//! Expansion: order, names, the baseline, and what is refused.

mod ablation;
mod blocks;
mod exclude;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use ablate_config::{ComponentSchema, Layers, SlotSchema, Unknown, load};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const BASE: &str = "dataset.use = 'd'\nmodel = { use = 'm', pooling = { use = 'mean' } }\n\
                    train = { total_epochs = 9, batch_size = 8, optimizer.learning_rate = 1.0 }\n\
                    loss = { a = { use = 'l' }, b = { use = 'l', weight = 2 } }\n";
/// The line on which what a test adds begins.
const NEXT: usize = 2;

/// Components that take any keys. The model has slots of every sort.
struct Toys;

impl Schemas for Toys {
    fn component(
        &self,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        if name == "nothing" {
            return Err(Unknown::default());
        }
        let slot = |name: &str, role: &str| SlotSchema {
            name: name.to_owned(),
            role: role.to_owned(),
            ..SlotSchema::default()
        };
        let null = |name: &str| Some(json!({ "use": name }));
        let slots = match (kind, name, role) {
            ("model", ..) => vec![
                SlotSchema { null: null("mean"), ..slot("pooling", "pooling") },
                SlotSchema { optional: true, ..slot("refiner", "refiner") },
                SlotSchema { optional: true, null: null("sum"), ..slot("fusion", "fusion") },
                SlotSchema { default: null("linear"), ..slot("head", "head") },
                SlotSchema { optional: true, many: true, ..slot("layers", "layer") },
                SlotSchema {
                    default: null("window"),
                    null: null("mean"),
                    ..slot("late", "pooling")
                },
            ],
            ("block", "window", _) => vec![SlotSchema {
                default: null("sum"),
                null: null("mean"),
                ..slot("inner", "pooling")
            }],
            _ => Vec::new(),
        };
        let schema = json!({
            "type": "object",
            "additionalProperties": true,
            "properties": { "depth": { "type": "integer", "default": 2, "maximum": 99 } },
        });
        Ok(Arc::new(ComponentSchema { schema, slots, ..ComponentSchema::default() }))
    }
}

/// What a test says over `BASE`.
fn experiment(sweep: &str) -> Experiment {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("base.toml"), BASE).unwrap();
    let text = format!("extends = 'base.toml'\n{sweep}");
    fs_err::write(folder.path().join("experiment.toml"), text).unwrap();
    load(folder.path(), &Layers::default()).unwrap()
}

fn variants(sweep: &str) -> Vec<Variant> {
    expand(&experiment(sweep), &Toys).unwrap()
}

/// The names of the variants; the baseline has a star.
#[track_caller]
fn check(sweep: &str, expected: &[&str]) {
    let names: Vec<String> = variants(sweep)
        .into_iter()
        .map(|variant| variant.name + if variant.baseline { "*" } else { "" })
        .collect();
    assert_eq!(names, expected);
}

/// The message and the hints of a sweep that is refused.
fn error(sweep: &str) -> String {
    let experiment = experiment(sweep);
    let error = expand(&experiment, &Toys).unwrap_err();
    let folder = format!("{}/", experiment.folder.display());
    let lines: Vec<String> = std::iter::once(error.to_string()).chain(error.hints()).collect();
    lines.join("\n").replace(&folder, "")
}

#[track_caller]
fn refused(sweep: &str, line: usize, expected: &str) {
    assert_eq!(error(sweep), format!("experiment.toml:{}: {expected}", NEXT + line - 1));
}

#[test]
fn lists_the_base_then_variants_then_points() {
    check("", &["base*"]);
    let variant = "[[sweep.variant]]\nname = 'sum'\nset = { 'model.pooling' = { use = 'sum' } }\n";
    check(variant, &["base*", "sum"]);
    check(&format!("[sweep]\nbase_name = 'mean'\nbaseline = 'sum'\n{variant}"), &["mean", "sum*"]);
    check(
        &format!("{variant}[sweep.grid]\n'train.batch_size' = [16, 32]\n"),
        &["base*", "sum", "batch_size=16", "batch_size=32"],
    );
}

#[test]
fn forms_come_in_a_fixed_order() {
    let sweep = "[sweep]\nbaseline = 'b'\nleave_one_out = ['loss.a', 'loss.b.depth']\n";
    assert!(error(sweep).contains("cannot be removed"));
    let all = "[sweep]\nconcat = [{ grid = { 'model.x' = [1, 2] } }]\n\
               grid = { 'model.y' = [1] }\n\
               one_at_a_time = { 'model.z' = [1] }\n\
               add_one_in = ['loss.a', 'model.refiner']\n\
               pairs = true\n\
               leave_one_out = ['model.late', 'model.refiner']\n\
               [[sweep.variant]]\nname = 'named'\nset = { 'model.w' = 1 }\n\
               [model.refiner]\nuse = 'r'\n";
    let found: Vec<_> =
        variants(all).iter().map(|v| (v.name.clone(), v.form.as_str().to_owned())).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        found,
        [
            ("base", "base"),
            ("named", "named"),
            ("-late", "leave-one-out"),
            ("-refiner", "leave-one-out"),
            ("-late-refiner", "pair"),
            ("none", "add-one-in"),
            // `+a` is what `-refiner` is.
            ("z=1", "one-at-a-time"),
            ("y=1", "point"),
            ("x=1", "point"),
            ("x=2", "point"),
        ]
    );
}

#[test]
fn fails_on_an_unknown_baseline() {
    refused(
        "[sweep]\nbaseline = 'batch_size=5'\n[sweep.grid]\n'train.batch_size' = [4, 8]\n",
        2,
        "`sweep.baseline`: no variant is named `batch_size=5`\n\
         did you mean `batch_size=4`?\nvariants: `base`, `batch_size=4`, `batch_size=8`",
    );
}

#[test]
fn fails_on_variants_that_do_not_resolve() {
    refused(
        "[sweep.grid]\n'model.depth' = [1, 'deep']\n",
        2,
        "`model.depth`: expected an integer, found the string `deep`",
    );
    refused(
        "[[sweep.variant]]\nname = 'x'\nset = { 'model.pooling' = { use = 'nothing' } }\n",
        3,
        "`model.pooling`: unknown pooling `nothing`\nno blocks of role `pooling` are known",
    );
}

#[test]
fn trials_go_seed_by_seed() {
    let variants = variants("[sweep.grid]\n'model.x' = [1]\n");
    let trials: Vec<_> =
        trials(&variants, &[3, 1]).iter().map(|trial| (trial.variant, trial.seed)).collect();
    assert_eq!(trials, [(0, 3), (1, 3), (0, 1), (1, 1)]);
}

#[test]
fn the_spec_of_a_variant_is_what_its_set_makes_of_the_base() {
    let experiment = experiment(
        "[sweep]\nleave_one_out = ['model.pooling', 'loss.b']\npairs = true\n\
         grid = { 'model.x' = [1, 2] }\n[model.pooling]\nuse = 'window'\n",
    );
    for variant in expand(&experiment, &Toys).unwrap() {
        let tree = experiment.with(&variant.set).unwrap();
        assert_eq!(ablate_config::resolve(&tree, &Toys).unwrap(), variant.spec, "{}", variant.name);
    }
}
