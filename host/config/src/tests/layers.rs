//! How layers merge, and what their values remember.

use proptest::prelude::*;

use super::{BASE, Catalog, Folder};
use crate::{KeyPath, Layers, Origin, Seeds, SlotSpec, load, resolve};

fn key(text: &str) -> KeyPath {
    text.parse().unwrap()
}

#[test]
fn names_follow_folder_and_file() {
    let folder = Folder::new(BASE)
        .write("small.toml", "extends = \"experiment.toml\"\n")
        .write("named.toml", "name = \"mine\"\nextends = \"small.toml\"\n")
        .write("child.toml", "extends = \"named.toml\"\n");
    for (file, name) in [
        ("", "depth"),
        ("experiment.toml", "depth"),
        ("small.toml", "depth:small"),
        ("named.toml", "mine"),
        ("child.toml", "depth:child"),
    ] {
        let experiment = folder.load_file(file, &[]).unwrap();
        assert_eq!(experiment.name, name);
        assert_eq!(experiment.question, "Does pooling matter?");
        assert_eq!(experiment.folder, folder.path("").join("").parent().unwrap().join("depth"));
    }
}

#[test]
fn later_layers_win() {
    let folder = Folder::new(BASE).write(
        "child.toml",
        "extends = \"experiment.toml\"\n[train]\nbatch_size = 5\naccumulate_steps = 5\n\
         prefetch_batches = 5\n",
    );
    let set = |key: &str, value: &str| (format!("ABLATE_SET__{key}"), value.to_owned());
    let layers = Layers {
        overrides: vec!["train.prefetch_batches=7".into()],
        environment: vec![
            set("train__prefetch_batches", "6"),
            set("train__accumulate_steps", "6"),
            ("HOME".into(), "/".into()),
        ],
    };
    let tree = load(&folder.path("child.toml"), &layers).unwrap().tree().clone();
    let train = resolve(&tree, &Catalog).unwrap().train;
    assert_eq!(
        (train.total_epochs, train.batch_size, train.accumulate_steps, train.prefetch_batches),
        (Some(10), 5, 6, 7)
    );
    let origin = |text: &str| folder_relative(&folder, &tree.get(&key(text)).unwrap().origin);
    assert_eq!(origin("train.total_epochs"), "depth/experiment.toml:26");
    assert_eq!(origin("train.batch_size"), "depth/child.toml:3");
    assert_eq!(
        origin("train.accumulate_steps"),
        "environment variable `ABLATE_SET__train__accumulate_steps`"
    );
    assert_eq!(origin("train.prefetch_batches"), "command line `train.prefetch_batches=7`");
    assert_eq!(origin("train"), "depth/experiment.toml:25");
}

fn folder_relative(folder: &Folder, origin: &Origin) -> String {
    origin.to_string().replace(&format!("{}/", folder.root.path().display()), "")
}

#[test]
fn lists_of_bases_apply_in_order_and_once() {
    let folder = Folder::new("extends = [\"a.toml\", \"b.toml\"]\n")
        .write("root.toml", "train = { batch_size = 1, accumulate_steps = 1 }\n")
        .write("a.toml", "extends = \"root.toml\"\ntrain.batch_size = 2\n")
        .write("b.toml", "extends = \"root.toml\"\ntrain.prefetch_batches = 3\n");
    let tree = folder.load(&[]).unwrap().tree().clone();
    let found: Vec<_> = ["batch_size", "accumulate_steps", "prefetch_batches"]
        .map(|name| tree.get(&key("train").child(name)).unwrap().to_json())
        .into();
    assert_eq!(found, [2, 1, 3]);
}

