//! Means of loss values over batches of different size.

/// Collects the value of one loss.
///
/// A loss that says how many elements it averaged is weighted by them, so that the result is the mean over all
/// elements; a loss that never says so is weighted by the items of the batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    elements: f64,
    by_elements: f64,
    items: f64,
    by_items: f64,
    /// The value itself while there is but one, free of rounding.
    only: Option<f64>,
    count: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, value: f64, elements: u64, items: u64) {
        self.elements += elements as f64;
        self.by_elements += value * elements as f64;
        self.items += items as f64;
        self.by_items += value * items as f64;
        self.count += 1;
        self.only = (self.count == 1).then_some(value);
    }

    /// The mean; NaN when there was nothing.
    pub(crate) fn mean(&self) -> f64 {
        match self.only {
            Some(value) => value,
            None if self.elements > 0.0 => self.by_elements / self.elements,
            None => self.by_items / self.items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn weighs_by_elements_where_they_are_told_and_else_by_items() {
        let mean = |values: &[(f64, u64, u64)]| {
            let mut tally = Tally::default();
            for (value, elements, items) in values {
                tally.add(*value, *elements, *items);
            }
            tally.mean()
        };
        assert_eq!(mean(&[(0.1, 3, 2)]), 0.1);
        assert_eq!(mean(&[(1.0, 30, 2), (2.0, 10, 2)]), 1.25);
        assert_eq!(mean(&[(1.0, 0, 3), (2.0, 0, 1)]), 1.25);
        // A batch that is all padding averaged nothing and counts nothing.
        assert_eq!(mean(&[(1.0, 30, 2), (0.0, 0, 2)]), 1.0);
    }
}
