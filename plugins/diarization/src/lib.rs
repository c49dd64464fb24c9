//! Who spoke when: RTTM and UEM files, speaker changes, and the error rates of diarization.
//!
//! ```
//! use ablate_diarization::{Rttm, Scoring, score};
//!
//! let reference = Rttm::parse("SPEAKER talk 1 0.0 4.0 <NA> <NA> ann <NA> <NA>", "ref.rttm".as_ref())?;
//! let system = Rttm::parse("SPEAKER talk 1 0.5 3.5 <NA> <NA> 1 <NA> <NA>", "hyp.rttm".as_ref())?;
//! let score = score(reference.turns("talk"), system.turns("talk"), None, Scoring::default());
//! assert_eq!(score.time.missed, 0.5);
//! assert_eq!(score.time.error_rate(), Some(0.125));
//! # Ok::<(), ablate_diarization::Error>(())
//! ```

mod changes;
mod error;
mod lines;
mod mapping;
mod pairing;
mod rttm;
mod score;
mod timeline;
mod turn;
mod uem;

pub use changes::{ChangeRule, Difficulty, Place, SpeakerChange, changes};
pub use error::Error;
pub use pairing::{Pairing, pair};
pub use rttm::{Rttm, Skipped};
pub use score::{ErrorTime, Jaccard, Score, Scoring, score};
pub use timeline::{Interval, Timeline};
pub use turn::{Turn, merged};
pub use uem::Uem;
