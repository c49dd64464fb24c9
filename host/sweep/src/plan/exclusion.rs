//! What `exclude` leaves out.

use ablate_config::{
    Data, Exclusion, ExclusionRule, Experiment, KeyPath, Node, Resolver, Spec, Tree, nearest,
};
use serde_json::Value as Json;

use crate::error::Error;
use crate::plan::Candidate;

/// Values of a key that an error lists.
const MOST_LISTED: usize = 12;

/// The exclusions of a sweep, and which of them have matched.
pub(super) struct Exclusions<'a> {
    all: &'a [Exclusion],
    matched: Vec<bool>,
}

/// What is known of a condition before a variant is resolved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// The experiment does not say it, so defaults decide.
    Open,
}

impl<'a> Exclusions<'a> {
    pub(super) fn new(all: &'a [Exclusion]) -> Self {
        Self { all, matched: vec![false; all.len()] }
    }

    /// The resolved spec of a variant, unless it is left out.
    ///
    /// What the experiment itself says is looked at first, so that a variant which no component
    /// would accept can be left out.
    pub(super) fn admit(
        &mut self,
        name: &str,
        is_baseline: bool,
        tree: &Tree,
        resolver: &Resolver<'_>,
    ) -> Result<Option<Spec>, Error> {
        let mut excluded = None;
        let mut open = Vec::new();
        for (index, exclusion) in self.all.iter().enumerate() {
            match in_tree(&exclusion.rule, name, tree) {
                Holds::Yes => {
                    self.matched[index] = true;
                    excluded = excluded.or(Some(index));
                }
                Holds::Open => open.push(index),
                Holds::No => {}
            }
        }
        let spec = match resolver.resolve(tree) {
            Ok(spec) => Some(spec),
            // It is left out, so nobody needs to know what it means.
            Err(_) if excluded.is_some() => None,
            Err(error) => return Err(error.into()),
        };
        for index in open {
            if spec.as_ref().is_some_and(|spec| in_spec(&self.all[index].rule, spec)) {
                self.matched[index] = true;
                excluded = excluded.or(Some(index));
            }
        }
        match excluded {
            None => Ok(spec),
            Some(index) if is_baseline => Err(Error::BadExclusion {
                at: Box::new(self.all[index].at.clone()),
                problem: format!("it leaves out the baseline `{name}`"),
                hints: vec![
                    "exclude less, or name another baseline: `sweep.baseline = \"…\"`".to_owned(),
                ],
            }),
            Some(_) => Ok(None),
        }
    }

    /// An exclusion that has left nothing out.
    pub(super) fn unmatched(&self) -> Option<&'a Exclusion> {
        let position = self.matched.iter().position(|matched| !matched);
        position.map(|index| &self.all[index])
    }
}

/// The error for an exclusion that matches none of the candidates: which of its keys has which
/// values instead.
pub(super) fn matches_nothing(
    exclusion: &Exclusion,
    experiment: &Experiment,
    candidates: &[Candidate],
    resolver: &Resolver<'_>,
) -> Error {
    let mut hints = Vec::new();
    match &exclusion.rule {
        ExclusionRule::Name(name) => {
            let names = || candidates.iter().map(|candidate| candidate.name.as_str());
            hints.extend(nearest(name, names()).map(|near| format!("did you mean `{near}`?")));
            hints.push(format!("variants: {}", listed(names().map(str::to_owned).collect())));
        }
        ExclusionRule::Values(values) => {
            let specs: Vec<Spec> = candidates
                .iter()
                .filter_map(|candidate| {
                    resolver.resolve(&experiment.with(&candidate.set).ok()?).ok()
                })
                .collect();
            for (key, value) in values {
                let present: Vec<Json> = specs.iter().filter_map(|spec| spec.value(key)).collect();
                if present.iter().any(|json| holds(value, json)) {
                    continue;
                }
                let mut shown: Vec<String> = Vec::new();
                for json in &present {
                    let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
                    if !shown.contains(&text) {
                        shown.push(text);
                    }
                }
                hints.push(if shown.is_empty() {
                    format!("no variant has the key `{key}`")
                } else {
                    format!("`{key}` is {} here", listed(shown))
                });
            }
            if hints.is_empty() {
                hints
                    .push("each of these values occurs, but never all of them together".to_owned());
            }
        }
    }
    let problem = "it matches no variant, so it would leave nothing out".to_owned();
    Error::BadExclusion { at: Box::new(exclusion.at.clone()), problem, hints }
}

fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_LISTED);
    names.truncate(MOST_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("`{}`{more}", names.join("`, `"))
}

fn in_tree(rule: &ExclusionRule, name: &str, tree: &Tree) -> Holds {
    let values = match rule {
        ExclusionRule::Name(wanted) => {
            return if wanted == name { Holds::Yes } else { Holds::No };
        }
        ExclusionRule::Values(values) => values,
    };
    let mut all = Holds::Yes;
    for (key, value) in values {
        match said(key, value, tree) {
            Holds::No => return Holds::No,
            Holds::Open => all = Holds::Open,
            Holds::Yes => {}
        }
    }
    all
}

/// Whether an experiment says itself that `key` has this value.
fn said(key: &KeyPath, value: &Node, tree: &Tree) -> Holds {
    let Some(present) = tree.get(key) else { return Holds::Open };
    let plain = |node: &Node| !matches!(node.data, Data::Table(_) | Data::List(_));
    if !plain(present) || !plain(value) {
        return Holds::Open;
    }
    if holds(value, &present.to_json()) { Holds::Yes } else { Holds::No }
}

fn in_spec(rule: &ExclusionRule, spec: &Spec) -> bool {
    let ExclusionRule::Values(values) = rule else { return false };
    values.iter().all(|(key, value)| match spec.value(key) {
        Some(json) => holds(value, &json),
        // An empty slot, or a loss that was left out.
        None => matches!(value.data, Data::Bool(false)),
    })
}

/// Whether `json` is `value`; of a table only the keys that `value` has count.
fn holds(value: &Node, json: &Json) -> bool {
    match (&value.data, json) {
        (Data::Table(table), Json::Object(entries)) => {
            table.iter().all(|(key, value)| entries.get(key).is_some_and(|json| holds(value, json)))
        }
        (Data::List(items), Json::Array(values)) => {
            items.len() == values.len()
                && items.iter().zip(values).all(|(item, value)| holds(item, value))
        }
        (Data::Integer(integer), Json::Number(number)) => number
            .as_i64()
            .map_or_else(|| number.as_f64() == Some(*integer as f64), |other| other == *integer),
        (Data::Float(float), Json::Number(number)) => number.as_f64() == Some(*float),
        (Data::Text(text), Json::String(other)) => text == other,
        (Data::Bool(flag), Json::Bool(other)) => flag == other,
        _ => false,
    }
}
