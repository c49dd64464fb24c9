//! A tensor of another library as its receiver meets it: refused, or read within its memory.

use std::sync::atomic::Ordering;

use ablate_abi::v1::{DType, Element, Tensor};

use crate::bytes::Bytes;
use crate::foreign::{Claims, Foreign};
use crate::said::readable;

/// Draws a foreign tensor and does with it all that a receiver can.
pub fn tensor(input: &[u8]) {
    let Foreign { mut tensor, claims, content, released } = Foreign::draw(&mut Bytes::new(input));
    let valid = claims.are_valid();
    match tensor.validate() {
        Ok(()) => assert!(valid, "accepted: {claims:?}"),
        Err(error) => {
            assert!(!valid, "refused: {error}: {claims:?}");
            readable(&error.to_string());
        }
    }
    assert_eq!(tensor.dtype(), claims.dtype);
    assert_eq!(tensor.shape(), claims.shape.iter().map(|dim| *dim as usize).collect::<Vec<_>>());
    assert_eq!(tensor.is_writable(), claims.flags & Tensor::WRITABLE != 0);
    assert_eq!(tensor.needs_grad(), claims.flags & Tensor::NEEDS_GRAD != 0);
    match content {
        _ if !valid => refused(&mut tensor),
        Some(content) => {
            read(&mut tensor, &claims, &content);
            let (left, right) = tensor.share();
            tensor = shared(left, right, &content);
            assert_eq!(tensor.needs_grad(), claims.flags & Tensor::NEEDS_GRAD != 0);
        }
        // It claims memory that it does not have, which nobody can see.
        None => {}
    }
    assert_eq!(released.load(Ordering::SeqCst), 0, "released while it was there");
    drop(tensor);
    assert_eq!(released.load(Ordering::SeqCst), 1, "released other than once");
}

fn refused(tensor: &mut Tensor) {
    assert!(tensor.bytes().is_empty() && tensor.bytes_mut().is_none());
    assert!(tensor.as_slice::<f32>().is_err() && tensor.as_slice::<bool>().is_err());
    assert!(tensor.to_integers().is_err());
}

fn read(tensor: &mut Tensor, claims: &Claims, content: &[u8]) {
    assert_eq!(tensor.bytes(), content);
    elements::<f32>(tensor, content, |value| value.to_ne_bytes().to_vec());
    elements::<f64>(tensor, content, |value| value.to_ne_bytes().to_vec());
    elements::<i64>(tensor, content, |value| value.to_ne_bytes().to_vec());
    elements::<i32>(tensor, content, |value| value.to_ne_bytes().to_vec());
    elements::<u8>(tensor, content, |value| vec![value]);
    elements::<bool>(tensor, content, |value| vec![value.into()]);
    match (tensor.to_integers(), claims.dtype) {
        (Ok(integers), DType::U8) => {
            assert!(integers.iter().copied().eq(content.iter().map(|byte| i64::from(*byte))));
        }
        (Ok(integers), DType::I32) => assert_eq!(integers.len() * 4, content.len()),
        (Ok(integers), DType::I64) => assert_eq!(integers.len() * 8, content.len()),
        (integers, dtype) => assert!(integers.is_err(), "integers of {dtype}"),
    }
    let written = match tensor.bytes_mut() {
        None => false,
        Some(bytes) => {
            assert_eq!(bytes, content);
            invert(bytes);
            true
        }
    };
    assert_eq!(written, tensor.is_writable());
    if let Some(bytes) = tensor.bytes_mut() {
        invert(bytes);
    }
}

fn invert(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = !*byte;
    }
}

fn elements<T: Element>(tensor: &Tensor, content: &[u8], bytes: fn(T) -> Vec<u8>) {
    let are_bools = T::DTYPE != DType::BOOL || content.iter().all(|byte| *byte <= 1);
    match tensor.as_slice::<T>() {
        Ok(values) => {
            assert!(tensor.dtype() == T::DTYPE && are_bools);
            assert!(values.iter().flat_map(|value| bytes(*value)).eq(content.iter().copied()));
        }
        Err(error) => {
            assert!(tensor.dtype() != T::DTYPE || !are_bools, "{error}");
            readable(&error.to_string());
        }
    }
}

/// Two handles to one memory: neither may write, and it lives as long as either.
fn shared(left: Tensor, mut right: Tensor, content: &[u8]) -> Tensor {
    assert!(left.bytes() == content && right.bytes() == content);
    assert!(content.is_empty() || left.bytes().as_ptr() == right.bytes().as_ptr(), "a copy");
    assert!(!left.is_writable() && right.bytes_mut().is_none());
    drop(left);
    assert_eq!(right.bytes(), content);
    right
}
