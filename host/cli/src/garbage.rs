//! `ablate registry gc`: libraries in the store that nothing refers to any more.

use crate::arguments::Format;
use crate::failure::Failure;
use crate::{printer, workplace};
use ablate_catalog::{Garbage, Store as Libraries, installed_libraries};
use ablate_runs::{Filter, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A sweep that is just being planned has copied its libraries and has no runs yet.
const GRACE: Duration = Duration::from_hours(1);

pub(crate) fn collect(dry_run: bool, format: Format) -> Result<u8, Failure> {
    let store = workplace::store(None)?;
    let keep = referred(&store)?;
    let garbage = Libraries::new(store.home()).collect_garbage(&keep, GRACE, dry_run)?;
    if format == Format::Json {
        printer::json(&json!({
            "dry_run": dry_run,
            "removed": garbage.removed,
            "removed_bytes": garbage.removed_bytes,
            "kept": garbage.kept,
            "kept_bytes": garbage.kept_bytes,
        }))?;
        return Ok(0);
    }
    printer::data(&sentence(&garbage, dry_run));
    if dry_run && !garbage.removed.is_empty() {
        printer::note("next: ablate registry gc");
    }
    Ok(0)
}

fn sentence(garbage: &Garbage, dry_run: bool) -> String {
    let verb = if dry_run { "would remove" } else { "removed" };
    format!(
        "{verb} {} libraries ({} MiB) that no run and no installed plugin refers to; {} stay ({} MiB)",
        garbage.removed.len(),
        garbage.removed_bytes >> 20,
        garbage.kept,
        garbage.kept_bytes >> 20,
    )
}

/// The libraries of all runs and of all installed plugins.
///
/// # Errors
/// A run whose manifest cannot be read: what it needs is not known, so nothing may be removed.
fn referred(store: &Store) -> Result<BTreeSet<String>, Failure> {
    if let Some(unreadable) = store.unreadable()?.first() {
        let folder = unreadable.folder.display();
        return Err(Failure::user(format!(
            "`{folder}` cannot be read, so it is not known which libraries it needs: {}",
            unreadable.reason
        ))
        .hint("repair or remove that folder; nothing was removed"));
    }
    let mut keep = installed_libraries(store.home())?;
    for summary in store.runs(&Filter::default())? {
        let manifest = store.run(&summary.id)?.manifest()?;
        let plugins = manifest["plugins"].as_array();
        let hashes = plugins.into_iter().flatten().filter_map(|p| p["sha256"].as_str());
        keep.extend(hashes.map(str::to_owned));
        // What a plugin was pinned to stays known by its components too.
        let components = manifest["components"].as_array();
        let hashes = components.into_iter().flatten().filter_map(|c: &Value| c["sha256"].as_str());
        keep.extend(hashes.map(str::to_owned));
    }
    Ok(keep)
}
