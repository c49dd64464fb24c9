//! Points in rows: frames and centers as plain numbers.

use ablate_sdk::burn::tensor::{Device, Tensor, TensorData};

/// Points of `width` numbers each.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    values: Vec<f32>,
    width: usize,
}

impl Points {
    /// Points whose numbers stand row by row.
    ///
    /// # Panics
    /// If the rows are not all whole.
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "whole rows of {width} numbers");
        Self { values, width }
    }

    /// Numbers of one point.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The point at `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// The points, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// Puts `point` at `index`.
    pub(crate) fn replace(&mut self, index: usize, point: &[f32]) {
        self.values[index * self.width..(index + 1) * self.width].copy_from_slice(point);
    }

    /// The points at `indices`, in their order.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        let values = indices.iter().flat_map(|&index| self.row(index)).copied().collect();
        Self { values, width: self.width }
    }

    /// As a tensor `[N, F]`.
    pub fn tensor(&self, device: &Device) -> Tensor<2> {
        let shape = [self.len(), self.width];
        Tensor::from_data(TensorData::new(self.values.clone(), shape), device)
    }

    /// From a tensor `[N, F]`.
    pub fn of_tensor(tensor: Tensor<2>) -> Self {
        let [_, width] = tensor.dims();
        Self::new(tensor.inner().into_data().iter::<f32>().collect(), width)
    }
}

/// ‖a − b‖²; exactly zero for equal points.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0_f32; LANES];
    let (whole, rest) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail = whole.remainder().iter().zip(rest.remainder());
    let tail: f32 = tail.map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in whole.zip(rest) {
        for lane in 0..LANES {
            let difference = x[lane] - y[lane];
            lanes[lane] += difference * difference;
        }
    }
    lanes.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(tail)
}
