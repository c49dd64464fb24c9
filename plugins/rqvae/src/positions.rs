//! Where frames and windows lie: for any length, without a table.

use ablate_sdk::burn::tensor::{Device, Tensor, TensorData};
use std::f64::consts::PI;

/// The longest wavelength of positions in frames, in units of 2π (Vaswani et al., 2017).
const LONGEST: f64 = 10_000.0;

/// Octaves of positions in windows, from four waves per window down.
const OCTAVES: i32 = 8;

/// Width of what [`Places`] says about positions in windows.
pub(crate) const WINDOW_WIDTH: usize = 2 * OCTAVES as usize;

/// The frames and windows of a batch on their items' time lines.
///
/// A pooling says nothing about where its windows lie, so an item's V windows are taken to share
/// its L frames evenly: window w has its center at (w + ½) · L / V − ½. Both numbers count up to
/// the last valid one, so that the padding of a batch changes nothing.
#[derive(Clone, Debug)]
pub struct Places {
    frames: usize,
    windows: usize,
    /// Frames per window, L / V, of each item.
    shares: Vec<f64>,
}

impl Places {
    /// From the masks of frames, rows of `frames`, and of windows, rows of `windows`.
    pub fn new(frame_mask: &[bool], frames: usize, window_mask: &[bool], windows: usize) -> Self {
        let length = |row: &[bool]| row.iter().rposition(|&valid| valid).map_or(1, |last| last + 1);
        let rows = frame_mask.chunks_exact(frames.max(1));
        let rows = rows.zip(window_mask.chunks_exact(windows.max(1)));
        let shares = rows.map(|(frames, windows)| length(frames) as f64 / length(windows) as f64);
        Self { frames, windows, shares: shares.collect() }
    }

    /// The frame at the center of each window, `[B][W]`.
    fn centers(&self) -> Vec<f64> {
        let windows = 0..self.windows;
        let item = |share| windows.clone().map(move |window| (window as f64 + 0.5) * share - 0.5);
        self.shares.iter().flat_map(|&share| item(share)).collect()
    }

    /// The position of each frame in frames, `[1, T, width]`.
    pub(crate) fn frames_in_frames(&self, width: usize, device: &Device) -> Tensor<3> {
        frame_sinusoids(self.frames, width, device)
    }

    /// The position of each frame in windows, `[B, T, WINDOW_WIDTH]`: where it lies in its window
    /// and in its item.
    pub(crate) fn frames_in_windows(&self, device: &Device) -> Tensor<3> {
        let frames = 0..self.frames;
        let item = |share| frames.clone().map(move |frame| (frame as f64 + 0.5) / share);
        let positions: Vec<f64> = self.shares.iter().flat_map(|&share| item(share)).collect();
        sinusoids(&positions, [self.shares.len(), self.frames], &window_rates(), device)
    }

    /// The position of each window's center in frames, `[B, W, width]`.
    pub(crate) fn windows_in_frames(&self, width: usize, device: &Device) -> Tensor<3> {
        let shape = [self.shares.len(), self.windows];
        sinusoids(&self.centers(), shape, &frame_rates(width), device)
    }

    /// The position of each window's center in windows, `[1, W, WINDOW_WIDTH]`.
    pub(crate) fn windows_in_windows(&self, device: &Device) -> Tensor<3> {
        let positions = (0..self.windows).map(|window| window as f64 + 0.5).collect::<Vec<_>>();
        sinusoids(&positions, [1, self.windows], &window_rates(), device)
    }

