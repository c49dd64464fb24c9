//! Care for Burn's autodiff graph: seeding a backward pass, and freeing what was abandoned.

use burn::tensor::Tensor;
use std::cell::{Cell, RefCell};

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
    static LATER: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
}

struct Reset(bool);

impl Drop for Reset {
    fn drop(&mut self) {
        BUSY.set(self.0);
    }
}

/// Runs `call`, which holds locks of this image's Burn (a backward pass). What is dropped inside
/// must not call Burn; its sweeps run when the outermost pass has left.
pub(crate) fn in_burn<T>(call: impl FnOnce() -> T) -> T {
    let result = {
        let _reset = Reset(BUSY.replace(true));
        call()
    };
    if !BUSY.get() {
        run_deferred();
    }
    result
}

fn run_deferred() {
    while let Some(sweep) = LATER.with_borrow_mut(Vec::pop) {
        let _reset = Reset(BUSY.replace(true));
        sweep();
    }
}

/// Runs `sweep` now, or as soon as Burn's locks are free again.
///
/// A sweep inside a drop deadlocks when the drop happens inside a backward pass of the same image.
pub(crate) fn later(sweep: Box<dyn FnOnce()>) {
    LATER.with_borrow_mut(|list| list.push(sweep));
    if !BUSY.get() {
        run_deferred();
    }
}

/// Runs a backward pass of nothing from a leaf of an abandoned pass; Burn then frees what nobody
/// refers to any more in that leaf's graph.
pub(crate) fn sweep(leaf: Tensor<1>) {
    drop(leaf.mul_scalar(1.0).backward());
}
