//! Points: grids, zipped axes, draws, unions of them, and which of equal points stays.

use super::*;

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
    // What would be called the same in two blocks is not.
    check(
        "[sweep]\nconcat = [\n\
         { grid = { 'model.pooling' = [{ use = 'window', size = 2 }] } },\n\
         { grid = { 'model.pooling' = [{ use = 'window', size = 3 }], 'model.a.x' = [1] } },\n\
         { grid = { 'model.b.x' = [1] } },\n]\n",
        &["base*", "pooling=window(size=2)", "pooling=window(size=3),a.x=1", "b.x=1"],
    );
}

#[test]
fn zipped_axes_advance_together() {
    check(
        "[sweep]\nzip = { 'model.x' = [1, 2, 2], 'model.y' = [10, 20, 30] }\n",
        &["base*", "x=1,y=10", "x=2,y=20", "x=2,y=30"],
    );
    check(
        "[sweep]\ngrid = { 'model.z' = [0, 1] }\nzip = { 'model.x' = [1, 2], 'model.y' = [3, 4] }\n",
        &["base*", "z=0,x=1,y=3", "z=0,x=2,y=4", "z=1,x=1,y=3", "z=1,x=2,y=4"],
    );
}

#[test]
fn draws_run_fastest_and_do_not_depend_on_each_other() {
    let drawn = |sweep: &str| -> Vec<(String, serde_json::Value)> {
        let one = |variant: Variant| {
            let x = variant.spec.value(&"model.x".parse().unwrap());
            (variant.name, x.unwrap_or_default())
        };
        variants(sweep).into_iter().map(one).collect()
    };
    let uniform = "'model.x' = { uniform = [0, 1] }";
    let alone = drawn(&format!("[sweep.random]\ncount = 3\n{uniform}\n"));
    assert_eq!(alone.len(), 4);
    assert_eq!(alone[1].0, format!("x={}", alone[1].1));
    let more = drawn(&format!("[sweep.random]\ncount = 5\n{uniform}\n"));
    assert_eq!(more[..4], alone);
    let two =
        format!("[sweep.random]\ncount = 3\n'model.y' = {{ int_uniform = [1, 9] }}\n{uniform}\n");
    let values = |all: &[(String, serde_json::Value)]| -> Vec<serde_json::Value> {
        all.iter().map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(values(&drawn(&two)), values(&alone));
    let other = drawn(&format!("[sweep.random]\ncount = 3\nseed = 1\n{uniform}\n"));
    assert_ne!(values(&other), values(&alone));
    let with_grid =
        format!("[sweep]\ngrid = {{ 'model.z' = [0, 1] }}\nrandom = {{ count = 2, {uniform} }}\n");
    let names: Vec<String> = drawn(&with_grid).into_iter().map(|(name, _)| name).collect();
    let x: Vec<String> = alone[1..3].iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        names[1..],
        [
            format!("z=0,{}", x[0]),
            format!("z=0,{}", x[1]),
            format!("z=1,{}", x[0]),
            format!("z=1,{}", x[1])
        ]
    );
}

