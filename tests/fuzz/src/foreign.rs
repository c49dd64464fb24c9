//! Tensors as another library could hand them over: any value in any field, and real memory behind
//! them where what they claim can be kept.
#![expect(unsafe_code, reason = "a foreign library makes its handles field by field")]

use std::alloc::{Layout, alloc, dealloc};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ablate_abi::v1::{DType, Device, MAX_RANK, RVec, Tensor};

use crate::bytes::Bytes;

/// Memory for more than this is not allocated; such a tensor may be looked at and not read.
const MOST_BYTES: u64 = 1 << 16;

const ALIGNMENT: usize = 16;

/// The fields of a [`Tensor`], as the border publishes them.
#[repr(C)]
struct Fields {
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

const _: () = assert!(
    size_of::<Fields>() == size_of::<Tensor>() && align_of::<Fields>() == align_of::<Tensor>()
);

/// What keeps the memory of one tensor.
struct Memory {
    start: *mut u8,
    layout: Layout,
    released: Arc<AtomicU32>,
}

extern "C" fn release(owner: *mut u8) {
    #[expect(clippy::cast_ptr_alignment, reason = "it was a box of this type")]
    let owner = owner.cast::<Memory>();
    // SAFETY: `owner` is the box that `Foreign::draw` made for this tensor, released once.
    let memory = unsafe { Box::from_raw(owner) };
    memory.released.fetch_add(1, Ordering::SeqCst);
    if memory.layout.size() > 0 {
        // SAFETY: allocated in `Foreign::draw` with this layout.
        unsafe { dealloc(memory.start, memory.layout) };
    }
}

/// What a foreign tensor says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    /// Address of its first element.
    address: Option<u64>,
    is_null: bool,
    byte_len: u64,
    device: Device,
    is_ready: bool,
    pub(crate) dtype: DType,
    pub(crate) flags: u32,
    pub(crate) shape: Vec<u64>,
    strides: Vec<i64>,
}

impl Claims {
    /// Whether revision 1 allows it, worked out from what the revision says.
    pub(crate) fn are_valid(&self) -> bool {
        let bits = u32::from(self.dtype.bits);
        if self.device != Device::CPU || !self.is_ready || self.dtype.lanes != 1 {
            return false;
        }
        if bits == 0 || bits % 8 != 0 || self.shape.len() > MAX_RANK {
            return false;
        }
        // No product of any of the sizes leaves what an address can be.
        let largest = self.shape.iter().try_fold(u128::from(bits / 8), |product, dim| {
            product.checked_mul(u128::from((*dim).max(1)))
        });
        let Some(largest) = largest.filter(|largest| *largest <= isize::MAX as u128) else {
            return false;
        };
        let needed = if self.shape.contains(&0) { 0 } else { largest };
        if needed != u128::from(self.byte_len) || !self.is_row_major() {
            return false;
        }
        let end = self.address.and_then(|address| address.checked_add(self.byte_len));
        let aligned = self.address.is_some_and(|address| address % ALIGNMENT as u64 == 0);
        self.byte_len == 0 || (!self.is_null && end.is_some() && aligned)
    }

    fn is_row_major(&self) -> bool {
        if self.strides.is_empty() {
            return true;
        }
        let after = |dim: usize| self.shape[dim + 1..].iter().map(|size| i128::from(*size));
        self.strides.len() == self.shape.len()
            && (self.strides.iter().enumerate()).all(|(dim, stride)| {
                self.shape[dim] == 1 || i128::from(*stride) == after(dim).product()
            })
    }
}

/// A tensor of another library, and what is known about it from the other side.
pub(crate) struct Foreign {
    pub(crate) tensor: Tensor,
    pub(crate) claims: Claims,
    /// The bytes behind it; `None` where it claims more than there is.
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) released: Arc<AtomicU32>,
}

const KNOWN: [DType; 8] = [
    DType::F32,
    DType::F64,
    DType::F16,
    DType::BF16,
    DType::I64,
    DType::I32,
    DType::U8,
    DType::BOOL,
];

impl Foreign {
    /// One that receivers may read, or whose claims they must refuse.
    pub(crate) fn draw_safe(bytes: &mut Bytes<'_>) -> Option<Self> {
        let drawn = Self::draw(bytes);
        (drawn.content.is_some() || !drawn.claims.are_valid()).then_some(drawn)
    }

