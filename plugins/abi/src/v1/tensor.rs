//! Tensors as plain, owned buffers with every field of DLPack.
use super::error::{ErrorKind, PluginError};
use abi_stable::StableAbi;
use abi_stable::std_types::{RString, RVec};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The largest rank that a tensor may have.
pub const MAX_RANK: usize = 8;

/// The alignment of every tensor's first element, in bytes.
const ALIGNMENT: usize = 16;

/// Element type: DLPack's triple, an open set.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DType {
    /// 0 signed integer, 1 unsigned integer, 2 float, 4 bfloat, 6 bool.
    pub code: u8,
    /// Bits of one element.
    pub bits: u8,
    /// Vector lanes; 1 in this revision.
    pub lanes: u16,
}

impl DType {
    /// 32-bit float.
    pub const F32: Self = Self { code: 2, bits: 32, lanes: 1 };
    /// 64-bit float.
    pub const F64: Self = Self { code: 2, bits: 64, lanes: 1 };
    /// 16-bit float.
    pub const F16: Self = Self { code: 2, bits: 16, lanes: 1 };
    /// bfloat16.
    pub const BF16: Self = Self { code: 4, bits: 16, lanes: 1 };
    /// 64-bit signed integer.
    pub const I64: Self = Self { code: 0, bits: 64, lanes: 1 };
    /// 32-bit signed integer.
    pub const I32: Self = Self { code: 0, bits: 32, lanes: 1 };
    /// 8-bit unsigned integer.
    pub const U8: Self = Self { code: 1, bits: 8, lanes: 1 };
    /// One byte that is 0 or 1.
    pub const BOOL: Self = Self { code: 6, bits: 8, lanes: 1 };

    /// Bytes of one element, or `None` when it is not a whole number of bytes.
    pub fn size(self) -> Option<usize> {
        let bits = usize::from(self.bits) * usize::from(self.lanes);
        (bits > 0 && bits.is_multiple_of(8)).then_some(bits / 8)
    }

    /// Whether gradients can flow through elements of this type.
    pub fn is_float(self) -> bool {
        self.code == 2 || self.code == 4
    }

    /// Whether it is a signed or unsigned integer.
    pub fn is_integer(self) -> bool {
        self.code == 0 || self.code == 1
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            0 => write!(f, "i{}", self.bits),
            1 => write!(f, "u{}", self.bits),
            2 => write!(f, "f{}", self.bits),
            4 => write!(f, "bf{}", self.bits),
            6 => f.write_str("bool"),
            code => write!(f, "type {code}/{}", self.bits),
        }
    }
}

/// Where a tensor's memory lies: DLPack's device type and number. Revision 1 carries CPU only.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// 1 is the CPU.
    pub kind: i32,
    /// Number among devices of that kind.
    pub id: i32,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self { kind: 1, id: 0 };
}

/// A Rust type that can be an element.
pub trait Element: Copy + Send + Sync + 'static {
    /// Its type code.
    const DTYPE: DType;
}

macro_rules! element {
    ($($rust:ty => $code:ident),*) => { $(impl Element for $rust { const DTYPE: DType = DType::$code; })* };
}
element!(f32 => F32, f64 => F64, i64 => I64, i32 => I32, u8 => U8, bool => BOOL);

/// An owned handle to a contiguous, row-major, 16-byte aligned buffer.
///
/// Dropping it calls the owner's release function, so whoever allocated frees. Handles may be
/// sent to other threads.
#[repr(C)]
#[derive(StableAbi)]
pub struct Tensor {
    data: *mut u8,
    byte_offset: u64,
    byte_len: u64,
    device: Device,
    dtype: DType,
    flags: u32,
    shape: RVec<u64>,
    strides: RVec<i64>,
    ready: *mut u8,
    owner: *mut u8,
    release: extern "C" fn(*mut u8),
}

// SAFETY: the buffer is immutable unless WRITABLE promises that nobody else can reach it, and
// owners are `Send + Sync` by the bounds of the constructors.
unsafe impl Send for Tensor {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Tensor {}

impl Drop for Tensor {
    fn drop(&mut self) {
        (self.release)(self.owner);
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape.as_slice())
    }
}

impl Tensor {
    /// The consumer wants a gradient for this input.
    pub const NEEDS_GRAD: u32 = 1;
    /// The receiver is the only one who can reach the memory and may write to it.
    pub const WRITABLE: u32 = 2;

