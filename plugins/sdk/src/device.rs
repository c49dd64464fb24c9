//! Devices by name.

use crate::Error;
use burn::tensor::Device;

/// Backends that this build of the SDK has.
pub(crate) const BACKENDS: &[&str] = &["flex"];

/// The autodiff device called `name`.
pub(crate) fn parse(name: &str) -> Result<Device, Error> {
    match name {
        "flex" => Ok(Device::flex().autodiff()),
        other => Err(Error::unsupported(format!(
            "device `{other}` is not built into this plugin; it has {}",
            BACKENDS.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ")
        ))),
    }
}
