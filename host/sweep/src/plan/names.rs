//! Names of variants: as short as the sweep allows, the same in every run.

use std::collections::HashMap;

use ablate_config::{Data, Distribution, KeyPath, Node, Segment, Sweep};

/// What keys and values are called in the names of points.
pub(super) struct Labels<'a> {
    keys: ShortNames<'a>,
    /// How many different tables of a key use a component.
    users: HashMap<(&'a KeyPath, &'a str), Vec<&'a Node>>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(sweep: &'a Sweep) -> Self {
        let blocks = sweep.blocks.iter();
        let axes = blocks.flat_map(|block| block.grid.iter().chain(&block.zip));
        let draws =
            || sweep.blocks.iter().filter_map(|block| block.random.as_ref()).flat_map(|r| &r.draws);
        let mut valued: Vec<(&KeyPath, &[Node])> = sweep
            .one_at_a_time
            .iter()
            .chain(axes)
            .map(|axis| (&axis.key, axis.values.as_slice()))
            .collect();
        valued.extend(draws().map(|draw| match &draw.distribution {
            Distribution::Choice { values, .. } => (&draw.key, values.as_slice()),
            _ => (&draw.key, [].as_slice()),
        }));
        let mut users: HashMap<_, Vec<&Node>> = HashMap::new();
        for (key, values) in &valued {
            for value in *values {
                let Some(used) = value.get("use").and_then(Node::text) else { continue };
                let known = users.entry((*key, used)).or_default();
                if !known.contains(&value) {
                    known.push(value);
                }
            }
        }
        Self { keys: ShortNames::new(valued.into_iter().map(|(key, _)| key)), users }
    }

    /// `batch_size=8`, `pooling=mean`.
    pub(super) fn label(&self, key: &KeyPath, value: &Node) -> String {
        let used = value.get("use").and_then(Node::text);
        let alone = used.filter(|used| self.users.get(&(key, *used)).is_none_or(|n| n.len() == 1));
        let value = alone.map_or_else(|| show(value), str::to_owned);
        format!("{}={value}", self.keys.of(key))
    }
}

/// The last keys of paths, with as many before them as tell each from the others.
/// `model.pooling.use` is named like `model.pooling`.
pub(super) struct ShortNames<'a>(HashMap<&'a KeyPath, String>);

impl<'a> ShortNames<'a> {
    pub(super) fn new(keys: impl Iterator<Item = &'a KeyPath>) -> Self {
        let mut all: Vec<(&KeyPath, Vec<String>)> = Vec::new();
        for key in keys {
            if !all.iter().any(|(known, _)| *known == key) {
                all.push((key, words(key)));
            }
        }
        let short = |own: &[String]| {
            (1..own.len())
                .map(|length| &own[own.len() - length..])
                // `layers[1]` alone would be called `1`.
                .filter(|tail| !tail[0].starts_with(|c: char| c.is_ascii_digit()))
                .find(|tail| all.iter().filter(|(_, other)| other.ends_with(tail)).count() == 1)
                .unwrap_or(own)
                .join(".")
        };
        Self(all.iter().map(|(key, own)| (*key, short(own))).collect())
    }

    pub(super) fn of(&self, key: &KeyPath) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| key.to_string())
    }
}

fn words(key: &KeyPath) -> Vec<String> {
    let words = key.segments().iter().map(|segment| match segment {
        Segment::Key(key) => key.clone(),
        Segment::Index(index) => index.to_string(),
    });
    let mut words: Vec<String> = words.collect();
    if words.len() > 1 && words.last().is_some_and(|last| last == "use") {
        words.pop();
    }
    words
}

/// A value in a name: `8`, `mean`, `sliding-window(stride=12,window=25)`, `[8,16]`.
fn show(node: &Node) -> String {
    match &node.data {
        Data::Text(text) => text.clone(),
        Data::List(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(","))
        }
        Data::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .filter(|(key, _)| *key != "use")
                .map(|(key, value)| format!("{key}={}", show(value)))
                .collect();
            let used = node.get("use").and_then(Node::text).unwrap_or_default();
            if entries.is_empty() {
                used.to_owned()
            } else {
                format!("{used}({})", entries.join(","))
            }
        }
        _ => node.to_json().to_string(),
    }
}
