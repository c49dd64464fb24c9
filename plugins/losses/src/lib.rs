//! Losses: masked and plain regression, cross entropy, and a model's own scalar.
//!
//! Every loss is also a plain function of tensors:
//!
//! ```
//! use ablate_losses::SmoothL1;
//! use ablate_sdk::Tensors;
//! use ablate_sdk::burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let inputs = Tensors::new()
//!     .with("prediction", Tensor::<1>::from_floats([0.0, 3.0], &device))
//!     .with("target", Tensor::<1>::from_floats([0.0, 0.0], &device));
//! let loss = SmoothL1::with_beta(1.0)?.evaluate(&inputs)?;
//! assert_eq!(loss.value.into_scalar::<f32>(), 1.25);
//! # Ok::<(), ablate_sdk::Error>(())
//! ```

mod reduce;

mod masked_mse;

mod regression;

mod cross_entropy;

mod output;

pub use cross_entropy::{CrossEntropy, CrossEntropyConfig};
pub use masked_mse::MaskedMse;
pub use output::ModelOutput;
pub use regression::{Mse, SmoothL1, SmoothL1Config};

ablate_sdk::export_plugin!(
    ablate_plugin_losses,
    [loss MaskedMse, loss Mse, loss SmoothL1, loss CrossEntropy, loss ModelOutput]
);
