//! The one training loop: drives a model, losses, a dataset and metrics through handles.
//!
//! [`bind`] connects the contracts of a resolved spec before anything is made, [`assemble`] makes the components, and
//! [`run`] trains and evaluates. Who makes components is behind [`Factory`], where results go is behind [`Recorder`]
//! and [`Checkpoints`]: this crate opens no library, knows no Burn and no SQL, and prints nothing.
//!
//! All randomness is derived by hashing from the seed, what it is for, and the epoch or step, so that results depend
//! neither on the number of workers nor on whether a trial was interrupted.
//!
//! ```
//! use ablate_config::ScheduleSpec;
//!
//! let schedule = ScheduleSpec::Cosine { warmup_steps: 2, final_ratio: 0.0 };
//! let factors: Vec<f64> = (0..4).map(|step| ablate_train::factor(&schedule, step, 4)).collect();
//! assert_eq!(factors, [0.5, 1.0, 1.0, 0.5]);
//! ```

mod bind;
mod contract;
mod unify;
mod wiring;

mod assemble;
mod contents;
mod describe;
mod layout;
mod parts;

mod checked;
mod entered;
mod finite;
mod guard;

mod batches;
mod data;
mod prefetch;
mod publish;
mod stream;

mod evaluate;
mod extent;
mod optimizer;
mod outcome;
mod run;
mod schedule;
mod state;
mod step;
mod tally;
mod tensors;

mod error;
mod record;

pub use assemble::{assemble, dataset};
pub use batches::{eval_batches, train_batches};
pub use bind::{Bound, bind};
pub use contract::{Contract, Dim, ElementType, Port};
pub use describe::{Describe, Factory, GivenArtifact};
pub use entered::watch_components;
pub use error::{ComponentId, Error, Mismatch, Offer, StorageError};
pub use optimizer::check_groups;
pub use outcome::{FinalMeasurement, Finished, Outcome, Published};
pub use parts::{ParameterCount, Parts, parameters};
pub use publish::check_splits;
pub use record::{CheckpointKind, Checkpoints, Measurement, Phase, Progress, Recorder};
pub use run::{RESULTS_REV, run};
pub use schedule::factor;
pub use state::Best;
pub use stream::derive;
pub use wiring::{Source, Wire};
