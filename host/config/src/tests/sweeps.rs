//! The table `[sweep]`: what it means and what it refuses.

use std::time::Duration;

use super::{BASE, Catalog, Folder};
use crate::{
    Distribution, Error, ExclusionRule, FailureClass, KeyPath, Seeds, SequentialSeeds, Sweep,
    resolve,
};

fn key(text: &str) -> KeyPath {
    text.parse().unwrap()
}

fn sweep(text: &str) -> Sweep {
    Folder::new(&format!("{BASE}{text}")).load(&[]).unwrap().sweep
}

/// The message and the hints for a sweep that begins on line 30.
#[track_caller]
fn refused(text: &str, expected: &str) {
    let folder = Folder::new(&format!("{BASE}[sweep]\n{text}"));
    let error = folder.load(&[]).unwrap_err();
    assert_eq!(folder.show(&error), format!("depth/experiment.toml:30: {expected}"));
}

#[test]
fn seeds_are_a_list_a_number_or_as_many_as_it_takes() {
    assert_eq!(sweep("[sweep]\nseeds = [4, 2]\n").seeds, Seeds::Fixed(vec![4, 2]));
    assert_eq!(sweep("[sweep]\nseeds = 3\n").seeds, Seeds::Fixed(vec![0, 1, 2]));
    assert_eq!(sweep("").seeds, Seeds::Fixed((0..8).collect()));
    let sequential = sweep("[sweep]\nseeds = { max = 10, until_ci_half_width = 1 }\n").seeds;
    assert_eq!((sequential.first(), sequential.all()), (vec![0, 1, 2], (0..10).collect()));
    let text = "seeds = { start = 2, max = 5, until_ci_half_width = 0.5, metric = \"loss/x\" }\n";
    let expected = SequentialSeeds {
        start: 2,
        max: 5,
        until_ci_half_width: 0.5,
        metric: Some("loss/x".into()),
    };
    assert_eq!(sweep(&format!("[sweep]\n{text}")).seeds, Seeds::Sequential(expected));
}

#[test]
fn seeds_compose_with_extends_and_arguments() {
    let folder = Folder::new(&format!(
        "{BASE}[sweep]\nseeds = {{ max = 9, until_ci_half_width = 1 }}\n\
         leave_one_out = [\"model.pooling\"]\ngrid = {{ \"train.batch_size\" = [1, 2] }}\n"
    ))
    .write(
        "child.toml",
        "extends = \"experiment.toml\"\n[sweep]\nseeds = { max = 4 }\ngrid = false\n",
    );
    let child = folder.load_file("child.toml", &[]).unwrap().sweep;
    assert_eq!(child.seeds.all().len(), 4);
    assert!(child.blocks.is_empty());
    assert_eq!(child.leave_one_out.len(), 1);
    let typed =
        ["sweep.seeds=[0, 1]", "sweep.leave_one_out=[\"loss.commitment\", \"model.pooling\"]"];
    let typed = folder.load_file("child.toml", &typed).unwrap().sweep;
    assert_eq!(typed.seeds, Seeds::Fixed(vec![0, 1]));
    let keys: Vec<_> = typed.leave_one_out.iter().map(|removal| removal.key.to_string()).collect();
    assert_eq!(keys, ["loss.commitment", "model.pooling"]);
    assert_eq!(folder.load(&["sweep.seeds=2"]).unwrap().sweep.seeds, Seeds::Fixed(vec![0, 1]));
}

