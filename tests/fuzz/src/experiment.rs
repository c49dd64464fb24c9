//! An experiment file with overrides: refused with a message, or one meaning whichever way it is read.

use std::cell::LazyCell;
use std::collections::HashSet;

use ablate_config::{Block, Data, Experiment, KeyPath, Layers, Node, Resolver, Spec, Sweep, load};
use ablate_sweep::{expand, trials};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::library::folder;
use crate::said::{advice, chain};

#[expect(clippy::unwrap_used, reason = "written for tests")]
#[path = "../../../host/sweep/tests/catalog/components.rs"]
mod components;

use components::Components;

/// The line behind which each line is an override, or an environment variable.
const SEPARATOR: &str = "\n==\n";

/// What an input may extend.
const BASE: &str = include_str!("../../../experiments/pooling/experiment.toml");

/// The host refuses sweeps with more points than this.
const MOST_POINTS: u128 = 100_000;

/// Sweeps with more variants than this are not expanded here: each takes its time.
const MOST_EXPANDED: u128 = 300;

thread_local! {
    static PLACE: LazyCell<Place> = LazyCell::new(Place::new);
}

/// Where experiments are read from, and what is known about components.
struct Place {
    folder: TempDir,
    components: Components,
}

impl Place {
    fn new() -> Self {
        let folder = folder();
        fs_err::write(folder.path().join("base.toml"), BASE).expect("a writable folder");
        Self { folder, components: Components::read() }
    }

    fn load(&self, text: &str, layers: &Layers) -> Result<Experiment, ablate_config::Error> {
        let file = self.folder.path().join("experiment.toml");
        fs_err::write(&file, text).expect("a writable folder");
        load(&file, layers)
    }
}

/// Loads an experiment, writes and loads it again, and plans its sweep.
pub fn experiment(input: &[u8]) {
    let Ok(input) = str::from_utf8(input) else { return };
    let (text, rest) = input.split_once(SEPARATOR).unwrap_or((input, ""));
    let mut layers = Layers::default();
    for line in rest.lines() {
        match line.split_once('=') {
            Some((name, value)) if name.starts_with("ABLATE_SET__") => {
                layers.environment.push((name.to_owned(), value.to_owned()));
            }
            _ => layers.overrides.push(line.to_owned()),
        }
    }
    PLACE.with(|place| {
        let experiment = match place.load(text, &layers) {
            Ok(experiment) => experiment,
            Err(error) => {
                advice(&error.hints());
                return names_a_place(&chain(&error));
            }
        };
        if rest.is_empty() {
            read_alike(&experiment, text);
        }
        written_again(place, &experiment);
        expanded(place, &experiment);
    });
}

/// The message says where to look.
fn names_a_place(text: &str) {
    let places =
        ["experiment.toml", "base.toml", "command line", "environment variable", "default of"];
    assert!(places.iter().any(|place| text.contains(place)), "it names no place: {text}");
}

/// Another reader of TOML finds the same values.
fn read_alike(experiment: &Experiment, text: &str) {
    // A file that extends others has their values too, and an integer of more than 64 bits is an
    // error there and a number here.
    let Ok(table) = text.parse::<Table>() else { return };
    if table.contains_key("extends") {
        return;
    }
    let root = experiment.tree().root();
    assert!(same(root, &Value::Table(table.clone())), "{root:?} was read from {table:?}");
}

fn same(node: &Node, value: &Value) -> bool {
    match (&node.data, value) {
        (Data::Bool(mine), Value::Boolean(theirs)) => mine == theirs,
        (Data::Integer(mine), Value::Integer(theirs)) => mine == theirs,
        (Data::Float(mine), Value::Float(theirs)) => {
            mine.to_bits() == theirs.to_bits() || (mine.is_nan() && theirs.is_nan())
        }
        (Data::Text(mine), Value::String(theirs)) => mine == theirs,
        (Data::Text(mine), Value::Datetime(theirs)) => *mine == theirs.to_string(),
        (Data::List(mine), Value::Array(theirs)) => {
            mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Data::Table(mine), Value::Table(theirs)) => {
            mine.len() == theirs.len()
                && mine
                    .iter()
                    .all(|(key, node)| theirs.get(key).is_some_and(|value| same(node, value)))
        }
        _ => false,
    }
}

