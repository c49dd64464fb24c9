//! The encoders against what the published code computes, and what a user may do wrong.

mod counts;
mod forward;
mod loading;
mod reference;
mod support;
