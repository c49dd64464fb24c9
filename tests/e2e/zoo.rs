//! The zoo: libraries that are broken, that lie, or that end the process, one test each.
//!
//! `load` has what goes wrong before a plugin can be asked anything, `run` what goes wrong in a
//! trial, `flipped` what a bad disk makes of a good plugin. Every case is held to the same: its kind
//! is told, in less than a kilobyte that names file or plugin; the exit code is that of a failure;
//! and whoever does not need the plugin does not notice.

mod flipped;
mod load;
mod run;

use crate::harness::library;
use fs_err as fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The longest text about one failure.
const TEXT_MAX: usize = 1000;

/// The library of the plugin that lies, telling this lie while it is opened.
fn lying(lie: &str) -> Vec<u8> {
    const MARK: &[u8] = b"the lie of this library: ";
    let mut bytes = fs::read(library("liar")).unwrap();
    let found = bytes.windows(MARK.len()).filter(|window| *window == MARK).count();
    assert_eq!(found, 1, "the library has one lie");
    let start = bytes.windows(MARK.len()).position(|window| window == MARK).unwrap() + MARK.len();
    let room = 64 - MARK.len();
    bytes[start..start + room].copy_from_slice(format!("{lie:<room$}").as_bytes());
    bytes
}

/// The bytes with every `from` replaced by `to`, which is as long; there is at least one.
fn replaced(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|start| bytes[*start..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "`{from}` is not in the library");
    for start in places {
        bytes[start..start + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Compiles C into a file.
fn compile(source: &str, file: &Path, options: &[&str]) {
    let input = file.with_extension("c");
    fs::write(&input, source).unwrap();
    let mut command = Command::new("cc");
    let output = command.arg(&input).arg("-o").arg(file).args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(input).unwrap();
}

/// Builds a copy of the plugin that lies against a copy of the border, in which `from` in `file` was
/// replaced by `to`, with these further arguments for cargo; gives the library's bytes.
///
/// It shares its folder of build outputs with the plugin `plain`, so that what does not change is
/// built once.
fn built(folder: &Path, change: Option<(&str, &str, &str)>, arguments: &[&str]) -> Vec<u8> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    copy(&root.join("plugins/abi/src"), &folder.join("abi/src"));
    copy(&root.join("tests/fixtures/liar/src"), &folder.join("liar/src"));
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n")
    };
    let stable = "abi_stable = { version = \"=0.11.3\", default-features = false }\n";
    let manifest = format!("{}[dependencies]\n{stable}", package("ablate-abi"));
    fs::write(folder.join("abi/Cargo.toml"), manifest).unwrap();
    let manifest = format!(
        "{}[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n[dependencies]\n{stable}\
         ablate-abi = {{ path = \"../abi\" }}\nserde_json = \"1\"\n\
         [profile.release]\nlto = true\ncodegen-units = 1\nstrip = \"symbols\"\n",
        package("ablate-liar")
    );
    fs::write(folder.join("liar/Cargo.toml"), manifest).unwrap();
    let lock = fs::read_to_string(root.join("tests/fixtures/plain/Cargo.lock")).unwrap();
    let lock = lock.replace("name = \"ablate-plain\"", "name = \"ablate-liar\"");
    fs::write(folder.join("liar/Cargo.lock"), lock).unwrap();
    if let Some((file, from, to)) = change {
        let file = folder.join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` is not in {}", file.display());
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
    }
    let program = std::env::current_exe().unwrap();
    // …/target/release/deps/e2e-….
    let target = program.ancestors().nth(3).unwrap().join("plain");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--offline", "--quiet", "--manifest-path"])
        .arg(folder.join("liar/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(target.join("release/libablate_liar.so")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}
