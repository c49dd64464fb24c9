//! What a run writes down about how it was made.

use crate::located::Located;
use ablate_train::RESULTS_REV;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;

/// Versions, machine and code state; the same for all trials of one call.
pub(crate) fn surroundings(experiment: &Path, overrides: &[String]) -> Value {
    let environment: Map<String, Value> = std::env::vars()
        .filter(|(name, _)| name.starts_with("ABLATE_"))
        .map(|(name, value)| (name, Value::from(value)))
        .collect();
    json!({
        "ablate": env!("CARGO_PKG_VERSION"),
        "results_rev": RESULTS_REV,
        "experiment_file": experiment.display().to_string(),
        "overrides": overrides,
        "environment": environment,
        "machine": machine(),
        "git": git(experiment),
    })
}

/// The plugins behind `components`, each once.
pub(crate) fn plugins(components: &[Located]) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for component in components {
        let entry = json!({
            "name": component.plugin, "version": component.version,
            "library": component.library, "sha256": component.sha256,
        });
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    Value::Array(list)
}

fn machine() -> Value {
    let read = |path: &str| fs_err::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo").lines().find_map(|line| {
        line.strip_prefix("model name")?.split_once(':').map(|(_, v)| v.trim().to_owned())
    });
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "cpu": cpu,
        "cores": cores(),
    })
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Commit and uncommitted changes of the repository around the experiment, if there is one.
fn git(experiment: &Path) -> Value {
    let folder =
        experiment.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = ask(&["rev-parse", "HEAD"]) else { return Value::Null };
    let changed = ask(&["status", "--porcelain"]).unwrap_or_default();
    json!({
        "commit": commit,
        "changed_files": changed.lines().collect::<Vec<_>>(),
        "diff": ask(&["diff", "HEAD"]).filter(|diff| !diff.is_empty() && diff.len() < 1 << 20),
    })
}

/// The most memory that this process had resident, in bytes, where the system tells.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
