//! The contract between the host and its plugins: what crosses the border, and nothing else.
//!
//! Only `#[repr(C)]` data, owned buffers, trait objects with their own destructors and
//! `extern "C"` functions cross. No Burn type, no `std` type and no third-party type does, so a
//! plugin may be built by another compiler, against another Burn, or without Burn.
//!
//! A published revision never changes: growth is a new module beside [`v1`], and a host keeps all
//! of them. What the layout check cannot see (the meaning of a field, the text of a JSON document)
//! is said in the documentation of [`v1`] and guarded by `v1::REVISION`.
//!
//! ```
//! use ablate_abi::v1::{DType, Tensor};
//!
//! let tensor = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], &[2, 2]);
//! assert_eq!(tensor.dtype(), DType::F32);
//! assert_eq!(tensor.to_vec::<f32>().expect("a valid f32 tensor"), [1.0, 2.0, 3.0, 4.0]);
//! ```
#![deny(missing_docs)]

pub mod v1;
