//! Random inputs that fit a contract.

use crate::array::{Array, Batch, Values};
use crate::contract::{Contract, Port, Sizes};
use ablate_abi::v1::DType;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeMap;

/// Random numbers that are the same in every run of the kit.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream that the parts of a path lead to (hashed with FNV-1a).
    pub(crate) fn new(parts: &[&str]) -> Self {
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        let seed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Between `low` and `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }

    /// From the standard normal distribution (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.0.random::<f64>()).cos()
    }

    pub(crate) fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.normal() as f32).collect()
    }
}

/// What random inputs should be like.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// With the optional inputs.
    pub(crate) optional: bool,
    /// The last row of every mask is all padding.
    pub(crate) empty_row: bool,
    /// Integers are below this; without it, below what the contract suggests.
    pub(crate) below: Option<usize>,
    /// The integer type where any will do.
    pub(crate) integer: DType,
}

impl Default for Wish {
    fn default() -> Self {
        Self { optional: true, empty_row: false, below: None, integer: DType::I64 }
    }
}

/// Integers are often indices into a dimension that they do not have themselves, such as classes
/// or codes: below the smallest size of the other tensors' own symbols they are always valid.
fn suggested_bound(port: &Port, contract: &Contract, sizes: &Sizes) -> usize {
    let own: Vec<&str> = port.symbols().collect();
    let others = contract.inputs.iter().filter(|other| other.is_float());
    let symbols = others.flat_map(Port::symbols).filter(|symbol| !own.contains(symbol));
    symbols.filter_map(|symbol| sizes.symbols.get(symbol).copied()).min().unwrap_or(4)
}

/// Inputs for `contract`; `sizes` know every symbol.
pub(crate) fn batch(contract: &Contract, sizes: &Sizes, wish: &Wish, stream: &mut Stream) -> Batch {
    let mut lengths: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    let mut entries = Vec::new();
    for port in contract.inputs.iter().filter(|port| wish.optional || !port.optional) {
        let shape = port.shape(sizes);
        let count: usize = shape.iter().product();
        let values = if port.is_mask() {
            let symbols: Vec<String> = port.symbols().map(ToOwned::to_owned).collect();
            let rows = lengths
                .entry(symbols)
                .or_insert_with(|| row_lengths(shape[0], shape[1], wish.empty_row, stream));
            let frames = shape[1];
            let row = |length: &usize| (0..frames).map(|frame| frame < *length).collect::<Vec<_>>();
            Values::Bool(rows.iter().flat_map(row).collect())
        } else {
            let below = wish.below.unwrap_or_else(|| suggested_bound(port, contract, sizes));
            fill(port, count, below.max(1), wish.integer, stream)
        };
        entries.push((port.name.clone(), Array { shape, values }));
    }
    Batch(entries)
}

/// The first row is whole, the others are of any length.
fn row_lengths(rows: usize, frames: usize, empty_row: bool, stream: &mut Stream) -> Vec<usize> {
    let mut lengths: Vec<usize> = (0..rows)
        .map(|row| if row == 0 { frames } else { stream.between(1, frames.max(1)) })
        .collect();
    if empty_row && let Some(last) = lengths.last_mut() {
        *last = 0;
    }
    lengths
}

fn fill(port: &Port, count: usize, below: usize, integer: DType, stream: &mut Stream) -> Values {
    let integers: Vec<i64> = if port.is_integer() {
        (0..count).map(|_| stream.between(0, below - 1) as i64).collect()
    } else {
        Vec::new()
    };
    let narrow = |list: Vec<i64>| list.into_iter().map(|value| value as i32).collect();
    match port.dtype.as_str() {
        "f64" => Values::F64((0..count).map(|_| stream.normal()).collect()),
        "f16" => Values::Half(halves(count, [0x3c00, 0xb800, 0x3800, 0xc000], stream), DType::F16),
        "bf16" => {
            Values::Half(halves(count, [0x3f80, 0xbf00, 0x3f00, 0xc000], stream), DType::BF16)
        }
        "i32" => Values::I32(narrow(integers)),
        "int" if integer == DType::I32 => Values::I32(narrow(integers)),
        "i64" | "int" => Values::I64(integers),
        "u8" => Values::U8(integers.into_iter().map(|value| value.min(255) as u8).collect()),
        // True first, so that something counts whatever it means.
        "bool" => Values::Bool((0..count).map(|at| at == 0 || stream.between(0, 3) > 0).collect()),
        _ => Values::F32(stream.normals(count)),
    }
}

/// 1, -1/2, 1/2 and -2 in the bits of the type.
fn halves(count: usize, bits: [u16; 4], stream: &mut Stream) -> Vec<u16> {
    (0..count).map(|_| bits[stream.between(0, 3)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::contract;

    #[test]
    fn inputs_fit_their_contract_and_integers_stay_below_the_classes() {
        let contract = contract(
            &["logits: f32[B, C]", "labels: int[B]", "x: f32[B, T]", "mask?: bool[B, T]"],
            &[],
        );
        let symbols = [("B", 6), ("C", 3), ("T", 4)].map(|(name, size)| (name.to_owned(), size));
        let sizes = Sizes { symbols: symbols.into(), any: Vec::new() };
        let wish = Wish { empty_row: true, ..Wish::default() };
        let mut stream = Stream::new(&["test"]);
        for _ in 0..20 {
            let batch = batch(&contract, &sizes, &wish, &mut stream);
            for (port, (name, array)) in contract.inputs.iter().zip(&batch.0) {
                assert_eq!(&port.name, name);
                assert!(port.admits(array.dtype()), "{name}");
                assert_eq!(port.fits(&array.shape, &mut sizes.clone()), Ok(()));
            }
            let labels = batch.get("labels").expect("there").numbers();
            assert!(labels.iter().all(|&label| label < 3.0), "{labels:?}");
            let mask = batch.get("mask").and_then(Array::as_bools).expect("there").to_vec();
            assert_eq!(mask[..4], [true; 4]);
            assert_eq!(mask[20..], [false; 4]);
        }
        let wish = Wish { optional: false, ..Wish::default() };
        assert_eq!(batch(&contract, &sizes, &wish, &mut stream).0.len(), 3);
    }

    #[test]
    fn streams_are_told_apart_and_normals_are_normal() {
        assert_ne!(Stream::new(&["a", "bc"]).normal(), Stream::new(&["ab", "c"]).normal());
        let list = Stream::new(&["normal"]).normals(20_000);
        let mean = list.iter().map(|&v| f64::from(v)).sum::<f64>() / 20_000.0;
        let square = list.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 20_000.0;
        // Five standard errors: 1/sqrt(n), and sqrt(2/n) for the squares.
        assert!(mean.abs() < 0.036 && (square - 1.0).abs() < 0.05, "{mean} {square}");
    }
}
