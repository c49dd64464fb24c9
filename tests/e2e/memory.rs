//! The border under tools that watch memory: valgrind, an allocator that scribbles, one that marks
//! what it gave out, and a library by another compiler that lays out Rust's own types otherwise.

use crate::harness::{Place, slow};
use crate::plain_library;
use fs_err as fs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All that a plugin can be asked under valgrind's eyes, in one process, as `ablate plugins check`
/// has it done: make, forward, backward, step, save, load, drop, misuse, hundreds of times.
#[test]
fn valgrind_finds_no_error_and_no_leak_at_the_border() {
    if !slow() || !exists("valgrind") {
        return;
    }
    let place = plain_library::place(&[]);
    let request = json!({
        "library": place.path("plugins/libablate_plain.so"), "others": [], "only": null,
        "configurations": null, "cache": place.path("home"), "done": null, "given_up": [],
    });
    let log = place.path("valgrind.log");
    let ablate = place.command(&["__conform"]);
    let mut command = Command::new("valgrind");
    for (name, value) in ablate.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command
        .args(["--leak-check=full", "--show-leak-kinds=definite", "--error-exitcode=99"])
        .args(["--errors-for-leak-kinds=definite", "--num-callers=30"])
        .arg(format!("--log-file={}", log.display()))
        .arg(ablate.get_program())
        .args(ablate.get_args())
        .current_dir(place.path(""))
        .stdin(file(&place.write("request.json", request.to_string())))
        .output()
        .unwrap();
    let found = fs::read_to_string(&log).unwrap();
    assert_eq!(output.status.code(), Some(0), "{found}");
    assert!(found.contains("ERROR SUMMARY: 0 errors"), "{found}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().last(), Some("\"done\""), "{stdout}");
    let passed = |check: &str| stdout.lines().any(|line| is_passed(line, check));
    for check in ["gradients", "contexts", "saving", "misuse", "batches", "parts"] {
        assert!(passed(check), "`{check}` did not pass under valgrind:\n{stdout}");
    }
}

fn file(path: &Path) -> Stdio {
    fs::File::open(path).unwrap().into_parts().0.into()
}

fn is_passed(line: &str, check: &str) -> bool {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return false };
    let finished = &line["event"]["finished"]["check"];
    finished["name"] == check && finished["outcome"] == "passed"
}

/// Memory that nobody wrote has other content in each run, and every `free` is checked: whoever
/// reads what he did not write, or what he gave back, gets other results or none.
#[test]
fn results_do_not_depend_on_what_was_in_memory() {
    let library = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64"]
        .map(|folder| Path::new(folder).join("libc_malloc_debug.so.0"))
        .into_iter()
        .find(|library| library.exists());
    let results = |scribble: Option<&str>| {
        let place = Place::new();
        let mut command = place.command(&["run", "pooling"]);
        if let Some(byte) = scribble {
            command.env("MALLOC_PERTURB_", byte).env("MALLOC_CHECK_", "3");
            // Since version 2.34 glibc keeps its checks in a library of their own.
            if let Some(library) = &library {
                command.env("LD_PRELOAD", library);
            }
        }
        place.answer(command).expect(0);
        let runs = place.runs();
        assert_eq!((runs.len(), runs[0].status()), (1, "done"));
        (runs[0].measurements.clone(), runs[0].result["finals"].to_string())
    };
    let expected = results(None);
    assert_eq!(results(Some("165")), expected);
    assert_eq!(results(Some("90")), expected);
}

/// A library whose memory is marked, and one by a nightly compiler whose own types are laid out at
/// random: neither frees what the other side allocated, nor knows how it is laid out.
#[test]
fn a_library_with_another_allocator_and_another_compiler_trains_alike() {
    if !slow() {
        return;
    }
    let expected = finals(&plain_library::place(&[]));
    let mut builds = vec![("stable", Vec::new(), "")];
    if has_nightly() {
        builds.push(("nightly", vec!["+nightly"], "-Zrandomize-layout -Zlayout-seed=7"));
    }
    for (name, toolchain, flags) in builds {
        let place = plain_library::place(&[]);
        let library = place.path("plugins/libablate_plain.so");
        fs::remove_file(&library).unwrap();
        fs::copy(marked(name, &toolchain, flags), &library).unwrap();
        let found = finals(&place);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            // Another compiler may round otherwise.
            assert!(
                (found - expected).abs() <= 1e-4 * expected.abs(),
                "{name}: {found} {expected}"
            );
        }
    }
}

/// What the trials of the plain experiment measured at last, conformance checks included.
fn finals(place: &Place) -> Vec<f64> {
    place.ablate(&["plugins", "check", "plugins/libablate_plain.so"]).expect(0);
    place.ablate(&["sweep", "plain"]).expect(0);
    let runs = place.runs();
    assert_eq!(runs.len(), 4);
    let finals = runs.iter().flat_map(|run| {
        assert_eq!(run.status(), "done");
        let finals = run.result["finals"].as_array().unwrap().clone();
        finals.into_iter().map(|measured| measured["value"].as_f64().unwrap())
    });
    finals.collect()
}

fn has_nightly() -> bool {
    let found = Command::new("cargo").args(["+nightly", "--version"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped in part: no nightly compiler");
    }
    found
}

/// The fixture `canary`, built by a toolchain with these flags.
fn marked(name: &str, toolchain: &[&str], flags: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/canary/Cargo.toml")
        .canonicalize()
        .unwrap();
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap().join(format!("canary-{name}"));
    let mut command = Command::new("cargo");
    let output = command
        .args(toolchain)
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        // The toolchain of the tests would win over the one that is asked for.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env("RUSTFLAGS", flags)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("release/libablate_canary.so")
}

fn exists(program: &str) -> bool {
    let exists = Command::new(program).arg("--version").output().is_ok();
    if !exists {
        eprintln!("skipped: no {program}");
    }
    exists
}
