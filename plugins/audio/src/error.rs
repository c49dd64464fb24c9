//! The error of this crate: names the file and the reason; advice is separate, in `hints`.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong between an audio file and its features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A cache file could not be written.
    #[error("failed to write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The content is not audio of any known format.
    #[error("`{path}` is not audio: {found}")]
    NotAudio {
        /// The audio file.
        path: PathBuf,
        /// What the content looks like.
        found: String,
    },
    /// The container is known but not one that this crate reads.
    #[error("`{path}` is {format}, which is not supported")]
    UnsupportedFormat {
        /// The audio file.
        path: PathBuf,
        /// Name of the format.
        format: String,
    },
    /// The container is supported, what it contains is not.
    #[error("`{path}` is not supported: {reason}")]
    UnsupportedCodec {
        /// The audio file.
        path: PathBuf,
        /// The codec or layout that is not supported.
        reason: String,
    },
    /// The file has fewer samples than its header says.
    #[error("`{path}` is truncated: decoded {decoded} of {expected} samples")]
    Truncated {
        /// The audio file.
        path: PathBuf,
        /// Samples per channel that the header promises.
        expected: u64,
        /// Samples per channel that could be decoded.
        decoded: u64,
    },
    /// The file stops before the end of its container.
    #[error("`{path}` is truncated: {reason}")]
    Unfinished {
        /// The audio file.
        path: PathBuf,
        /// Where it stops.
        reason: String,
    },
    /// The content contradicts itself or its checksum.
    #[error("`{path}` is corrupt: {reason}")]
    Corrupt {
        /// The audio file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A valid file without a single sample.
    #[error("`{path}` contains no samples")]
    Empty {
        /// The audio file.
        path: PathBuf,
    },
    /// A sample is NaN or infinite.
    #[error("`{path}` has a non-finite sample at index {index}")]
    NonFinite {
        /// The audio file.
        path: PathBuf,
        /// First such sample, counted per channel.
        index: usize,
    },
    /// The decoder crashed; the file is most probably corrupt.
    #[error("the decoder crashed on `{path}`: {message}")]
    DecoderPanicked {
        /// The audio file.
        path: PathBuf,
        /// Message of the panic.
        message: String,
    },
    /// There is not enough audio for one frame.
    #[error(
        "audio of {samples} samples is shorter than one frame: at least {shortest} samples are needed"
    )]
    TooShort {
        /// Samples that there are.
        samples: usize,
        /// Samples of the shortest audio that gives a frame.
        shortest: usize,
    },
    /// Features came out as NaN or infinite, as for samples far beyond full scale.
    #[error("feature {bin} of frame {frame} is not finite")]
    NonFiniteFeature {
        /// The frame.
        frame: usize,
        /// The bin.
        bin: usize,
    },
    /// Features of a file could not be computed.
    #[error("failed to compute the features of `{path}`")]
    Features {
        /// The audio file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A value of the feature configuration makes no sense.
    #[error("`{key}` must be {expected}, not `{value}`")]
    Config {
        /// The key.
        key: &'static str,
        /// What would be right.
        expected: String,
        /// What was given.
        value: String,
    },
    /// The feature configuration could not be written as JSON.
    #[error("the feature configuration cannot be written as JSON")]
    ConfigJson {
        /// What the serializer said.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// Advice for the user, one line each; empty when there is none.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotAudio { .. } | Self::UnsupportedFormat { .. } => {
                "supported are wav, flac, mp3, Ogg Vorbis and Ogg Opus; convert the file or move it \
                 out of the folder"
            }
            Self::UnsupportedCodec { .. } => "convert the file to flac or 16-bit wav",
            Self::Truncated { .. } | Self::Unfinished { .. } | Self::Corrupt { .. } => {
                "copy the file again from its source; if it is like this there, decode and encode \
                 it again"
            }
            Self::Empty { .. } | Self::TooShort { .. } => "leave the file out of the dataset",
            Self::NonFinite { .. } => "the file has float samples; write it again from its source",
            Self::Features { source, .. } => return source.hints(),
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }
}
