//! What a trial costs that does nothing: the start of its process, the loading of its libraries, its
//! run on disk and its end, once in a library without Burn and once in those of the pooling
//! experiment.
//!
//! `cargo bench --workspace --bench trials` sweeps 1,000 trials of one step, one and two at once;
//! `-- 100` sweeps another number. The time of a trial is that from its start to the start of the
//! next one in its place, less the time of its one step, which a sweep of longer trials tells.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints its findings"
)]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../../tests/e2e/harness.rs"]
mod harness;
#[path = "../../../tests/e2e/plain_library.rs"]
mod plain_library;

use harness::Place;
use std::time::Instant;

// A dependency that nothing names would be left out, and with it the library that is loaded.
use {ablate_duplicate as _, ablate_fixture as _, ablate_speech as _};
use {ablate_losses as _, ablate_metrics as _, ablate_pooling as _, ablate_rqvae as _};

/// The steps of the longer trials.
const STEPS: usize = 21;

/// An experiment whose trials take one step, evaluate three batches, and end.
struct Case {
    name: &'static str,
    experiment: &'static str,
    place: fn() -> Place,
    settings: &'static [&'static str],
    /// The most that a trial may cost, in milliseconds.
    target: f64,
}

const CASES: [Case; 2] = [
    Case {
        name: "plain (no Burn)",
        experiment: "plain",
        place: || plain_library::place(&[]),
        settings: &["dataset.items=4", "train.batch_size=4"],
        target: 30.0,
    },
    Case {
        name: "pooling (five libraries)",
        experiment: "pooling",
        place: || Place::with_plugins(&["losses", "metrics", "pooling", "rqvae", "speech"]),
        settings: &[
            "dataset.items_train=4",
            "dataset.items_valid=1",
            "dataset.items_test=1",
            "train.batch_size=4",
        ],
        target: 60.0,
    },
];

fn main() {
    let count = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1000);
    println!("{count} trials of one step; milliseconds a trial");
    for case in &CASES {
        let few = count.min(50);
        let (short, long) = (sweep(case, few, 1, 1), sweep(case, few, 1, STEPS));
        let work = ((long.median - short.median) / (STEPS - 1) as f64).max(0.0);
        println!("{}: its step takes {work:.2}, target {:.0}", case.name, case.target);
        for jobs in [1, 2] {
            let Times { median, mean, rest_s } = sweep(case, count, jobs, 1);
            let (median, mean) = (median - work, mean - work);
            println!(
                "  {jobs} at once: median {median:5.1}, mean {mean:5.1}; throughput {:5.1}; plan and \
                 table {rest_s:.1} s",
                mean / jobs as f64,
            );
        }
    }
}

/// How long trials took in their place, and everything around them.
struct Times {
    median: f64,
    mean: f64,
    rest_s: f64,
}

fn sweep(case: &Case, count: usize, jobs: usize, steps: usize) -> Times {
    let place = (case.place)();
    let seeds: Vec<String> = (0..count).map(|seed| seed.to_string()).collect();
    let seeds = format!("sweep.seeds=[{}]", seeds.join(","));
    let (jobs_text, steps) = (jobs.to_string(), format!("train.total_steps={steps}"));
    let mut arguments = vec!["sweep", case.experiment, "--jobs", &jobs_text];
    // What ends a trial is part of it; what longer ones do on their way is not.
    let rarely = ["train.eval_every_steps=1000", "train.checkpoint_every_steps=1000"];
    arguments.extend([seeds.as_str(), "sweep.variant=[]", &steps]);
    arguments.extend(rarely);
    arguments.extend(case.settings);
    let experiment = place.path(&format!("{}/experiment.toml", case.experiment));
    let text = fs_err::read_to_string(&experiment).unwrap();
    // One form of the duration, which the command line sets.
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("total_epochs")).collect();
    fs_err::write(experiment, text.join("\n")).unwrap();
    let start = Instant::now();
    place.ablate(&arguments).expect(0);
    let whole_s = start.elapsed().as_secs_f64();
    let mut created: Vec<u64> = place.runs().iter().map(|run| created_ms(&run.id)).collect();
    created.sort_unstable();
    assert_eq!(created.len(), count);
    let mut cycles: Vec<f64> =
        created.iter().zip(&created[jobs..]).map(|(one, next)| (next - one) as f64).collect();
    cycles.sort_by(f64::total_cmp);
    let between = (created[count - 1] - created[0]) as f64;
    let mean = between * jobs as f64 / (count - 1) as f64;
    Times { median: cycles[cycles.len() / 2], mean, rest_s: whole_s - between / 1e3 }
}

/// A UUIDv7 begins with 48 bits of milliseconds.
fn created_ms(id: &str) -> u64 {
    u64::from_str_radix(&id.replace('-', "")[..12], 16).unwrap()
}
