//! What opening a library costs, step by step: each measurement is a process of its own, since a
//! library is mapped once in a process. `ablate` opens every library of a trial this way.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use ablate_border::library;
use ablate_loader::{Loader, Services, inspect};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Processes for each library.
const PROCESSES: usize = 31;
/// What a load may take, in milliseconds, after the first time.
const TARGET_MS: f64 = 10.0;

/// Steps of a load after the first time, as a process reports them in microseconds.
const STEPS: [&str; 5] = ["recall", "map", "layout", "init", "list"];

/// Services with a folder for what was found in libraries.
struct Caching(PathBuf);

impl Services for Caching {
    fn log(&self, _: &str, _: u32, _: &str, _: &str) {}

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn cache_folder(&self) -> PathBuf {
        self.0.clone()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, file, cache, sha256] = arguments.as_slice()
        && word == "open"
    {
        return open(Path::new(file), Path::new(cache), sha256);
    }
    println!("medians over {PROCESSES} processes, in ms; target: {TARGET_MS} after the first time");
    print!("{:<10} {:>6} {:>9} {:>9}", "plugin", "MB", "hash+", "first");
    for step in &STEPS {
        print!(" {step:>8}");
    }
    println!(" {:>8}", "total");
    for plugin in ["metrics", "speech", "losses", "fixture", "pooling", "rqvae"] {
        measure(plugin);
    }
    println!("hash+: reading, hashing and parsing the file; first: a load without anything cached");
}

/// One line of the table.
fn measure(plugin: &str) {
    let file = library(plugin);
    let megabytes = std::fs::metadata(&file).map_or(0, |data| data.len()) as f64 / 1e6;
    let cache = tempfile::tempdir().expect("a temporary folder");
    let start = Instant::now();
    let sha256 = inspect(&file).expect("a plugin").sha256;
    let hashed = start.elapsed().as_secs_f64() * 1e3;
    let first: f64 = child(&file, cache.path(), &sha256).iter().sum();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for _ in 0..PROCESSES {
        rows.push(child(&file, cache.path(), &sha256));
    }
    print!("{plugin:<10} {megabytes:>6.1} {hashed:>9.2} {first:>9.2}");
    for step in 0..STEPS.len() {
        print!(" {:>8.3}", median(rows.iter().map(|row| row[step])));
    }
    println!(" {:>8.2}", median(rows.iter().map(|row| row.iter().sum())));
}

/// The steps of one load, in milliseconds.
fn child(file: &Path, cache: &Path, sha256: &str) -> Vec<f64> {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).arg("open").arg(file).arg(cache).arg(sha256).output();
    let output = output.expect("this program starts again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

/// The side of the child.
fn open(file: &Path, cache: &Path, sha256: &str) {
    let loader = Loader::new(Caching(cache.to_path_buf()), 1);
    let library = loader.open(file, Some(sha256)).expect("it opens");
    let start = Instant::now();
    let description = library.description().expect("it describes itself");
    let list = start.elapsed();
    assert!(description.starts_with('{'));
    let took = library.took();
    for step in [took.inspect, took.map, took.check, took.init, list] {
        print!("{} ", step.as_secs_f64() * 1e3);
    }
    println!();
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