    /// 1 for the valid window that each valid frame lies nearest to, of equally near ones the
    /// first, else 0: `[B, T, W]`, from the masks that the places were made from.
    pub(crate) fn nearest_windows(
        &self,
        frame_mask: &[bool],
        window_mask: &[bool],
        device: &Device,
    ) -> Tensor<3> {
        let (frames, windows) = (self.frames, self.windows);
        let mut values = vec![0.0_f32; self.shares.len() * frames * windows];
        for (item, share) in self.shares.iter().enumerate() {
            let filled = &window_mask[item * windows..][..windows];
            let filled: Vec<usize> = (0..windows).filter(|&window| filled[window]).collect();
            for frame in (0..frames).filter(|frame| frame_mask[item * frames + frame]) {
                let place = (frame as f64 + 0.5) / share - 0.5;
                let distance = |window: &usize| (place - *window as f64).abs();
                let nearest = filled.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
                if let Some(window) = nearest {
                    values[(item * frames + frame) * windows + window] = 1.0;
                }
            }
        }
        let shape = [self.shares.len(), frames, windows];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// How many windows lie between each frame and the center of each window, `[B, 1, T, W]`.
    pub(crate) fn distances(&self, device: &Device) -> Tensor<4> {
        let mut values = Vec::with_capacity(self.shares.len() * self.frames * self.windows);
        for share in &self.shares {
            for frame in 0..self.frames {
                let place = (frame as f64 + 0.5) / share;
                let distance = |window| (place - (window as f64 + 0.5)).abs() as f32;
                values.extend((0..self.windows).map(distance));
            }
        }
        let shape = [self.shares.len(), 1, self.frames, self.windows];
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// Sinusoids of the numbers of the first frames, `[1, T, width]`, for an even `width`.
pub(crate) fn frame_sinusoids(frames: usize, width: usize, device: &Device) -> Tensor<3> {
    let positions = (0..frames).map(|frame| frame as f64).collect::<Vec<_>>();
    sinusoids(&positions, [1, frames], &frame_rates(width), device)
}

fn frame_rates(width: usize) -> Vec<f64> {
    let half = width / 2;
    (0..half).map(|i| LONGEST.powf(-(i as f64) / half as f64)).collect()
}

fn window_rates() -> Vec<f64> {
    (0..OCTAVES).map(|octave| 8.0 * PI * 0.5_f64.powi(octave)).collect()
}

/// Sines, then cosines, of positions `[B][P]` at every rate: `[B, P, 2 · rates]`.
fn sinusoids(positions: &[f64], shape: [usize; 2], rates: &[f64], device: &Device) -> Tensor<3> {
    let width = 2 * rates.len();
    let mut values = vec![0.0; positions.len() * width];
    for (row, position) in values.chunks_exact_mut(width).zip(positions) {
        let (sines, cosines) = row.split_at_mut(rates.len());
        for ((sine, cosine), rate) in sines.iter_mut().zip(cosines).zip(rates) {
            let (s, c) = (position * rate).sin_cos();
            (*sine, *cosine) = (s as f32, c as f32);
        }
    }
    Tensor::from_data(TensorData::new(values, [shape[0], shape[1], width]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn the_window_of_a_whole_item_lies_at_its_center() {
        // Five frames: 0 to 4, center 2.
        let places = Places::new(&[true, true, true, true, true, false], 6, &[true], 1);
        assert_eq!(places.centers(), [2.0]);
    }

    #[test]
    fn places_do_not_depend_on_padding() {
        let alone = Places::new(&[true; 12], 12, &[true; 3], 3);
        assert_eq!(alone.centers(), [1.5, 5.5, 9.5]);
        let frames: Vec<bool> = (0..20).map(|frame| frame < 12).collect();
        let padded = Places::new(&frames, 20, &[true, true, true, false, false], 5);
        assert_eq!(padded.centers()[..3], alone.centers());
        let device = Device::flex();
        let width = 12 * WINDOW_WIDTH;
        let found = values(padded.frames_in_windows(&device));
        assert_eq!(found[..width], values(alone.frames_in_windows(&device)));
    }

    #[test]
    fn an_item_of_padding_has_finite_places() {
        let places = Places::new(&[false; 4], 4, &[false; 2], 2);
        assert!(places.centers().iter().all(|center| center.is_finite()));
        assert!(values(places.frames_in_windows(&Device::flex())).iter().all(|v| v.is_finite()));
    }

    #[test]
    fn distances_are_in_windows() {
        // Four frames in two windows: centers after one and three frames.
        let places = Places::new(&[true; 4], 4, &[true; 2], 2);
        let expected = [0.25, 1.25, 0.25, 0.75, 0.75, 0.25, 1.25, 0.25];
        assert_eq!(values(places.distances(&Device::flex())), expected);
    }

    #[test]
    fn a_frame_belongs_to_the_nearest_window_that_counts() {
        // Six frames in three windows, of which the second does not count; then an item of none.
        let frames = [[true; 6], [true, true, true, true, false, false], [true; 6]].concat();
        let windows = [true, false, true, true, true, false, false, false, false];
        let places = Places::new(&frames, 6, &windows, 3);
        let found = values(places.nearest_windows(&frames, &windows, &Device::flex()));
        let of = |item: usize, frame: usize| -> Vec<usize> {
            let row = &found[(item * 6 + frame) * 3..][..3];
            (0..3).filter(|&window| row[window] == 1.0).collect()
        };
        let first: Vec<_> = (0..6).flat_map(|frame| of(0, frame)).collect();
        assert_eq!(first, [0, 0, 0, 2, 2, 2]);
        let second: Vec<_> = (0..6).flat_map(|frame| of(1, frame)).collect();
        assert_eq!(second, [0, 0, 1, 1]);
        assert!((0..6).all(|frame| of(2, frame).is_empty()));
    }

    #[test]
    fn positions_in_frames_turn_from_once_per_two_pi_frames_to_hardly_ever() {
        let places = Places::new(&[true; 2], 2, &[true], 1);
        let found = values(places.frames_in_frames(4, &Device::flex()));
        assert_eq!(found[..4], [0.0, 0.0, 1.0, 1.0]);
        // Rates 1 and 10000^(-1/2) = 0.01.
        let expected = [1.0_f32.sin(), 0.01_f32.sin(), 1.0_f32.cos(), 0.01_f32.cos()];
        for (f, e) in found[4..].iter().zip(expected) {
            assert!((f - e).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn the_same_place_in_two_windows_has_the_same_fast_waves() {
        // Three octaves repeat from window to window: four, two and one wave per window.
        let places = Places::new(&[true; 10], 10, &[true; 2], 2);
        let found = values(places.frames_in_windows(&Device::flex()));
        let row = |frame: usize| &found[frame * WINDOW_WIDTH..][..WINDOW_WIDTH];
        for frame in 0..5 {
            for wave in [0, 1, 2, 8, 9, 10] {
                assert!((row(frame)[wave] - row(frame + 5)[wave]).abs() < 1e-5);
            }
            assert!((row(frame)[3] - row(frame + 5)[3]).abs() > 0.1);
        }
    }
}
