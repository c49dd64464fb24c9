//! What a run writes down about how it was made: enough to run it again, and to say what changed.

use crate::located::Located;
use crate::workplace;
use ablate_catalog::file_sha256;
use ablate_train::RESULTS_REV;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A longer diff is named by its hash only: every run keeps its own copy.
const DIFF_BYTES: usize = 256 << 10;
/// So many untracked files are listed.
const UNTRACKED: usize = 200;

/// Environment variables that can change numbers or where libraries come from; `ABLATE_…` beside.
const ENVIRONMENT: [&str; 12] = [
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LIBTORCH",
    "MALLOC_ARENA_MAX",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "RUST_MIN_STACK",
    "SLURM_JOB_ID",
    "TZ",
];

/// Parts of an instruction set by which libraries choose between ways to compute.
const FEATURES: [&str; 13] = [
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx512f",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "sve",
    "sve2",
];

/// Versions, machine and code state; the same for all trials of one call.
pub(crate) fn surroundings(experiment: &Path, overrides: &[String]) -> Value {
    surroundings_in(&workplace::home_folder(experiment.parent()), experiment, overrides)
}

fn surroundings_in(home: &Path, experiment: &Path, overrides: &[String]) -> Value {
    let file = std::path::absolute(experiment).unwrap_or_else(|_| experiment.to_owned());
    let folder = file.parent().unwrap_or(Path::new("/"));
    // The repository is asked while this program is hashed.
    let (git, program) = std::thread::scope(|scope| {
        let git = scope.spawn(|| git(folder));
        let program = program(home);
        (git.join().unwrap_or_default(), program)
    });
    json!({
        "ablate": env!("CARGO_PKG_VERSION"),
        "program": program,
        "results_rev": RESULTS_REV,
        "experiment_file": file,
        "folder": std::env::current_dir().ok(),
        "overrides": overrides,
        "environment": environment(),
        "machine": machine(),
        "git": git,
    })
}

/// The variables of this process that matter.
fn environment() -> Value {
    let matters = |name: &str| {
        ENVIRONMENT.contains(&name) || name.starts_with("ABLATE_") || name.starts_with("BURN_")
    };
    let environment: Map<String, Value> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| matters(name))
        .map(|(name, value)| (name, Value::from(value.to_string_lossy())))
        .collect();
    Value::Object(environment)
}

/// The plugins behind `components`, each once.
pub(crate) fn plugins(components: &[Located]) -> Value {
    let mut list: Vec<Value> = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for component in components {
        let key = (component.plugin.as_str(), component.sha256.as_str());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let built = &component.build;
        list.push(json!({
            "name": component.plugin, "version": component.version,
            "library": component.library, "sha256": component.sha256,
            "rustc": built.rustc, "burn": built.burn, "sdk": built.sdk,
            "target": built.target, "debug": built.debug,
        }));
    }
    Value::Array(list)
}

/// The machine that this process runs on.
fn machine() -> Value {
    let read = |path: &str| fs_err::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim())
    };
    let flags = field("flags").or_else(|| field("Features")).unwrap_or_default();
    let flags: Vec<&str> = flags.split_ascii_whitespace().collect();
    let features: Vec<&str> = FEATURES.into_iter().filter(|name| flags.contains(name)).collect();
    let memory = read("/proc/meminfo").lines().find_map(|line| {
        let kib = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        Some(kib.trim().parse::<u64>().ok()? * 1024)
    });
    let system = read("/etc/os-release")
        .lines()
        .find_map(|line| Some(line.strip_prefix("PRETTY_NAME=")?.trim_matches('"').to_owned()));
    json!({
        "host": read("/proc/sys/kernel/hostname").trim(),
        "os": std::env::consts::OS,
        "system": system,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "arch": std::env::consts::ARCH,
        "cpu": field("model name"),
        "cpu_features": features,
        "cores": cores(),
        "memory_bytes": memory,
    })
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Path and sha256 of this very program. The hash is kept under `home` until the file changes.
fn program(home: &Path) -> Value {
    let running = Path::new("/proc/self/exe");
    let Ok(path) = fs_err::read_link(running).or_else(|_| std::env::current_exe()) else {
        return Value::Null;
    };
    // Through the link: the file of this process, even if a build has put another one in its place.
    let file = if running.exists() { running.to_owned() } else { path.clone() };
    let cache = home.join("cache").join("program.json");
    let Ok(state) = fs_err::metadata(&file) else { return Value::Null };
    let state = json!({
        "device": state.dev(), "file": state.ino(), "size": state.len(),
        "modified": [state.mtime(), state.mtime_nsec()],
    });
    let known = fs_err::read(&cache).ok();
    let known = known.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let known = known.filter(|known| known["state"] == state);
    if let Some(sha256) = known.as_ref().and_then(|known| known["sha256"].as_str()) {
        return json!({ "path": path, "sha256": sha256 });
    }
    let Ok(sha256) = file_sha256(&file) else { return Value::Null };
    keep(&cache, &json!({ "state": state, "sha256": sha256 }));
    json!({ "path": path, "sha256": sha256 })
}

