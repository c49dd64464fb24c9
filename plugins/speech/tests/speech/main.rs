//! The datasets as a host sees them: on generated audio and, where there is any, on real speech.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests panic and print")]

/// Folders of audio that the tests write.
mod support;

/// `synthetic-speech`: reproducible, and its words can be told apart.
mod synthetic;

/// `librispeech` and `audio-folder` on small folders: layouts, splits, cropping, caching.
mod folders;

/// The block `log-mel`.
mod log_mel;

/// Encoders in front of folders of audio: what they see, what is kept, what is normalized.
mod encoders;

/// What cannot be read or found.
mod failures;

/// Real corpora, below the folder that `ABLATE_DATA` names.
mod corpora;
