//! Random values that are the same everywhere: by hashing a seed, a key and a number.
//!
//! A value depends on nothing else, so that adding a key or a point changes no other value. Functions
//! of `libm` stand for those of the platform, whose last bits differ.

use ablate_config::{Data, Distribution, Draw, Node};
use sha2::{Digest, Sha256};

/// Digits of a drawn number. Names and tables then show the very value that was used.
const DIGITS: i32 = 4;

/// The value of a key at point `index`.
pub(super) fn draw(draw: &Draw, seed: u64, index: u64) -> Node {
    let bits = bits(seed, &draw.key.to_string(), index);
    let data = match &draw.distribution {
        Distribution::Uniform { low, high } => {
            Data::Float(rounded(low + unit(bits.0) * (high - low), high - low).clamp(*low, *high))
        }
        Distribution::LogUniform { low, high } => {
            let (from, to) = (libm::log(*low), libm::log(*high));
            let value = libm::exp(from + unit(bits.0) * (to - from));
            Data::Float(rounded(value, high - low).clamp(*low, *high))
        }
        Distribution::IntUniform { low, high } => {
            let count = (high - low) as u128 + 1;
            Data::Integer(low + ((u128::from(bits.0) * count) >> 64) as i64)
        }
        Distribution::LogIntUniform { low, high } => {
            // Each integer stands for the half open interval around it.
            let from = libm::log(*low as f64 - 0.5);
            let to = libm::log(*high as f64 + 0.5);
            let value = libm::exp(from + unit(bits.0) * (to - from));
            Data::Integer((libm::round(value) as i64).clamp(*low, *high))
        }
        Distribution::Normal { mean, sd } => {
            // Box and Muller (1958).
            let radius = libm::sqrt(-2.0 * libm::log(unit(bits.0)));
            let angle = std::f64::consts::TAU * unit(bits.1);
            Data::Float(rounded(mean + sd * radius * libm::cos(angle), *sd))
        }
        Distribution::Choice { values, weights } => {
            return values[chosen(weights, unit(bits.0))].clone();
        }
    };
    Node { data, origin: draw.at.origin.clone() }
}

/// The position whose share of the weights `unit` falls into.
fn chosen(weights: &[f64], unit: f64) -> usize {
    let aim = unit * weights.iter().sum::<f64>();
    let mut sum = 0.0;
    let found = weights.iter().position(|weight| {
        sum += weight;
        aim < sum
    });
    // Rounding may leave the last sum a little low.
    let last = weights.iter().rposition(|weight| *weight > 0.0);
    found.or(last).unwrap_or(0)
}

/// 128 bits that follow from a seed, a key and a number.
fn bits(seed: u64, key: &str, index: u64) -> (u64, u64) {
    let mut hasher = Sha256::new();
    hasher.update(b"ablate sweep random 1\0");
    hasher.update(seed.to_le_bytes());
    hasher.update(index.to_le_bytes());
    hasher.update(key.as_bytes());
    let hash = hasher.finalize();
    let word = |from: usize| {
        u64::from_le_bytes(hash[from..from + 8].try_into().expect("eight bytes are a word"))
    };
    (word(0), word(8))
}

/// A number above 0 and below 1.
fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// `value` to four digits of itself or of `span`, whichever is finer.
fn rounded(value: f64, span: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let last = exponent(value.abs().min(span)) - (DIGITS - 1);
    let digits = (exponent(value) - last).clamp(DIGITS - 1, 16) as usize;
    format!("{value:.digits$e}").parse().expect("a formatted number is a number")
}

/// The power of ten of the first digit.
fn exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    let (_, exponent) = text.split_once('e').expect("the format has an exponent");
    exponent.parse().expect("an exponent is an integer")
}

#[cfg(test)]
mod tests;