/// Writes a cache whole or not at all. One that cannot be written makes the next call slower.
fn keep(path: &Path, content: &Value) {
    let Some(folder) = path.parent() else { return };
    let temporary = path.with_extension(format!("json.new-{}", std::process::id()));
    let _ = fs_err::create_dir_all(folder)
        .and_then(|()| fs_err::write(&temporary, content.to_string()))
        .and_then(|()| fs_err::rename(&temporary, path));
}

/// Commit and uncommitted changes of the repository around `folder`, if there is one.
fn git(folder: &Path) -> Value {
    let status = ask_git(
        folder,
        &["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal"],
    );
    let Some(status) = status else { return Value::Null };
    let Status { commit, branch, changed, untracked } = Status::read(&status);
    let tracked = commit.is_some() && !changed.is_empty();
    let arguments = ["diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"];
    let diff = if tracked { ask_git(folder, &arguments) } else { None };
    let diff = diff.filter(|diff| !diff.is_empty());
    let sha256 = diff.as_ref().map(|diff| crate::identity::hex(&Sha256::digest(diff)));
    let more = untracked.len().saturating_sub(UNTRACKED);
    json!({
        "commit": commit,
        "branch": branch,
        "changed_files": changed,
        "untracked_files": untracked.into_iter().take(UNTRACKED).collect::<Vec<_>>(),
        "untracked_more": more,
        "diff_sha256": sha256,
        "diff_bytes": diff.as_ref().map(String::len),
        "diff": diff.filter(|diff| diff.len() <= DIFF_BYTES),
    })
}

fn ask_git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        // Looking must not write, nor wait for somebody who does.
        .args(["--no-optional-locks", "-c", "core.quotepath=off", "-C"])
        .arg(folder)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `git status --porcelain=v2 --branch -z` says.
#[derive(Debug, Default, PartialEq)]
struct Status {
    commit: Option<String>,
    branch: Option<String>,
    /// Letters of the change and the path, such as `.M src/lib.rs`.
    changed: Vec<String>,
    untracked: Vec<String>,
}

impl Status {
    fn read(text: &str) -> Self {
        let mut status = Self::default();
        let mut entries = text.split('\0');
        while let Some(entry) = entries.next() {
            // The kind, and how many fields stand before the path.
            let (kind, rest) = entry.split_once(' ').unwrap_or_default();
            let fields = match kind {
                "1" => 7,
                "2" => 8,
                "u" => 9,
                "?" => 0,
                "#" => {
                    match rest.split_once(' ') {
                        Some(("branch.oid", oid)) if oid != "(initial)" => {
                            status.commit = Some(oid.to_owned());
                        }
                        Some(("branch.head", name)) if name != "(detached)" => {
                            status.branch = Some(name.to_owned());
                        }
                        _ => {}
                    }
                    continue;
                }
                _ => continue,
            };
            let Some(path) = rest.splitn(fields + 1, ' ').nth(fields) else { continue };
            if kind == "?" {
                status.untracked.push(path.to_owned());
            } else {
                let letters = rest.split(' ').next().unwrap_or_default();
                status.changed.push(format!("{letters} {path}"));
            }
            if kind == "2" {
                // The path that it was renamed from.
                entries.next();
            }
        }
        status
    }
}

