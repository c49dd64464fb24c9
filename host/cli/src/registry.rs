//! `ablate registry`: where things lie, and the index of runs.

use crate::arguments::RegistryCommand;
use crate::failure::Failure;
use crate::{garbage, printer, workplace};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) fn registry(command: &RegistryCommand) -> Result<u8, Failure> {
    match command {
        RegistryCommand::Gc { dry_run, format } => garbage::collect(*dry_run, *format),
        RegistryCommand::Path => {
            printer::data(&workplace::home_folder(None).display().to_string());
            Ok(0)
        }
        RegistryCommand::Rebuild => rebuild(),
    }
}

fn rebuild() -> Result<u8, Failure> {
    let store = workplace::store(None)?;
    let bar = printer::live().then(|| {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs  {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style)
    });
    let rebuilt = store.rebuild_with(&mut |done, total| {
        if let Some(bar) = &bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let rebuilt = rebuilt?;
    for unreadable in &rebuilt.unreadable {
        let folder = unreadable.folder.display();
        printer::warning(&format!("`{folder}` is left alone: {}", unreadable.reason), &[]);
    }
    for folder in &rebuilt.removed {
        printer::note(&format!("removed `{}`, a run that was never begun", folder.display()));
    }
    printer::note(&format!("indexed {} runs", rebuilt.indexed));
    printer::note("next: ablate runs");
    Ok(0)
}
