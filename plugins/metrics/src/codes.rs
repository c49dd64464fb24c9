//! The codes of one batch, checked.

use ablate_sdk::{Arrays, Error};

/// The codes `[B, W, L]` of a batch with its mask.
pub(crate) struct Codes {
    values: Vec<i64>,
    mask: Vec<bool>,
    batch: usize,
    windows: usize,
    levels: usize,
}

impl Codes {
    /// Reads `codes: int[B, W, L]` and `code_mask?: bool[B, W]`; every valid code must be at least
    /// 0 and below `size`, if there is one.
    pub(crate) fn read(inputs: &Arrays, size: Option<usize>) -> Result<Self, Error> {
        let shape = inputs.shape("codes")?;
        let &[batch, windows, levels] = shape.as_slice() else {
            let text = format!("`codes` is int{shape:?}, expected 3 dimensions");
            return Err(Error::contract(text));
        };
        if levels == 0 {
            return Err(Error::contract(format!("`codes` is int{shape:?} and has no levels")));
        }
        if inputs.contains("code_mask") && inputs.shape("code_mask")? != [batch, windows] {
            let found = inputs.shape("code_mask")?;
            let text = format!("`code_mask` is bool{found:?}, but `codes` is int{shape:?}");
            return Err(Error::contract(text));
        }
        let values = inputs.integers("codes")?;
        let mask = inputs.mask_or_all("code_mask", batch * windows)?;
        Self::new(values, mask, [batch, windows, levels], size)
    }

    /// Codes from what they are made of, under the same conditions.
    pub(crate) fn new(
        values: Vec<i64>,
        mask: Vec<bool>,
        [batch, windows, levels]: [usize; 3],
        size: Option<usize>,
    ) -> Result<Self, Error> {
        let codes = Self { values, mask, batch, windows, levels };
        codes.check_range(size)?;
        Ok(codes)
    }

    /// What they are made of: values, mask and `[B, W, L]`.
    pub(crate) fn into_parts(self) -> (Vec<i64>, Vec<bool>, [usize; 3]) {
        (self.values, self.mask, [self.batch, self.windows, self.levels])
    }

    pub(crate) fn levels(&self) -> usize {
        self.levels
    }

    /// Items of the batch.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// The codes of every valid window of the batch, one per level.
    pub(crate) fn valid(&self) -> impl Iterator<Item = &[i64]> {
        let windows = self.values.chunks_exact(self.levels).zip(&self.mask);
        windows.filter(|(_, valid)| **valid).map(|(window, _)| window)
    }

    /// The codes of the valid windows, item by item; an item may have none.
    pub(crate) fn items(&self) -> impl Iterator<Item = Vec<i64>> {
        (0..self.batch).map(|item| {
            let windows = item * self.windows..(item + 1) * self.windows;
            let valid = windows.filter(|&window| self.mask[window]);
            valid.flat_map(|window| self.window(window)).copied().collect()
        })
    }

    fn window(&self, index: usize) -> &[i64] {
        &self.values[index * self.levels..(index + 1) * self.levels]
    }

    fn check_range(&self, size: Option<usize>) -> Result<(), Error> {
        let limit = size.map_or(i64::MAX, |size| size as i64);
        for (index, window) in self.values.chunks_exact(self.levels).enumerate() {
            let Some(level) = window.iter().position(|code| !(0..limit).contains(code)) else {
                continue;
            };
            if self.mask[index] {
                let (code, item) = (window[level], index / self.windows);
                let (window, level) = (index % self.windows + 1, level + 1);
                let range = size.map_or("below 0".to_owned(), |size| format!("not in [0, {size})"));
                let text = format!(
                    "code `{code}` is {range}: item {item} of the batch, window {window}, level {level}"
                );
                return Err(Error::data(text));
            }
        }
        Ok(())
    }
}
