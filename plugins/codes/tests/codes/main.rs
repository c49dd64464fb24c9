//! The plugin `codes`: what its blocks compute, and what its metrics measure and publish.

/// Every aggregation against brute force.
mod aggregation;
/// `codes`: the file of all codes.
mod code_file;
/// `id-map`: the map of documents.
mod id_map;
