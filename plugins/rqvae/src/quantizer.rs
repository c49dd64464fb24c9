//! Blocks of role `quantizer`: vectors to codes and back.

mod cascade;
mod ema;
mod gradient;
mod running;
mod straight_through;

use ablate_sdk::burn::tensor::{Bool, Int, Tensor};
use ablate_sdk::{Call, Contract, Error, Tensors};

pub use ema::{EmaConfig, EmaQuantizer};
pub use gradient::{GradientConfig, GradientQuantizer};
pub use straight_through::StraightThrough;

/// Seeds of what is drawn while the codebooks learn.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSeeds {
    /// For the vectors that k-means starts from.
    pub clusters: u64,
    /// For the vectors that dead codes start again from.
    pub dead_codes: u64,
}

impl TrainingSeeds {
    /// Those of a call in training, and none of any other.
    fn of(call: &Call) -> Option<Self> {
        call.train()
            .then(|| Self { clusters: call.seed("k-means"), dead_codes: call.seed("dead codes") })
    }
}

/// What a quantizer made of vectors `[B, W, D]`.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// Sums of codes, `[B, W, D]`, zero where the mask is false. Their gradient is handed straight
    /// to the vectors.
    pub vectors: Tensor<3>,
    /// Indices of the codes, `[B, W, L]`; 0 where the mask is false.
    pub codes: Tensor<3, Int>,
    /// All that the quantizer adds to the objective, `[1]`.
    pub commitment: Tensor<1>,
    /// The codebooks that the codes refer to, `[L, K, D]`.
    pub codebooks: Tensor<3>,
}

impl Quantized {
    /// From the outputs of a block.
    pub(crate) fn read(outputs: &Tensors) -> Result<Self, Error> {
        Ok(Self {
            vectors: outputs.float("quantized")?,
            codes: outputs.int("codes")?,
            commitment: outputs.float("commitment")?,
            codebooks: outputs.float("codebooks")?,
        })
    }

    /// As the outputs of a block.
    fn tensors(self) -> Tensors {
        Tensors::new()
            .with("quantized", self.vectors)
            .with("codes", self.codes)
            .with("commitment", self.commitment)
            .with("codebooks", self.codebooks)
    }
}

/// What every quantizer with fixed numbers of levels and codes takes and gives.
fn quantizer_contract(levels: usize, size: usize) -> Contract {
    Contract::new()
        .input("vectors: f32[B, W, D]")
        .input("mask: bool[B, W]")
        .output("quantized: f32[B, W, D]")
        .output(format!("codes: int[B, W, {levels}]"))
        .output("commitment: f32[1]")
        .output(format!("codebooks: f32[{levels}, {size}, D]"))
}

/// The vectors `[B, W, D]` and their mask `[B, W]`.
fn read_vectors(inputs: &Tensors) -> Result<(Tensor<3>, Tensor<2, Bool>), Error> {
    Ok((inputs.float("vectors")?, inputs.bool("mask")?))
}

/// Checks the settings that every quantizer has: counts above 0, a decay below 1, and weights that
/// are not negative.
///
/// # Errors
/// If one is out of its range.
fn check(counts: &[(&str, usize)], decay: f64, weights: &[(&str, f64)]) -> Result<(), Error> {
    for (name, value) in counts {
        if *value == 0 {
            return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
        }
    }
    if !(0.0..1.0).contains(&decay) {
        let text = format!("`decay` is {decay}, must be at least 0 and less than 1");
        return Err(Error::config(text));
    }
    for (name, value) in weights {
        if !value.is_finite() || *value < 0.0 {
            return Err(Error::config(format!("`{name}` is {value}, must be at least 0")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::Block;
    use ablate_sdk::serde_json::{from_value, json};

    #[test]
    fn refuses_what_no_quantizer_can_be_made_of() {
        let check = |config: ablate_sdk::serde_json::Value, expected: &str| {
            let ema = EmaQuantizer::contract(&from_value(config.clone()).expect("fits"));
            let gradient = GradientQuantizer::contract(&from_value(config).expect("fits"));
            for contract in [ema, gradient] {
                assert_eq!(contract.expect_err("must fail").to_string(), expected);
            }
        };
        check(json!({ "levels": 0 }), "`levels` is 0, must be at least 1");
        check(json!({ "codebook_size": 0 }), "`codebook_size` is 0, must be at least 1");
        check(json!({ "decay": 1.0 }), "`decay` is 1, must be at least 0 and less than 1");
        check(json!({ "commitment": -0.5 }), "`commitment` is -0.5, must be at least 0");
        check(json!({ "dead_code_ratio": -1.0 }), "`dead_code_ratio` is -1, must be at least 0");
    }

    #[test]
    fn the_contract_says_how_many_levels_and_codes() {
        let config = EmaConfig { levels: 8, codebook_size: 256, ..EmaConfig::default() };
        let contract = EmaQuantizer::contract(&config).expect("valid").to_json().expect("written");
        assert_eq!(contract["outputs"][1]["shape"], json!(["B", "W", 8]));
        assert_eq!(contract["outputs"][3]["shape"], json!([8, 256, "D"]));
    }

    #[test]
    fn straight_through_is_written_in_kebab_case() {
        let config = json!({ "straight_through": "per-level" });
        let config: EmaConfig = from_value(config).expect("fits");
        assert_eq!(config.straight_through, StraightThrough::PerLevel);
        assert!(from_value::<EmaConfig>(json!({ "straight_through": "PerLevel" })).is_err());
    }
}
