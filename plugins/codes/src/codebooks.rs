//! The codebooks that codes refer to, outside any graph.

use ablate_sdk::{Error, Tensors};

/// Codebooks `[L, K, D]` of a residual quantizer: each level quantizes what the ones before it left
/// over, and a tuple of codes, one per level, means the sum of its codebook vectors.
#[derive(Clone, Debug)]
pub struct Codebooks {
    values: Vec<f32>,
    levels: usize,
    size: usize,
    width: usize,
}

impl Codebooks {
    /// Codebooks from their numbers in the order `[L, K, D]`.
    ///
    /// # Errors
    /// If there are not as many numbers as `shape` says, or no level or no code.
    pub fn new(values: Vec<f32>, shape: [usize; 3]) -> Result<Self, Error> {
        let [levels, size, width] = shape;
        if levels == 0 || size == 0 || values.len() != levels * size * width {
            let count = values.len();
            let text = format!("`codebooks` is f32{shape:?} of {count} numbers: not f32[L, K, D]");
            return Err(Error::contract(text));
        }
        Ok(Self { values, levels, size, width })
    }

    /// The input `codebooks: f32[L, K, D]` of a block, for codes of `levels`.
    pub(crate) fn read(inputs: &Tensors, levels: usize) -> Result<Self, Error> {
        let tensor = inputs.float::<3>("codebooks")?;
        let shape = tensor.dims();
        if shape[0] != levels {
            let text = format!("`codebooks` is f32{shape:?}, but `codes` has {levels} levels");
            return Err(Error::contract(text));
        }
        Self::new(tensor.into_data().iter::<f32>().collect(), shape)
    }

    /// Codes of one codebook, K.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Numbers in one vector, D.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The vector that a tuple of codes means: Σ over levels of e. Every code must be below K.
    pub fn vector(&self, tuple: &[i64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.width];
        for (level, &code) in tuple.iter().enumerate() {
            let row = self.row(level, code as usize);
            sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sum
    }

    /// The codes of a vector, as a residual quantizer assigns them: at each level the code nearest
    /// to what is left, of equally near ones the first.
    pub fn quantize(&self, vector: &[f64]) -> Vec<i64> {
        let mut left = vector.to_vec();
        let mut tuple = Vec::with_capacity(self.levels);
        for level in 0..self.levels {
            let mut best = (f64::INFINITY, 0);
            for code in 0..self.size {
                let pairs = left.iter().zip(self.row(level, code));
                let distance: f64 = pairs.map(|(a, &b)| (a - f64::from(b)).powi(2)).sum();
                if distance < best.0 {
                    best = (distance, code);
                }
            }
            let row = self.row(level, best.1);
            left.iter_mut().zip(row).for_each(|(left, &value)| *left -= f64::from(value));
            tuple.push(best.1 as i64);
        }
        tuple
    }

    fn row(&self, level: usize, code: usize) -> &[f32] {
        let start = (level * self.size + code) * self.width;
        &self.values[start..start + self.width]
    }
}
