//! Which items make which batch.

use crate::stream::{derive, shuffle};

/// Batches whose items are sorted by length together.
const BUCKET_BATCHES: usize = 16;

/// The batches of one epoch of training, as indices of items.
///
/// Items are shuffled. With `bucketing`, stretches of sixteen batches are sorted by length before they are cut, so that
/// a batch needs little padding, and the batches are shuffled. The last batch may be smaller than the others.
#[must_use]
pub fn train_batches(
    sizes: &[u64],
    batch_size: usize,
    bucketing: bool,
    seed: u64,
    epoch: u64,
) -> Vec<Vec<u64>> {
    let epoch = epoch.to_string();
    let mut order: Vec<u64> = (0..sizes.len() as u64).collect();
    shuffle(&mut order, derive(seed, &["items", &epoch]));
    let batch_size = batch_size.max(1);
    if !bucketing {
        return order.chunks(batch_size).map(<[u64]>::to_vec).collect();
    }
    for bucket in order.chunks_mut(batch_size.saturating_mul(BUCKET_BATCHES)) {
        // Stable: items of one length stay in random order.
        bucket.sort_by_key(|index| sizes[*index as usize]);
    }
    let mut batches: Vec<Vec<u64>> = order.chunks(batch_size).map(<[u64]>::to_vec).collect();
    shuffle(&mut batches, derive(seed, &["batches", &epoch]));
    batches
}

/// The batches of an evaluation: all items by length, so that a batch needs little padding.
#[must_use]
pub fn eval_batches(sizes: &[u64], batch_size: usize) -> Vec<Vec<u64>> {
    let mut order: Vec<u64> = (0..sizes.len() as u64).collect();
    order.sort_by_key(|index| sizes[*index as usize]);
    order.chunks(batch_size.max(1)).map(<[u64]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::{eval_batches, train_batches};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_item_is_in_one_batch(
            sizes in prop::collection::vec(1..500u64, 0..300),
            batch_size in 1..20usize,
            bucketing: bool,
            seed: u64,
            epoch in 0..3u64,
        ) {
            let train = train_batches(&sizes, batch_size, bucketing, seed, epoch);
            for batches in [train, eval_batches(&sizes, batch_size)] {
                let partial = batches.iter().filter(|batch| batch.len() != batch_size).count();
                prop_assert_eq!(batches.len(), sizes.len().div_ceil(batch_size));
                prop_assert!(partial <= 1 && batches.iter().all(|batch| batch.len() <= batch_size));
                let mut all = batches.concat();
                all.sort_unstable();
                prop_assert!(all.into_iter().eq(0..sizes.len() as u64));
            }
        }
    }

    #[test]
    fn epochs_differ_and_equal_seeds_do_not() {
        let sizes = [7; 40];
        let batches = |seed, epoch| train_batches(&sizes, 8, true, seed, epoch);
        assert_eq!(batches(1, 0), batches(1, 0));
        assert_ne!(batches(1, 0), batches(1, 1));
        assert_ne!(batches(1, 0), batches(2, 0));
    }

    #[test]
    fn bucketing_saves_padding_and_keeps_batches_in_random_order() {
        let sizes: Vec<u64> = (0..512).map(|item| 50 + item * 37 % 401).collect();
        let padded = |batches: &[Vec<u64>]| {
            let longest = |batch: &Vec<u64>| {
                let sizes = batch.iter().map(|index| sizes[*index as usize]);
                sizes.max().unwrap() * batch.len() as u64
            };
            batches.iter().map(longest).sum::<u64>() as f64 / sizes.iter().sum::<u64>() as f64
        };
        let (plain, bucketed) =
            (train_batches(&sizes, 16, false, 0, 0), train_batches(&sizes, 16, true, 0, 0));
        assert!(padded(&plain) > 1.5, "{}", padded(&plain));
        assert!(padded(&bucketed) < 1.12, "{}", padded(&bucketed));
        let firsts: Vec<u64> = bucketed.iter().map(|batch| sizes[batch[0] as usize]).collect();
        assert!(!firsts.is_sorted());
    }
}
