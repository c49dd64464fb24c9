//! How much of each item of a batch counts.

use ablate_sdk::burn::tensor::{Bool, Device, Tensor, TensorData};
use ablate_sdk::frames::zero_outside;

/// The lengths of the items of a padded batch.
#[derive(Clone, Debug)]
pub(crate) struct Validity {
    lengths: Vec<usize>,
    /// Of the batch, padding included.
    extent: usize,
}

impl Validity {
    /// Items of `lengths` in a batch that is `extent` long.
    pub(crate) fn new(lengths: Vec<usize>, extent: usize) -> Self {
        Self { lengths, extent }
    }

    /// The number of valid elements of each row of a mask.
    pub(crate) fn of_mask(mask: &Tensor<2, Bool>) -> Self {
        let extent = mask.dims()[1];
        let flags: Vec<bool> = mask.clone().into_data().iter::<bool>().collect();
        let rows = flags.chunks(extent.max(1));
        Self::new(rows.map(|row| row.iter().filter(|&&valid| valid).count()).collect(), extent)
    }

    /// Of the batch, padding included.
    pub(crate) fn extent(&self) -> usize {
        self.extent
    }

    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// After a convolution without padding.
    pub(crate) fn convolved(&self, kernel: usize, stride: usize) -> Self {
        let after = |length: usize| length.checked_sub(kernel).map_or(0, |rest| rest / stride + 1);
        let lengths = self.lengths.iter().map(|&length| after(length)).collect();
        Self::new(lengths, after(self.extent))
    }

    /// Whether there is no padding.
    pub(crate) fn is_whole(&self) -> bool {
        self.lengths.iter().all(|&length| length == self.extent)
    }

    /// `[B, T]`.
    pub(crate) fn mask(&self, device: &Device) -> Tensor<2, Bool> {
        self.flags(device, |length| length)
    }

    fn flags(&self, device: &Device, end: impl Fn(usize) -> usize) -> Tensor<2, Bool> {
        let row = |&length: &usize| {
            let end = end(length);
            (0..self.extent).map(move |at| at < end)
        };
        let flags: Vec<bool> = self.lengths.iter().flat_map(row).collect();
        Tensor::from_data(TensorData::new(flags, [self.lengths.len(), self.extent]), device)
    }

    /// What attention must not look at, `[B, H, T, T]`; `None` if there is nothing of that kind. An
    /// item of nothing but padding looks at all of it: its result does not count, but has to be
    /// finite.
    pub(crate) fn hidden_keys(&self, heads: usize, device: &Device) -> Option<Tensor<4, Bool>> {
        if self.is_whole() {
            return None;
        }
        let (batch, extent) = (self.lengths.len(), self.extent);
        let seen = self.flags(device, |length| if length == 0 { extent } else { length });
        let hidden = seen.bool_not().reshape([batch, 1, 1, extent]);
        Some(hidden.expand([batch, heads, extent, extent]))
    }

    /// The lengths as `[B, 1, 1]`, at least 1, to divide by.
    pub(crate) fn counts(&self, device: &Device) -> Tensor<3> {
        let counts: Vec<f32> = self.lengths.iter().map(|&length| length.max(1) as f32).collect();
        Tensor::from_data(TensorData::new(counts, [self.lengths.len(), 1, 1]), device)
    }

    /// Vectors `[B, T, D]` with zeros as padding.
    pub(crate) fn zero_padding(&self, vectors: Tensor<3>) -> Tensor<3> {
        if self.is_whole() {
            return vectors;
        }
        let mask = self.mask(&vectors.device());
        zero_outside(vectors, &mask)
    }
}
