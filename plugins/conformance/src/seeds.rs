//! Same seed, same bits; other seed or place, other parameters.

use crate::drive::{EVAL, Made, State, TRAIN, forward};
use crate::subject::Subject;
use crate::verdict::{Answer, Stop, fail};

/// Instances are made of their seed and place, and of nothing else.
pub(crate) fn seeds(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("seeds");
    let (made, batch) = subject.ready(&mut stream)?;
    let again = subject.create(1, "check")?;
    let (one, other) = (made.state()?, again.state()?);
    if let Some(name) = differing(&one, &other).into_iter().next() {
        return fail(format!("the same seed gives another `{name}`"));
    }
    let gradients = forward(&made.top, EVAL, 0, &batch)?.random_gradients(&mut stream);
    let train = |made: &Made| -> Result<_, Stop> {
        let mut pass = forward(&made.top, TRAIN, 3, &batch)?;
        let inputs = pass.backward(&gradients)?;
        Ok((pass.outputs, inputs, made.gradients()?))
    };
    // Both start anew: training may have changed the first one's statistics.
    let (a, b) = (train(&subject.create(1, "check")?)?, train(&subject.create(1, "check")?)?);
    if let Some(name) = a.0.difference(&b.0) {
        return fail(format!("the same seed gives another output `{name}` in training"));
    }
    if a.1 != b.1 || a.2 != b.2 {
        return fail("the same seed gives other gradients");
    }
    let eval = |made: &Made| forward(&made.top, EVAL, 0, &batch);
    let (a, b) = (eval(&made)?.outputs, eval(&made)?.outputs);
    if let Some(name) = a.difference(&b) {
        return fail(format!("two evaluations give another output `{name}`"));
    }
    let drawn = drawn(&made, &one)?;
    if drawn.is_empty() {
        return Ok("nothing is drawn at random".to_owned());
    }
    for (what, instance) in
        [("seed", subject.create(2, "check")?), ("place", subject.create(1, "elsewhere")?)]
    {
        let changed = differing(&one, &instance.state()?);
        if !drawn.iter().any(|name| changed.contains(name)) {
            if subject.listed.reads_files(&subject.config) {
                return Ok("the parameters come from a file of the configuration".to_owned());
            }
            return fail(format!("another {what} gives the same parameters"));
        }
    }
    Ok(format!("{} tensors are drawn at random", drawn.len()))
}

/// Tensors whose bits differ.
fn differing(one: &[State], other: &[State]) -> Vec<String> {
    let mut list = Vec::new();
    for (one, other) in one.iter().zip(other) {
        let names = one.0.keys().filter(|name| one.0.get(*name) != other.0.get(*name));
        list.extend(names.cloned());
    }
    list
}

/// Trainable tensors that are not all one number, and so must have been drawn.
fn drawn(made: &Made, state: &[State]) -> Result<Vec<String>, Stop> {
    let mut list = Vec::new();
    for ((_, part), state) in made.parts.iter().zip(state) {
        for parameter in part.parameters().into_result()? {
            let values = state.values(&parameter.path);
            let plain = values.windows(2).all(|pair| pair[0] == pair[1]);
            if parameter.trainable && !plain {
                list.push(parameter.path.to_string());
            }
        }
    }
    Ok(list)
}
