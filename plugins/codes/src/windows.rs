//! The windows of a batch as an aggregation sees them, and its answer.

use crate::codebooks::Codebooks;
use ablate_sdk::burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ablate_sdk::{Error, Output, Tensors};

/// Codes `[B, W, L]` with their mask, in plain memory.
pub(crate) struct Windows {
    codes: Vec<i64>,
    mask: Vec<bool>,
    items: usize,
    /// Windows of an item, padding included.
    count: usize,
    levels: usize,
    device: Device,
}

impl Windows {
    /// Reads `codes: int[B, W, L]` and `mask: bool[B, W]`.
    pub(crate) fn read(inputs: &Tensors) -> Result<Self, Error> {
        let codes = inputs.int::<3>("codes")?;
        let mask = inputs.bool::<2>("mask")?;
        let (shape, device) = (codes.dims(), codes.device());
        let [items, windows, levels] = shape;
        if levels == 0 {
            return Err(Error::contract(format!("`codes` is int{shape:?} and has no levels")));
        }
        if mask.dims() != [items, windows] {
            let found = mask.dims();
            let text = format!("`mask` is bool{found:?}, but `codes` is int{shape:?}");
            return Err(Error::contract(text));
        }
        let codes = codes.into_data().iter::<i64>().collect();
        let mask = mask.into_data().iter::<bool>().collect();
        let read = Self { codes, mask, items, count: windows, levels, device };
        read.check(i64::MAX, "below 0")?;
        Ok(read)
    }

    /// The codebooks of the same call, which must have every valid code.
    pub(crate) fn codebooks(&self, inputs: &Tensors) -> Result<Codebooks, Error> {
        let codebooks = Codebooks::read(inputs, self.levels)?;
        let size = codebooks.size();
        self.check(size as i64, &format!("not in [0, {size})"))?;
        Ok(codebooks)
    }

    /// One tuple per item from its valid windows, in order, of which there is at least one; an item
    /// without any gets zeros and a false mask.
    pub(crate) fn aggregate(self, one: impl Fn(&[&[i64]]) -> Vec<i64>) -> Output {
        let (mut codes, mut mask) = (Vec::with_capacity(self.items * self.levels), Vec::new());
        for item in 0..self.items {
            let tuples: Vec<&[i64]> = (item * self.count..(item + 1) * self.count)
                .filter(|&window| self.mask[window])
                .map(|window| self.tuple(window))
                .collect();
            mask.push(!tuples.is_empty());
            if tuples.is_empty() {
                codes.extend(std::iter::repeat_n(0, self.levels));
            } else {
                codes.extend(one(&tuples));
            }
        }
        self.answer(codes, mask, 1)
    }

    /// Every window as it is; zeros where the mask is false.
    pub(crate) fn all(self) -> Output {
        let mut codes = self.codes.clone();
        for (tuple, valid) in codes.chunks_exact_mut(self.levels).zip(&self.mask) {
            if !valid {
                tuple.fill(0);
            }
        }
        let (mask, count) = (self.mask.clone(), self.count);
        self.answer(codes, mask, count)
    }

    fn answer(&self, codes: Vec<i64>, mask: Vec<bool>, tuples: usize) -> Output {
        let codes = TensorData::new(codes, [self.items, tuples, self.levels]);
        let mask = TensorData::new(mask, [self.items, tuples]);
        Tensors::new()
            .with("codes", Tensor::<3, Int>::from_data(codes, &self.device))
            .with("mask", Tensor::<2, Bool>::from_data(mask, &self.device))
            .into()
    }

    fn tuple(&self, window: usize) -> &[i64] {
        &self.codes[window * self.levels..(window + 1) * self.levels]
    }

    /// Fails unless every valid code is in `[0, limit)`; `wrong` says what one outside is.
    fn check(&self, limit: i64, wrong: &str) -> Result<(), Error> {
        for (index, _) in self.mask.iter().enumerate().filter(|(_, valid)| **valid) {
            let tuple = self.tuple(index);
            if let Some(level) = tuple.iter().position(|code| !(0..limit).contains(code)) {
                let (code, item) = (tuple[level], index / self.count);
                let (window, level) = (index % self.count + 1, level + 1);
                let text = format!(
                    "code `{code}` is {wrong}: item {item} of the batch, window {window}, level {level}"
                );
                return Err(Error::data(text));
            }
        }
        Ok(())
    }
}