#[test]
fn refuses_wrong_seeds() {
    // A table that takes the place of a list is blamed where it stands.
    let folder = Folder::new(&format!("{BASE}[sweep]\nseeds = [1]\n"));
    let error = folder.load(&["sweep.seeds={ max = 3 }"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "command line `sweep.seeds={ max = 3 }`: `sweep.seeds.until_ci_half_width` is missing: it \
         says how narrow the intervals have to be"
    );
    refused("seeds = 0\n", "`sweep.seeds`: must be at least 1, found `0`");
    refused("seeds = 20000\n", "`sweep.seeds`: must be at most 10000, found `20000`");
    refused(
        "seeds = { start = 1, max = 3, until_ci_half_width = 1 }\n",
        "`sweep.seeds.start`: must be at least 2, found `1`",
    );
    refused(
        "seeds = { start = 4, max = 3, until_ci_half_width = 1 }\n",
        "`sweep.seeds.max`: must be at least 4, found `3`",
    );
    refused(
        "seeds = { max = 4 }\n",
        "`sweep.seeds.until_ci_half_width` is missing: it says how narrow the intervals have to be",
    );
    refused(
        "seeds = { max = 4, until_ci_half_width = 1, metric = \"utilisation\" }\n",
        "`sweep.seeds.metric`: expected one of `utilization`, `loss`, found `utilisation`\n\
         hint: did you mean `utilization`?",
    );
    refused(
        "concat = [{ seeds = [1], grid = { \"train.batch_size\" = [1] } }]\n",
        "`sweep.concat[0].seeds`: a block has no seeds of its own: every variant runs with the same \
         ones, or they could not be compared seed by seed\n\
         hint: write `seeds` in `[sweep]`",
    );
    refused(
        "grid = { seed = [1, 2] }\n",
        "`sweep.grid.seed`: every variant has the same seeds; they stand in `sweep.seeds`",
    );
    let without = BASE.replace("objective = true\n", "");
    let folder =
        Folder::new(&format!("{without}[sweep]\nseeds = {{ max = 4, until_ci_half_width = 1 }}\n"));
    assert_eq!(
        folder.show(&folder.load(&[]).unwrap_err()),
        "depth/experiment.toml:29: `sweep.seeds`: needs a metric with `objective = true`, or \
         `metric = \"…\"` here\n\
         hint: the loss is measured too: `metric = \"loss\"`"
    );
}

#[test]
fn blocks_hold_grids_rows_and_draws() {
    let sweep = sweep(
        "[sweep.grid]\n\"train.batch_size\" = [1, 2]\n[sweep.zip.model]\nlatent_dim = [4, 4]\n\
         [[sweep.concat]]\n[sweep.concat.random]\ncount = 20\nseed = 3\n\
         \"train.optimizer.learning_rate\" = { log_uniform = [1e-5, 1e-2] }\n\
         \"model.dropout\" = { uniform = [0, 0.5] }\n\
         \"model.latent_dim\" = { log_int_uniform = [1, 9] }\n\
         \"train.clip_norm\" = { normal = { mean = 1, sd = 0.5 } }\n\
         \"train.prefetch_batches\" = { int_uniform = [1, 3] }\n\
         model.name = { choice = [\"a\", \"b\"], weights = [1, 3] }\n",
    );
    let [first, second] = &sweep.blocks[..] else { panic!("two blocks") };
    assert_eq!(first.at.key, key("sweep.grid"));
    assert_eq!((first.grid.len(), first.zip[0].key.to_string().as_str()), (1, "model.latent_dim"));
    assert_eq!(second.at.key, key("sweep.concat").item(0));
    let random = second.random.as_ref().unwrap();
    assert_eq!((random.count, random.seed), (20, 3));
    let found: Vec<_> =
        random.draws.iter().map(|draw| (draw.key.to_string(), draw.distribution.clone())).collect();
    let expected = [
        ("train.optimizer.learning_rate", Distribution::LogUniform { low: 1e-5, high: 1e-2 }),
        ("model.dropout", Distribution::Uniform { low: 0.0, high: 0.5 }),
        ("model.latent_dim", Distribution::LogIntUniform { low: 1, high: 9 }),
        ("train.clip_norm", Distribution::Normal { mean: 1.0, sd: 0.5 }),
        ("train.prefetch_batches", Distribution::IntUniform { low: 1, high: 3 }),
    ];
    for ((key, distribution), (expected_key, expected)) in found.iter().zip(&expected) {
        assert_eq!((key.as_str(), distribution), (*expected_key, expected));
    }
    let Distribution::Choice { values, weights } = &found[5].1 else { panic!("a choice") };
    assert_eq!((values.len(), weights.as_slice()), (2, [1.0, 3.0].as_slice()));
}

#[test]
fn refuses_wrong_blocks() {
    refused(
        "zip = { \"train.batch_size\" = [1, 2, 3], \"model.latent_dim\" = [4, 5] }\n",
        "`sweep.zip`: zipped axes advance together, so they need equally many values: \
         `train.batch_size` has 3, `model.latent_dim` has 2\n\
         hint: to try every combination, write them under `grid`",
    );
    refused("concat = [{}]\n", "`sweep.concat[0]`: a block needs `grid`, `zip` or `random`");
    refused(
        "concat = [{ gird = {} }]\n",
        "`sweep.concat[0].gird`: unknown key\nhint: did you mean `grid`?\n\
         hint: valid keys: `grid`, `zip`, `random`",
    );
    refused(
        "concat = [{ grid = { \"model.latent_dim\" = [1] }, zip = { \"model.latent_dim\" = [1] } }]\n",
        "`sweep.concat[0].zip`: `model.latent_dim` is in `grid` too; a block has one axis for a key",
    );
    let random = |text: &str, expected: &str| {
        refused(&format!("random = {{ {text} }}\n"), &format!("`sweep.random{expected}"));
    };
    random(
        "\"model.dropout\" = { uniform = [0, 1] }",
        ".count` is missing: it says how many points are drawn",
    );
    random(
        "count = 2",
        "`: there is no key to draw values for\n\
         hint: write `\"train.optimizer.learning_rate\" = { log_uniform = [1e-5, 1e-2] }`",
    );
    random(
        "count = 2, \"model.dropout\" = [0, 1]",
        ".\"model.dropout\"`: expected a distribution, found a list\n\
         hint: write `\"train.optimizer.learning_rate\" = { log_uniform = [1e-5, 1e-2] }`\n\
         hint: distributions: `uniform`, `log_uniform`, `int_uniform`, `log_int_uniform`, `normal`, \
         `choice`",
    );
    random(
        "count = 2, \"model.dropout\" = { unifrom = [0, 1] }",
        ".\"model.dropout\".unifrom`: unknown key\n\
         hint: did you mean `uniform`?\n\
         hint: valid keys: `uniform`, `log_uniform`, `int_uniform`, `log_int_uniform`, `normal`, \
         `choice`",
    );
    random(
        "count = 2, \"model.dropout\" = { uniform = [0, 1], normal = [0, 1] }",
        ".\"model.dropout\".normal`: `uniform` and `normal` are two distributions",
    );
    random(
        "count = 2, \"model.dropout\" = { uniform = [1, 0] }",
        ".\"model.dropout\".uniform[1]`: must be above the lower bound 1, found `0`",
    );
    random(
        "count = 2, \"model.dropout\" = { log_uniform = [0, 1] }",
        ".\"model.dropout\".log_uniform[0]`: must be a finite number above 0, found `0`",
    );
    random(
        "count = 2, \"model.dropout\" = { int_uniform = [0, 1.5] }",
        ".\"model.dropout\".int_uniform[1]`: expected an integer, found the number `1.5`",
    );
    random(
        "count = 2, \"model.dropout\" = { normal = [0] }",
        ".\"model.dropout\".normal`: expected `{ mean = …, sd = … }` or a list of both, found a list",
    );
    random(
        "count = 2, \"model.name\" = { choice = [\"a\", \"b\"], weights = [1] }",
        ".\"model.name\".weights`: there are 1 weights for 2 values",
    );
    random(
        "count = 2, \"model.name\" = { choice = [\"a\"], weights = [0] }",
        ".\"model.name\".weights`: the sum of the weights must be above 0 and finite",
    );
    random(
        "count = 2, \"model.dropout\" = { uniform = [0, 1], weights = [1] }",
        ".\"model.dropout\".weights`: only `choice` has weights",
    );
    random(
        "count = 2, \"modle.x\" = { uniform = [0, 1] }",
        ".\"modle.x\"`: unknown key\nhint: did you mean `model`?\n\
         hint: valid keys: `dataset`, `model`, `blocks`, `loss`, `metric`, `artifact`, `train`, \
         `device`, `threads`",
    );
}

#[test]
fn ablation_forms_name_slots_and_losses() {
    let sweep = sweep(
        "[sweep]\nleave_one_out = [\"model.pooling\", \"loss.commitment\", \"model.layers[2]\"]\n\
         pairs = true\nadd_one_in = [\"model.pooling\"]\n\
         one_at_a_time = { \"train.batch_size\" = [1, 2] }\n\
         [[sweep.variant]]\nname = \"x\"\nremove = [\"loss.commitment\"]\n",
    );
    assert!(sweep.pairs);
    assert_eq!(sweep.leave_one_out[2].key, key("model").child("layers").item(2));
    assert_eq!(sweep.leave_one_out[2].at.key, key("sweep.leave_one_out").item(2));
    assert_eq!(sweep.variants[0].remove[0].key, key("loss.commitment"));
    assert_eq!(sweep.one_at_a_time[0].values.len(), 2);
}

#[test]
fn refuses_wrong_ablation_forms() {
    refused(
        "leave_one_out = [\"metric.utilization\"]\n",
        "`sweep.leave_one_out[0]`: `metric.utilization` cannot be removed: only slots and losses \
         can\n\
         hint: a metric only looks on: without it every trial would be the same, so leave it out of \
         the base spec",
    );
    refused(
        "leave_one_out = [\"train.clip_norm\"]\n",
        "`sweep.leave_one_out[0]`: `train.clip_norm` cannot be removed: only slots and losses can\n\
         hint: to try other values, write `one_at_a_time = { \"train.clip_norm\" = […] }`",
    );
    refused(
        "leave_one_out = [\"modle.pooling\"]\n",
        "`sweep.leave_one_out[0]`: `modle.pooling` cannot be removed: only slots and losses can\n\
         hint: did you mean `model`?\n\
         hint: write a slot such as `model.pooling`, or a loss: `loss.NAME`",
    );
    refused(
        "leave_one_out = \"model.pooling\"\n",
        "`sweep.leave_one_out`: expected a list of keys such as `[\"model.pooling\", \
         \"loss.commitment\"]`, found the string `model.pooling`",
    );
    refused(
        "leave_one_out = [\"model.pooling\", \"model.pooling\"]\n",
        "`sweep.leave_one_out[1]`: `model.pooling` is there twice",
    );
    refused(
        "pairs = true\n",
        "`sweep.pairs`: there are no pairs: `leave_one_out` has 0 keys\n\
         hint: write `leave_one_out = [\"model.pooling\", \"loss.commitment\"]` beside it",
    );
}

#[test]
fn exclusions_are_names_or_values() {
    let sweep = sweep("[sweep]\nexclude = [\"x\", { \"train.batch_size\" = 8 }]\n");
    assert_eq!(sweep.exclude[0].rule, ExclusionRule::Name("x".into()));
    let ExclusionRule::Values(values) = &sweep.exclude[1].rule else { panic!("values") };
    assert_eq!(values[0].0, key("train.batch_size"));
    refused(
        "exclude = [{}]\n",
        "`sweep.exclude[0]`: an exclusion without keys would leave nothing",
    );
    refused(
        "exclude = [8]\n",
        "`sweep.exclude[0]`: expected a table of keys and values, or a variant's name, found the \
         integer `8`",
    );
    refused(
        "exclude = [{ \"tran.batch_size\" = 8 }]\n",
        "`sweep.exclude[0].\"tran.batch_size\"`: unknown key\nhint: did you mean `train`?\n\
         hint: valid keys: `dataset`, `model`, `blocks`, `loss`, `metric`, `artifact`, `train`, \
         `device`, `threads`",
    );
}

#[test]
fn halving_has_rungs_in_epochs() {
    let halving = sweep("[sweep]\nhalving = true\n").halving.unwrap();
    assert_eq!(
        (halving.min_epochs, halving.reduction, halving.rungs(10)),
        (1, 3, vec![1, 3, 9, 10])
    );
    let text = "[sweep]\nhalving = { min_epochs = 2, reduction = 2, max_epochs = 4 }\n";
    assert_eq!(sweep(text).halving.unwrap().rungs(10), [2, 4, 10]);
    assert_eq!(sweep("[sweep]\nhalving = false\n").halving, None);
    refused(
        "halving = { min_epochs = 10 }\n",
        "`sweep.halving.min_epochs`: must be below the 10 epochs of a whole trial, found `10`",
    );
    refused(
        "halving = true\nseeds = { max = 4, until_ci_half_width = 1 }\n",
        "`sweep.halving`: needs a fixed list of seeds: `seeds` says how many only while running",
    );
}

#[test]
fn trials_are_retried_by_the_class_of_their_failure() {
    let of = |text: &str| -> Vec<u32> {
        let retry = sweep(text).retry;
        FailureClass::ALL.iter().map(|class| retry.retries(*class)).collect()
    };
    // config, data, panic, signal, out-of-memory, timeout, not-finite, storage, contract, other
    assert_eq!(of(""), [0, 0, 0, 1, 1, 0, 0, 2, 0, 0]);
    assert_eq!(of("[sweep]\nretry = 3\n"), [0, 0, 0, 3, 3, 3, 0, 3, 0, 0]);
    assert_eq!(of("[sweep]\nretry = false\n"), [0; 10]);
    let table = "[sweep.retry]\ntimeout = 5\nout-of-memory = 0\n";
    assert_eq!(of(table), [0, 0, 0, 1, 0, 5, 0, 2, 0, 0]);
    refused(
        "retry = { time-out = 1 }\n",
        "`sweep.retry.time-out`: unknown key\nhint: did you mean `timeout`?\n\
         hint: valid keys: `config`, `data`, `panic`, `signal`, `out-of-memory`, `timeout`, \
         `not-finite`, `storage`, `contract`, `other`",
    );
    refused("retry = 1000\n", "`sweep.retry`: must be at most 100, found `1000`");
}

#[test]
fn limits_are_written_with_units() {
    let sweep =
        sweep("[sweep]\ntrial_timeout = \"1h30m\"\nstall_timeout = 90\ntrial_memory = \"4GiB\"\n");
    assert_eq!(sweep.trial_timeout, Some(Duration::from_mins(90)));
    assert_eq!(sweep.stall_timeout, Some(Duration::from_secs(90)));
    assert_eq!(sweep.trial_memory, Some(4 << 30));
    refused(
        "trial_timeout = \"10 minutes\"\n",
        "`sweep.trial_timeout`: `10 minutes` is not a duration\n\
         hint: write `90s`, `10m`, `1h30m`, `2d`, or a number of seconds",
    );
    refused(
        "trial_memory = \"lots\"\n",
        "`sweep.trial_memory`: `lots` is not an amount of memory\n\
         hint: write `512MiB`, `4GiB`, `4GB`, or a number of bytes",
    );
}

#[test]
fn false_in_the_place_of_a_component_leaves_it_out() {
    let folder = Folder::new(&format!("{BASE}[model.refiner]\nuse = \"mixer\"\n"));
    let spec = folder.resolve(&["model.refiner=false", "loss.commitment=false"]).unwrap();
    assert_eq!(spec.model.slots.keys().collect::<Vec<_>>(), ["pooling"]);
    assert_eq!(spec.losses.len(), 1);
    let spec = folder.resolve(&["metric.utilization=false"]).unwrap();
    assert!(spec.metrics.is_empty());
    let error = folder.resolve(&["loss[0]=1"]).unwrap_err();
    let expected = "command line `loss[0]=1`: items of a list cannot be set, only the whole list";
    assert_eq!(error.to_string(), expected);
    let refused = |argument: &str, expected: &str| {
        let error = folder.resolve(&[argument]).unwrap_err();
        assert_eq!(folder.show(&error), expected);
    };
    refused(
        "model.pooling=false",
        "command line `model.pooling=false`: `model.pooling` is missing: `rqvae` needs a block of \
         role `pooling` here\n\
         hint: write `[model.pooling]` with `use = \"…\"` (a block of role `pooling`)",
    );
    refused(
        "loss.commitment=true",
        "command line `loss.commitment=true`: `loss.commitment`: expected a table such as \
         `{ use = \"NAME\" }`, found the boolean `true`",
    );
}

#[test]
fn values_of_a_spec_are_found_by_their_keys() {
    let spec = Folder::new(BASE).resolve(&[]).unwrap();
    for (text, expected) in [
        ("model.use", serde_json::json!("rqvae")),
        ("model.pooling.window", serde_json::json!(25)),
        ("model.pooling.inner", serde_json::json!({ "use": "mean" })),
        ("model.quantizer.codes", serde_json::json!(128)),
        ("model.widths[1]", serde_json::json!(8)),
        ("loss.commitment.weight", serde_json::json!(0.25)),
        ("loss.commitment.use", serde_json::json!("output")),
        ("loss.reconstruction.inputs.target", serde_json::json!("features")),
        ("metric.utilization.objective", serde_json::json!(true)),
        ("train.optimizer.learning_rate", serde_json::json!(0.001)),
        ("train.optimizer.use", serde_json::json!("adamw")),
        ("train.accumulate_steps", serde_json::json!(1)),
        ("device", serde_json::json!("flex")),
        ("report.checkpoint", serde_json::json!("last")),
    ] {
        assert_eq!(spec.value(&key(text)), Some(expected), "{text}");
    }
    for text in ["model.refiner", "model.x", "threads", "loss.x", "loss", "train.total_steps", "x"]
    {
        assert_eq!(spec.value(&key(text)), None, "{text}");
    }
    // A whole component, with what stands beside its config.
    let loss = spec.value(&key("loss.commitment")).unwrap();
    assert_eq!(loss, serde_json::json!({ "use": "output", "weight": 0.25, "inputs": {} }));
}

/// One resolver for many trees gives what a new one would give for each.
#[test]
fn a_resolver_remembers_only_what_is_the_same() {
    let folder = Folder::new(&format!("{BASE}[blocks.one]\nuse = \"mean\"\n"));
    let base = folder.load(&[]).unwrap();
    let resolver = crate::Resolver::new(&Catalog);
    let arguments: [&[&str]; 6] = [
        &[],
        &["model.latent_dim=7"],
        &["model.pooling={ ref = \"blocks.one\" }"],
        &["blocks.one.use=\"attention\"", "model.pooling={ ref = \"blocks.one\" }"],
        &["loss.commitment.weight=4"],
        &["model.pooling={ ref = \"blocks.two\" }"],
    ];
    for round in 0..2 {
        for arguments in arguments {
            let set: Vec<_> = arguments
                .iter()
                .map(|text| {
                    let path = key(text.split_once('=').unwrap().0);
                    let other = folder.load(&[text]).unwrap();
                    let node = other.tree().get(&path).unwrap().clone();
                    (path, node)
                })
                .collect();
            let tree = base.with(&set).unwrap();
            let show = |result: Result<_, Error>| result.map_err(|error| folder.show(&error));
            let (fresh, remembered) = (resolve(&tree, &Catalog), resolver.resolve(&tree));
            assert_eq!(show(remembered), show(fresh), "{arguments:?} in round {round}");
        }
    }
}
