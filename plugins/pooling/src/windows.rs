//! Where windows lie, which of them count, and how frames are cut into them.

use ablate_sdk::burn::tensor::{Bool, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens with frames that fill no whole window at the end of an item.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// One more window, with padding, holds them.
    Pad,
    /// They are left out.
    Drop,
}

/// The windows over a sequence: window `i` holds the frames from `i · stride` on.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Frames in a window, at least 1.
    pub window: usize,
    /// Frames from the start of one window to the start of the next, at least 1.
    pub stride: usize,
    /// What happens at the end.
    pub tail: Tail,
}

impl Windows {
    /// Windows over `frames` frames: with whole windows only, floor((T − w) / s) + 1, with a
    /// padded tail ceil((T − w) / s) + 1, and one if there are fewer frames than a window holds.
    pub fn count(&self, frames: usize) -> usize {
        let rest = frames.saturating_sub(self.window);
        match self.tail {
            Tail::Pad => rest.div_ceil(self.stride) + 1,
            Tail::Drop => rest / self.stride + 1,
        }
    }

    /// Frames from the start of the first window to the end of the last one.
    fn span(&self, frames: usize) -> usize {
        (self.count(frames) - 1) * self.stride + self.window
    }

    /// Which windows count, item by item: `mask` has rows of `frames` frames, the answer rows of
    /// [`Windows::count`] windows.
    ///
    /// A window counts if at least half of its frames are valid and if the item would have it
    /// were it alone in its batch, so that an item's codes never depend on how far its batch is
    /// padded. An item of which no window is half full keeps the first one that holds a valid
    /// frame.
    pub fn valid(&self, mask: &[bool], frames: usize) -> Vec<bool> {
        let count = self.count(frames);
        if frames == 0 {
            return Vec::new();
        }
        mask.chunks_exact(frames).flat_map(|row| self.valid_of_item(row, count)).collect()
    }

    fn valid_of_item(&self, row: &[bool], count: usize) -> Vec<bool> {
        let length = row.iter().rposition(|&valid| valid).map_or(0, |last| last + 1);
        let own = self.count(length);
        let inside = |window: usize| {
            let start = (window * self.stride).min(row.len());
            let end = (start + self.window).min(row.len());
            row[start..end].iter().filter(|&&valid| valid).count()
        };
        let mut valid: Vec<bool> =
            (0..count).map(|window| window < own && 2 * inside(window) >= self.window).collect();
        if !valid.contains(&true)
            && let Some(first) = (0..count.min(own)).find(|&window| inside(window) > 0)
        {
            valid[first] = true;
        }
        valid
    }

    /// Frames `[B, T, D]` and mask `[B, T]` cut into `[B · n, w, D]` and `[B · n, w]`; frames that
    /// the windows reach beyond the end are zero and outside the mask.
    pub fn cut(&self, features: Tensor<3>, mask: Tensor<2, Bool>) -> (Tensor<3>, Tensor<2, Bool>) {
        let [batch, frames, channels] = features.dims();
        let (count, span) = (self.count(frames), self.span(frames));
        let (mut features, mut mask) = (features, mask);
        if span > frames {
            let device = features.device();
            let zeros = Tensor::zeros([batch, span - frames, channels], &device);
            let padding = Tensor::full([batch, span - frames], false, &device);
            let empty = frames == 0;
            features = if empty { zeros } else { Tensor::cat(vec![features, zeros], 1) };
            mask = if empty { padding } else { Tensor::cat(vec![mask, padding], 1) };
        }
        let features = features.unfold::<4, _>(1, self.window, self.stride).swap_dims(2, 3);
        let mask = mask.unfold::<3, _>(1, self.window, self.stride);
        let rows = batch * count;
        (features.reshape([rows, self.window, channels]), mask.reshape([rows, self.window]))
    }
}