    /// A tensor over memory that `owner` keeps alive.
    ///
    /// `bytes` is the row-major content. Memory that is not aligned to 16 bytes is copied.
    ///
    /// # Panics
    /// If the product of `shape` times the element size is not the number of bytes: a bug of the
    /// caller, since nothing of another library is involved yet.
    pub fn new<O: Send + Sync + 'static>(
        owner: O,
        bytes: impl FnOnce(&O) -> &[u8],
        shape: &[usize],
        dtype: DType,
        flags: u32,
    ) -> Self {
        let owner = Box::new(owner);
        let content = bytes(&owner);
        let (data, len) = (content.as_ptr().cast_mut(), content.len());
        if len > 0 && !(data as usize).is_multiple_of(ALIGNMENT) {
            let mut copy = Box::new(aligned_copy(content));
            let data = copy.as_mut_ptr().cast();
            return Self::over(copy, data, len, shape, dtype, flags);
        }
        Self::over(owner, data, len, shape, dtype, flags)
    }

    fn over<O: Send + Sync + 'static>(
        owner: Box<O>,
        data: *mut u8,
        len: usize,
        shape: &[usize],
        dtype: DType,
        flags: u32,
    ) -> Self {
        let tensor = Self {
            data,
            byte_offset: 0,
            byte_len: len as u64,
            device: Device::CPU,
            dtype,
            flags,
            shape: shape.iter().map(|&size| size as u64).collect(),
            strides: RVec::new(),
            ready: std::ptr::null_mut(),
            owner: Box::into_raw(owner).cast(),
            release: release::<O>,
        };
        if let Err(error) = tensor.validate() {
            panic!("{error}");
        }
        tensor
    }

    /// As [`Tensor::new`], for memory that only this handle can reach.
    ///
    /// # Safety
    /// `data` is valid for reads and writes of `len` bytes while `owner` lives, is aligned to 16
    /// bytes, and nothing else reaches it.
    pub unsafe fn unique<O: Send + Sync + 'static>(
        owner: O,
        data: *mut u8,
        len: usize,
        shape: &[usize],
        dtype: DType,
        flags: u32,
    ) -> Self {
        Self::over(Box::new(owner), data, len, shape, dtype, flags | Self::WRITABLE)
    }

    /// A tensor that owns `values` in row-major order.
    ///
    /// # Panics
    /// If `values` does not have as many elements as `shape` says.
    pub fn from_vec<T: Element>(values: Vec<T>, shape: &[usize]) -> Self {
        Self::new(
            values,
            // SAFETY: any initialized slice of plain elements is initialized bytes.
            |values| unsafe {
                std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(&values[..]))
            },
            shape,
            T::DTYPE,
            0,
        )
    }

    /// Checks everything that a broken library could have got wrong.
    ///
    /// # Errors
    /// Names the first field that is not as this revision demands.
    pub fn validate(&self) -> Result<(), PluginError> {
        let fail = |text: String| Err(PluginError::new(ErrorKind::CONTRACT, text));
        if self.device != Device::CPU || !self.ready.is_null() {
            return fail(format!("tensor lies on device {:?}, only the CPU is known", self.device));
        }
        let Some(size) = self.dtype.size().filter(|_| self.dtype.lanes == 1) else {
            return fail(format!("tensor has the unknown element type {:?}", self.dtype));
        };
        if self.shape.len() > MAX_RANK {
            return fail(format!(
                "tensor has rank {}, at most {MAX_RANK} is allowed",
                self.shape.len()
            ));
        }
        // A zero does not excuse the sizes beside it: receivers multiply some of them too.
        let most = self.shape.iter().try_fold(size as u64, |all, &dim| all.checked_mul(dim.max(1)));
        let most = most.filter(|most| isize::try_from(*most).is_ok());
        let bytes = most.map(|most| if self.shape.contains(&0) { 0 } else { most });
        if bytes != Some(self.byte_len) {
            return fail(format!(
                "tensor of shape {:?} and type {} has {} bytes",
                self.shape.as_slice(),
                self.dtype,
                self.byte_len
            ));
        }
        let address = (self.data as u64).checked_add(self.byte_offset);
        match address {
            _ if self.byte_len == 0 => {}
            Some(address) if address.checked_add(self.byte_len).is_none() => {
                return fail("tensor memory goes beyond the last address".to_owned());
            }
            Some(address) if !self.data.is_null() && address.is_multiple_of(ALIGNMENT as u64) => {}
            _ => return fail("tensor memory is null or not aligned to 16 bytes".to_owned()),
        }
        let mut expected = 1i64;
        for (dim, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *dim != 1 && *stride != expected {
                return fail("tensor is not contiguous in row-major order".to_owned());
            }
            expected = expected.saturating_mul(i64::try_from(*dim).unwrap_or(i64::MAX));
        }
        if !self.strides.is_empty() && self.strides.len() != self.shape.len() {
            return fail("tensor has another number of strides than dimensions".to_owned());
        }
        Ok(())
    }

    /// The content, row-major; empty for a tensor that does not validate.
    pub fn bytes(&self) -> &[u8] {
        if self.byte_len == 0 || self.validate().is_err() {
            return &[];
        }
        // SAFETY: validated: non-null, `byte_len` bytes by the owner's promise.
        unsafe {
            std::slice::from_raw_parts(
                self.data.add(self.byte_offset as usize),
                self.byte_len as usize,
            )
        }
    }

    /// The content for writing, when this handle is the only one.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.flags & Self::WRITABLE == 0 || self.validate().is_err() {
            return None;
        }
        if self.byte_len == 0 {
            return Some(&mut []);
        }
        // SAFETY: validated, and WRITABLE promises that nothing else reaches the memory.
        Some(unsafe {
            std::slice::from_raw_parts_mut(
                self.data.add(self.byte_offset as usize),
                self.byte_len as usize,
            )
        })
    }

    /// The elements, without a copy.
    ///
    /// # Errors
    /// If the element type is another one or the tensor does not validate.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], PluginError> {
        self.validate()?;
        if self.dtype != T::DTYPE {
            let text = format!("expected a tensor of {}, got {}", T::DTYPE, self.dtype);
            return Err(PluginError::new(ErrorKind::CONTRACT, text));
        }
        let bytes = self.bytes();
        if T::DTYPE == DType::BOOL && bytes.iter().any(|byte| *byte > 1) {
            let text = "a bool tensor holds bytes other than 0 and 1";
            return Err(PluginError::new(ErrorKind::CONTRACT, text));
        }
        if bytes.is_empty() {
            return Ok(&[]);
        }
        // SAFETY: type and alignment (16) were checked, every bit pattern is a valid element, and
        // bools were checked to be 0 or 1.
        Ok(unsafe {
            std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>())
        })
    }

    /// The elements, copied.
    ///
    /// # Errors
    /// As [`Tensor::as_slice`].
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, PluginError> {
        Ok(self.as_slice()?.to_vec())
    }

    /// Integer elements of any width as `i64`.
    ///
    /// # Errors
    /// If the tensor holds no integers or does not validate.
    pub fn to_integers(&self) -> Result<Vec<i64>, PluginError> {
        match self.dtype {
            DType::I64 => self.to_vec::<i64>(),
            DType::I32 => Ok(self.as_slice::<i32>()?.iter().map(|&v| i64::from(v)).collect()),
            DType::U8 => Ok(self.as_slice::<u8>()?.iter().map(|&v| i64::from(v)).collect()),
            other => {
                let text = format!("expected a tensor of integers, got {other}");
                Err(PluginError::new(ErrorKind::CONTRACT, text))
            }
        }
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> Vec<usize> {
        self.shape.iter().map(|&dim| dim as usize).collect()
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether the consumer wants a gradient for this input.
    pub fn needs_grad(&self) -> bool {
        self.flags & Self::NEEDS_GRAD != 0
    }

    /// Whether this handle is the only one that reaches the memory.
    pub fn is_writable(&self) -> bool {
        self.flags & Self::WRITABLE != 0
    }

    /// Sets or clears [`Tensor::NEEDS_GRAD`].
    pub fn set_needs_grad(&mut self, needs_grad: bool) {
        self.flags &= !Self::NEEDS_GRAD;
        if needs_grad {
            self.flags |= Self::NEEDS_GRAD;
        }
    }

    /// A second handle to the same memory; both become read-only.
    #[must_use]
    pub fn share(self) -> (Self, Self) {
        let (shape, dtype, flags) = (self.shape(), self.dtype, self.flags & !Self::WRITABLE);
        let owner = std::sync::Arc::new(self);
        let handle = |owner: std::sync::Arc<Self>| {
            Self::new(owner, |owner| owner.bytes(), &shape, dtype, flags)
        };
        (handle(owner.clone()), handle(owner))
    }
}

extern "C" fn release<O>(owner: *mut u8) {
    // SAFETY: `owner` came from `Box::into_raw` of a `Box<O>` and is released once, by `Drop`.
    let owner = unsafe { Box::from_raw(owner.cast::<O>()) };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(owner))) {
        std::mem::forget(payload);
    }
}

fn aligned_copy(content: &[u8]) -> Vec<u128> {
    let mut copy = vec![0u128; content.len().div_ceil(size_of::<u128>())];
    // SAFETY: `copy` has room for `content.len()` bytes and the two do not overlap.
    unsafe {
        std::ptr::copy_nonoverlapping(content.as_ptr(), copy.as_mut_ptr().cast(), content.len());
    }
    copy
}

/// A tensor with the name that contracts use for it.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct NamedTensor {
    /// The name, as in the contract.
    pub name: RString,
    /// The tensor.
    pub tensor: Tensor,
}

impl NamedTensor {
    /// A tensor called `name`.
    pub fn new(name: &str, tensor: Tensor) -> Self {
        Self { name: name.into(), tensor }
    }
}

#[cfg(test)]
mod tests;
