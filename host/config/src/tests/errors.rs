//! The exact text of every error, and its hints.

use super::{BASE, Catalog, Folder};
use crate::{Layers, load, resolve};

/// The error of the base experiment with `from` replaced by `to`.
fn check(from: &str, to: &str, expected: &str) {
    assert!(BASE.contains(from), "`{from}` is not in the base experiment");
    check_text(&BASE.replace(from, to), &[], expected);
}

fn check_override(argument: &str, expected: &str) {
    check_text(BASE, &[argument], expected);
}

fn check_text(text: &str, overrides: &[&str], expected: &str) {
    let folder = Folder::new(text);
    let error = folder.resolve(overrides).expect_err("the experiment is wrong");
    assert_eq!(folder.show(&error), expected);
}

#[test]
fn names_a_missing_experiment_and_its_neighbor() {
    let folder = Folder::new(BASE);
    let error = load(&folder.root.path().join("dept"), &Layers::default()).unwrap_err();
    assert_eq!(
        folder.show(&error),
        "`dept`: no such experiment\n\
         hint: did you mean `depth`?\n\
         hint: an experiment is a folder with an `experiment.toml`, or a TOML file"
    );
}

#[test]
fn names_the_place_of_a_syntax_error() {
    check(
        "latent_dim = 64",
        "latent_dim = = 64",
        "depth/experiment.toml:8:14: extra `=`, expected nothing: `latent_dim = = 64`",
    );
    check(
        "latent_dim = 64",
        "use = \"rqvae\"",
        "depth/experiment.toml:8:1: duplicate key: `use = \"rqvae\"`",
    );
}

