//! Expansion: order, names, the baseline, and what is refused.

use std::fmt::Write as _;

use ablate_config::{Layers, load};
use proptest::prelude::*;

use super::*;

const BASE: &str = "dataset.use = 'd'\nmodel = { use = 'm', pooling = { use = 'mean' } }\n\
                    train = { batch_size = 8, optimizer.learning_rate = 1.0 }\n";

fn experiment(sweep: &str) -> Experiment {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("experiment.toml"), format!("{BASE}{sweep}")).unwrap();
    load(folder.path(), &Layers::default()).unwrap()
}

/// The names of the variants; the baseline has a star.
fn check(sweep: &str, expected: &[&str]) {
    let names: Vec<String> = expand(&experiment(sweep))
        .unwrap()
        .into_iter()
        .map(|variant| variant.name + if variant.baseline { "*" } else { "" })
        .collect();
    assert_eq!(names, expected);
}

fn error(sweep: &str) -> String {
    let experiment = experiment(sweep);
    let error = expand(&experiment).unwrap_err();
    let folder = format!("{}/", experiment.folder.display());
    let lines: Vec<String> = std::iter::once(error.to_string()).chain(error.hints()).collect();
    lines.join("\n").replace(&folder, "")
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
fn names_points_by_short_keys_and_used_components() {
    check(
        "[sweep.grid]\n'train.batch_size' = [16]\n\
         'model.pooling' = [{ use = 'sum' }, { use = 'window', size = 2 }]\n",
        &["base*", "batch_size=16,pooling=sum", "batch_size=16,pooling=window"],
    );
    check(
        "[sweep.grid]\n'model.pooling' = [{ use = 'window', size = 2 }, { use = 'window' }]\n",
        &["base*", "pooling=window(size=2)", "pooling=window"],
    );
    check(
        "[sweep.grid]\n'model.pooling.use' = ['sum']\n'loss.a.weight' = [2]\n\
         'loss.b.weight' = [0.5]\n'model.sizes' = [[1, 2]]\n",
        &["base*", "pooling=sum,a.weight=2,b.weight=0.5,sizes=[1,2]"],
    );
}

#[test]
fn a_point_like_the_base_takes_its_place() {
    check("[sweep.grid]\n'train.batch_size' = [4, 8]\n", &["batch_size=4", "batch_size=8*"]);
    check(
        "[sweep.grid]\n'model.pooling' = [{ use = 'mean' }, { use = 'mean', x = 1 }]\n\
         'train.optimizer.learning_rate' = [1]\n",
        &["pooling=mean,learning_rate=1*", "pooling=mean(x=1),learning_rate=1"],
    );
    check(
        "[sweep]\nbaseline = 'batch_size=4'\n[sweep.grid]\n'train.batch_size' = [4, 8]\n",
        &["batch_size=4*", "batch_size=8"],
    );
}

#[test]
fn fails_on_an_unknown_baseline() {
    assert_eq!(
        error("[sweep]\nbaseline = 'batch_size=5'\n[sweep.grid]\n'train.batch_size' = [4, 8]\n"),
        "experiment.toml:5: `sweep.baseline`: no variant is named `batch_size=5`\n\
         did you mean `batch_size=4`?\nvariants: `batch_size=4`, `batch_size=8`"
    );
}

#[test]
fn fails_on_points_named_like_variants() {
    assert_eq!(
        error("[[sweep.variant]]\nname = 'x=1'\n[sweep.grid]\n'model.x' = [1]\n"),
        "experiment.toml:6: `sweep.grid`: the point `x=1` is named like another variant\n\
         give the variant, or the base spec (`sweep.base_name`), another name"
    );
}

#[test]
fn fails_on_a_grid_beyond_bounds() {
    let values: Vec<String> = (0..400).map(|value| value.to_string()).collect();
    let values = values.join(",");
    assert_eq!(
        error(&format!("[sweep.grid]\n'model.x' = [{values}]\n'model.y' = [{values}]\n")),
        "experiment.toml:4: `sweep.grid`: 160000 points are more than 100000"
    );
}

#[test]
fn trials_go_seed_by_seed() {
    let variants = expand(&experiment("[sweep.grid]\n'model.x' = [1]\n")).unwrap();
    let trials: Vec<_> =
        trials(&variants, &[3, 1]).iter().map(|trial| (trial.variant, trial.seed)).collect();
    assert_eq!(trials, [(0, 3), (1, 3), (0, 1), (1, 1)]);
}

#[test]
fn a_thousand_variants_expand_quickly() {
    let experiment = experiment(
        "[sweep.grid]\n'model.x' = [0,1,2,3,4,5,6,7,8,9]\n'model.y' = [0,1,2,3,4,5,6,7,8,9]\n\
         'model.z' = [0,1,2,3,4,5,6,7,8,9]\n",
    );
    let start = std::time::Instant::now();
    let variants = expand(&experiment).unwrap();
    println!("{} variants in {:?} (meant: below 100 ms)", variants.len(), start.elapsed());
    assert_eq!(variants.len(), 1001);
}

proptest! {
    #[test]
    fn a_grid_is_the_product_of_its_axes(lengths in prop::collection::vec(1_usize..5, 1..4)) {
        let mut text = "[sweep.grid]\n".to_owned();
        for (axis, length) in lengths.iter().enumerate() {
            // Keys in falling order, so that sorted keys would not be file order.
            let values: Vec<String> = (0..*length).map(|value| value.to_string()).collect();
            writeln!(text, "'model.k{}' = [{}]", 9 - axis, values.join(",")).unwrap();
        }
        let experiment = experiment(&text);
        let variants = expand(&experiment).unwrap();
        prop_assert_eq!(variants.len(), 1 + lengths.iter().product::<usize>());
        let names: HashSet<_> = variants.iter().map(|variant| &variant.name).collect();
        prop_assert_eq!(names.len(), variants.len());
        prop_assert_eq!(variants.iter().filter(|variant| variant.baseline).count(), 1);
        let sets: Vec<Vec<i64>> = variants[1..]
            .iter()
            .map(|variant| {
                variant.set.iter().map(|(_, value)| value.to_json().as_i64().unwrap()).collect()
            })
            .collect();
        // The last axis is fastest: read as digits, the points count up.
        prop_assert!(sets.is_sorted());
        prop_assert_eq!(&expand(&experiment).unwrap(), &variants);
        let all = trials(&variants, &[0, 1]);
        prop_assert_eq!(all.len(), 2 * variants.len());
        prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