    pub(crate) fn draw(bytes: &mut Bytes<'_>) -> Self {
        let dtype = dtype(bytes);
        let shape = shape(bytes);
        let byte_len = length(bytes, dtype, &shape);
        let strides = strides(bytes, &shape);
        let byte_offset = match bytes.below(8) {
            0..5 => 0,
            5 => 16,
            6 => u64::from(bytes.byte()),
            _ => bytes.word(),
        };
        let shift = if bytes.below(8) == 7 { bytes.byte() } else { 0 };
        let needed =
            byte_len.checked_add(byte_offset).and_then(|sum| sum.checked_add(shift.into()));
        let backed = needed.filter(|needed| *needed <= MOST_BYTES);
        let size = backed.unwrap_or(u64::from(shift) + 64) as usize;
        let layout = Layout::from_size_align(size, ALIGNMENT).expect("a small size");
        let start = if size == 0 {
            std::ptr::without_provenance_mut(ALIGNMENT)
        } else {
            // SAFETY: the size is not zero.
            unsafe { alloc(layout) }
        };
        assert!(!start.is_null(), "out of memory");
        let fill = Fill::draw(bytes);
        for (index, byte) in bytes.cycle().take(size).enumerate() {
            // SAFETY: `index` is below `size`, the size of the allocation.
            unsafe { start.add(index).write(fill.apply(byte)) };
        }
        let is_null = bytes.below(16) == 15;
        let data =
            if is_null { std::ptr::null_mut() } else { start.wrapping_add(usize::from(shift)) };
        let content = backed.filter(|_| !is_null).map(|_| {
            // SAFETY: shift, offset and length fit into the allocation, which is initialized.
            let content = unsafe {
                std::slice::from_raw_parts(data.add(byte_offset as usize), byte_len as usize)
            };
            content.to_vec()
        });
        let device = match bytes.below(16) {
            14 => Device { kind: bytes.byte().into(), id: 0 },
            15 => Device { kind: 1, id: bytes.byte().into() },
            _ => Device::CPU,
        };
        let is_ready = bytes.below(16) != 15;
        let ready = if is_ready { std::ptr::null_mut() } else { std::ptr::dangling_mut() };
        let flags = match bytes.below(4) {
            0 => 0,
            1 => Tensor::WRITABLE,
            2 => Tensor::NEEDS_GRAD,
            _ => u32::from(bytes.byte()),
        };
        let released = Arc::new(AtomicU32::new(0));
        let memory = Memory { start, layout, released: released.clone() };
        let claims = Claims {
            address: (data.addr() as u64).checked_add(byte_offset),
            is_null,
            byte_len,
            device,
            is_ready,
            dtype,
            flags,
            shape: shape.clone(),
            strides: strides.clone(),
        };
        let fields = Fields {
            data,
            byte_offset,
            byte_len,
            device,
            dtype,
            flags,
            shape: shape.into(),
            strides: strides.into(),
            ready,
            owner: Box::into_raw(Box::new(memory)).cast(),
            release,
        };
        // SAFETY: the same fields in the same order by the published layout; that their values may
        // be wrong is what receivers have to deal with.
        let tensor = unsafe { std::mem::transmute::<Fields, Tensor>(fields) };
        Self { tensor, claims, content, released }
    }
}

/// What values are made of.
enum Fill {
    Zeros,
    Bools,
    /// Floats of any width that are finite.
    Small,
    Given,
}

impl Fill {
    fn draw(bytes: &mut Bytes<'_>) -> Self {
        match bytes.below(4) {
            0 => Self::Zeros,
            1 => Self::Bools,
            2 => Self::Small,
            _ => Self::Given,
        }
    }

    fn apply(&self, byte: u8) -> u8 {
        match self {
            Self::Zeros => 0,
            Self::Bools => byte & 1,
            Self::Small => byte & 0x3f,
            Self::Given => byte,
        }
    }
}

fn dtype(bytes: &mut Bytes<'_>) -> DType {
    match bytes.below(16) {
        15 => DType { code: bytes.byte(), bits: bytes.byte(), lanes: bytes.byte().into() },
        14 => DType { bits: bytes.byte(), ..bytes.choose(&KNOWN) },
        other => KNOWN[other % KNOWN.len()],
    }
}

fn shape(bytes: &mut Bytes<'_>) -> Vec<u64> {
    let rank = match bytes.below(16) {
        15 => 9 + bytes.below(4),
        other => other % (MAX_RANK + 1),
    };
    let mut dim = || match bytes.below(32) {
        31 => bytes.word(),
        30 => 1 << bytes.below(64),
        29 => u64::MAX,
        small => (small % 6) as u64,
    };
    (0..rank).map(|_| dim()).collect()
}

fn length(bytes: &mut Bytes<'_>, dtype: DType, shape: &[u64]) -> u64 {
    let size = u64::from(dtype.bits).div_ceil(8);
    let right = shape.iter().fold(size, |product, dim| product.wrapping_mul(*dim));
    match bytes.below(16) {
        13 => right.wrapping_add(1),
        14 => right.wrapping_sub(1),
        15 => bytes.word(),
        _ => right,
    }
}

fn strides(bytes: &mut Bytes<'_>, shape: &[u64]) -> Vec<i64> {
    let choice = bytes.below(8);
    if choice < 5 {
        return Vec::new();
    }
    let mut strides = vec![0; shape.len()];
    let mut stride = 1i64;
    for (dim, size) in shape.iter().enumerate().rev() {
        strides[dim] = stride;
        stride = stride.wrapping_mul(*size as i64);
    }
    if choice == 6 && !strides.is_empty() {
        let dim = bytes.below(strides.len());
        strides[dim] = bytes.word() as i64;
    }
    if choice == 7 {
        strides.truncate(bytes.below(4));
    }
    strides
}
