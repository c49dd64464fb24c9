//! Finds NaN and infinity in tensors: one pass over the exponent bits, made for vector units.

use ablate_abi::v1::{DType, Tensor};

/// The first value of a tensor that is not finite, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NotFinite {
    /// `NaN`, `inf` or `-inf`.
    pub(crate) value: &'static str,
    /// Its index in each dimension.
    pub(crate) index: Vec<usize>,
    pub(crate) count: usize,
    pub(crate) total: usize,
}

/// Values are looked at in blocks of this many; within a block nothing is decided, so that it has no branches.
const BLOCK: usize = 4096;

/// What is not finite in a float tensor; integers and booleans are always finite.
pub(crate) fn find_not_finite(tensor: &Tensor) -> Option<NotFinite> {
    let bytes = tensor.bytes();
    match tensor.dtype() {
        DType::F32 => scan(tensor, tensor.as_slice::<f32>().ok()?, f32::to_bits, 0x7f80_0000),
        DType::F64 => scan(tensor, tensor.as_slice::<f64>().ok()?, f64::to_bits, 0x7ff0 << 48),
        DType::F16 => scan(tensor, &halves(bytes), |v| u32::from(v) << 16, 0x7c00 << 16),
        DType::BF16 => scan(tensor, &halves(bytes), |v| u32::from(v) << 16, 0x7f80 << 16),
        _ => None,
    }
}

fn halves(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
}

/// A word of exponent and mantissa bits.
trait Bits:
    Copy + PartialEq + std::ops::BitAnd<Output = Self> + std::ops::Shl<u32, Output = Self>
{
    /// The sign bit, on top.
    fn negative(self) -> bool;
}

impl Bits for u32 {
    fn negative(self) -> bool {
        self >> 31 == 1
    }
}

impl Bits for u64 {
    fn negative(self) -> bool {
        self >> 63 == 1
    }
}

/// Not finite is what has all bits of the exponent; infinity has no bit below them.
fn scan<T: Copy, B: Bits>(
    tensor: &Tensor,
    values: &[T],
    bits: impl Fn(T) -> B,
    exponent: B,
) -> Option<NotFinite> {
    let bad = |value: &T| bits(*value) & exponent == exponent;
    let start = values
        .chunks(BLOCK)
        .position(|block| block.iter().fold(false, |found, value| found | bad(value)))?
        * BLOCK;
    let first = start + values[start..].iter().position(bad)?;
    let found = bits(values[first]);
    // Shifting the sign out leaves exactly the exponent of an infinity.
    let value = match (found << 1 == exponent << 1, found.negative()) {
        (false, _) => "NaN",
        (true, false) => "inf",
        (true, true) => "-inf",
    };
    let mut rest = first;
    let mut index: Vec<usize> = tensor.shape();
    for size in index.iter_mut().rev() {
        let position = rest % *size;
        rest /= *size;
        *size = position;
    }
    let count = values[start..].iter().filter(|value| bad(value)).count();
    Some(NotFinite { value, index, count, total: values.len() })
}

#[cfg(test)]
mod tests {
    use super::{NotFinite, find_not_finite};
    use ablate_abi::v1::{DType, Tensor};

    #[test]
    fn names_the_first_value_and_counts_all() {
        let mut values = vec![f32::MAX; 3 * 5000];
        values[9999] = f32::NEG_INFINITY;
        values[12_000] = f32::NAN;
        let found = find_not_finite(&Tensor::from_vec(values, &[3, 5000])).unwrap();
        let expected = NotFinite { value: "-inf", index: vec![1, 4999], count: 2, total: 15_000 };
        assert_eq!(found, expected);
    }

    #[test]
    fn extreme_finite_values_pass() {
        let values = vec![0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1)];
        assert_eq!(find_not_finite(&Tensor::from_vec(values, &[6])), None);
        assert_eq!(find_not_finite(&Tensor::from_vec(vec![f64::MAX, f64::MIN], &[2])), None);
        assert_eq!(find_not_finite(&Tensor::from_vec(vec![i64::MAX, -1], &[2])), None);
        assert_eq!(find_not_finite(&Tensor::from_vec(Vec::<f32>::new(), &[0, 3])), None);
    }

    #[test]
    fn knows_every_float_type() {
        let value = |tensor| find_not_finite(&tensor).map(|found| found.value);
        assert_eq!(value(Tensor::from_vec(vec![f64::INFINITY], &[1])), Some("inf"));
        assert_eq!(value(Tensor::from_vec(vec![-f64::NAN], &[])), Some("NaN"));
        // IEEE half: 0x7bff is the largest number, 0x7c00 infinity. bfloat: 0x7f7f and 0xff80.
        let half =
            |bits: u16, dtype| Tensor::new(bits.to_ne_bytes(), |bytes| bytes, &[1], dtype, 0);
        assert_eq!(value(half(0x7bff, DType::F16)), None);
        assert_eq!(value(half(0x7c00, DType::F16)), Some("inf"));
        assert_eq!(value(half(0xfc01, DType::F16)), Some("NaN"));
        assert_eq!(value(half(0x7f7f, DType::BF16)), None);
        assert_eq!(value(half(0xff80, DType::BF16)), Some("-inf"));
    }

    #[test]
    #[ignore = "a measurement, not a check"]
    fn speed() {
        let tensor = Tensor::from_vec(vec![1.0f32; 16 * 500 * 512], &[16, 500, 512]);
        let start = std::time::Instant::now();
        let found = (0..100).filter(|_| find_not_finite(&tensor).is_some()).count();
        let seconds = start.elapsed().as_secs_f64() / 100.0;
        println!("{found} {:.1} GB/s", 16.4e6 / seconds / 1e9);
    }
}