/// The folder in which a run was started; paths in its spec may be relative to it.
pub(crate) fn folder_of(manifest: &Value) -> Option<PathBuf> {
    manifest.get("folder")?.as_str().map(PathBuf::from)
}

/// The most memory that this process had resident, in bytes, where the system tells.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::{Status, git, program, surroundings_in};
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn reads_what_git_says_about_changes() {
        // One change of each kind, in the format that git-status(1) gives for porcelain version 2.
        let oid = "9a3b47891f12bbb2e02663f4a02f70651ea5329a";
        let text = format!(
            "# branch.oid {oid}\0# branch.head main\0# branch.upstream origin/main\0\
             1 .M N... 100644 100644 100644 {oid} {oid} a file\0\
             1 A. N... 000000 100644 100644 {oid} {oid} new.rs\0\
             2 R. N... 100644 100644 100644 {oid} {oid} R100 to.rs\0from.rs\0\
             u UU N... 100644 100644 100644 100644 {oid} {oid} {oid} both.rs\0\
             ? notes and plans/\0? ü.txt\0"
        );
        let expected = Status {
            commit: Some(oid.to_owned()),
            branch: Some("main".to_owned()),
            changed: [".M a file", "A. new.rs", "R. to.rs", "UU both.rs"].map(str::to_owned).into(),
            untracked: ["notes and plans/", "ü.txt"].map(str::to_owned).into(),
        };
        assert_eq!(Status::read(&text), expected);
        let initial = Status::read("# branch.oid (initial)\0# branch.head (detached)\0");
        assert_eq!(initial, Status::default());
    }

    fn run_git(folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-C"]).arg(folder);
        assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
    }

    #[test]
    fn names_the_commit_and_keeps_uncommitted_changes() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("experiments");
        fs_err::create_dir(&inside).unwrap();
        run_git(folder.path(), &["init", "--quiet"]);
        fs_err::write(folder.path().join("code.rs"), "one\n").unwrap();
        assert_eq!(git(&inside)["commit"], serde_json::Value::Null);
        run_git(folder.path(), &["add", "."]);
        run_git(folder.path(), &["commit", "--quiet", "-m", "first"]);
        let clean = git(&inside);
        assert_eq!(clean["commit"].as_str().unwrap().len(), 40);
        assert_eq!((&clean["diff"], &clean["diff_sha256"]), (&().into(), &().into()));
        fs_err::write(folder.path().join("code.rs"), "two\n").unwrap();
        fs_err::write(inside.join("new.toml"), "").unwrap();
        let dirty = git(&inside);
        assert_eq!(dirty["commit"], clean["commit"]);
        assert_eq!(dirty["changed_files"], serde_json::json!([".M code.rs"]));
        assert_eq!(dirty["untracked_files"].as_array().unwrap().len(), 1);
        let diff = dirty["diff"].as_str().unwrap();
        assert!(diff.contains("-one\n+two\n"), "{diff}");
        let outside = tempfile::tempdir().unwrap();
        assert_eq!(git(outside.path()), serde_json::Value::Null);
    }

    #[test]
    fn the_hash_of_the_program_is_kept_until_its_file_changes() {
        let home = tempfile::tempdir().unwrap();
        let first = program(home.path());
        let expected = ablate_catalog::file_sha256(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(first["sha256"], expected.as_str());
        let cache = home.path().join("cache/program.json");
        let kept = fs_err::read_to_string(&cache).unwrap();
        fs_err::write(&cache, kept.replace(&expected, "from the cache")).unwrap();
        assert_eq!(program(home.path())["sha256"], "from the cache");
        fs_err::write(&cache, kept.replace("\"size\":", "\"size\":1")).unwrap();
        assert_eq!(program(home.path()), first);
    }

    #[test]
    fn says_where_and_with_what_a_run_was_started() {
        let home = tempfile::tempdir().unwrap();
        let file = Path::new("some/experiment.toml");
        let manifest = surroundings_in(home.path(), file, &["sweep".to_owned()]);
        let folder = std::env::current_dir().unwrap();
        assert_eq!(manifest["folder"], folder.to_str().unwrap());
        let file = folder.join("some/experiment.toml");
        assert_eq!(manifest["experiment_file"], file.to_str().unwrap());
        assert!(manifest["machine"]["cores"].as_u64().unwrap() > 0);
    }
}
