//! The vector-Jacobian product is linear in the gradients of the outputs.

use crate::array::{Array, Batch, Values};
use crate::drive::{Gradients, Made, Mode, or_zeros};
use crate::subject::{Subject, still};
use crate::verdict::{Answer, Stop, fail, skip};

/// Rounding of 32-bit numbers over the sums of a backward pass, relative to the gradient's length.
const TOLERANCE: f64 = 1e-4;

/// Linear; a missing gradient is zeros; backward accumulates and `zero_grad` forgets.
pub(crate) fn linearity(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("linearity");
    let (made, batch) = subject.ready(&mut stream)?;
    let mode = still(&made, &batch)?;
    let look = Look { made: &made, mode, batch: &batch };
    let pass = crate::drive::forward(&made.top, mode, 0, &batch)?;
    let one = pass.random_gradients(&mut stream);
    let other = pass.random_gradients(&mut stream);
    drop(pass);
    if one.iter().all(Option::is_none) {
        return skip("not exercised: it has no float output for a gradient");
    }
    let (first, second) = (look.run(&one)?, look.run(&other)?);
    let sum = combine(&one, &other, |a, b| 2.0 * a - 3.0 * b);
    let both = look.run(&sum)?;
    look.same("2a - 3b", &both, &first, &second, |a, b| 2.0 * a - 3.0 * b)?;

    let zeros: Vec<Option<Array>> =
        one.iter().map(|gradient| gradient.as_ref().map(Array::zeros_like)).collect();
    look.nothing("gradients of zeros", &look.run(&zeros)?)?;
    look.nothing("no gradients at all", &look.run(&vec![None; one.len()])?)?;
    for missing in 0..one.len() {
        if one[missing].is_none() || one.iter().flatten().count() < 2 {
            continue;
        }
        let (mut without, mut zero) = (one.clone(), one.clone());
        without[missing] = None;
        zero[missing] = one[missing].as_ref().map(Array::zeros_like);
        let (without, zero) = (look.run(&without)?, look.run(&zero)?);
        look.same("a missing gradient", &without, &zero, &zero, |a, _| a)?;
    }
    look.accumulates(&one, &other, &first, &second)?;
    Ok(format!("{} outputs, {} inputs", one.iter().flatten().count(), batch.0.len()))
}

/// Element by element; both have the same gaps.
fn combine(
    one: &[Option<Array>],
    other: &[Option<Array>],
    with: fn(f32, f32) -> f32,
) -> Vec<Option<Array>> {
    let pairs = one.iter().zip(other);
    let combined = pairs.map(|(one, other)| match (one.as_ref()?, other.as_ref()?) {
        (Array { shape, values: Values::F32(a) }, Array { values: Values::F32(b), .. }) => {
            let values = a.iter().zip(b).map(|(&a, &b)| with(a, b)).collect();
            Some(Array::f32(values, shape))
        }
        _ => None,
    });
    combined.collect()
}

struct Look<'a> {
    made: &'a Made,
    mode: Mode,
    batch: &'a Batch,
}

impl Look<'_> {
    fn run(&self, gradients: &[Option<Array>]) -> Result<Gradients, Stop> {
        Ok(self.made.run(self.mode, self.batch, gradients)?)
    }

    /// All gradients with names; missing ones are zeros.
    fn flat(&self, gradients: &Gradients) -> Vec<(String, Vec<f64>)> {
        let inputs = self.batch.0.iter().zip(&gradients.inputs);
        let inputs =
            inputs.filter(|((_, array), _)| array.is_float()).map(|((name, array), gradient)| {
                (format!("input `{name}`"), or_zeros(gradient.as_ref(), array))
            });
        let parameters = gradients.parameters.iter().flatten().map(|(name, values)| {
            let values = values.iter().map(|&value| f64::from(value)).collect();
            (format!("parameter `{name}`"), values)
        });
        inputs.chain(parameters).collect()
    }

    fn same(
        &self,
        what: &str,
        found: &Gradients,
        first: &Gradients,
        second: &Gradients,
        with: fn(f64, f64) -> f64,
    ) -> Result<(), Stop> {
        let (found, first, second) = (self.flat(found), self.flat(first), self.flat(second));
        let length = |list: &[f64]| list.iter().map(|v| v * v).sum::<f64>().sqrt();
        // Where terms cancel, what is left is the rounding of those terms.
        let largest = first.iter().chain(&second).map(|(_, list)| length(list)).fold(0.0, f64::max);
        for (name, values) in &found {
            let part = |list: &[(String, Vec<f64>)]| {
                let own = list.iter().find(|(known, _)| known == name);
                own.map_or_else(|| vec![0.0; values.len()], |(_, values)| values.clone())
            };
            let (a, b) = (part(&first), part(&second));
            let wanted: Vec<f64> = a.iter().zip(&b).map(|(&a, &b)| with(a, b)).collect();
            let scale = length(&a) + length(&b);
            let off: Vec<f64> = values.iter().zip(&wanted).map(|(x, y)| x - y).collect();
            let off = length(&off);
            if off.is_nan() || off > TOLERANCE * (scale + 0.01 * largest) {
                return fail(format!(
                    "{what}: the gradient of {name} is off by {off:.3e} at a length of {scale:.3e}"
                ));
            }
        }
        Ok(())
    }

    fn nothing(&self, what: &str, found: &Gradients) -> Result<(), Stop> {
        for (name, values) in self.flat(found) {
            if values.iter().any(|value| *value != 0.0) {
                return fail(format!("{what}: the gradient of {name} is not zero"));
            }
        }
        let norm = self.norm()?;
        if norm != 0.0 {
            return fail(format!("{what}: the squared gradient norm is {norm}"));
        }
        Ok(())
    }

    fn norm(&self) -> Result<f64, Stop> {
        let parts = self.made.parts.iter();
        let norms = parts.map(|(_, part)| part.grad_norm_sq().into_result());
        Ok(norms.sum::<Result<f64, _>>()?)
    }

    /// Two passes without `zero_grad` in between add up, and the norm says so.
    fn accumulates(
        &self,
        one: &[Option<Array>],
        other: &[Option<Array>],
        first: &Gradients,
        second: &Gradients,
    ) -> Result<(), Stop> {
        self.run(one)?;
        let mut pass = crate::drive::forward(&self.made.top, self.mode, 0, self.batch)?;
        pass.backward(other)?;
        let parameters = self.made.gradients()?;
        if let Some(parameters) = &parameters {
            let squares = parameters.values().flatten().map(|&v| f64::from(v).powi(2));
            let (wanted, norm) = (squares.sum::<f64>(), self.norm()?);
            if (norm - wanted).abs() > 1e-5 * wanted + 1e-12 {
                return fail(format!("the squared gradient norm is {norm}, expected {wanted}"));
            }
        }
        let sum = Gradients { inputs: vec![None; first.inputs.len()], parameters };
        let only = |gradients: &Gradients| Gradients {
            inputs: vec![None; gradients.inputs.len()],
            parameters: gradients.parameters.clone(),
        };
        self.same("two passes in a row", &sum, &only(first), &only(second), |a, b| a + b)?;
        self.made.zero_grad()?;
        let norm = self.norm()?;
        if norm != 0.0 {
            return fail(format!("after `zero_grad` the squared gradient norm is {norm}"));
        }
        Ok(())
    }
}
