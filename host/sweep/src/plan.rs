//! From an experiment to the ordered list of its variants and trials.

mod ablation;
mod draw;
mod exclusion;
mod names;
mod points;
mod removal;
mod same;

use std::collections::HashMap;

use ablate_config::{At, Experiment, KeyPath, Node, Resolver, Schemas, Spec, nearest};

use crate::error::Error;
use exclusion::Exclusions;
use names::Labels;
use same::Chosen;

/// A named point of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Unique in the experiment.
    pub name: String,
    /// All that it changes in the base spec, for [`Experiment::with`]; nothing for the base spec
    /// itself. What it removes is in here too: null components, and `false` for what is left out.
    pub set: Vec<(KeyPath, Node)>,
    /// The slots and losses that it removes.
    pub remove: Vec<KeyPath>,
    /// Whether the others are compared with it; true of exactly one.
    pub baseline: bool,
    /// Which part of the sweep it comes from.
    pub form: Form,
    /// What it means.
    pub spec: Spec,
}

/// The part of a sweep that a variant comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The base spec itself.
    Base,
    /// `[[sweep.variant]]`.
    Named,
    /// `leave_one_out`.
    LeaveOneOut {
        /// What it does without.
        removed: KeyPath,
    },
    /// `pairs`.
    Pair {
        /// What it does without.
        removed: [KeyPath; 2],
    },
    /// `add_one_in`.
    AddOneIn {
        /// What of the list is there; nothing at first.
        present: Vec<KeyPath>,
    },
    /// `one_at_a_time`.
    OneAtATime {
        /// The key that differs.
        key: KeyPath,
    },
    /// A point of a block: `grid`, `zip`, `random`, alone, together, or in `concat`.
    Point,
}

impl Form {
    /// The word for it in listings: `leave-one-out`, `point` …
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Named => "named",
            Self::LeaveOneOut { .. } => "leave-one-out",
            Self::Pair { .. } => "pair",
            Self::AddOneIn { .. } => "add-one-in",
            Self::OneAtATime { .. } => "one-at-a-time",
            Self::Point => "point",
        }
    }
}

/// One variant with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The variant's position in the list.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
}

/// A variant before it is known what it means.
struct Candidate {
    name: String,
    set: Vec<(KeyPath, Node)>,
    remove: Vec<KeyPath>,
    form: Form,
    place: Place,
}

/// Which part of `[sweep]` to blame.
#[derive(Clone, Copy)]
enum Place {
    Key(&'static str),
    Block(usize),
}

impl Place {
    fn at(self, experiment: &Experiment) -> At {
        match self {
            Self::Block(index) => experiment.sweep.blocks[index].at.clone(),
            Self::Key(key) => {
                let root = experiment.tree();
                let path = KeyPath::root().child("sweep");
                let key = path.child(key);
                let node = root.get(&key).or_else(|| root.get(&path)).unwrap_or(root.root());
                At { origin: node.origin.clone(), key }
            }
        }
    }
}

/// The variants of an experiment, resolved: the base spec, the named ones in file order, those of
/// `leave_one_out`, of `pairs`, of `add_one_in`, of `one_at_a_time`, and the points of the blocks,
/// less those of `exclude`.
///
/// A variant that means the same as an earlier one is left out, unless it has been given a name. A
/// point that means the same as the base spec takes its place in a sweep without ablation forms.
///
/// # Errors
/// A variant that cannot be resolved, a removal that is impossible or changes nothing, a baseline
/// that does not exist, an exclusion that matches nothing, points named like other variants, more
/// points than anyone can mean.
pub fn expand(experiment: &Experiment, schemas: &dyn Schemas) -> Result<Vec<Variant>, Error> {
    let resolver = Resolver::new(schemas);
    let candidates = candidates(experiment, schemas, &resolver)?;
    let baseline = baseline(experiment, &candidates)?;
    let mut exclusions = Exclusions::new(&experiment.sweep.exclude);
    let mut chosen = Chosen::new(experiment, &candidates);
    for (index, candidate) in candidates.iter().enumerate() {
        let tree = experiment.with(&candidate.set)?;
        let name = candidate.name.as_str();
        if let Some(spec) = exclusions.admit(name, index == baseline, &tree, &resolver)? {
            chosen.add(index, spec)?;
        }
    }
    if let Some(unmatched) = exclusions.unmatched() {
        return Err(exclusion::matches_nothing(unmatched, experiment, &candidates, &resolver));
    }
    let (chosen, baseline) = chosen.finish(baseline)?;
    let mut specs: HashMap<usize, Spec> = chosen.into_iter().collect();
    let variants = candidates.into_iter().enumerate().filter_map(|(index, candidate)| {
        let Candidate { name, set, remove, form, place: _ } = candidate;
        let spec = specs.remove(&index)?;
        Some(Variant { name, set, remove, baseline: index == baseline, form, spec })
    });
    Ok(variants.collect())
}

fn candidates(
    experiment: &Experiment,
    schemas: &dyn Schemas,
    resolver: &Resolver<'_>,
) -> Result<Vec<Candidate>, Error> {
    let sweep = &experiment.sweep;
    let remover = removal::Remover::new(experiment, schemas, resolver)?;
    let mut candidates = vec![Candidate {
        name: sweep.base_name.clone(),
        set: Vec::new(),
        remove: Vec::new(),
        form: Form::Base,
        place: Place::Key("base_name"),
    }];
    for named in &sweep.variants {
        let removals: Vec<_> = named.remove.iter().collect();
        let mut set = named.set.clone();
        set.extend(remover.without(&removals)?);
        candidates.push(Candidate {
            name: named.name.clone(),
            set,
            remove: named.remove.iter().map(|removal| removal.key.clone()).collect(),
            form: Form::Named,
            place: Place::Key("variant"),
        });
    }
    candidates.extend(ablation::removals(sweep, &remover)?);
    let labels = Labels::new(sweep);
    candidates.extend(ablation::one_at_a_time(sweep, &labels));
    candidates.extend(points::points(sweep, &labels)?);
    Ok(candidates)
}

/// The position of the variant that the others are compared with.
fn baseline(experiment: &Experiment, candidates: &[Candidate]) -> Result<usize, Error> {
    let wanted = experiment.sweep.baseline.as_ref().unwrap_or(&experiment.sweep.base_name);
    let position = candidates.iter().position(|candidate| candidate.name == *wanted);
    position.ok_or_else(|| {
        let names = || candidates.iter().map(|candidate| candidate.name.as_str());
        Error::UnknownBaseline {
            at: Box::new(Place::Key("baseline").at(experiment)),
            name: wanted.clone(),
            near: nearest(wanted, names()),
            known: names().map(str::to_owned).collect(),
        }
    })
}

/// All trials, seed by seed: a sweep that is cut short has compared whole sets of variants.
#[must_use]
pub fn trials(variants: &[Variant], seeds: &[u64]) -> Vec<Trial> {
    seeds
        .iter()
        .flat_map(|seed| (0..variants.len()).map(|variant| Trial { variant, seed: *seed }))
        .collect()
}

#[cfg(test)]
mod tests;
