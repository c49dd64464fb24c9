//! State beside the parameters: kept and saved with a module, changed while it is only borrowed.

use ablate_sdk::burn::module::RunningState;
use ablate_sdk::burn::tensor::Tensor;

/// Whether a state of shape `[1]` says yes.
pub(super) fn is_set(state: &RunningState<Tensor<1>>) -> bool {
    state.value().into_scalar::<f32>() > 0.5
}

/// Replaces the value at once, on the device where it lay: an update alone would wait for the next
/// one, and saving would miss it.
pub(super) fn store<const D: usize>(state: &RunningState<Tensor<D>>, value: Tensor<D>) {
    let recorded = state.value().is_autodiff();
    state.update(if recorded { value.autodiff() } else { value });
    let _ = state.value_sync();
}
