//! Asking a new library about itself, in a child process: a broken file may end the process.

use crate::failure::Failure;
use crate::{child, printer};
use ablate_catalog::{Probe, ProbeFailure};
use ablate_loader::{Loader, NoServices};
use std::path::Path;

/// Probes by running this program again.
pub(crate) struct ChildProbe;

impl Probe for ChildProbe {
    fn describe(&self, library: &Path) -> Result<String, ProbeFailure> {
        // What can be seen without running anything gives better errors than a crash.
        if let Err(error) = ablate_loader::inspect(library) {
            let failure = Failure::from(error);
            return Err(nameless(failure, library));
        }
        child::output(&["__probe".as_ref(), library.as_os_str()], &library.display().to_string())
            .map_err(|failure| nameless(failure, library))
    }
}

/// The failure as a sentence about "it": whoever shows it names the file.
fn nameless(Failure { message, hints, .. }: Failure, library: &Path) -> ProbeFailure {
    let name = format!("`{}` ", library.display());
    let message = message.replace(&format!("plugin {name}"), "it ").replace(&name, "it ");
    ProbeFailure { message, hints }
}

/// The child's side: opens the library and prints its description.
pub(crate) fn probe(library: &Path) -> Result<u8, Failure> {
    let loader = Loader::new(NoServices, 1);
    printer::data(&loader.open(library, None)?.description()?);
    Ok(0)
}
