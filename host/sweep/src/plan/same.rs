//! Variants that mean the same are kept once.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ablate_config::{ComponentSpec, Experiment, SlotSpec, Spec};
use serde_json::Value as Json;

use crate::error::Error;
use crate::plan::{Candidate, Form};

/// The candidates that become variants, by their positions in the list.
pub(super) struct Chosen<'a> {
    experiment: &'a Experiment,
    candidates: &'a [Candidate],
    kept: Vec<Option<(usize, Spec)>>,
    /// Positions in `kept`, by what the specs hash to.
    by_hash: HashMap<u64, Vec<usize>>,
    /// The candidate that stands for one that was left out.
    instead: HashMap<usize, usize>,
}

impl<'a> Chosen<'a> {
    pub(super) fn new(experiment: &'a Experiment, candidates: &'a [Candidate]) -> Self {
        Self {
            experiment,
            candidates,
            kept: Vec::new(),
            by_hash: HashMap::new(),
            instead: HashMap::new(),
        }
    }

    /// Takes the next candidate, unless one like it is there.
    pub(super) fn add(&mut self, index: usize, spec: Spec) -> Result<(), Error> {
        let hash = hash(&spec);
        let equal: Vec<(usize, usize)> = self
            .by_hash
            .get(&hash)
            .into_iter()
            .flatten()
            .filter_map(|slot| {
                let (index, known) = self.kept[*slot].as_ref()?;
                (*known == spec).then_some((*slot, *index))
            })
            .collect();
        let Some(&(slot, first)) = equal.first() else {
            self.keep(hash, index, spec);
            return Ok(());
        };
        let candidate = &self.candidates[index];
        match &candidate.form {
            Form::Base | Form::Named => self.keep(hash, index, spec),
            Form::LeaveOneOut { removed } if first == 0 => {
                let sweep = &self.experiment.sweep;
                let removal = sweep.leave_one_out.iter().find(|removal| removal.key == *removed);
                return Err(Error::CannotRemove {
                    at: Box::new(removal.expect("the form names one of the list").at.clone()),
                    problem: format!("without `{removed}` the base spec stays what it is"),
                    hints: vec![format!("`{removed}` holds its null component already")],
                });
            }
            Form::Point if first == 0 && equal.len() == 1 && !self.has_ablation_forms() => {
                self.kept[slot] = None;
                self.instead.insert(first, index);
                self.keep(hash, index, spec);
            }
            _ => {
                self.instead.insert(index, first);
            }
        }
        Ok(())
    }

    fn keep(&mut self, hash: u64, index: usize, spec: Spec) {
        self.by_hash.entry(hash).or_default().push(self.kept.len());
        self.kept.push(Some((index, spec)));
    }

    /// The base spec is what an ablation form is about, so it keeps its name there.
    fn has_ablation_forms(&self) -> bool {
        let sweep = &self.experiment.sweep;
        !(sweep.leave_one_out.is_empty()
            && sweep.add_one_in.is_empty()
            && sweep.one_at_a_time.is_empty())
    }

    /// The candidates that become variants, and which of them stands for `baseline`.
    pub(super) fn finish(self, baseline: usize) -> Result<(Vec<(usize, Spec)>, usize), Error> {
        let kept: Vec<(usize, Spec)> = self.kept.into_iter().flatten().collect();
        let mut seen = HashSet::new();
        let again = kept.iter().find(|(index, _)| !seen.insert(&self.candidates[*index].name));
        if let Some((index, _)) = again {
            let candidate = &self.candidates[*index];
            let at = Box::new(candidate.place.at(self.experiment));
            return Err(Error::DuplicateVariant { at, name: candidate.name.clone() });
        }
        Ok((kept, self.instead.get(&baseline).copied().unwrap_or(baseline)))
    }
}

/// Equal for equal specs, whatever the order of their keys.
fn hash(spec: &Spec) -> u64 {
    let mut hasher = DefaultHasher::new();
    spec.device.hash(&mut hasher);
    spec.threads.hash(&mut hasher);
    component(&spec.dataset, &mut hasher);
    component(&spec.model, &mut hasher);
    for (name, block) in &spec.blocks {
        name.hash(&mut hasher);
        component(block, &mut hasher);
    }
    for loss in &spec.losses {
        loss.name.hash(&mut hasher);
        loss.inputs.hash(&mut hasher);
        loss.weight.to_bits().hash(&mut hasher);
        component(&loss.component, &mut hasher);
    }
    for metric in &spec.metrics {
        metric.name.hash(&mut hasher);
        component(&metric.component, &mut hasher);
    }
    // Numbers without names tell training specs apart well enough.
    let train = &spec.train;
    train.batch_size.hash(&mut hasher);
    (train.total_epochs, train.total_steps, train.accumulate_steps).hash(&mut hasher);
    train.optimizer.learning_rate.to_bits().hash(&mut hasher);
    format!("{:?}", (&train.optimizer.algorithm, &train.schedule)).hash(&mut hasher);
    hasher.finish()
}

fn component(spec: &ComponentSpec, hasher: &mut DefaultHasher) {
    spec.name.hash(hasher);
    json(&spec.config, hasher);
    for (name, filling) in &spec.slots {
        name.hash(hasher);
        slot(filling, hasher);
    }
}

fn slot(spec: &SlotSpec, hasher: &mut DefaultHasher) {
    match spec {
        SlotSpec::One(one) => component(one, hasher),
        SlotSpec::Many(items) => items.iter().for_each(|item| slot(item, hasher)),
        SlotSpec::Ref(name) => name.hash(hasher),
    }
}

fn json(value: &Json, hasher: &mut DefaultHasher) {
    match value {
        Json::Null => 0_u8.hash(hasher),
        Json::Bool(value) => value.hash(hasher),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.hash(hasher),
            None => number.as_f64().map(f64::to_bits).hash(hasher),
        },
        Json::String(text) => text.hash(hasher),
        Json::Array(items) => items.iter().for_each(|item| json(item, hasher)),
        Json::Object(entries) => {
            // A sum does not depend on the order of its terms.
            let sum = entries.iter().fold(0_u64, |sum, (key, value)| {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                json(value, &mut hasher);
                sum.wrapping_add(hasher.finish())
            });
            sum.hash(hasher);
        }
    }
}
