//! Opens plugin libraries: the only place where foreign code enters the process.
//!
//! The steps, each with an error of its own: read the file and check its sha256, parse it (kind of
//! file, machine, completeness, root symbol), map it, check header and layout, refuse builds that
//! cannot be guarded, and call `init` once. A library is never unloaded.
//!
//! ```no_run
//! use ablate_loader::{Loader, NoServices};
//! let loader = Loader::new(NoServices, 2);
//! let library = loader.open("target/release/libablate_pooling.so".as_ref(), None)?;
//! println!("{}", library.description()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod inspect;
mod inspected;
mod library;
mod natives;
mod revision;
mod services;
mod took;

pub use error::Error;
pub use inspect::{Inspection, inspect};
pub use library::{Library, Loader};
pub use services::{NoServices, Services};
pub use took::Took;