fn to_toml(node: &Node) -> Value {
    match &node.data {
        Data::Bool(value) => Value::Boolean(*value),
        Data::Integer(value) => Value::Integer(*value),
        Data::Float(value) => Value::Float(*value),
        Data::Text(text) => Value::String(text.clone()),
        Data::List(items) => Value::Array(items.iter().map(to_toml).collect()),
        Data::Table(table) => {
            Value::Table(table.iter().map(|(key, node)| (key.clone(), to_toml(node))).collect())
        }
    }
}

/// A merged experiment is an experiment that says the same.
fn written_again(place: &Place, experiment: &Experiment) {
    let written = to_toml(experiment.tree().root());
    let text = written.to_string();
    let Value::Table(table) = &written else { unreachable!("an experiment is a table") };
    let text = toml::to_string(table).unwrap_or(text);
    let again = match place.load(&text, &Layers::default()) {
        Ok(again) => again,
        Err(error) => panic!("{}\n{text}", chain(&error)),
    };
    assert!(same(again.tree().root(), &written), "it changes when it is written: {text}");
    assert_eq!(again.device, experiment.device);
    assert_eq!(again.sweep.seeds, experiment.sweep.seeds);
}

/// How many points a block has, as its text says.
fn points(block: &Block) -> u128 {
    let lengths = block.grid.iter().map(|axis| axis.values.len());
    let rows = block.zip.iter().take(1).map(|axis| axis.values.len());
    let drawn = block.random.iter().map(|random| random.count);
    lengths.chain(rows).chain(drawn).fold(1, |product: u128, n| product.saturating_mul(n as u128))
}

fn variants(sweep: &Sweep) -> u128 {
    let removed = sweep.leave_one_out.len() + sweep.add_one_in.len();
    let removed = removed * if sweep.pairs { removed } else { 1 };
    let alone: usize = sweep.one_at_a_time.iter().map(|axis| axis.values.len()).sum();
    (removed + alone + sweep.variants.len() + 1) as u128
}

/// Every variant is named, and means what it says of itself.
fn expanded(place: &Place, experiment: &Experiment) {
    let points: u128 = experiment.sweep.blocks.iter().map(points).fold(0, u128::saturating_add);
    let few = points.saturating_add(variants(&experiment.sweep)) <= MOST_EXPANDED;
    if !few && points <= MOST_POINTS {
        return;
    }
    let variants = match expand(experiment, &place.components) {
        Ok(variants) => variants,
        Err(error) => {
            advice(&error.hints());
            return names_a_place(&chain(&error));
        }
    };
    assert!(points <= MOST_POINTS, "{points} points");
    let names: HashSet<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names.len(), variants.len(), "two variants of one name");
    assert_eq!(variants.iter().filter(|variant| variant.baseline).count(), 1);
    let resolver = Resolver::new(&place.components);
    for variant in &variants {
        let json = serde_json::to_string(&variant.spec).expect("plain data is valid JSON");
        let again: Spec = match serde_json::from_str(&json) {
            Ok(again) => again,
            Err(error) => panic!("a spec that cannot be read back: {error}: {json}"),
        };
        assert!(again == variant.spec, "it reads back otherwise: {json}");
        let tree = experiment.with(&variant.set).expect("it was made like this");
        let resolved = resolver.resolve(&tree).expect("it was resolved before");
        assert!(resolved == variant.spec, "`{}` is not what it sets", variant.name);
        for (key, _) in &variant.set {
            let text = key.to_string();
            let again = text.parse::<KeyPath>();
            assert_eq!(again.as_ref(), Ok(key), "a key that cannot be said again: {text}");
        }
    }
    let seeds = experiment.sweep.seeds.first();
    assert_eq!(trials(&variants, &seeds).len(), variants.len() * seeds.len());
}
