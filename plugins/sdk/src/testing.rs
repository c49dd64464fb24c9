//! Components without a host: for unit tests of plugins, and for measuring what the border costs.
//!
//! Test what a component computes with these functions, and what every component must hold with the
//! crate `ablate-conformance`:
//!
//! ```
//! use ablate_sdk::burn::{self, module::{Module, Param}, tensor::Tensor};
//! use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};
//!
//! /// A factor for each feature.
//! #[derive(Module, Debug)]
//! pub struct Gain {
//!     factors: Param<Tensor<1>>,
//! }
//!
//! impl Block for Gain {
//!     type Config = NoConfig;
//!     const NAME: &'static str = "gain";
//!     const ROLE: &'static str = "filter";
//!     const DOC: &'static str = "A learned factor for each feature.";
//!
//!     fn contract(_: &NoConfig) -> Result<Contract, Error> {
//!         Ok(Contract::new().input("features: f32[B, D]").output("filtered: f32[B, D]"))
//!     }
//!
//!     fn new(_: &NoConfig, build: &mut Build) -> Result<Self, Error> {
//!         let factors = Tensor::full([build.dim("D")?], 2.0, build.device());
//!         Ok(Self { factors: Param::from_tensor(factors) })
//!     }
//!
//!     fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
//!         let filtered = inputs.float::<2>("features")? * self.factors.val().unsqueeze();
//!         Ok(Tensors::new().with("filtered", filtered).into())
//!     }
//! }
//!
//! ablate_sdk::export_plugin!(ablate_plugin_gain, [block Gain]);
//!
//! // A `#[test]` in this file.
//! fn scales_features_and_learns() -> Result<(), Error> {
//!     use ablate_sdk::testing;
//!
//!     let gain = Gain::new(&NoConfig {}, &mut testing::build("block", 0, &[("D", 2)], vec![])?)?;
//!     let call = testing::training_call(0, 0);
//!     let features = Tensor::<2>::from_floats([[1.0, -3.0]], call.device());
//!     let output = gain.forward(Tensors::new().with("features", features), &call)?;
//!     let filtered = output.tensors.float::<2>("filtered")?;
//!     assert_eq!(filtered.to_data().to_vec::<f32>().unwrap(), [2.0, -6.0]);
//!     let gradient = gain.factors.grad(&filtered.sum().backward()).unwrap();
//!     assert_eq!(gradient.into_data().to_vec::<f32>().unwrap(), [1.0, -3.0]);
//!     Ok(())
//! }
//!
//! // A `#[test]` in the folder `tests`, with `use my_plugin::ablate_plugin_root`.
//! fn conforms() {
//!     ablate_conformance::assert_conforms(ablate_plugin_root::plugin());
//! }
//! # fn main() -> Result<(), Error> {
//! #     conforms();
//! #     scales_features_and_learns()
//! # }
//! ```

use crate::Error;
use crate::build::Build;
use crate::call::Call;
use crate::served::Served;
use abi_stable::std_types::RVec;
use ablate_abi::v1::{self, Create, Dimension, Kind, SharedDifferentiable, Slot};
use burn::tensor::{Device, Gradients};

/// What a component is made from: a place, a seed, the sizes of its dimensions, and blocks for its
/// slots. Parameters are drawn as the host would have them drawn.
///
/// # Errors
/// None for the device `flex`.
pub fn build(
    path: &str,
    seed: u64,
    dimensions: &[(&str, usize)],
    slots: Vec<(&str, SharedDifferentiable)>,
) -> Result<Build, Error> {
    let slot = |(name, block): (&str, _)| Slot { name: name.into(), block, shared: false };
    let dimension =
        |(name, size): &(&str, usize)| Dimension { name: (*name).into(), size: *size as u64 };
    let (build, _) = Build::new(Create {
        kind: Kind::MODEL,
        name: "test".into(),
        config: "{}".into(),
        path: path.into(),
        seed,
        device: "flex".into(),
        dimensions: dimensions.iter().map(dimension).collect(),
        slots: slots.into_iter().map(slot).collect(),
        artifacts: RVec::new(),
        properties: RVec::new(),
    })?;
    build.device().seed(build.seed("parameters"));
    Ok(build)
}

fn call(method: &str, step: u64, seed: u64, flags: u32, device: Device) -> Call {
    Call::new(v1::Call { step, flags, ..v1::Call::new(method, seed) }, device, seed)
}

/// A call in training, with a graph, on `flex`.
pub fn training_call(step: u64, seed: u64) -> Call {
    let flags = v1::Call::TRAIN | v1::Call::WANT_CONTEXT;
    call("train", step, seed, flags, Device::flex().autodiff())
}

/// A call in evaluation, without a graph, on `flex`.
pub fn evaluation_call() -> Call {
    call("eval", 0, 0, 0, Device::flex())
}

/// Hands the gradients of a graph to a block of this program that took part in it, as the
/// backward pass of a model does.
///
/// # Errors
/// If the block belongs to another library.
pub fn collect_gradients(
    block: &SharedDifferentiable,
    gradients: &mut Gradients,
) -> Result<(), Error> {
    let served = block.obj.downcast_as::<Served>();
    served
        .map_err(|_| Error::state("the block belongs to another library"))?
        .collect_gradients(gradients)
}
