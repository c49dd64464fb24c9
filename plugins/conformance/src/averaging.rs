//! A loss that says over how many elements it is a mean is that mean.

use crate::array::{Array, Batch, Values};
use crate::drive::{EVAL, forward};
use crate::subject::{Extent, Subject};
use crate::verdict::{Answer, fail, skip};

/// Rounding of 32-bit sums, relative to the values.
const TOLERANCE: f64 = 1e-4;

/// The loss of a batch is the mean of the losses of its halves, weighted by their elements: this
/// is how the host adds up the batches of a step.
pub(crate) fn averaging(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("averaging");
    let (made, _) = subject.ready(&mut stream)?;
    let contract = subject.contract()?;
    let rows = contract.input_symbols().first().map(|symbol| (*symbol).to_owned());
    let Some(rows) = rows else { return skip("its inputs have no rows") };
    let first = |name: &str| {
        let port = contract.inputs.iter().find(|port| port.name == name);
        port.and_then(|port| port.shape.first()?.symbol().map(|symbol| symbol == rows))
    };
    if !contract.inputs.iter().all(|port| first(&port.name) == Some(true)) {
        return skip("its inputs are not all made of rows");
    }
    let mut checked = 0;
    for _ in 0..4 {
        let batch = subject.batch(Extent::Small, &mut stream)?;
        let count = batch.0.first().map_or(0, |(_, array)| array.shape[0]);
        let whole = evaluate(&made, &batch)?;
        if whole.1 == 0 {
            return skip("it does not say over how many elements it is a mean");
        }
        let one = evaluate(&made, &rows_of(&batch, 0, 1))?;
        let rest = evaluate(&made, &rows_of(&batch, 1, count))?;
        if one.1 + rest.1 != whole.1 {
            let (a, b, all) = (one.1, rest.1, whole.1);
            return fail(format!("parts of {a} and {b} elements, but {all} in all"));
        }
        let mean = (one.0 * one.1 as f64 + rest.0 * rest.1 as f64) / whole.1 as f64;
        let scale = one.0.abs().max(rest.0.abs()).max(whole.0.abs());
        let off = (mean - whole.0).abs();
        if off.is_nan() || off > TOLERANCE * scale + 1e-7 {
            return fail(format!(
                "the parts have a weighted mean of {mean}, but all of it a loss of {}",
                whole.0
            ));
        }
        checked += 1;
    }
    Ok(format!("{checked} batches in two parts each"))
}

fn evaluate(made: &crate::drive::Made, batch: &Batch) -> Result<(f64, u64), crate::verdict::Stop> {
    let pass = forward(&made.top, EVAL, 0, batch)?;
    let value = pass.outputs.0.first().and_then(|(_, array)| array.numbers().first().copied());
    Ok((value.unwrap_or(f64::NAN), pass.averaged_over))
}

/// Rows `from..to` of every tensor.
pub(crate) fn rows_of(batch: &Batch, from: usize, to: usize) -> Batch {
    let cut = |(name, array): &(String, Array)| {
        let width: usize = array.shape[1..].iter().product();
        let range = from * width..to * width;
        let values = match &array.values {
            Values::F32(list) => Values::F32(list[range].to_vec()),
            Values::F64(list) => Values::F64(list[range].to_vec()),
            Values::I64(list) => Values::I64(list[range].to_vec()),
            Values::I32(list) => Values::I32(list[range].to_vec()),
            Values::U8(list) => Values::U8(list[range].to_vec()),
            Values::Bool(list) => Values::Bool(list[range].to_vec()),
            Values::Half(list, dtype) => Values::Half(list[range].to_vec(), *dtype),
        };
        let mut shape = array.shape.clone();
        shape[0] = to - from;
        (name.clone(), Array { shape, values })
    };
    Batch(batch.0.iter().map(cut).collect())
}
