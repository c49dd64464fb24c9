//! What every pooling promises, on its public interface.

mod masks;
mod sliding;
mod support;
