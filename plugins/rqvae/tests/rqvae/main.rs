//! The whole model but for the slot: poolings of the test stand in for blocks.

mod model;
