//! The plugin that needs neither Burn nor the SDK: built when a test first asks for it, and a small
//! experiment with it, whose trials take as long as a test wants.

use crate::harness::Place;
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Two variants, two seeds, 80 steps a trial; a few milliseconds each unless `dataset.sleep_ms`
/// says otherwise.
const EXPERIMENT: &str = r#"question = "Does a learned gain in front help a linear model?"

[plugins]
folders = ["../plugins"]

[dataset]
use = "plain-points"
jitter = 0.05

[model]
use = "plain-linear"

[loss.error]
use = "plain-mse"

[metric.r2]
use = "plain-r2"
objective = true

[train]
total_epochs = 20
batch_size = 8
optimizer = { use = "adamw", learning_rate = 0.05 }

[sweep]
seeds = [0, 1]
base_name = "straight"

[[sweep.variant]]
name = "gain"
set = { "model.front" = { use = "plain-gain" } }
"#;

/// A place with this plugin, with `others` that were built beside this program, and with the
/// experiment `plain`.
pub(crate) fn place(others: &[&str]) -> Place {
    let place = Place::with_plugins(others);
    let file = place.path("plugins/libablate_plain.so");
    if fs::hard_link(library(), &file).is_err() {
        fs::copy(library(), &file).unwrap();
    }
    place.write("plain/experiment.toml", EXPERIMENT);
    place
}

/// The library, built once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| outside("plain"))
}

/// The library of a fixture that is a workspace of its own, built by its own manifest into a folder
/// beside those of this workspace.
///
/// Cargo locks that folder, so that test programs which run at the same time build it once. What
/// it is built from is in its lock file and was fetched with the dependencies of this workspace.
pub(crate) fn outside(fixture: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../tests/fixtures/{fixture}/Cargo.toml"))
        .canonicalize()
        .unwrap();
    let program = std::env::current_exe().unwrap();
    // …/target/release/deps/e2e-….
    let target = program.ancestors().nth(3).unwrap().join(fixture);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join(format!("release/libablate_{}.so", fixture.replace('-', "_")))
}
