//! A worked example, and everything against counting anew after every merge.

use super::*;
use ablate_sdk::rand::RngExt;
use ablate_sdk::seed::generator;
use std::collections::BTreeMap;

/// Every occurrence of `pair`, from left to right and without overlap, as `token`.
fn replaced(tokens: &[u32], pair: Pair, token: u32) -> Vec<u32> {
    let mut result = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if at + 1 < tokens.len() && (tokens[at], tokens[at + 1]) == pair {
            result.push(token);
            at += 2;
        } else {
            result.push(tokens[at]);
            at += 1;
        }
    }
    result
}

/// Learns merges by counting all neighbors before each.
fn slowly(units: u32, sequences: &[Vec<u32>], limit: usize) -> (Vec<Pair>, Vec<Vec<u32>>) {
    let (mut sequences, mut pairs) = (sequences.to_vec(), Vec::new());
    while pairs.len() < limit {
        let mut counts: BTreeMap<Pair, u64> = BTreeMap::new();
        for sequence in &sequences {
            for at in 1..sequence.len() {
                *counts.entry((sequence[at - 1], sequence[at])).or_default() += 1;
            }
        }
        let most = counts.values().copied().max().unwrap_or(0);
        if most < 2 {
            break;
        }
        // In order of pairs: the first with the largest count is the smallest.
        let (&pair, _) = counts.iter().find(|(_, count)| **count == most).expect("the largest");
        let token = units + pairs.len() as u32;
        sequences = sequences.iter().map(|sequence| replaced(sequence, pair, token)).collect();
        pairs.push(pair);
    }
    (pairs, sequences)
}

#[test]
fn a_worked_example_merges_step_by_step() {
    // aaabdaaabac: Z = aa (4 neighbors), then ab and Za both twice, of which ab is smaller, so
    // Y = ab; then X = ZY: XdXac.
    let text: Vec<u32> = b"aaabdaaabac".iter().map(|letter| u32::from(letter - b'a')).collect();
    let merges = Merges::learn(4, std::slice::from_ref(&text), 100);
    assert_eq!(merges.pairs(), [(0, 0), (0, 1), (4, 5)]);
    assert_eq!(merges.encode(&text), [6, 3, 6, 0, 2]);
    assert_eq!(merges.decode(&[6, 3, 6, 0, 2]), text);
    assert_eq!(merges.tokens(), 7);
}

#[test]
fn learning_agrees_with_counting_anew_after_every_merge() {
    let mut random = generator(4);
    for round in 0..300 {
        let units = random.random_range(1..6_u32);
        let count = random.random_range(0..6_usize);
        let sequences: Vec<Vec<u32>> = (0..count)
            .map(|_| {
                let length = random.random_range(0..40_usize);
                (0..length).map(|_| random.random_range(0..units)).collect()
            })
            .collect();
        let limit = random.random_range(0..30_usize);
        let (pairs, merged) = slowly(units, &sequences, limit);
        let merges = Merges::learn(units, &sequences, limit);
        assert_eq!(merges.pairs(), pairs, "round {round}: {sequences:?}");
        for (sequence, merged) in sequences.iter().zip(&merged) {
            assert_eq!(&merges.encode(sequence), merged, "round {round}");
            assert_eq!(&merges.decode(merged), sequence, "round {round}");
        }
    }
}

#[test]
fn new_sequences_are_encoded_merge_by_merge() {
    let mut random = generator(9);
    let mut draw = |length: usize| -> Vec<u32> {
        (0..length).map(|_| random.random_range(0..4_u32)).collect()
    };
    let merges = Merges::learn(4, &[draw(400)], 40);
    for _ in 0..50 {
        let sequence = draw(60);
        let mut expected = sequence.clone();
        for (rank, &pair) in merges.pairs().iter().enumerate() {
            expected = replaced(&expected, pair, 4 + rank as u32);
        }
        assert_eq!(merges.encode(&sequence), expected);
        assert_eq!(merges.decode(&expected), sequence);
    }
}

#[test]
fn a_small_corpus_gives_fewer_merges_than_asked_for() {
    assert_eq!(Merges::learn(10, &[vec![1, 2, 3], vec![2, 1]], 5000).tokens(), 10);
    assert_eq!(Merges::learn(10, &[vec![1, 2], vec![1, 2]], 5000).pairs(), [(1, 2)]);
    assert_eq!(Merges::learn(10, &[], 5000).tokens(), 10);
}

#[test]
fn pairs_do_not_reach_over_the_end_of_a_sequence() {
    let sequences = vec![vec![1, 2]; 3];
    // 2 1 would occur twice across the ends.
    assert_eq!(Merges::learn(3, &sequences, 10).pairs(), [(1, 2)]);
}

#[test]
fn refuses_merges_of_tokens_that_do_not_exist_yet() {
    assert_eq!(Merges::new(3, vec![(0, 1), (3, 4)]), Err(1));
    assert_eq!(Merges::new(3, vec![(0, 1), (0, 1)]), Err(1));
    assert_eq!(Merges::new(3, vec![(0, 1), (3, 3)]).map(|merges| merges.tokens()), Ok(5));
}

#[test]
fn a_large_corpus_takes_a_moment() {
    // Half a million tokens of a second-order process: counting anew after every merge would take
    // a thousand passes over them.
    let mut random = generator(11);
    let mut sequences = Vec::new();
    for _ in 0..1000 {
        let mut last = 0_u32;
        let sequence = (0..500).map(|_| {
            last = (last * 7 + random.random_range(0..6_u32)) % 100;
            last
        });
        sequences.push(sequence.collect());
    }
    let start = std::time::Instant::now();
    let merges = Merges::learn(100, &sequences, 1000);
    assert_eq!(merges.pairs().len(), 1000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
