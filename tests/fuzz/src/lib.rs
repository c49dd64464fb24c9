//! What must hold for anything that a stranger hands over, as functions from bytes.
//!
//! Each [`Target`] reads its input from bytes and panics where something does not hold that must
//! hold for every input. libFuzzer drives them (`libfuzzer/`), and `tests/corpus.rs` runs the inputs
//! that it found to matter, so that these stay tested without it.

mod bytes;
mod said;

mod foreign;
mod tensor;

mod block;
mod guard;

mod contract;
mod description;
mod experiment;
mod library;

pub use contract::contract;
pub use description::description;
pub use experiment::experiment;
pub use guard::guard;
pub use library::library;
pub use tensor::tensor;

/// A function that must not panic, whatever it is given.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its folder in `corpus`.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    Target { name: "tensor", run: tensor },
    Target { name: "guard", run: guard },
    Target { name: "contract", run: contract },
    Target { name: "description", run: description },
    Target { name: "experiment", run: experiment },
    Target { name: "library", run: library },
];
