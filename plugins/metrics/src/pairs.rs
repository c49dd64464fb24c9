//! Predictions beside their targets, item by item, where the mask is true.

use ablate_sdk::{Arrays, Error};

/// `prediction`, `target: f32[...]` and `mask?: bool[...]` of the leading dimensions.
pub(crate) struct Pairs<'a> {
    prediction: &'a [f32],
    target: &'a [f32],
    mask: Vec<bool>,
    items: usize,
}

impl<'a> Pairs<'a> {
    pub(crate) fn read(inputs: &'a Arrays) -> Result<Self, Error> {
        let shape = inputs.shape("prediction")?;
        let target = inputs.shape("target")?;
        if shape != target {
            return Err(Error::contract(format!(
                "`prediction` is f32{shape:?} and `target` is f32{target:?}, but their shapes must be equal"
            )));
        }
        let items = shape.first().copied().unwrap_or(1);
        let mut rows = items;
        if inputs.contains("mask") {
            let mask = inputs.shape("mask")?;
            if mask.is_empty() || !shape.starts_with(&mask) {
                return Err(Error::contract(format!(
                    "`mask` is bool{mask:?}, which is not how `prediction`, f32{shape:?}, begins"
                )));
            }
            rows = mask.iter().product();
        }
        let (prediction, target) = (inputs.slice("prediction")?, inputs.slice("target")?);
        // Nothing to go through in an empty batch.
        let items = if prediction.is_empty() { 0 } else { items };
        Ok(Self { prediction, target, mask: inputs.mask_or_all("mask", rows)?, items })
    }

    /// Elements where the mask is true.
    pub(crate) fn elements(&self) -> u64 {
        let valid = self.mask.iter().filter(|&&valid| valid).count();
        if self.items == 0 { 0 } else { (valid * (self.prediction.len() / self.mask.len())) as u64 }
    }

    /// The sum of `term(prediction, target)` of each item.
    ///
    /// Within an item in order, so that the sum does not depend on the batch it came in.
    pub(crate) fn sums(&self, term: fn(f64, f64) -> f64) -> Vec<f64> {
        let rows = self.mask.len() / self.items.max(1);
        (0..self.items).map(|item| self.sum(item * rows..(item + 1) * rows, term)).collect()
    }

    /// Of each item, the sum over its rows and features of the squared difference of the target to
    /// its mean over the valid rows of the item: what predicting that mean leaves over.
    pub(crate) fn target_spreads(&self) -> Vec<f64> {
        let rows = self.mask.len() / self.items.max(1);
        (0..self.items).map(|item| self.target_spread(item * rows..(item + 1) * rows)).collect()
    }

    fn target_spread(&self, rows: std::ops::Range<usize>) -> f64 {
        let width = self.prediction.len() / self.mask.len();
        let valid: Vec<usize> = rows.filter(|&row| self.mask[row]).collect();
        let mut spread = 0.0;
        for feature in 0..width {
            let target = |&row: &usize| f64::from(self.target[row * width + feature]);
            // Twice through, since the mean of squares less the square of the mean loses digits.
            let mean = valid.iter().map(target).sum::<f64>() / valid.len() as f64;
            spread += valid.iter().map(|row| (target(row) - mean).powi(2)).sum::<f64>();
        }
        spread
    }

    fn sum(&self, rows: std::ops::Range<usize>, term: fn(f64, f64) -> f64) -> f64 {
        let width = self.prediction.len() / self.mask.len();
        let mut sum = 0.0;
        for row in rows.filter(|&row| self.mask[row]) {
            let columns = row * width..(row + 1) * width;
            let pairs = self.prediction[columns.clone()].iter().zip(&self.target[columns]);
            for (&prediction, &target) in pairs {
                sum += term(f64::from(prediction), f64::from(target));
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(prediction: &[usize], target: &[usize], mask: Option<&[usize]>) -> Arrays {
        let zeros = |shape: &[usize]| vec![0.0_f32; shape.iter().product()];
        let inputs = Arrays::new().with("prediction", zeros(prediction), prediction).with(
            "target",
            zeros(target),
            target,
        );
        match mask {
            Some(shape) => inputs.with("mask", vec![true; shape.iter().product()], shape),
            None => inputs,
        }
    }

    #[test]
    fn counts_what_the_mask_leaves() {
        let count = |inputs: Arrays| Pairs::read(&inputs).expect("shapes fit").elements();
        assert_eq!(count(pairs(&[2, 3, 4], &[2, 3, 4], None)), 24);
        assert_eq!(count(pairs(&[2, 3, 4], &[2, 3, 4], Some(&[2, 3]))), 24);
        assert_eq!(count(pairs(&[2, 3, 4], &[2, 3, 4], Some(&[2, 3, 4]))), 24);
        assert_eq!(count(pairs(&[0, 3], &[0, 3], Some(&[0]))), 0);
        assert_eq!(count(pairs(&[2, 0], &[2, 0], Some(&[2]))), 0);
        assert_eq!(count(pairs(&[2, 0, 3], &[2, 0, 3], Some(&[2, 0]))), 0);
        let masked = pairs(&[2, 2], &[2, 2], None).with("mask", vec![false, true], &[2]);
        assert_eq!(count(masked), 2);
    }

    #[test]
    fn names_the_shapes_that_do_not_fit() {
        let text =
            |inputs: Arrays| Pairs::read(&inputs).map(drop).expect_err("must fail").to_string();
        assert_eq!(
            text(pairs(&[2, 3], &[3, 2], None)),
            "`prediction` is f32[2, 3] and `target` is f32[3, 2], but their shapes must be equal"
        );
        assert_eq!(
            text(pairs(&[2, 3, 4], &[2, 3, 4], Some(&[2, 4]))),
            "`mask` is bool[2, 4], which is not how `prediction`, f32[2, 3, 4], begins"
        );
    }
}
