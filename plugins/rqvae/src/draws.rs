//! Draws from a list, by a seeded generator.

use ablate_sdk::rand::{Rng, RngExt};

/// `count` of the `items`: each at most once until all have been drawn, then each once more, and
/// so on.
///
/// # Panics
/// If there are no items to draw from.
pub(crate) fn draw(items: &[usize], count: usize, generator: &mut impl Rng) -> Vec<usize> {
    assert!(!items.is_empty(), "there is something to draw from");
    let mut left = Vec::new();
    (0..count)
        .map(|_| {
            if left.is_empty() {
                left = items.to_vec();
            }
            let index = generator.random_range(0..left.len());
            left.swap_remove(index)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::seed::generator;

    #[test]
    fn draws_every_item_once_before_any_twice_and_repeats_with_its_seed() {
        let items = [3, 5, 8, 13];
        let drawn = draw(&items, 10, &mut generator(1));
        let mut sorted = [drawn[..4].to_vec(), drawn[4..8].to_vec()];
        for part in &mut sorted {
            part.sort_unstable();
        }
        assert_eq!(sorted, [items.to_vec(), items.to_vec()]);
        assert_eq!(drawn, draw(&items, 10, &mut generator(1)));
        assert!((2..20).any(|seed| draw(&items, 10, &mut generator(seed)) != drawn));
    }

    #[test]
    fn draws_all_items_about_equally_often() {
        // 4 000 first draws of one of four: 1 000 each, standard deviation 27.
        let mut counts = [0_usize; 4];
        let mut generator = generator(7);
        for _ in 0..4000 {
            counts[draw(&[0, 1, 2, 3], 1, &mut generator)[0]] += 1;
        }
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 150), "{counts:?}");
    }
}
