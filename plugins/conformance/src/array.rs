//! Tensors on the kit's own side: plain vectors with a shape.

use ablate_abi::v1::{DType, NamedTensor, PluginError, RVec, Tensor};

/// A tensor that the kit can read and change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
    /// 16-bit floats as they are.
    Half(Vec<u16>, DType),
}

impl Array {
    pub(crate) fn f32(values: Vec<f32>, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), values: Values::F32(values) }
    }

    pub(crate) fn zeros_like(&self) -> Self {
        let count = self.len();
        let values = match &self.values {
            Values::F64(_) => Values::F64(vec![0.0; count]),
            Values::Half(_, dtype) => Values::Half(vec![0; count], *dtype),
            _ => Values::F32(vec![0.0; count]),
        };
        Self { shape: self.shape.clone(), values }
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn is_float(&self) -> bool {
        matches!(self.values, Values::F32(_) | Values::F64(_) | Values::Half(..))
    }

    pub(crate) fn as_f32(&self) -> Option<&[f32]> {
        match &self.values {
            Values::F32(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn as_bools(&self) -> Option<&[bool]> {
        match &self.values {
            Values::Bool(values) => Some(values),
            _ => None,
        }
    }

    /// Every element as a number.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        match &self.values {
            Values::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Values::F64(values) => values.clone(),
            Values::I64(values) => values.iter().map(|&value| value as f64).collect(),
            Values::I32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Values::U8(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Values::Bool(values) => {
                values.iter().map(|&value| f64::from(u8::from(value))).collect()
            }
            Values::Half(values, dtype) => {
                values.iter().map(|&bits| half_to_number(bits, *dtype)).collect()
            }
        }
    }

    /// The elements of row `row`, as numbers; rows run over the first `depth` dimensions.
    pub(crate) fn row(&self, row: usize, depth: usize) -> Vec<f64> {
        let width: usize = self.shape[depth..].iter().product();
        self.numbers()[row * width..(row + 1) * width].to_vec()
    }

    /// Whether all elements have the same bits.
    pub(crate) fn same_bits(&self, other: &Self) -> bool {
        let equal = match (&self.values, &other.values) {
            (Values::F32(a), Values::F32(b)) => {
                a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits()))
            }
            (Values::F64(a), Values::F64(b)) => {
                a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits()))
            }
            (a, b) => a == b,
        };
        equal && self.shape == other.shape
    }

    pub(crate) fn to_border(&self) -> Tensor {
        let shape = &self.shape;
        match self.values.clone() {
            Values::F32(values) => Tensor::from_vec(values, shape),
            Values::F64(values) => Tensor::from_vec(values, shape),
            Values::I64(values) => Tensor::from_vec(values, shape),
            Values::I32(values) => Tensor::from_vec(values, shape),
            Values::U8(values) => Tensor::from_vec(values, shape),
            Values::Bool(values) => Tensor::from_vec(values, shape),
            Values::Half(values, dtype) => {
                let bytes: Vec<u8> = values.iter().flat_map(|bits| bits.to_ne_bytes()).collect();
                Tensor::new(bytes, |bytes| bytes, shape, dtype, 0)
            }
        }
    }

    /// Takes a copy of what a plugin gave, after checking that it is a valid tensor.
    pub(crate) fn from_border(tensor: &Tensor) -> Result<Self, PluginError> {
        tensor.validate()?;
        let values = match tensor.dtype() {
            DType::F32 => Values::F32(tensor.to_vec()?),
            DType::F64 => Values::F64(tensor.to_vec()?),
            DType::I64 => Values::I64(tensor.to_vec()?),
            DType::I32 => Values::I32(tensor.to_vec()?),
            DType::U8 => Values::U8(tensor.to_vec()?),
            DType::BOOL => Values::Bool(tensor.to_vec()?),
            dtype @ (DType::F16 | DType::BF16) => {
                let pairs = tensor.bytes().chunks_exact(2);
                let bits = pairs.map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
                Values::Half(bits, dtype)
            }
            other => {
                return Err(PluginError::contract(format!("tensors of {other} are not known")));
            }
        };
        Ok(Self { shape: tensor.shape(), values })
    }

    pub(crate) fn dtype(&self) -> DType {
        match &self.values {
            Values::F32(_) => DType::F32,
            Values::F64(_) => DType::F64,
            Values::I64(_) => DType::I64,
            Values::I32(_) => DType::I32,
            Values::U8(_) => DType::U8,
            Values::Bool(_) => DType::BOOL,
            Values::Half(_, dtype) => *dtype,
        }
    }
}

fn half_to_number(bits: u16, dtype: DType) -> f64 {
    if dtype == DType::BF16 {
        return f64::from(f32::from_bits(u32::from(bits) << 16));
    }
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// Named tensors in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch(pub(crate) Vec<(String, Array)>);

impl Batch {
    pub(crate) fn to_border(&self, needs_grad: bool) -> RVec<NamedTensor> {
        let entries = self.0.iter().map(|(name, array)| {
            let mut tensor = array.to_border();
            tensor.set_needs_grad(needs_grad && array.is_float());
            NamedTensor::new(name, tensor)
        });
        entries.collect()
    }

    pub(crate) fn from_border(tensors: &[NamedTensor]) -> Result<Self, PluginError> {
        let entries = tensors.iter().map(|named| {
            let array = Array::from_border(&named.tensor);
            let array = array.map_err(|error| error.context(format!("`{}`", named.name)))?;
            Ok((named.name.to_string(), array))
        });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Array> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, array)| array)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Array> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, array)| array)
    }

    /// The first tensor whose bits differ, or one that is only here.
    pub(crate) fn difference(&self, other: &Self) -> Option<&str> {
        let differs = |(name, array): &&(String, Array)| {
            !other.get(name).is_some_and(|other| array.same_bits(other))
        };
        self.0.iter().find(differs).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_as_numbers() {
        // 1, -2, the largest, the smallest, infinity (IEEE 754 binary16).
        let bits = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00];
        let found: Vec<f64> = bits.iter().map(|&bits| half_to_number(bits, DType::F16)).collect();
        assert_eq!(found, [1.0, -2.0, 65504.0, 2f64.powi(-24), f64::INFINITY]);
        assert_eq!(half_to_number(0x3fc0, DType::BF16), 1.5);
    }

    #[test]
    fn arrays_cross_and_come_back() {
        let all = [
            Values::F32(vec![1.0, -2.0]),
            Values::F64(vec![0.5, 2.0]),
            Values::I64(vec![1, -1]),
            Values::I32(vec![7, 8]),
            Values::U8(vec![0, 255]),
            Values::Bool(vec![true, false]),
            Values::Half(vec![0x3c00, 0xc000], DType::F16),
        ];
        for values in all {
            let array = Array { shape: vec![2, 1], values };
            let back = Array::from_border(&array.to_border()).expect("valid");
            assert_eq!(back, array);
        }
    }
}
