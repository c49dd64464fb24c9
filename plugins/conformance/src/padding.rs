//! What lies where a mask is false, and how much of it there is, changes nothing that is valid.

use crate::array::{Array, Batch, Values};
use crate::contract::{Contract, Port};
use crate::drive::{EVAL, Made, forward};
use crate::sample::Stream;
use crate::subject::{Extent, Subject};
use crate::verdict::{Answer, Stop, fail, skip, told};
use ablate_abi::v1::ErrorKind;

/// Sums over other numbers of frames round differently in 32 bits.
const TOLERANCE: f64 = 1e-5;

/// A padded batch gives what its items give alone, whatever the padding holds.
pub(crate) fn padding(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("padding");
    let contract = subject.contract()?;
    let covers =
        |mask: &&Port| contract.inputs.iter().any(|p| p.name != mask.name && p.is_under(mask));
    let Some(mask) = contract.inputs.iter().filter(|port| port.is_mask()).find(covers) else {
        return skip("no input is a mask over frames of another, such as `mask: bool[B, T]`");
    };
    let (made, _) = subject.ready(&mut stream)?;
    let look = Look { contract: &contract, mask, made: &made };
    let mut tally = Tally::default();
    for extent in [Extent::Small, Extent::Random, Extent::Long] {
        let batch = subject.batch(extent, &mut stream)?;
        look.at(subject, &batch, &mut stream, &mut tally)?;
    }
    if tally.compared == 0 {
        let why = tally.refused.unwrap_or_else(|| "no output can be compared".to_owned());
        return skip(format!("not exercised: {why}"));
    }
    let refused =
        tally.refused.map_or_else(String::new, |why| format!("; not all were taken: {why}"));
    Ok(format!("{} comparisons{refused}", tally.compared))
}

#[derive(Default)]
struct Tally {
    compared: usize,
    refused: Option<String>,
}

struct Look<'a> {
    contract: &'a Contract,
    mask: &'a Port,
    made: &'a Made,
}