#[test]
fn points_with_many_drawn_keys_are_called_by_their_numbers() {
    let three = "'model.x' = { uniform = [0, 1] }, 'model.y' = { normal = [0, 1] }, \
                 'model.pooling' = { choice = [{ use = 'sum' }, { use = 'max' }] }";
    check(
        &format!(
            "[sweep]\nconcat = [{{ random = {{ count = 2, {three} }} }}, {{ random = {{ count = 1, \
             seed = 7, {three} }} }}]\n"
        ),
        &["base*", "random-0", "random-1", "random-7-0"],
    );
    refused(
        &format!(
            "[sweep]\nconcat = [{{ random = {{ count = 1, {three} }} }}, {{ random = {{ count = 1, \
             {three}, 'model.z' = {{ uniform = [0, 1] }} }} }}]\n"
        ),
        2,
        "`sweep.concat[1]`: the variant `random-0` is named like another one\n\
         give the variant, or the base spec (`sweep.base_name`), another name, or the random \
         table another `seed`",
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
    // What the base spec has by default counts too.
    check("[sweep.grid]\n'model.depth' = [1, 2]\n", &["depth=1", "depth=2*"]);
    // In an ablation the base spec keeps its name.
    check(
        "[sweep]\nleave_one_out = ['loss.a']\ngrid = { 'train.batch_size' = [4, 8] }\n",
        &["base*", "-a", "batch_size=4"],
    );
}

#[test]
fn equal_points_are_kept_once_under_their_first_name() {
    check(
        "[sweep]\nbaseline = 'depth=7'\n\
         concat = [{ grid = { 'model.depth' = [7, 8] } }, { zip = { 'model.depth' = [8, 7, 9] } }]\n",
        &["base", "depth=7*", "depth=8", "depth=9"],
    );
    // A name that somebody gave is kept, and stands for the point when the baseline is chosen.
    let named = "[[sweep.variant]]\nname = 'deep'\nset = { 'model.depth' = 7 }\n\
                 [[sweep.variant]]\nname = 'deep-too'\nset = { 'model.depth' = 7 }\n";
    check(
        &format!("[sweep]\nbaseline = 'depth=7'\ngrid = {{ 'model.depth' = [7, 8] }}\n{named}"),
        &["base", "deep*", "deep-too", "depth=8"],
    );
}

#[test]
fn fails_on_points_named_like_variants() {
    refused(
        "[[sweep.variant]]\nname = 'x=1'\n[sweep.grid]\n'model.x' = [1]\n",
        3,
        "`sweep.grid`: the variant `x=1` is named like another one\n\
         give the variant, or the base spec (`sweep.base_name`), another name, or the random \
         table another `seed`",
    );
}

#[test]
fn fails_on_points_beyond_bounds() {
    let values: Vec<String> = (0..400).map(|value| value.to_string()).collect();
    let values = values.join(",");
    refused(
        &format!("[sweep.grid]\n'model.x' = [{values}]\n'model.y' = [{values}]\n"),
        1,
        "`sweep.grid`: 160000 points are more than 100000",
    );
    refused(
        "[sweep]\ngrid = { 'model.x' = [1] }\nconcat = [{ random = { count = 100000, 'model.y' = \
         { uniform = [0, 1] } } }]\n",
        3,
        "`sweep.concat[0]`: 100001 points are more than 100000",
    );
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
        let variants = expand(&experiment, &Toys).unwrap();
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
        prop_assert_eq!(&expand(&experiment, &Toys).unwrap(), &variants);
        let all = trials(&variants, &[0, 1]);
        prop_assert_eq!(all.len(), 2 * variants.len());
        prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    /// A block of everything is the product of its parts, a concatenation the union of its blocks.
    #[test]
    fn blocks_multiply_within_and_add_up_among_each_other(
        sizes in prop::collection::vec((1_usize..4, 0_usize..4, 0_usize..4), 1..4),
    ) {
        let mut text = "[sweep]\n".to_owned();
        let mut expected = 1;
        for (block, (grid, zip, random)) in sizes.iter().enumerate() {
            let list = |count: usize| {
                (0..count).map(|value| value.to_string()).collect::<Vec<_>>().join(",")
            };
            writeln!(text, "[[sweep.concat]]\ngrid = {{ 'model.g{block}' = [{}] }}", list(*grid))
                .unwrap();
            if *zip > 0 {
                let rows = list(*zip);
                writeln!(text, "zip = {{ 'model.p{block}' = [{rows}], 'model.q' = [{rows}] }}")
                    .unwrap();
            }
            if *random > 0 {
                writeln!(
                    text,
                    "random = {{ count = {random}, 'model.r{block}' = {{ uniform = [0, 1] }} }}"
                )
                .unwrap();
            }
            expected += grid * (*zip).max(1) * (*random).max(1);
        }
        prop_assert_eq!(variants(&text).len(), expected);
    }
}
