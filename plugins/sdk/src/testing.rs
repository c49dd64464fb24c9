//! Components without a host: for unit tests of plugins, and for measuring what the border costs.

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
    })?;
    build.device().seed(build.seed("parameters"));
    Ok(build)
}

fn call(method: &str, step: u64, seed: u64, flags: u32, device: Device) -> Call {
    Call::new(v1::Call { method: method.into(), step, epoch: 0, seed, flags }, device)
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
