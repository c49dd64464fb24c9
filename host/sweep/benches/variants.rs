//! How long it takes to list and resolve a thousand variants of the pooling experiment, in one
//! thread. It is meant to stay far below 60 ms, since every command that plans a sweep does it.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it measures")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use ablate_config::{Layers, load};
use ablate_sweep::expand;

#[path = "../tests/catalog/components.rs"]
mod components;

const ROUNDS: usize = 15;
const TENTHS: &str = "[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1]";

fn main() {
    let schemas = components::Components::read();
    let experiment = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/pooling");
    let grid = format!(
        "sweep.grid={{ 'train.optimizer.learning_rate' = {TENTHS}, 'loss.commitment.weight' = \
         {TENTHS}, 'model.latent_dim' = [32, 96, 128, 160, 192, 224, 256, 288, 320, 352] }}"
    );
    let random = "sweep.random={ count = 1000, 'train.optimizer.learning_rate' = { log_uniform = \
                  [1e-5, 1e-2] }, 'model.decay' = { uniform = [0.5, 1.0] }, \
                  'model.pooling.hidden' = { log_int_uniform = [8, 512] } }";
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("named.toml");
    let mut text = format!("extends = '{}/experiment.toml'\n", experiment.display());
    for index in 0..1000 {
        write!(
            text,
            "[[sweep.variant]]\nname = 'v{index}'\nset = {{ 'model.dead_code_warmup' = {index} }}\n"
        )
        .unwrap();
    }
    fs_err::write(&named, text).unwrap();
    let cases = [
        ("grid", &experiment, Some(grid.as_str())),
        ("random", &experiment, Some(random)),
        ("named", &named, None),
    ];
    for (what, experiment, argument) in cases {
        let overrides = argument.into_iter().map(str::to_owned).collect();
        let layers = Layers { overrides, ..Layers::default() };
        let mut times = Vec::with_capacity(ROUNDS);
        let mut variants = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let experiment = load(experiment, &layers).unwrap();
            let loaded = start.elapsed();
            let start = Instant::now();
            let expanded = expand(&experiment, &schemas).unwrap();
            times.push((loaded, start.elapsed()));
            variants = expanded.len();
        }
        let sorted = |pick: fn(&(Duration, Duration)) -> Duration| {
            let mut picked: Vec<Duration> = times.iter().map(pick).collect();
            picked.sort();
            (picked[0], picked[ROUNDS / 2])
        };
        let (load, expand) = (sorted(|time| time.0), sorted(|time| time.1));
        println!("{what}: {variants} variants");
        println!("  load: least {:?}, median {:?} of {ROUNDS}", load.0, load.1);
        println!("  expand and resolve: least {:?}, median {:?}", expand.0, expand.1);
    }
}
