//! Records the compiler and the target, which a plugin reports about itself.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.split_whitespace().nth(1).map(ToOwned::to_owned))
        .unwrap_or_else(|| "unknown".to_owned());
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo::rustc-check-cfg=cfg(nightly)");
    if version.contains("nightly") {
        println!("cargo::rustc-cfg=nightly");
    }
    println!("cargo::rustc-env=ABLATE_RUSTC={version}");
    println!("cargo::rustc-env=ABLATE_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
}
