//! The codes of a batch as a metric gets them.

use ablate_sdk::{Arrays, Contract, Error};

/// Codes `[B, W, L]` with their mask.
#[derive(Clone, Debug)]
pub(crate) struct WindowCodes {
    pub(crate) codes: Vec<i64>,
    pub(crate) mask: Vec<bool>,
    pub(crate) items: usize,
    pub(crate) windows: usize,
    pub(crate) levels: usize,
}

impl WindowCodes {
    /// The inputs that [`WindowCodes::read`] reads, and the codebooks.
    pub(crate) fn contract() -> Contract {
        Contract::new()
            .input("codes: int[B, W, L]")
            .input("code_mask?: bool[B, W]")
            .input("codebooks: f32[L, K, D]")
    }

    /// Reads `codes: int[B, W, L]` and `code_mask?: bool[B, W]` of `codebooks: f32[L, K, D]`, whose
    /// shape is the second value. Every valid code must be in its codebook.
    pub(crate) fn read(inputs: &Arrays) -> Result<(Self, [usize; 3]), Error> {
        let shape = inputs.shape("codes")?;
        let &[items, windows, levels] = shape.as_slice() else {
            let text = format!("`codes` is int{shape:?}, expected 3 dimensions");
            return Err(Error::contract(text));
        };
        if levels == 0 {
            return Err(Error::contract(format!("`codes` is int{shape:?} and has no levels")));
        }
        let books = inputs.shape("codebooks")?;
        inputs.slice::<f32>("codebooks")?;
        let &[level_count, size, width] = books.as_slice() else {
            let text = format!("`codebooks` is f32{books:?}, expected 3 dimensions");
            return Err(Error::contract(text));
        };
        if level_count != levels {
            let text = format!("`codebooks` is f32{books:?}, but `codes` has {levels} levels");
            return Err(Error::contract(text));
        }
        if inputs.contains("code_mask") && inputs.shape("code_mask")? != [items, windows] {
            let found = inputs.shape("code_mask")?;
            let text = format!("`code_mask` is bool{found:?}, but `codes` is int{shape:?}");
            return Err(Error::contract(text));
        }
        let codes = inputs.integers("codes")?;
        let mask = inputs.mask_or_all("code_mask", items * windows)?;
        let read = Self { codes, mask, items, windows, levels }.checked(Some(size))?;
        Ok((read, [level_count, size, width]))
    }

    /// Fails unless every valid code is at least 0, fits 32 bits and is below `size` if there is one.
    pub(crate) fn checked(self, size: Option<usize>) -> Result<Self, Error> {
        let limit = size.map_or(i64::from(u32::MAX), |size| size as i64);
        for window in (0..self.mask.len()).filter(|&window| self.mask[window]) {
            let tuple = self.tuple(window);
            if let Some(level) = tuple.iter().position(|code| !(0..limit).contains(code)) {
                let (code, item) = (tuple[level], window / self.windows);
                let (window, level) = (window % self.windows + 1, level + 1);
                let text = format!(
                    "code `{code}` is not in [0, {limit}): item {item} of the batch, window {window}, \
                     level {level}"
                );
                return Err(Error::data(text));
            }
        }
        Ok(self)
    }

    /// The valid tuples of an item, in order.
    pub(crate) fn valid(&self, item: usize) -> impl Iterator<Item = &[i64]> {
        let windows = item * self.windows..(item + 1) * self.windows;
        windows.filter(|&window| self.mask[window]).map(|window| self.tuple(window))
    }

    /// The windows of an item up to its last valid one, each with whether it is valid: what padding
    /// a batch added at the end is left out.
    pub(crate) fn up_to_last_valid(&self, item: usize) -> Vec<(bool, &[i64])> {
        let windows = item * self.windows..(item + 1) * self.windows;
        let last = windows.clone().rev().find(|&window| self.mask[window]);
        let end = last.map_or(windows.start, |window| window + 1);
        (windows.start..end).map(|window| (self.mask[window], self.tuple(window))).collect()
    }

    fn tuple(&self, window: usize) -> &[i64] {
        &self.codes[window * self.levels..(window + 1) * self.levels]
    }
}
