//! The blocks of the plugin, and the whole model but for its slots.

mod coders;
mod counts;
mod layers;
mod model;
mod padding;
mod quantizers;
mod tensors;
