//! Burn tensors to border tensors and back, without a copy where the memory allows it.
#![expect(unsafe_code, reason = "foreign memory becomes Burn storage")]

use crate::Error;
use crate::any::{AnyTensor, MAX_RANK, Ranked};
use ablate_abi::v1::{DType, Tensor as BorderTensor};
use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{
    AllocationProperty, BoolStore, Bytes, DType as BurnType, Device, Tensor, TensorData,
};
use cubecl_environment::bytes::{AccessError, AccessPolicy, AllocationController, Writer};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// A unique foreign buffer as Burn storage: in-place operations work on it without a copy.
///
/// Burn's own shared import looks unique to flex, which then copies the whole buffer at the first
/// in-place operation.
struct Imported(BorderTensor);

impl AllocationController for Imported {
    fn alloc_align(&self) -> usize {
        16
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Native
    }

    unsafe fn memory_mut(
        &mut self,
        _: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes = self.0.bytes_mut().expect("only writable tensors are imported this way");
        // SAFETY: initialized bytes are valid `MaybeUninit` bytes; Burn only writes initialized
        // ones.
        Ok(unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes = self.0.bytes();
        // SAFETY: as above, read-only.
        Ok(unsafe { &*(std::ptr::from_ref(bytes) as *const [MaybeUninit<u8>]) })
    }
}

pub(crate) fn to_code(dtype: BurnType) -> Result<DType, Error> {
    Ok(match dtype {
        BurnType::F32 => DType::F32,
        BurnType::F64 => DType::F64,
        BurnType::F16 => DType::F16,
        BurnType::BF16 => DType::BF16,
        BurnType::I64 => DType::I64,
        BurnType::I32 => DType::I32,
        BurnType::U8 => DType::U8,
        BurnType::Bool(_) => DType::BOOL,
        other => return Err(Error::contract(format!("tensors of {other:?} cannot cross"))),
    })
}

fn from_code(dtype: DType) -> Result<BurnType, Error> {
    Ok(match dtype {
        DType::F32 => BurnType::F32,
        DType::F64 => BurnType::F64,
        DType::F16 => BurnType::F16,
        DType::BF16 => BurnType::BF16,
        DType::I64 => BurnType::I64,
        DType::I32 => BurnType::I32,
        DType::U8 => BurnType::U8,
        DType::BOOL => BurnType::Bool(BoolStore::Native),
        other => return Err(Error::contract(format!("tensors of {other} are not supported"))),
    })
}

/// Shares the storage of a flex tensor; copies only views and misaligned memory.
pub(crate) fn export_flex(mut tensor: FlexTensor, flags: u32) -> Result<BorderTensor, Error> {
    let size = tensor.dtype().size();
    let code = to_code(tensor.dtype())?;
    let whole = tensor.is_contiguous()
        && tensor.layout().start_offset() == 0
        && tensor.bytes().len() == tensor.layout().num_elements() * size;
    if code == DType::F32 && whole && tensor.is_unique() {
        let (layout, dtype, data) = (tensor.layout().clone(), tensor.dtype(), tensor.data_arc());
        drop(tensor);
        let mut bytes = Arc::try_unwrap(data).expect("there was one owner");
        // A shared import that nobody has written to stays shared: others read it too.
        let data = bytes.write(Writer::new().no_copy()).ok();
        let data = data.map(|data| (data.as_mut_ptr(), data.len()));
        if let Some((data, len)) = data.filter(|(data, _)| (*data as usize).is_multiple_of(16)) {
            let shape = layout.shape().to_vec();
            // SAFETY: the storage is the only way to its memory, and moves into the handle.
            return Ok(unsafe { BorderTensor::unique(bytes, data, len, &shape, code, flags) });
        }
        tensor = FlexTensor::from_arc(Arc::new(bytes), layout, dtype);
    }
    let start = tensor.layout().start_offset() * size;
    let aligned = (tensor.bytes().as_ptr() as usize + start).is_multiple_of(16);
    let tensor = if tensor.is_contiguous() && aligned {
        tensor
    } else {
        FlexTensor::from_data(tensor.into_data())
    };
    let start = tensor.layout().start_offset() * size;
    let len = tensor.layout().num_elements() * size;
    let shape = tensor.layout().shape().to_vec();
    Ok(BorderTensor::new(tensor, |tensor| &tensor.bytes()[start..start + len], &shape, code, flags))
}

/// A Burn tensor as a border tensor, without its graph.
pub(crate) fn export(tensor: AnyTensor, flags: u32) -> Result<BorderTensor, Error> {
    match tensor.inner().into_dispatch().kind {
        DispatchTensorKind::Flex(
            BackendTensor::Float(tensor) | BackendTensor::Int(tensor) | BackendTensor::Bool(tensor),
        ) => export_flex(tensor, flags),
        _ => Err(Error::contract("only tensors of the device `flex` can cross".to_owned())),
    }
}

/// A border tensor as Burn data, without a copy.
pub(crate) fn data(tensor: BorderTensor) -> Result<TensorData, Error> {
    tensor.validate()?;
    let mut shape = tensor.shape();
    if shape.is_empty() {
        shape.push(1);
    }
    let dtype = from_code(tensor.dtype())?;
    if tensor.dtype() == DType::BOOL {
        tensor.as_slice::<bool>()?;
    }
    let len = tensor.bytes().len();
    let bytes = if tensor.is_writable() {
        // SAFETY: the controller hands out exactly `len` initialized, 16-byte aligned bytes.
        unsafe { Bytes::from_controller(Box::new(Imported(tensor)), len) }
    } else {
        Bytes::from_shared(bytes::Bytes::from_owner(Shared(tensor)), AllocationProperty::Native)
    };
    Ok(TensorData::from_bytes(bytes, shape, dtype))
}

struct Shared(BorderTensor);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// A border tensor as a Burn tensor on `device`.
pub(crate) fn import(tensor: BorderTensor, device: &Device) -> Result<AnyTensor, Error> {
    let dtype = tensor.dtype();
    let rank = tensor.shape().len().max(1);
    if rank > MAX_RANK {
        return Err(Error::contract(format!("rank {rank} is more than {MAX_RANK}")));
    }
    let options = (device, from_code(dtype)?);
    let data = data(tensor)?;
    macro_rules! of_kind {
        ($kind:ident) => {
            match rank {
                1 => AnyTensor::$kind(Ranked::R1(Tensor::from_data(data, options))),
                2 => AnyTensor::$kind(Ranked::R2(Tensor::from_data(data, options))),
                3 => AnyTensor::$kind(Ranked::R3(Tensor::from_data(data, options))),
                4 => AnyTensor::$kind(Ranked::R4(Tensor::from_data(data, options))),
                5 => AnyTensor::$kind(Ranked::R5(Tensor::from_data(data, options))),
                _ => AnyTensor::$kind(Ranked::R6(Tensor::from_data(data, options))),
            }
        };
    }
    Ok(if dtype.is_float() {
        of_kind!(Float)
    } else if dtype == DType::BOOL {
        of_kind!(Bool)
    } else {
        of_kind!(Int)
    })
}
