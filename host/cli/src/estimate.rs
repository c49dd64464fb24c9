//! How long trials will take, judged by earlier runs of the same components.

use crate::failure::Failure;
use ablate_config::{ComponentSpec, SlotSpec, Spec};
use ablate_runs::{Filter, Status, Store};
use std::collections::HashMap;

/// So many of the newest finished runs are looked at.
const LOOKED_AT: usize = 200;

/// What earlier runs took.
#[derive(Debug, Default)]
pub(crate) struct Estimates {
    /// Seconds of training work per epoch, or of the whole trial where it is counted in steps.
    known: HashMap<String, Vec<f64>>,
}

impl Estimates {
    /// From the newest finished runs of the store.
    pub(crate) fn read(store: &Store) -> Result<Self, Failure> {
        let filter =
            Filter { status: Some(Status::Done), limit: Some(LOOKED_AT), ..Filter::default() };
        let mut estimates = Self::default();
        for summary in store.runs(&filter)? {
            let Some(wall_s) = summary.wall_s.filter(|wall| wall.is_finite()) else { continue };
            // A run that cannot be read, or whose spec is of another version, says nothing.
            let spec = store.run(&summary.id).and_then(|run| run.spec());
            let Some(spec) = spec.ok().and_then(|spec| serde_json::from_value(spec).ok()) else {
                continue;
            };
            estimates.add(&spec, wall_s);
        }
        Ok(estimates)
    }

    fn add(&mut self, spec: &Spec, wall_s: f64) {
        let share = wall_s / extent(spec);
        for key in [exact(spec), coarse(spec)] {
            self.known.entry(key).or_default().push(share);
        }
    }

    /// Seconds that a trial of this spec will take: the median of runs with the same components, else
    /// of runs with the same model and dataset; `None` where nothing like it has run.
    pub(crate) fn of(&self, spec: &Spec) -> Option<f64> {
        let known = self.known.get(&exact(spec)).or_else(|| self.known.get(&coarse(spec)))?;
        let mut shares = known.clone();
        shares.sort_by(f64::total_cmp);
        Some(shares[shares.len() / 2] * extent(spec))
    }
}

/// How much there is to train, in a unit that specs with the same [`coarse`] key share.
fn extent(spec: &Spec) -> f64 {
    let train = &spec.train;
    let passes = train.total_epochs.or(train.total_steps).unwrap_or(1);
    passes.max(1) as f64
}

fn unit(spec: &Spec) -> &'static str {
    if spec.train.total_epochs.is_some() { "epochs" } else { "steps" }
}

fn coarse(spec: &Spec) -> String {
    format!("{} {} {}", unit(spec), spec.dataset.name, spec.model.name)
}

/// The names of all components, and what the sizes of the data are set to.
fn exact(spec: &Spec) -> String {
    let mut key = format!("{} {}", coarse(spec), spec.dataset.config);
    component(&spec.model, &mut key);
    for block in spec.blocks.values() {
        component(block, &mut key);
    }
    key
}

fn component(spec: &ComponentSpec, key: &mut String) {
    key.push('(');
    key.push_str(&spec.name);
    spec.slots.values().for_each(|held| slot(held, key));
    key.push(')');
}

fn slot(held: &SlotSpec, key: &mut String) {
    match held {
        SlotSpec::One(block) => component(block, key),
        SlotSpec::Many(items) => items.iter().for_each(|item| slot(item, key)),
        SlotSpec::Ref(name) => key.push_str(name),
    }
}

/// A time for people: `40 s`, `12 min`, `3 h 20 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.ceil().max(0.0) as u64;
    match whole {
        0..100 => format!("{whole} s"),
        100..5400 => format!("{} min", whole.div_ceil(60)),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimates, duration};
    use ablate_config::{ComponentSchema, Layers, Schemas, Spec, Unknown, load, resolve};

    use std::sync::Arc;

    struct Anything;

    impl Schemas for Anything {
        fn component(
            &self,
            _: &str,
            _: &str,
            _: Option<&str>,
        ) -> Result<Arc<ComponentSchema>, Unknown> {
            let items = serde_json::json!({ "type": "integer" });
            let schema = serde_json::json!({ "type": "object", "properties": { "items": items } });
            Ok(Arc::new(ComponentSchema { schema, ..ComponentSchema::default() }))
        }
    }

    fn spec(overrides: &[&str]) -> Spec {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("experiment.toml");
        let text = "dataset.use = 'digits'\nmodel.use = 'linear'\nloss.fit.use = 'mse'\n\
                    train.total_epochs = 2\n";
        fs_err::write(&file, text).expect("writable");
        let overrides = overrides.iter().map(ToString::to_string).collect();
        let experiment = load(&file, &Layers { overrides, ..Layers::default() }).expect("loads");
        resolve(experiment.tree(), &Anything).expect("resolves")
    }

    #[test]
    fn times_grow_with_epochs_and_fall_back_to_the_same_model() {
        let mut estimates = Estimates::default();
        assert_eq!(estimates.of(&spec(&[])), None);
        for wall in [10.0, 30.0, 20.0] {
            estimates.add(&spec(&[]), wall);
        }
        assert_eq!(estimates.of(&spec(&[])), Some(20.0));
        assert_eq!(estimates.of(&spec(&["train.total_epochs=6"])), Some(60.0));
        // More data: not the same, but alike.
        assert_eq!(estimates.of(&spec(&["dataset.items=9"])), Some(20.0));
        assert_eq!(estimates.of(&spec(&["model.use=deep"])), None);
    }

    #[test]
    fn times_are_rounded_for_people() {
        let shown = [0.2, 99.0, 100.0, 3000.0, 12000.0].map(duration);
        assert_eq!(shown, ["1 s", "99 s", "2 min", "50 min", "3 h 20 min"]);
    }
}
