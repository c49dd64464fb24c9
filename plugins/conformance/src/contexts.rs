//! Several graphs alive at once, each used once, none left behind.

use crate::array::Array;
use crate::drive::{Gradients, Made, forward, or_zeros};
use crate::subject::{Extent, Subject, still};
use crate::verdict::{Answer, Stop, fail, told};
use ablate_abi::v1::ErrorKind;

/// Graphs that are alive at once.
const COUNT: usize = 3;

/// Backward in any order gives what it gives alone; dropped graphs are gone.
pub(crate) fn contexts(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("contexts");
    let (made, first) = subject.ready(&mut stream)?;
    let mode = still(&made, &first)?;
    let mut batches = vec![first];
    for _ in 1..COUNT {
        batches.push(subject.batch(Extent::Small, &mut stream)?);
    }
    let mut alone: Vec<(Vec<Option<Array>>, Gradients)> = Vec::new();
    for batch in &batches {
        let gradients = forward(&made.top, mode, 0, batch)?.random_gradients(&mut stream);
        let found = made.run(mode, batch, &gradients)?;
        alone.push((gradients, found));
    }
    made.zero_grad()?;
    none_left(&made)?;
    let mut passes = Vec::new();
    for batch in &batches {
        passes.push(forward(&made.top, mode, 0, batch)?);
    }
    let live = made.top.live_contexts();
    if live != COUNT as u64 {
        return fail(format!("{COUNT} graphs are alive, but it counts {live}"));
    }
    for index in [2, 0, 1] {
        let (gradients, wanted) = &alone[index];
        let found = passes[index].backward(gradients)?;
        let inputs = batches[index].0.iter().zip(found.iter().zip(&wanted.inputs));
        for ((name, array), (found, wanted)) in inputs.filter(|((_, array), _)| array.is_float()) {
            if or_zeros(found.as_ref(), array) != or_zeros(wanted.as_ref(), array) {
                return fail(format!(
                    "the gradient of `{name}` is another one when several graphs are alive"
                ));
            }
        }
        match passes[index].backward(gradients) {
            Ok(_) => return fail("a second backward on the same graph was taken"),
            Err(error) if error.kind == ErrorKind::PANIC => {
                return fail(format!("a second backward on the same graph: {}", told(&error)));
            }
            Err(_) => {}
        }
    }
    drop(passes);
    // A graph that nobody goes back through.
    for batch in &batches {
        drop(forward(&made.top, mode, 0, batch)?);
    }
    none_left(&made)?;
    made.zero_grad()?;
    Ok(format!("{COUNT} at once"))
}

fn none_left(made: &Made) -> Result<(), Stop> {
    match made.live().iter().sum::<u64>() {
        0 => Ok(()),
        left => fail(format!("{left} graphs are still alive after all were dropped")),
    }
}
