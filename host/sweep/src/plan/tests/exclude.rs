//! What `exclude` leaves out, and what it may not.

use super::*;

const GRID: &str = "grid = { 'model.depth' = [1, 2, 3], 'train.batch_size' = [4, 8] }\n";

#[test]
fn leaves_out_what_all_keys_match() {
    check(
        &format!(
            "[sweep]\nexclude = [{{ 'model.depth' = 1, 'train.batch_size' = 4 }}, \
             {{ 'model.depth' = 3.0 }}]\n{GRID}"
        ),
        &["depth=1,batch_size=8", "depth=2,batch_size=4", "depth=2,batch_size=8*"],
    );
}

#[test]
fn sees_defaults_tables_and_empty_slots() {
    // `depth` is 2 unless somebody says otherwise.
    let pooling = "grid = { 'model.pooling' = [{ use = 'sum', depth = 1 }, { use = 'sum' }] }\n";
    check(
        &format!(
            "[sweep]\nexclude = [{{ 'model.pooling' = {{ use = 'sum', depth = 2 }} }}]\n{pooling}"
        ),
        &["base*", "pooling=sum(depth=1)"],
    );
    check(
        &format!("[sweep]\nexclude = [{{ 'model.pooling.depth' = 1 }}]\n{pooling}"),
        &["base*", "pooling=sum"],
    );
    check(
        "[sweep]\nexclude = [{ 'model.refiner' = false, 'model.depth' = 3 }]\n\
         grid = { 'model.depth' = [3], 'model.refiner' = [{ use = 'r' }, false] }\n",
        &["base*", "depth=3,refiner=r"],
    );
}

#[test]
fn leaves_out_by_name() {
    check(
        "[sweep]\nexclude = ['-b', 'x']\nleave_one_out = ['loss.a', 'loss.b']\n\
         [[sweep.variant]]\nname = 'x'\n",
        &["base*", "-a"],
    );
    check(
        "[sweep]\nexclude = ['base']\nbaseline = 'x'\n[[sweep.variant]]\nname = 'x'\n\
         set = { 'model.depth' = 3 }\n",
        &["x*"],
    );
}

#[test]
fn a_variant_that_nobody_would_accept_can_be_left_out() {
    let grid = "grid = { 'model.depth' = [1, 999] }\n";
    assert!(error(&format!("[sweep]\n{grid}")).contains("must be at most 99, found `999`"));
    check(
        &format!("[sweep]\nexclude = [{{ 'model.depth' = 999 }}]\n{grid}"),
        &["base*", "depth=1"],
    );
}

#[test]
fn fails_where_nothing_matches() {
    refused(
        &format!("[sweep]\nexclude = [{{ 'model.depth' = 9, 'model.width' = 1 }}]\n{GRID}"),
        2,
        "`sweep.exclude[0]`: it matches no variant, so it would leave nothing out\n\
         `model.depth` is `2`, `1`, `3` here\nno variant has the key `model.width`",
    );
    refused(
        "[sweep]\nexclude = [{ 'model.x' = 1, 'model.y' = 2 }]\n\
         zip = { 'model.x' = [1, 2], 'model.y' = [1, 2] }\n",
        2,
        "`sweep.exclude[0]`: it matches no variant, so it would leave nothing out\n\
         each of these values occurs, but never all of them together",
    );
    refused(
        "[sweep]\nexclude = ['-c']\nleave_one_out = ['loss.b']\n",
        2,
        "`sweep.exclude[0]`: it matches no variant, so it would leave nothing out\n\
         did you mean `-b`?\nvariants: `base`, `-b`",
    );
}

#[test]
fn fails_where_the_baseline_matches() {
    refused(
        &format!("[sweep]\nexclude = [{{ 'train.batch_size' = 8 }}]\n{GRID}"),
        2,
        "`sweep.exclude[0]`: it leaves out the baseline `base`\n\
         exclude less, or name another baseline: `sweep.baseline = \"…\"`",
    );
}