#[test]
fn tables_with_use_replace_and_others_merge() {
    let folder = Folder::new(BASE).write(
        "child.toml",
        "extends = \"experiment.toml\"\n[model.pooling]\nuse = \"mean\"\n[train]\nbatch_size = 8\n",
    );
    let tree = folder.load_file("child.toml", &[]).unwrap().tree().clone();
    assert_eq!(tree.get(&key("model.pooling")).unwrap().to_json().to_string(), r#"{"use":"mean"}"#);
    assert_eq!(tree.get(&key("model.latent_dim")).unwrap().to_json(), 64);
    assert_eq!(tree.get(&key("train.total_epochs")).unwrap().to_json(), 10);
    // The order of arguments of one command line does not matter.
    for arguments in [
        ["train.optimizer.use=sgd", "train.optimizer.momentum=0.9"],
        ["train.optimizer.momentum=0.9", "train.optimizer.use=sgd"],
    ] {
        let tree = folder.load(&arguments).unwrap().tree().clone();
        let optimizer = tree.get(&key("train.optimizer")).unwrap();
        assert_eq!(optimizer.table().unwrap().len(), 2, "{optimizer:?}");
    }
}

#[test]
fn a_duration_replaces_its_other_form_in_a_weaker_layer() {
    let folder = Folder::new(BASE);
    let train = folder.resolve(&["train.total_steps=20"]).unwrap().train;
    assert_eq!((train.total_epochs, train.total_steps), (None, Some(20)));
    let experiment = folder.load(&[]).unwrap();
    let steps = folder.load(&["train.total_steps=20"]).unwrap();
    let value = steps.tree().get(&key("train.total_steps")).unwrap().clone();
    assert_eq!(experiment.with(&[(key("train.total_steps"), value)]).unwrap(), *steps.tree());
}

#[test]
fn override_values_are_toml_or_bare_words() {
    let folder = Folder::new(BASE);
    for (text, json) in [
        ("8", "8"),
        ("-0.5", "-0.5"),
        ("1e-3", "0.001"),
        ("true", "true"),
        ("[1, 2]", "[1,2]"),
        ("{ a = 'x' }", r#"{"a":"x"}"#),
        ("\"8\"", "\"8\""),
        ("attentive-stats", "\"attentive-stats\""),
        ("/data/x y", "\"/data/x y\""),
        ("8 eggs", "\"8 eggs\""),
        ("a=b", "\"a=b\""),
        ("0x10", "16"),
    ] {
        let tree = folder.load(&[&format!("dataset.x={text}")]).unwrap().tree().clone();
        assert_eq!(tree.get(&key("dataset.x")).unwrap().to_json().to_string(), json);
    }
}

#[test]
fn keeps_the_order_of_the_file() {
    let folder = Folder::new(BASE)
        .write("child.toml", "extends = \"experiment.toml\"\n[loss.commitment]\nweight = 2\n");
    let experiment = folder.load_file("child.toml", &[]).unwrap();
    let spec = resolve(experiment.tree(), &Catalog).unwrap();
    let names: Vec<_> = spec.losses.iter().map(|loss| (loss.name.as_str(), loss.weight)).collect();
    assert_eq!(names, [("reconstruction", 1.0), ("commitment", 2.0)]);
}

#[test]
fn reads_the_sweep_in_file_order() {
    let folder = Folder::new(&format!(
        "{BASE}[sweep]\nseeds = [3, 1]\nbase_name = \"window\"\nbaseline = \"mean\"\n\
         [[sweep.variant]]\nname = \"mean\"\nset = {{ \"model.pooling\" = {{ use = \"mean\" }} }}\n\
         [sweep.grid]\n\"train.batch_size\" = [8, 2]\nmodel.latent_dim = [16, 8]\n"
    ));
    let sweep = folder.load(&[]).unwrap().sweep;
    assert_eq!((sweep.seeds, sweep.base_name.as_str()), (Seeds::Fixed(vec![3, 1]), "window"));
    assert_eq!(sweep.baseline.as_deref(), Some("mean"));
    assert_eq!(sweep.variants[0].set[0].0, key("model.pooling"));
    let axes: Vec<String> = sweep.blocks[0].grid.iter().map(|axis| axis.key.to_string()).collect();
    assert_eq!(axes, ["train.batch_size", "model.latent_dim"]);
    let sweep = Folder::new(BASE).load(&[]).unwrap().sweep;
    assert_eq!((sweep.seeds, sweep.base_name.as_str()), (Seeds::Fixed((0..8).collect()), "base"));
}

#[test]
fn plugin_folders_are_relative_to_their_file() {
    let folder = Folder::new("extends = \"../base/base.toml\"\n")
        .write("../base/base.toml", "plugins = { folders = [\"built\", \"/opt/plugins\"] }\n");
    let plugins = folder.load(&[]).unwrap().plugins;
    assert_eq!(plugins, [folder.root.path().join("base/built"), "/opt/plugins".into()]);
    let plugins = folder.load(&["plugins.folders=['here']"]).unwrap().plugins;
    assert_eq!(plugins, [std::path::PathBuf::from("here")]);
}

#[test]
fn variants_fill_slots_anew() {
    let folder = Folder::new(BASE);
    let other = folder.load(&["model.pooling.use=mean"]).unwrap();
    let value = other.tree().get(&key("model.pooling")).unwrap().clone();
    let tree = folder.load(&[]).unwrap().with(&[(key("model.pooling"), value)]).unwrap();
    let SlotSpec::One(pooling) = &resolve(&tree, &Catalog).unwrap().model.slots["pooling"] else {
        panic!("a slot that takes one block");
    };
    assert_eq!((pooling.name.as_str(), pooling.config.to_string().as_str()), ("mean", "{}"));
}

/// Keys that touch each other, values of every kind, tables that replace and tables that merge.
fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop::sample::select(vec![
        "model",
        "model.use",
        "model.pooling",
        "model.pooling.use",
        "model.pooling.window",
        "model.pooling.inner",
        "train",
        "train.total_steps",
        "train.total_epochs",
        "train.optimizer",
        "train.optimizer.use",
        "train.optimizer.betas",
        "dataset.root",
    ]);
    let value = prop::sample::select(vec![
        "3",
        "0.5",
        "true",
        "word",
        "[1, 2]",
        "{ use = 'a' }",
        "{ use = 'b', window = 1 }",
        "{ window = 2 }",
        "{ inner = { use = 'c' }, x = 1 }",
        "{ ref = 'blocks.a' }",
        "{}",
    ]);
    prop::collection::vec((key.prop_map(str::to_owned), value.prop_map(str::to_owned)), 1..5)
}

/// Settings of one layer that contradict each other (`model=3 model.use=a`) have no meaning that
/// two ways of merging could agree on.
fn contradicts(settings: &[(String, String)]) -> bool {
    settings.iter().enumerate().any(|(position, (key, value))| {
        let inside = format!("{key}.");
        let touches = |(other_position, (other, _)): (usize, &(String, String))| {
            position != other_position && (other == key || other.starts_with(&inside))
        };
        !value.starts_with('{') && settings.iter().enumerate().any(touches)
    })
}

proptest! {
    /// A variant means what the same overrides on the command line mean, which figment merges.
    #[test]
    fn variants_and_overrides_mean_the_same(settings in settings()) {
        prop_assume!(!contradicts(&settings));
        let folder = Folder::new(BASE);
        let arguments: Vec<String> =
            settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let merged = folder.load(&arguments).unwrap();
        let set: Vec<_> = settings
            .iter()
            .map(|(text, value)| {
                let alone = Folder::new("").load(&[&format!("{text}={value}")]).unwrap();
                (key(text), alone.tree().get(&key(text)).unwrap().clone())
            })
            .collect();
        let varied = folder.load(&[]).unwrap().with(&set).unwrap();
        prop_assert_eq!(varied.root().to_json(), merged.tree().root().to_json());
    }

    /// Files merge the same whether a chain is extended step by step or listed at once.
    #[test]
    fn merging_files_is_associative(a in settings(), b in settings(), c in settings()) {
        let text = |settings: &[(String, String)]| {
            let (key, value) = &settings[0];
            let value = if value == "word" { "'word'" } else { value };
            format!("{key} = {value}\n")
        };
        let [a, b, c] = [text(&a), text(&b), text(&c)];
        let chained = Folder::new(&format!("extends = 'b.toml'\n{c}"))
            .write("b.toml", &format!("extends = 'a.toml'\n{b}"))
            .write("a.toml", &a);
        let listed = Folder::new("extends = ['a.toml', 'b.toml', 'c.toml']\n")
            .write("c.toml", &c)
            .write("b.toml", &b)
            .write("a.toml", &a);
        let [chained, listed] = [chained, listed].map(|folder| folder.load(&[]));
        if let (Ok(chained), Ok(listed)) = (&chained, &listed) {
            prop_assert_eq!(chained.tree().root().to_json(), listed.tree().root().to_json());
        }
        prop_assert_eq!(chained.is_ok(), listed.is_ok());
    }
}
