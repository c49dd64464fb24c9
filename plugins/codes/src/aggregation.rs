//! What the blocks of role `aggregation` have in common.

mod all;
mod attention;
mod first;
mod mean;
mod medoid;
mod vote;

pub use all::All;
pub use attention::{Attention, AttentionConfig, Score};
pub use first::First;
pub use mean::Mean;
pub use medoid::Medoid;
pub use vote::Vote;

use crate::codebooks::Codebooks;
use ablate_sdk::Contract;

pub(crate) const ROLE: &str = "aggregation";

/// The contract of a block that gives `tuples` per item, and takes `codebooks` written so.
fn contract(codebooks: &str, tuples: &str) -> Contract {
    Contract::new()
        .input("codes: int[B, W, L]")
        .input("mask: bool[B, W]")
        .input(codebooks)
        .output(format!("codes: int[B, {tuples}, L]"))
        .output(format!("mask: bool[B, {tuples}]"))
}

/// For blocks that look at vectors.
const NEEDED: &str = "codebooks: f32[L, K, D]";

/// For blocks that look at codes only.
const UNUSED: &str = "codebooks?: f32[L, K, D]";

/// What each tuple of codes means.
fn vectors(codebooks: &Codebooks, tuples: &[&[i64]]) -> Vec<Vec<f64>> {
    tuples.iter().map(|tuple| codebooks.vector(tuple)).collect()
}

/// Σ w z / Σ w of the vectors z, of which there is at least one.
fn weighted_mean(vectors: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut mean = vec![0.0; vectors[0].len()];
    for (vector, weight) in vectors.iter().zip(weights) {
        mean.iter_mut().zip(vector).for_each(|(mean, value)| *mean += weight * value);
    }
    let total: f64 = weights.iter().sum();
    for mean in &mut mean {
        *mean /= total;
    }
    mean
}
