//! How many steps a trial has, and how batches make steps.

use ablate_config::TrainSpec;

/// Steps never reach over the end of an epoch: where `accumulate_steps` does not divide its batches, the last step of
/// the epoch has fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) batches_per_epoch: u64,
    accumulate: u64,
    /// Steps in all.
    pub(crate) steps: u64,
    /// Passes in all, the last perhaps begun only.
    pub(crate) epochs: u64,
}

impl Extent {
    pub(crate) fn new(train: &TrainSpec, items: u64) -> Self {
        let batches_per_epoch = items.div_ceil(train.batch_size.max(1) as u64);
        let accumulate = train.accumulate_steps.max(1) as u64;
        let per_epoch = batches_per_epoch.div_ceil(accumulate);
        let steps = match (train.total_steps, train.total_epochs) {
            (Some(steps), _) => steps,
            (None, epochs) => epochs.unwrap_or(1).saturating_mul(per_epoch),
        };
        Self { batches_per_epoch, accumulate, steps, epochs: steps.div_ceil(per_epoch) }
    }

    /// Batches of the step that begins with batch `batch` of its epoch.
    pub(crate) fn batches_of_step(self, batch: u64) -> u64 {
        self.accumulate.min(self.batches_per_epoch - batch)
    }

    /// Batches from batch `batch` of pass `epoch` to the end of the last step.
    pub(crate) fn batches_left(self, epoch: u64, batch: u64) -> u64 {
        let per_epoch = self.batches_per_epoch.div_ceil(self.accumulate);
        let (full, rest) = (self.steps / per_epoch, self.steps % per_epoch);
        let all = full * self.batches_per_epoch + rest * self.accumulate;
        all.saturating_sub(epoch * self.batches_per_epoch + batch)
    }
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn steps_end_with_their_epoch() {
        // 10 items in batches of 3 are 4 batches, which make steps of 3 and 1.
        let extent = Extent { batches_per_epoch: 4, accumulate: 3, steps: 5, epochs: 3 };
        let mut taken = Vec::new();
        let (mut epoch, mut batch) = (0, 0);
        for _ in 0..extent.steps {
            let left = extent.batches_left(epoch, batch);
            taken.push((extent.batches_of_step(batch), left));
            batch += extent.batches_of_step(batch);
            if batch == extent.batches_per_epoch {
                (epoch, batch) = (epoch + 1, 0);
            }
        }
        assert_eq!(taken, [(3, 11), (1, 8), (3, 7), (1, 4), (3, 3)]);
        assert_eq!(extent.batches_left(epoch, batch), 0);
    }
}
