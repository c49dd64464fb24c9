//! The ablation forms: taking away one by one and two by two, putting back step by step, changing
//! one key at a time.

use ablate_config::{Removal, Sweep};

use crate::error::Error;
use crate::plan::names::{Labels, ShortNames};
use crate::plan::removal::Remover;
use crate::plan::{Candidate, Form, Place};

/// The variants of `leave_one_out`, `pairs` and `add_one_in`.
pub(super) fn removals(sweep: &Sweep, remover: &Remover) -> Result<Vec<Candidate>, Error> {
    let removed = &sweep.leave_one_out;
    let keys = removed.iter().chain(&sweep.add_one_in).map(|removal| &removal.key);
    let names = ShortNames::new(keys);
    let mut candidates = Vec::new();
    for removal in removed {
        let form = Form::LeaveOneOut { removed: removal.key.clone() };
        let name = format!("-{}", names.of(&removal.key));
        candidates.push(without(remover, name, &[removal], form, "leave_one_out")?);
    }
    let seconds = |index: usize| if sweep.pairs { &removed[index + 1..] } else { &[] };
    for (index, first) in removed.iter().enumerate() {
        for second in seconds(index) {
            let form = Form::Pair { removed: [first.key.clone(), second.key.clone()] };
            let name = format!("-{}-{}", names.of(&first.key), names.of(&second.key));
            candidates.push(without(remover, name, &[first, second], form, "pairs")?);
        }
    }
    // With all of them there it would be the base spec.
    for present in 0..sweep.add_one_in.len() {
        let (present, absent) = sweep.add_one_in.split_at(present);
        let keys = present.iter().map(|removal| removal.key.clone()).collect();
        let present: Vec<String> =
            present.iter().map(|removal| format!("+{}", names.of(&removal.key))).collect();
        let name = if present.is_empty() { "none".to_owned() } else { present.concat() };
        let absent: Vec<&Removal> = absent.iter().collect();
        let form = Form::AddOneIn { present: keys };
        candidates.push(without(remover, name, &absent, form, "add_one_in")?);
    }
    Ok(candidates)
}

fn without(
    remover: &Remover,
    name: String,
    removals: &[&Removal],
    form: Form,
    place: &'static str,
) -> Result<Candidate, Error> {
    Ok(Candidate {
        name,
        set: remover.without(removals)?,
        remove: removals.iter().map(|removal| removal.key.clone()).collect(),
        form,
        place: Place::Key(place),
    })
}

/// Each value of each axis alone. Those that the base spec has already are left out later.
pub(super) fn one_at_a_time<'a>(
    sweep: &'a Sweep,
    labels: &'a Labels<'_>,
) -> impl Iterator<Item = Candidate> + 'a {
    sweep.one_at_a_time.iter().flat_map(move |axis| {
        axis.values.iter().map(move |value| Candidate {
            name: labels.label(&axis.key, value),
            set: vec![(axis.key.clone(), value.clone())],
            remove: Vec::new(),
            form: Form::OneAtATime { key: axis.key.clone() },
            place: Place::Key("one_at_a_time"),
        })
    })
}
