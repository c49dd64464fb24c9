//! The same mathematics in plain 64-bit arithmetic: no tensors, no library, no derivative by hand.

use std::collections::BTreeMap;

/// Numbers by part and path; `features` and `target` are the inputs.
pub(crate) type Arrays = BTreeMap<String, Vec<f64>>;

pub(crate) const ITEMS: usize = 4;
pub(crate) const FRAMES: usize = 5;
pub(crate) const WIDTH: usize = 4;
pub(crate) const HIDDEN: usize = 3;
/// Valid frames of each item.
pub(crate) const LENGTHS: [usize; ITEMS] = [5, 4, 2, 0];

/// The loss: mean of (w·(g ⊙ μ) + b − y)² over the items, with μ = Σ αₜ hₜ over valid frames t,
/// α = softmax of v·tanh(W hₜ + c) + d, and hₜₖ = xₜ sₖ + sin((t + 1)(k + 1)).
pub(crate) fn loss(all: &Arrays) -> f64 {
    let at = |name: &str, index: usize| all[name][index];
    let errors = (0..ITEMS).map(|item| {
        let frames: Vec<[f64; WIDTH]> = (0..LENGTHS[item])
            .map(|t| {
                let number = at("features", item * FRAMES + t);
                std::array::from_fn(|k| {
                    number * at("model.scale", k) + (((t + 1) * (k + 1)) as f64).sin()
                })
            })
            .collect();
        let powers: Vec<f64> = frames.iter().map(|frame| score(all, frame).exp()).collect();
        let total: f64 = powers.iter().sum();
        let prediction: f64 = (0..WIDTH)
            .map(|k| {
                let terms = frames.iter().zip(&powers).map(|(frame, power)| frame[k] * power);
                let mean = if frames.is_empty() { 0.0 } else { terms.sum::<f64>() / total };
                at("model.head.weight", k) * at("gain.gain", k) * mean
            })
            .sum();
        (prediction + at("model.head.bias", 0) - at("target", item)).powi(2)
    });
    errors.sum::<f64>() / ITEMS as f64
}

fn score(all: &Arrays, frame: &[f64; WIDTH]) -> f64 {
    let at = |name: &str, index: usize| all[&format!("pooling.attention.{name}")][index];
    let units = (0..HIDDEN).map(|unit| {
        let sum: f64 = (0..WIDTH).map(|k| frame[k] * at("hidden.weight", k * HIDDEN + unit)).sum();
        (sum + at("hidden.bias", unit)).tanh() * at("score.weight", unit)
    });
    units.sum::<f64>() + at("score.bias", 0)
}

/// The derivative of the loss by every number, from central differences: in 64 bits they are right
/// to nine digits or so.
pub(crate) fn gradients(all: &Arrays) -> Arrays {
    const STEP: f64 = 1e-5;
    let along = |name: &String, index: usize| {
        let [below, above] = [-STEP, STEP].map(|step| {
            let mut moved = all.clone();
            moved.get_mut(name).expect("a name of its own")[index] += step;
            loss(&moved)
        });
        (above - below) / (2.0 * STEP)
    };
    let of = |(name, values): (&String, &Vec<f64>)| {
        let slopes = (0..values.len()).map(|index| along(name, index)).collect();
        (name.clone(), slopes)
    };
    all.iter().map(of).collect()
}