impl Look<'_> {
    fn at(
        &self,
        subject: &Subject<'_>,
        batch: &Batch,
        stream: &mut Stream,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let Some(wanted) = self.run(batch, tally)? else { return Ok(()) };
        let lengths = self.lengths(batch);
        let frames = batch.get(&self.mask.name).map_or(0, |mask| mask.shape[1]);
        let more = subject.multiple().unwrap_or_else(|| stream.between(1, 9));
        let other = self.padded(batch, frames, stream);
        let longer = self.padded(batch, frames + more, stream);
        for (what, changed) in [
            ("what the padding holds", other),
            (&*format!("{more} more frames of padding"), longer),
        ] {
            let Some(found) = self.run(&changed, tally)? else { continue };
            for port in &self.contract.outputs {
                let rows = if self.is_by_row(port) { lengths.len() } else { 1 };
                for row in 0..rows {
                    let a = self.valid(port, batch, &wanted, row);
                    let b = self.valid(port, &changed, &found, row);
                    Self::same(port, what, a, b, tally)?;
                }
            }
        }
        if subject.multiple().is_some() {
            return Ok(());
        }
        for (row, &length) in lengths.iter().enumerate() {
            let alone = self.alone(batch, row, length.max(1));
            let Some(found) = self.run(&alone, tally)? else { continue };
            for port in self.contract.outputs.iter().filter(|port| self.is_by_row(port)) {
                let a = self.valid(port, batch, &wanted, row);
                let b = self.valid(port, &alone, &found, 0);
                Self::same(port, "the other items of the batch", a, b, tally)?;
            }
        }
        Ok(())
    }

    fn run(&self, batch: &Batch, tally: &mut Tally) -> Result<Option<Batch>, Stop> {
        match forward(&self.made.top, EVAL, 0, batch) {
            Ok(pass) => Ok(Some(pass.outputs)),
            Err(error) if error.kind == ErrorKind::DATA => {
                tally.refused = Some(told(&error));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn lengths(&self, batch: &Batch) -> Vec<usize> {
        let Some(mask) = batch.get(&self.mask.name) else { return Vec::new() };
        let list = mask.as_bools().unwrap_or(&[]);
        let rows = list.chunks(mask.shape[1].max(1));
        rows.map(|row| row.iter().filter(|&&valid| valid).count()).collect()
    }

    /// Whether the output has a row for every item.
    fn is_by_row(&self, port: &Port) -> bool {
        port.shape.first() == self.mask.shape.first()
    }

    /// What counts of an output, of one item if it has items: vectors where its mask is true.
    fn valid(&self, port: &Port, inputs: &Batch, outputs: &Batch, row: usize) -> Option<Vec<f64>> {
        let array = outputs.get(&port.name)?;
        if !self.is_by_row(port) {
            return Some(array.numbers());
        }
        let own = self.contract.outputs.iter().find(|other| {
            other.is_mask() && port.is_under(other) && outputs.get(&other.name).is_some()
        });
        let mask = match own {
            Some(own) => outputs.get(&own.name),
            None if port.is_under(self.mask) => inputs.get(&self.mask.name),
            None => None,
        };
        let Some(mask) = mask else { return Some(array.row(row, 1)) };
        let width = mask.shape[1];
        let flags = mask.as_bools()?;
        let valid = (0..width).filter(|at| flags[row * width + at]);
        Some(valid.flat_map(|at| array.row(row * width + at, 2)).collect())
    }

    fn same(
        port: &Port,
        what: &str,
        one: Option<Vec<f64>>,
        other: Option<Vec<f64>>,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let (Some(one), Some(other)) = (one, other) else { return Ok(()) };
        let name = &port.name;
        if one.len() != other.len() {
            let (a, b) = (one.len(), other.len());
            return fail(format!("{what} changes how much of `{name}` is valid: {a} values, {b}"));
        }
        let scale = one.iter().chain(&other).fold(1.0f64, |most, value| most.max(value.abs()));
        let off = one.iter().zip(&other).map(|(a, b)| (a - b).abs());
        // NaN counts as infinitely far off.
        let off = off.map(|v| if v.is_nan() { f64::INFINITY } else { v }).fold(0.0, f64::max);
        if off > TOLERANCE * scale {
            return fail(format!("{what} changes valid values of `{name}` by {off:.3e}"));
        }
        tally.compared += 1;
        Ok(())
    }

    /// The batch with `frames` frames, and something else in all that is padding.
    fn padded(&self, batch: &Batch, frames: usize, stream: &mut Stream) -> Batch {
        let mut changed = Batch::default();
        let lengths = self.lengths(batch);
        for (port, array) in self.ports(batch) {
            let grown = resized(port, array, self.frames_symbol(), frames);
            let grown = if port.is_under(self.mask) && port.name != self.mask.name {
                scrambled(&grown, &lengths, stream)
            } else {
                grown
            };
            changed.0.push((port.name.clone(), grown));
        }
        changed
    }

    /// Item `row` without its padding.
    fn alone(&self, batch: &Batch, row: usize, length: usize) -> Batch {
        let mut alone = Batch::default();
        for (port, array) in self.ports(batch) {
            let single = if self.is_by_row(port) {
                let entry = Batch(vec![(port.name.clone(), array.clone())]);
                crate::averaging::rows_of(&entry, row, row + 1).0.remove(0).1
            } else {
                array.clone()
            };
            let cut = resized(port, &single, self.frames_symbol(), length);
            alone.0.push((port.name.clone(), cut));
        }
        alone
    }

    fn ports<'b>(&self, batch: &'b Batch) -> Vec<(&Port, &'b Array)> {
        let ports = self.contract.inputs.iter();
        ports.filter_map(|port| Some((port, batch.get(&port.name)?))).collect()
    }

    fn frames_symbol(&self) -> &str {
        self.mask.shape[1].symbol().unwrap_or_default()
    }
}

/// The array with another size in every dimension called `symbol`; new elements are zero or false.
fn resized(port: &Port, array: &Array, symbol: &str, size: usize) -> Array {
    // Where `...` stands for several dimensions, the places of the others are not known.
    if port.shape.len() != array.shape.len() {
        return array.clone();
    }
    let shape: Vec<usize> = port
        .shape
        .iter()
        .zip(&array.shape)
        .map(|(dim, &old)| if dim.symbol() == Some(symbol) { size } else { old })
        .collect();
    let count: usize = shape.iter().product();
    // For each new element the old one at the same index, if there is one.
    let places: Vec<Option<usize>> = (0..count)
        .map(|flat| {
            let (mut rest, mut old, mut stride) = (flat, 0, 1);
            for (new, was) in shape.iter().zip(&array.shape).rev() {
                let index = rest % new;
                rest /= new;
                if index >= *was {
                    return None;
                }
                old += index * stride;
                stride *= was;
            }
            Some(old)
        })
        .collect();
    let values = match &array.values {
        Values::F32(list) => Values::F32(take(list, &places)),
        Values::F64(list) => Values::F64(take(list, &places)),
        Values::I64(list) => Values::I64(take(list, &places)),
        Values::I32(list) => Values::I32(take(list, &places)),
        Values::U8(list) => Values::U8(take(list, &places)),
        Values::Bool(list) => Values::Bool(take(list, &places)),
        Values::Half(list, dtype) => Values::Half(take(list, &places), *dtype),
    };
    Array { shape, values }
}

fn take<T: Copy + Default>(list: &[T], places: &[Option<usize>]) -> Vec<T> {
    places.iter().map(|place| place.map_or_else(T::default, |at| list[at])).collect()
}

/// The array with large numbers in the frames of each row from its length on. Integers stay what
/// they are, since not every number is a valid one.
fn scrambled(array: &Array, lengths: &[usize], stream: &mut Stream) -> Array {
    let mut changed = array.clone();
    let (frames, width) = (array.shape[1], array.shape[2..].iter().product::<usize>());
    let padding = |at: usize| {
        let (row, frame) = (at / width.max(1) / frames.max(1), at / width.max(1) % frames.max(1));
        lengths.get(row).is_some_and(|&length| frame >= length)
    };
    match &mut changed.values {
        Values::F32(list) => {
            let places = list.iter_mut().enumerate().filter(|(at, _)| padding(*at));
            places.for_each(|(_, value)| *value = 100.0 * stream.normal() as f32);
        }
        Values::F64(list) => {
            let places = list.iter_mut().enumerate().filter(|(at, _)| padding(*at));
            places.for_each(|(_, value)| *value = 100.0 * stream.normal());
        }
        Values::Bool(list) => {
            let places = list.iter_mut().enumerate().filter(|(at, _)| padding(*at));
            places.for_each(|(_, value)| *value = !*value);
        }
        _ => {}
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::contract;

    #[test]
    fn sequences_grow_and_shrink_in_every_dimension_of_frames() {
        let contract = contract(&["x: f32[B, T, 2]", "bias: f32[T, T]"], &[]);
        let x = Array::f32(vec![1.0, 2.0, 3.0, 4.0], &[1, 2, 2]);
        let longer = resized(&contract.inputs[0], &x, "T", 3);
        assert_eq!(longer, Array::f32(vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0], &[1, 3, 2]));
        assert_eq!(resized(&contract.inputs[0], &longer, "T", 2), x);
        let bias = Array::f32(vec![1.0, 2.0, 3.0, 4.0], &[2, 2]);
        let grown = resized(&contract.inputs[1], &bias, "T", 3);
        let wanted = vec![1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(grown, Array::f32(wanted, &[3, 3]));
    }

    #[test]
    fn only_padding_is_scrambled() {
        let x = Array::f32(vec![1.0; 12], &[2, 3, 2]);
        let mut stream = Stream::new(&["test"]);
        let changed = scrambled(&x, &[3, 1], &mut stream);
        let values = changed.as_f32().expect("floats");
        assert_eq!(values[..8], [1.0; 8]);
        assert!(values[8..].iter().all(|value| *value != 1.0));
    }
}