#[test]
fn fails_on_unreadable_files() {
    let folder = Folder::new(BASE);
    fs_err::write(folder.path("experiment.toml"), [0xff, 0xfe]).unwrap();
    let error = folder.load(&[]).unwrap_err();
    assert_eq!(folder.show(&error), "failed to read experiment file `depth/experiment.toml`");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn fails_on_unknown_keys() {
    check(
        "batch_size = 4",
        "batchsize = 4",
        "depth/experiment.toml:27: `train.batchsize`: unknown key\n\
         hint: did you mean `batch_size`?\n\
         hint: valid keys: `batch_size`, `total_epochs`, `total_steps`, `eval_every_epochs`, \
         `eval_every_steps`, `checkpoint_every_epochs`, `checkpoint_every_steps`, `optimizer`, \
         `schedule`, `clip_norm`, `accumulate_steps`, `early_stopping`, `bucketing`, \
         `prefetch_batches`, `prefetch_workers`",
    );
    check(
        "[dataset]",
        "[dataste]",
        "depth/experiment.toml:3: `dataste`: unknown key\n\
         hint: did you mean `dataset`?\n\
         hint: valid keys: `question`, `name`, `device`, `threads`, `plugins`, `dataset`, `model`, \
         `blocks`, `loss`, `metric`, `artifact`, `train`, `report`, `sweep`",
    );
    check(
        "learning_rate = 1e-3",
        "momentum = 0.9",
        "depth/experiment.toml:28: `train.optimizer.momentum`: unknown key\n\
         hint: valid keys: `use`, `learning_rate`, `betas`, `epsilon`, `weight_decay`, `groups`",
    );
}

#[test]
fn says_in_which_slot_a_key_belongs() {
    let valid = "hint: valid keys: `activation`, `dropout`, `latent_dim`, `name`, `noise`, \
                 `quantizer`, `widths`, `pooling`, `refiner`";
    check(
        "latent_dim = 64",
        "stride = 12",
        &format!(
            "depth/experiment.toml:8: `model.stride`: unknown key\n\
             hint: did you mean `model.pooling.stride`?\n{valid}"
        ),
    );
}

#[test]
fn fails_on_unknown_config_keys() {
    check(
        "latent_dim = 64",
        "latent_dims = 64",
        "depth/experiment.toml:8: `model.latent_dims`: unknown key\n\
         hint: did you mean `latent_dim`?\n\
         hint: valid keys: `activation`, `dropout`, `latent_dim`, `name`, `noise`, `quantizer`, \
         `widths`, `pooling`, `refiner`",
    );
    check(
        "latent_dim = 64",
        "quantizer = { level = 2 }",
        "depth/experiment.toml:8: `model.quantizer.level`: unknown key\n\
         hint: did you mean `levels`?\n\
         hint: valid keys: `codes`, `levels`",
    );
    check(
        "weight = 0.25",
        "wieght = 0.25",
        "depth/experiment.toml:19: `loss.commitment.wieght`: unknown key\n\
         hint: did you mean `weight`?\n\
         hint: valid keys: `inputs`, `weight`",
    );
}

#[test]
fn fails_on_wrong_types() {
    check(
        "batch_size = 4",
        "batch_size = \"four\"",
        "depth/experiment.toml:27: `train.batch_size`: expected an integer, found the string `four`",
    );
    check(
        "latent_dim = 64",
        "latent_dim = 64.0",
        "depth/experiment.toml:8: `model.latent_dim`: expected an integer, found the number `64.0`",
    );
    check(
        "latent_dim = 64",
        "widths = [8, \"x\"]",
        "depth/experiment.toml:8: `model.widths[1]`: expected an integer, found the string `x`",
    );
    check(
        "latent_dim = 64",
        "name = 3",
        "depth/experiment.toml:8: `model.name`: expected a string, found the integer `3`",
    );
    check(
        "[model.pooling]\nuse = \"sliding-window\"\nwindow = 25\nstride = 12",
        "pooling = \"mean\"",
        "depth/experiment.toml:9: `model.pooling`: expected a table such as `{ use = \"NAME\" }`, \
         found the string `mean`",
    );
    check(
        "batch_size = 4",
        "bucketing = 1",
        "depth/experiment.toml:27: `train.bucketing`: expected true or false, found the integer `1`",
    );
    check_text(
        &format!("{BASE}[sweep]\nseeds = \"3\"\n"),
        &[],
        "depth/experiment.toml:30: `sweep.seeds`: expected a list of seeds, a number of them, or \
         `{ start = 3, max = 10, until_ci_half_width = 0.5 }`, found the string `3`",
    );
}

#[test]
fn says_which_layer_was_wrong() {
    check_override(
        "train.batch_size=big",
        "command line `train.batch_size=big`: `train.batch_size`: expected an integer, \
         found the string `big`",
    );
    let folder = Folder::new(BASE);
    let variable = ("ABLATE_SET__model__latent_dim".to_owned(), "true".to_owned());
    let layers = Layers { environment: vec![variable], ..Layers::default() };
    let experiment = load(&folder.path(""), &layers).unwrap();
    let error = resolve(experiment.tree(), &Catalog).unwrap_err();
    assert_eq!(
        folder.show(&error),
        "environment variable `ABLATE_SET__model__latent_dim`: `model.latent_dim`: \
         expected an integer, found the boolean `true`"
    );
}

#[test]
fn fails_on_malformed_overrides() {
    let hint = "\nhint: overrides look like `train.batch_size=8`";
    for (argument, problem) in [
        ("train.batch_size", "expected `key=value`"),
        ("train.batch_size=", "the value is empty (write `\"\"` for an empty string)"),
        ("train..batch_size=8", "a key is empty"),
        ("model={use=", "not a TOML value: unclosed inline table, expected `}`"),
    ] {
        check_override(argument, &format!("command line `{argument}`: {problem}{hint}"));
    }
    let folder = Folder::new(BASE);
    let variable = ("ABLATE_SET__train____x".to_owned(), "1".to_owned());
    let layers = Layers { environment: vec![variable], ..Layers::default() };
    assert_eq!(
        folder.show(&load(&folder.path(""), &layers).unwrap_err()),
        format!(
            "environment variable `ABLATE_SET__train____x`: \
             expected keys between double underscores{hint}"
        )
    );
}

#[test]
fn fails_on_values_out_of_range() {
    for (key, value, bound) in [
        ("batch_size", "0", "at least 1"),
        ("batch_size", "-4", "at least 1"),
        ("accumulate_steps", "0", "at least 1"),
        ("clip_norm", "0.0", "a finite number above 0"),
        ("clip_norm", "inf", "a finite number above 0"),
        ("optimizer.learning_rate", "nan", "a finite number above 0"),
        ("optimizer.learning_rate", "-0.001", "a finite number above 0"),
        ("optimizer.weight_decay", "-1", "a finite number of at least 0"),
        ("optimizer.epsilon", "0.0", "a finite number above 0"),
        ("eval_every_epochs", "0", "at least 1"),
    ] {
        let argument = format!("train.{key}={value}");
        check_override(
            &argument,
            &format!("command line `{argument}`: `train.{key}`: must be {bound}, found `{value}`"),
        );
    }
    check(
        "learning_rate = 1e-3",
        "betas = [0.9, 1.0]",
        "depth/experiment.toml:28: `train.optimizer.betas[1]`: must be at least 0 and below 1, \
         found `1.0`",
    );
    check(
        "weight = 0.25",
        "weight = nan",
        "depth/experiment.toml:19: `loss.commitment.weight`: must be a finite number, found `nan`",
    );
}

#[test]
fn fails_on_config_out_of_range() {
    check(
        "latent_dim = 64",
        "latent_dim = 0",
        "depth/experiment.toml:8: `model.latent_dim`: must be at least 1, found `0`",
    );
    check(
        "latent_dim = 64",
        "quantizer.codes = -1",
        "depth/experiment.toml:8: `model.quantizer.codes`: must be at least 0, found `-1`",
    );
    check(
        "latent_dim = 64",
        "widths = [8, -8]",
        "depth/experiment.toml:8: `model.widths[1]`: must be at least 0, found `-8`",
    );
    check(
        "latent_dim = 64",
        "dropout = nan",
        "depth/experiment.toml:8: `model.dropout`: must be a finite number, found `nan`",
    );
    check(
        "latent_dim = 64",
        "activation = \"glu\"",
        "depth/experiment.toml:8: `model.activation`: expected one of `relu`, `gelu`, found `glu`\n\
         hint: did you mean `gelu`?",
    );
    check(
        "latent_dim = 64",
        "noise = { kind = \"gauss\" }",
        "depth/experiment.toml:8: `model.noise.kind`: expected one of `off`, `gaussian`, \
         found `gauss`\n\
         hint: did you mean `gaussian`?",
    );
    check(
        "latent_dim = 64",
        "noise = { kind = \"gaussian\" }",
        "depth/experiment.toml:8: `model.noise.scale` is missing: `rqvae` has no default for it",
    );
}

#[test]
fn fails_on_missing_keys() {
    check(
        "[dataset]\nuse = \"synthetic-speech\"",
        "",
        "depth/experiment.toml: `dataset` is missing: an experiment needs data",
    );
    check(
        "use = \"rqvae\"\n",
        "",
        "depth/experiment.toml:6: `model.use` is missing: it names the model",
    );
    check(
        "stride = 12\n",
        "",
        "depth/experiment.toml:10: `model.pooling.stride` is missing: \
         `sliding-window` has no default for it",
    );
    check_text(
        "dataset.use = 'synthetic-speech'\nmodel = { use = 'rqvae', pooling = { use = 'mean' } }",
        &[],
        "depth/experiment.toml: `loss` is missing: training needs at least one `[loss.NAME]`",
    );
    check_override(
        "train.schedule.use=step",
        "command line `train.schedule.use=step`: `train.schedule.step_every_steps` is missing: \
         the schedule `step` has no default for it",
    );
    check_override(
        "train.early_stopping.min_delta=0.1",
        "command line `train.early_stopping.min_delta=0.1`: `train.early_stopping.patience_evals` \
         is missing: it says how many evaluations without improvement are waited for",
    );
}

#[test]
fn fails_unless_exactly_one_duration_is_set() {
    let hint = "\nhint: write either `total_epochs` or `total_steps`";
    check(
        "total_epochs = 10\n",
        "",
        &format!(
            "depth/experiment.toml:25: `train`: exactly one of `total_epochs` and `total_steps` \
             must be set, neither is{hint}"
        ),
    );
    check(
        "total_epochs = 10",
        "total_epochs = 10\ntotal_steps = 5",
        &format!(
            "depth/experiment.toml:25: `train`: exactly one of `total_epochs` and `total_steps` \
             must be set, both are (`total_epochs` by depth/experiment.toml:26, `total_steps` by \
             depth/experiment.toml:27){hint}"
        ),
    );
}

#[test]
fn fails_on_unknown_components() {
    check(
        "\"sliding-window\"",
        "\"attentoin\"",
        "depth/experiment.toml:10: `model.pooling`: unknown pooling `attentoin`\n\
         hint: did you mean `attention`?\n\
         hint: known blocks of role `pooling`: `attention`, `mean`, `sliding-window`; \
         searched `target/release` (5 plugins)",
    );
    check(
        "\"sliding-window\"",
        "\"mixer\"",
        "depth/experiment.toml:10: `model.pooling`: unknown pooling `mixer`\n\
         hint: `mixer` exists as a refiner\n\
         hint: known blocks of role `pooling`: `attention`, `mean`, `sliding-window`; \
         searched `target/release` (5 plugins)",
    );
    check(
        "\"masked-mse\"",
        "\"mask-mse\"",
        "depth/experiment.toml:15: `loss.reconstruction`: unknown loss `mask-mse`\n\
         hint: did you mean `masked-mse`?\n\
         hint: known losses: `masked-mse`, `output`; searched `target/release` (5 plugins)",
    );
}

#[test]
fn fails_on_missing_slots() {
    check(
        "[model.pooling]\nuse = \"sliding-window\"\nwindow = 25\nstride = 12",
        "",
        "depth/experiment.toml:7: `model.pooling` is missing: `rqvae` needs a block of role \
         `pooling` here\n\
         hint: write `[model.pooling]` with `use = \"…\"` (a block of role `pooling`)",
    );
}

#[test]
fn fails_on_wrong_references() {
    let pooling = "use = \"sliding-window\"\nwindow = 25\nstride = 12";
    check(
        pooling,
        "ref = \"blocks.encoder\"",
        "depth/experiment.toml:10: `model.pooling.ref`: no shared block `encoder`\n\
         hint: shared blocks stand under `[blocks.NAME]`; there are none",
    );
    check(
        pooling,
        "ref = \"blocks.encoder\"\n[blocks.encodr]\nuse = \"mean\"",
        "depth/experiment.toml:10: `model.pooling.ref`: no shared block `encoder`\n\
         hint: did you mean `blocks.encodr`?\n\
         hint: shared blocks: `blocks.encodr`",
    );
    check(
        pooling,
        "ref = \"blocks.mixer\"\n[blocks.mixer]\nuse = \"mixer\"",
        "depth/experiment.toml:10: `model.pooling.ref`: unknown pooling `mixer`\n\
         hint: `mixer` exists as a refiner\n\
         hint: known blocks of role `pooling`: `attention`, `mean`, `sliding-window`; \
         searched `target/release` (5 plugins)",
    );
    check(
        pooling,
        "ref = \"blocks.a\"\nwindow = 3\n[blocks.a]\nuse = \"mean\"",
        "depth/experiment.toml:11: `model.pooling.window`: unknown key\n\
         hint: valid keys: `ref`",
    );
}

#[test]
fn refuses_circles_of_shared_blocks() {
    let window = "use = \"sliding-window\"\nwindow = 2\nstride = 1\ninner.ref = ";
    check_text(
        &format!("{BASE}[blocks.a]\n{window}\"blocks.b\"\n[blocks.b]\n{window}\"blocks.a\"\n"),
        &[],
        "depth/experiment.toml:29: `blocks.a`: shared blocks contain each other in a circle: \
         `blocks.a` → `blocks.b` → `blocks.a`",
    );
}

#[test]
fn refuses_wrong_objectives() {
    check(
        "[train]",
        "[metric.second]\nuse = \"accuracy\"\nobjective = true\n[train]",
        "depth/experiment.toml:27: `metric.second.objective`: `metric.utilization` is the objective \
         already",
    );
    let needs = "needs a metric with `objective = true`";
    check_text(
        &BASE.replace("objective = true", ""),
        &["report.checkpoint=best"],
        &format!("command line `report.checkpoint=best`: `report.checkpoint`: {needs}"),
    );
    check(
        "objective = true\n\n[train]",
        "[train]\nearly_stopping = { patience_evals = 2 }",
        &format!("depth/experiment.toml:24: `train.early_stopping`: {needs}"),
    );
    check_override(
        "report.split=vaild",
        "command line `report.split=vaild`: `report.split`: expected one of `train`, `valid`, \
         `test`, found `vaild`\n\
         hint: did you mean `valid`?",
    );
}

#[test]
fn refuses_wrong_sweeps() {
    let sweep = |text: &str, expected: &str| check_text(&format!("{BASE}{text}"), &[], expected);
    sweep(
        "[sweep]\nbaseline = \"men\"\n[[sweep.variant]]\nname = \"mean\"\n",
        "depth/experiment.toml:30: `sweep.baseline`: no variant is named `men`\n\
         hint: did you mean `mean`?\n\
         hint: variants: `base`, `mean`",
    );
    sweep(
        "[[sweep.variant]]\nname = \"mean\"\n[[sweep.variant]]\nname = \"mean\"\n",
        "depth/experiment.toml:32: `sweep.variant[1].name`: another variant is already named `mean`\n\
         hint: the base spec is a variant too; `sweep.base_name` names it",
    );
    sweep(
        "[[sweep.variant]]\nset = {}\n",
        "depth/experiment.toml:29: `sweep.variant[0].name` is missing: each variant has a name",
    );
    sweep(
        "[[sweep.variant]]\nname = \"a\"\nset = { \"modle.pooling\" = 1 }\n",
        "depth/experiment.toml:31: `sweep.variant[0].set.\"modle.pooling\"`: unknown key\n\
         hint: did you mean `model`?\n\
         hint: valid keys: `dataset`, `model`, `blocks`, `loss`, `metric`, `artifact`, `train`, \
         `device`, `threads`",
    );
    sweep(
        "[[sweep.variant]]\nname = \"a\"\nset = { sweep = 1 }\n",
        "depth/experiment.toml:31: `sweep.variant[0].set.sweep`: `sweep` cannot differ between \
         variants",
    );
    sweep(
        "[[sweep.variant]]\nname = \"a\"\nset = { \"train..x\" = 1 }\n",
        "depth/experiment.toml:31: `sweep.variant[0].set.\"train..x\"`: not a key: a key is empty",
    );
    sweep(
        "[sweep.grid]\n\"train.batch_size\" = []\n",
        "depth/experiment.toml:30: `sweep.grid.\"train.batch_size\"`: an axis needs at least one \
         value",
    );
    sweep(
        "[sweep.grid]\n\"train.batch_size\" = [8, 8]\n",
        "depth/experiment.toml:30: `sweep.grid.\"train.batch_size\"[1]`: the value `8` is there \
         twice",
    );
    sweep(
        "[sweep]\nseeds = [0, 1, 0]\n",
        "depth/experiment.toml:30: `sweep.seeds[2]`: seed `0` is there twice",
    );
    sweep(
        "[sweep]\nseeds = [-1]\n",
        "depth/experiment.toml:30: `sweep.seeds[0]`: must be at least 0, found `-1`",
    );
}

#[test]
fn a_variant_is_wrong_at_its_own_line() {
    let text = format!(
        "{BASE}[[sweep.variant]]\nname = \"a\"\n\
         set = {{ \"model.pooling\" = {{ use = \"sliding-window\", window = 3, strid = 2 }} }}\n"
    );
    let folder = Folder::new(&text);
    let experiment = folder.load(&[]).unwrap();
    let tree = experiment.with(&experiment.sweep.variants[0].set).unwrap();
    assert_eq!(
        folder.show(&resolve(&tree, &Catalog).unwrap_err()),
        "depth/experiment.toml:31: `model.pooling.strid`: unknown key\n\
         hint: did you mean `stride`?\n\
         hint: valid keys: `stride`, `tail`, `window`, `inner`"
    );
}

#[test]
fn refuses_files_that_extend_each_other() {
    let folder = Folder::new("extends = \"one.toml\"")
        .write("one.toml", "\nextends = [\"two.toml\"]")
        .write("two.toml", "extends = \"../depth/one.toml\"");
    assert_eq!(
        folder.show(&folder.load(&[]).unwrap_err()),
        "depth/two.toml:1: `extends`: files extend each other in a circle: \
         `depth/one.toml` → `depth/two.toml` → `depth/one.toml`"
    );
    let folder = Folder::new("extends = \"../base.toml\"");
    assert_eq!(
        folder.show(&folder.load(&[]).unwrap_err()),
        "depth/experiment.toml:1: `extends`: no such file: `base.toml`"
    );
    let folder = Folder::new("extends = 3");
    assert_eq!(
        folder.show(&folder.load(&[]).unwrap_err()),
        "depth/experiment.toml:1: `extends`: expected a path or a list of paths, \
         found the integer `3`"
    );
}
