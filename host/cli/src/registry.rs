//! `ablate registry`: where things lie, and the index of runs.

use crate::arguments::RegistryCommand;
use crate::failure::Failure;
use crate::{printer, workplace};

pub(crate) fn registry(command: &RegistryCommand) -> Result<u8, Failure> {
    match command {
        RegistryCommand::Path => {
            printer::data(&workplace::home_folder(None).display().to_string());
            Ok(0)
        }
        RegistryCommand::Rebuild => {
            let rebuilt = workplace::store(None)?.rebuild()?;
            for unreadable in &rebuilt.unreadable {
                let folder = unreadable.folder.display();
                printer::warning(&format!("`{folder}` is left out: {}", unreadable.error), &[]);
            }
            printer::note(&format!("indexed {} runs", rebuilt.indexed));
            printer::note("next: ablate runs");
            Ok(0)
        }
    }
}
