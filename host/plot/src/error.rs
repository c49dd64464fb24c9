//! What cannot be drawn, and advice about it.

/// A picture that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no finite number to draw.
    #[error("no finite values of `{metric}` on `{split}` to draw")]
    Empty {
        /// The metric.
        metric: String,
        /// The split.
        split: String,
    },
    /// Two cells of a heat map, or two points of an axis, have the same place.
    #[error("two variants have the same place ({place}) in the picture of `{metric}`")]
    SamePlace {
        /// The metric.
        metric: String,
        /// The place, such as `levels = 4, width = 8`.
        place: String,
    },
    /// The SVG text could not be turned into pixels.
    #[error("failed to draw the picture in pixels: {reason}")]
    Pixels {
        /// What the renderer or the encoder said.
        reason: String,
    },
}

impl Error {
    /// Advice on what to do, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Empty { .. } => {
                vec!["a picture needs at least one finished run with a finite value".into()]
            }
            Self::SamePlace { .. } => vec![
                "a picture over axes needs variants that differ in nothing but the axes".into(),
            ],
            Self::Pixels { .. } => Vec::new(),
        }
    }
}
