//! Hands tensors to those who take them without copies, and adds gradients that meet.

use ablate_abi::v1::{DType, NamedTensor, PluginError, RString, RVec, Tensor};

use crate::wiring::{Source, Wire};

/// Tensors with the number of those who will still take them. The last one gets the tensor itself, so that it may
/// write to the memory; the others get shared handles.
pub(crate) struct Pool(Vec<(String, Option<Tensor>, usize)>);

impl Pool {
    /// Keeps what `takers` name, as often as they name it.
    pub(crate) fn new<'a>(
        tensors: Vec<NamedTensor>,
        takers: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let entry = |NamedTensor { name, tensor }: NamedTensor| {
            let count = takers.clone().filter(|taken| name == *taken).count();
            (count > 0).then(|| (name.to_string(), Some(tensor), count))
        };
        Self(tensors.into_iter().filter_map(entry).collect())
    }

    /// The tensor called `name`, if there is one.
    pub(crate) fn take(&mut self, name: &str) -> Option<Tensor> {
        let (_, kept, count) = self.0.iter_mut().find(|(known, _, _)| known == name)?;
        *count = count.checked_sub(1)?;
        let tensor = kept.take()?;
        if *count == 0 {
            return Some(tensor);
        }
        let (one, other) = tensor.share();
        *kept = Some(other);
        Some(one)
    }
}

/// The inputs that `wires` say. Absent tensors are left out; whether they may be is for the contract to say.
///
/// With `gradients`, floats that come from the model are marked as wanting one. The second list says for each input
/// which output of the model it is.
pub(crate) fn gather<'w>(
    wires: &'w [Wire],
    model: &mut Pool,
    batch: &mut Pool,
    gradients: bool,
) -> (RVec<NamedTensor>, Vec<Option<&'w str>>) {
    let mut inputs = RVec::new();
    let mut origins = Vec::new();
    for wire in wires {
        let (tensor, origin) = match &wire.source {
            Source::Model(name) => (model.take(name), Some(name.as_str())),
            Source::Batch(name) => (batch.take(name), None),
        };
        let Some(mut tensor) = tensor else { continue };
        tensor.set_needs_grad(gradients && origin.is_some() && tensor.dtype().is_float());
        inputs.push(NamedTensor::new(&wire.input, tensor));
        origins.push(origin);
    }
    (inputs, origins)
}

/// The sum of two gradients of one tensor.
pub(crate) fn add(one: &Tensor, other: &Tensor) -> Result<Tensor, PluginError> {
    let shape = one.shape();
    match one.dtype() {
        DType::F32 => {
            let pairs = one.as_slice::<f32>()?.iter().zip(other.as_slice::<f32>()?);
            Ok(Tensor::from_vec(pairs.map(|(a, b)| a + b).collect::<Vec<f32>>(), &shape))
        }
        DType::F64 => {
            let pairs = one.as_slice::<f64>()?.iter().zip(other.as_slice::<f64>()?);
            Ok(Tensor::from_vec(pairs.map(|(a, b)| a + b).collect::<Vec<f64>>(), &shape))
        }
        dtype => {
            let text = format!("gradients of {dtype} from two losses cannot be added");
            Err(PluginError::unsupported(text))
        }
    }
}

/// A text of a component; what is no UTF-8 in it is replaced.
pub(crate) fn text(text: &RString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// The value of a tensor with one float.
pub(crate) fn scalar(tensor: &Tensor) -> Option<f64> {
    match tensor.dtype() {
        DType::F32 => tensor.as_slice::<f32>().ok()?.first().map(|value| f64::from(*value)),
        DType::F64 => tensor.as_slice::<f64>().ok()?.first().copied(),
        _ => None,
    }
}

/// A tensor like `like` whose one value is `value`.
pub(crate) fn scalar_like(like: (DType, &[usize]), value: f64) -> Tensor {
    match like {
        (DType::F64, shape) => Tensor::from_vec(vec![value], shape),
        (_, shape) => Tensor::from_vec(vec![value as f32], shape),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pool, add};
    use ablate_abi::v1::{NamedTensor, Tensor};

    #[test]
    fn the_last_taker_gets_the_memory_and_all_see_the_values() {
        let tensors = vec![
            NamedTensor::new("x", Tensor::from_vec(vec![1.0f32, 2.0], &[2])),
            NamedTensor::new("unused", Tensor::from_vec(vec![0.0f32], &[1])),
        ];
        let address = tensors[0].tensor.bytes().as_ptr();
        let mut pool = Pool::new(tensors, ["x", "x", "x"].into_iter());
        assert!(pool.take("unused").is_none());
        let taken: Vec<Tensor> = (0..3).map(|_| pool.take("x").unwrap()).collect();
        assert!(pool.take("x").is_none());
        for tensor in &taken {
            assert_eq!(tensor.bytes().as_ptr(), address);
            assert_eq!(tensor.as_slice::<f32>().unwrap(), [1.0, 2.0]);
        }
    }

    #[test]
    fn gradients_add_up() {
        let tensor = |values: [f32; 2]| Tensor::from_vec(values.to_vec(), &[1, 2]);
        let sum = add(&tensor([1.0, 2.0]), &tensor([0.5, -2.0])).unwrap();
        assert_eq!((sum.shape(), sum.to_vec::<f32>().unwrap()), (vec![1, 2], vec![1.5, 0.0]));
    }
}
