//! Calls that are wrong are refused, and do no harm.

use crate::array::{Array, Batch, Values};
use crate::contract::{Dim, Port};
use crate::drive::{EVAL, GRAPH, Made, TRAIN, forward};
use crate::subject::Subject;
use crate::verdict::{Answer, Stop, fail, told};
use ablate_abi::v1::{ErrorKind, PluginError};

/// Wrong types, ranks, missing inputs and wrong gradients are errors; afterwards the instance
/// works, or says that it does not.
pub(crate) fn differentiable(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("misuse");
    let (made, batch) = subject.ready(&mut stream)?;
    let contract = subject.contract()?;
    let wanted = forward(&made.top, EVAL, 0, &batch)?.outputs;
    let mut count = 0;
    for Wrong { what, batch: wrong, optional } in wrong_batches(&contract.inputs, &batch) {
        for mode in [EVAL, TRAIN] {
            // An instance of its own, since a panic poisons it.
            let made = subject.create(1, "check")?;
            let error = match forward(&made.top, mode, 0, &wrong) {
                // What is never read may be anything.
                Ok(pass) if optional && pass.outputs.difference(&wanted).is_none() => break,
                Ok(_) => return fail(format!("{what} was taken")),
                Err(error) => error,
            };
            after(&made, &batch, &wanted, &what, &error)?;
            count += 1;
        }
    }
    count += wrong_gradients(&made, &batch)?;
    unknown_calls(&made)?;
    after(&made, &batch, &wanted, "wrong gradients", &PluginError::other(""))?;
    Ok(format!("{count} wrong calls were refused"))
}

/// The instance works as before, or says that it is poisoned.
fn after(
    made: &Made,
    batch: &Batch,
    wanted: &Batch,
    what: &str,
    error: &PluginError,
) -> Result<(), Stop> {
    match forward(&made.top, EVAL, 0, batch) {
        Ok(pass) => match pass.outputs.difference(wanted) {
            Some(name) => fail(format!("{what} changes later outputs `{name}`")),
            None => Ok(()),
        },
        Err(later) if error.kind == ErrorKind::PANIC && later.kind == ErrorKind::STATE => Ok(()),
        Err(later) => {
            fail(format!("after {what} ({}) it takes no more calls: {}", told(error), told(&later)))
        }
    }
}

/// A batch that does not fit its contract.
pub(crate) struct Wrong {
    /// What is wrong with it.
    pub(crate) what: String,
    pub(crate) batch: Batch,
    /// Whether it is an optional input that is wrong.
    pub(crate) optional: bool,
}

/// Every required input missing, of another type, and of another rank.
pub(crate) fn wrong_batches(ports: &[Port], batch: &Batch) -> Vec<Wrong> {
    let mut list = Vec::new();
    for port in ports {
        let Some(array) = batch.get(&port.name) else { continue };
        let name = &port.name;
        if !port.optional {
            let mut missing = batch.clone();
            missing.0.retain(|(known, _)| known != name);
            let what = format!("a missing `{name}`");
            list.push(Wrong { what, batch: missing, optional: false });
        }
        let mut with = |what: &str, wrong: Array| {
            let mut changed = batch.clone();
            if let Some(place) = changed.get_mut(name) {
                *place = wrong;
            }
            let what = format!("`{name}` {what}");
            list.push(Wrong { what, batch: changed, optional: port.optional });
        };
        let (shape, count) = (array.shape.clone(), array.len());
        let (values, dtype) = if array.is_float() {
            (Values::Bool(vec![true; count]), "bool")
        } else {
            (Values::F32(vec![0.0; count]), "f32")
        };
        with(&format!("of {dtype}"), Array { shape: shape.clone(), values });
        if !port.shape.contains(&Dim::Any) {
            let deeper = [&shape[..], &[1]].concat();
            with(
                &format!("of rank {}", deeper.len()),
                Array { shape: deeper, values: array.values.clone() },
            );
        }
    }
    list
}

/// A gradient of another shape, too few and too many of them.
fn wrong_gradients(made: &Made, batch: &Batch) -> Result<usize, Stop> {
    let pass = forward(&made.top, GRAPH, 0, batch)?;
    let outputs = pass.outputs.clone();
    drop(pass);
    let float = outputs.0.iter().position(|(_, array)| array.is_float());
    let mut cases = vec![
        ("no gradients", Vec::new()),
        ("a gradient too many", vec![None; outputs.0.len() + 1]),
    ];
    if let Some(float) = float {
        let mut wrong = vec![None; outputs.0.len()];
        let shape = [&outputs.0[float].1.shape[..], &[2]].concat();
        let count = shape.iter().product();
        wrong[float] = Some(Array::f32(vec![1.0; count], &shape));
        cases.push(("a gradient of another shape", wrong));
    }
    let count = cases.len();
    for (what, gradients) in cases {
        let mut pass = forward(&made.top, GRAPH, 0, batch)?;
        match pass.backward(&gradients) {
            Ok(_) => return fail(format!("backward took {what}")),
            Err(error) if error.kind == ErrorKind::PANIC => {
                return fail(format!("{what} in backward: {}", told(&error)));
            }
            Err(_) => {}
        }
    }
    Ok(count)
}

fn unknown_calls(made: &Made) -> Result<(), Stop> {
    let refused = |what: &str, answer: Result<(), PluginError>| match answer {
        Ok(()) => fail(format!("{what} was taken")),
        Err(error) if error.kind == ErrorKind::PANIC => fail(format!("{what}: {}", told(&error))),
        Err(_) => Ok(()),
    };
    let call = made.top.call("no-such-call".into(), "{}".into(), Vec::new().into());
    refused("a call `no-such-call`", call.into_result().map(drop))?;
    let optimizer = r#"{ "use": "no-such-optimizer" }"#;
    refused("an unknown optimizer", made.top.set_optimizer(optimizer.into()).into_result())?;
    refused("an optimizer of no JSON", made.top.set_optimizer("{".into()).into_result())
}
