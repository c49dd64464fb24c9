//! What a receiver must survive: tensors of a broken library.

use super::*;

fn broken(change: impl FnOnce(&mut Tensor)) -> String {
    let mut tensor = Tensor::from_vec(vec![1.0f32; 6], &[2, 3]);
    change(&mut tensor);
    let error = tensor.as_slice::<f32>().expect_err("must be refused").to_string();
    assert!(tensor.bytes().is_empty(), "an invalid tensor must not be read");
    assert!(tensor.bytes_mut().is_none());
    error
}

#[test]
fn round_trips_every_element_type() {
    fn check<T: Element + PartialEq + std::fmt::Debug>(values: Vec<T>) {
        let tensor = Tensor::from_vec(values.clone(), &[values.len()]);
        assert_eq!(tensor.dtype(), T::DTYPE);
        assert_eq!(tensor.to_vec::<T>().expect("valid"), values);
    }
    check(vec![1.5f32, -0.0, f32::INFINITY]);
    check(vec![1.5f64]);
    check(vec![i64::MIN, 0, i64::MAX]);
    check(vec![7i32; 1000]);
    check(vec![0u8, 255]);
    check(vec![true, false, true]);
    check(Vec::<f32>::new());
}

#[test]
fn refuses_a_product_that_overflows() {
    let error = broken(|t| t.shape = [u64::MAX, 2, 2].into_iter().collect());
    assert_eq!(error, "tensor of shape [18446744073709551615, 2, 2] and type f32 has 24 bytes");
}

#[test]
fn refuses_sizes_whose_product_overflows_beside_a_zero() {
    // No bytes are needed, but a receiver that multiplies the last two sizes would overflow.
    for shape in [[0, 1 << 40, 1 << 40], [1 << 40, 1 << 40, 0]] {
        let error = broken(|t| (t.shape, t.byte_len) = (shape.into_iter().collect(), 0));
        assert_eq!(error, format!("tensor of shape {shape:?} and type f32 has 0 bytes"));
    }
    let tensor = Tensor::from_vec(Vec::<f32>::new(), &[3, 0, 5]);
    assert_eq!(tensor.to_vec::<f32>().expect("valid"), []);
}

#[test]
fn refuses_memory_beyond_the_last_address() {
    let error = broken(|t| (t.data, t.byte_offset) = (16 as *mut u8, u64::MAX - 31));
    assert_eq!(error, "tensor memory goes beyond the last address");
}

#[test]
fn refuses_a_length_that_does_not_fit() {
    assert_eq!(broken(|t| t.byte_len = 20), "tensor of shape [2, 3] and type f32 has 20 bytes");
    assert_eq!(
        broken(|t| t.shape = [2, 4].into_iter().collect()),
        "tensor of shape [2, 4] and type f32 has 24 bytes"
    );
}

#[test]
fn refuses_rank_alignment_null_strides_device_and_type() {
    let ones = std::iter::repeat_n(1, 9);
    assert_eq!(broken(|t| t.shape = ones.collect()), "tensor has rank 9, at most 8 is allowed");
    assert_eq!(broken(|t| t.byte_offset = 4), "tensor memory is null or not aligned to 16 bytes");
    assert_eq!(
        broken(|t| t.data = std::ptr::null_mut()),
        "tensor memory is null or not aligned to 16 bytes"
    );
    assert_eq!(
        broken(|t| t.strides = [1, 2].into_iter().collect()),
        "tensor is not contiguous in row-major order"
    );
    assert!(broken(|t| t.device.kind = 2).contains("only the CPU is known"));
    assert!(broken(|t| t.dtype.bits = 3).contains("unknown element type"));
    assert!(broken(|t| t.dtype.lanes = 4).contains("unknown element type"));
}

#[test]
fn refuses_bools_that_are_neither_true_nor_false() {
    let mut tensor = Tensor::from_vec(vec![2u8, 0], &[2]);
    tensor.dtype = DType::BOOL;
    let error = tensor.as_slice::<bool>().expect_err("2 is no bool").to_string();
    assert_eq!(error, "a bool tensor holds bytes other than 0 and 1");
}

#[test]
fn copies_memory_that_is_not_aligned() {
    let bytes: Vec<u8> = (0..64).collect();
    let tensor = Tensor::new(bytes, |b| &b[1..33], &[32], DType::U8, 0);
    assert_eq!(tensor.to_vec::<u8>().expect("valid"), (1..33).collect::<Vec<u8>>());
}

#[test]
fn releases_its_owner_once_and_only_when_the_last_handle_goes() {
    use std::sync::Arc;
    let owner = Arc::new(vec![0u128; 2]);
    let tensor = Tensor::new(
        owner.clone(),
        // SAFETY: 32 initialized bytes that the Arc keeps alive.
        |o| unsafe { std::slice::from_raw_parts(o.as_ptr().cast(), 32) },
        &[32],
        DType::U8,
        0,
    );
    let (first, second) = tensor.share();
    assert_eq!(Arc::strong_count(&owner), 2);
    drop(first);
    assert_eq!(Arc::strong_count(&owner), 2);
    assert_eq!(second.bytes().len(), 32);
    drop(second);
    assert_eq!(Arc::strong_count(&owner), 1);
}

#[test]
fn a_unique_tensor_can_be_written_and_a_shared_one_cannot() {
    let mut memory = vec![0u128; 1];
    let data = memory.as_mut_ptr().cast::<u8>();
    // SAFETY: the vector moves into the tensor, its heap memory stays.
    let mut tensor = unsafe { Tensor::unique(memory, data, 16, &[4], DType::F32, 0) };
    tensor.bytes_mut().expect("unique")[..4].copy_from_slice(&2.5f32.to_le_bytes());
    assert_eq!(tensor.to_vec::<f32>().expect("valid"), [2.5, 0.0, 0.0, 0.0]);
    let (mut one, _other) = tensor.share();
    assert!(one.bytes_mut().is_none());
}
