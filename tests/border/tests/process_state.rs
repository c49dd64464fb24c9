//! What every library keeps for itself although all share one process: its log, its panics, its
//! pool, its random numbers.

use ablate_abi::v1::{Call, ErrorKind, Kind, NamedTensor, SharedDifferentiable, Tensor};
use ablate_border::{
    Batch, Made, SIZE, SMALL, Side, alone, block, block_with, library, parameters, step, training,
};
use ablate_loader::{Library, Loader, NoServices, Services};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a plugin logged: plugin, level, target, message.
type Line = (String, u32, String, String);

/// Services that keep what is logged.
#[derive(Clone)]
struct Listening {
    level: u32,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Listening {
    fn new(level: u32) -> Self {
        Self { level, lines: Arc::default() }
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.lines.lock().expect("no test panics with it"))
    }
}

impl Services for Listening {
    fn log(&self, plugin: &str, level: u32, target: &str, message: &str) {
        let line = (plugin.to_owned(), level, target.to_owned(), message.to_owned());
        self.lines.lock().expect("no test panics with it").push(line);
    }

    fn log_level(&self) -> u32 {
        self.level
    }

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn cache_folder(&self) -> PathBuf {
        std::env::temp_dir()
    }
}

/// A copy of a library: an image that nobody has started yet.
fn fresh(folder: &tempfile::TempDir, plugin: &str, name: &str) -> PathBuf {
    let copy = folder.path().join(format!("lib{name}.so"));
    std::fs::copy(library(plugin), &copy).expect("a copy");
    copy
}

/// The fixture in an image of its own, and what it logs.
fn listened(level: u32) -> (Arc<Library>, Listening, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let services = Listening::new(level);
    let loader = Loader::new(services.clone(), 1);
    let copy = fresh(&folder, "fixture", "listened");
    (loader.open(&copy, None).expect("it opens"), services, folder)
}

fn talkative(
    library: &Library,
    doing: &str,
    path: &str,
    inner: Option<(&SharedDifferentiable, bool)>,
) -> SharedDifferentiable {
    let config = format!(r#"{{"doing":"{doing}"}}"#);
    let (kind, name) = (Kind::BLOCK, "talkative");
    let made = Made { library, kind, name, config: &config, path };
    let slots: Vec<_> = inner.map(|(block, shared)| ("inner", block, shared)).into_iter().collect();
    made.with(&slots).expect("the block can be made")
}

fn line(level: u32, target: &str, message: &str) -> Line {
    ("fixture".to_owned(), level, target.to_owned(), message.to_owned())
}

#[test]
fn what_a_plugin_and_its_crates_log_reaches_the_host_with_name_level_and_place() {
    let _turn = alone();
    let (library, services, _folder) = listened(3);
    let pooling = talkative(&library, "log", "model.pooling", None);
    let module = "ablate_fixture::talkative";
    let here = format!("model.pooling/{module}");
    assert_eq!(services.take(), [line(3, &here, "made at model.pooling")]);
    step(&pooling, &[&pooling], &SMALL, 4).expect("a step works");
    let expected = [
        line(1, &here, "an error at step 4"),
        line(2, &here, "a warning\nof two lines"),
        line(3, &here, "information"),
        line(3, "model.pooling/a_dependency::inside", "a crate inside says something"),
        line(3, &here, "an event answer=42 name=x"),
        line(3, "model.pooling/by hand", "the host's own service"),
        // Whose thread it is, nobody knows.
        line(3, module, "from a thread"),
        line(2, module, "an event from a thread"),
    ];
    assert_eq!(services.take(), expected);
}

#[test]
fn an_image_logs_as_much_as_it_was_told_to() {
    let _turn = alone();
    let levels = |level: u32| {
        let (library, services, _folder) = listened(level);
        let pooling = talkative(&library, "log", "p", None);
        step(&pooling, &[&pooling], &SMALL, 0).expect("a step works");
        let mut levels: Vec<u32> = services.take().into_iter().map(|line| line.1).collect();
        levels.sort_unstable();
        levels
    };
    assert_eq!(levels(1), [1]);
    assert_eq!(levels(2), [1, 2, 2]);
    // Two details, and the trace.
    assert_eq!(levels(5), [1, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 5]);
}

#[test]
fn a_panic_of_a_plugins_own_thread_is_logged_with_its_place_and_harms_nobody() {
    let _turn = alone();
    let (library, services, _folder) = listened(3);
    let pooling = talkative(&library, "panic-in-thread", "model.pooling", None);
    services.take();
    step(&pooling, &[&pooling], &SMALL, 0).expect("the call goes on");
    let lines = services.take();
    let [(plugin, level, target, message)] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((plugin.as_str(), *level, target.as_str()), ("fixture", 1, "panic"));
    assert!(message.starts_with("`worker` panicked at "), "{message}");
    let first = message.lines().next().unwrap_or_default();
    assert!(first.contains("fixtures/plugin/src/talkative.rs:"), "{message}");
    assert!(first.ends_with(": a thread of the talkative block panicked"), "{message}");
}

#[test]
fn a_panic_of_a_pools_thread_comes_back_as_an_error_with_its_place() {
    let _turn = alone();
    let (library, _services, _folder) = listened(3);
    let pooling = talkative(&library, "panic-in-pool", "model.pooling", None);
    let error = step(&pooling, &[&pooling], &SMALL, 0).expect_err("the pool hands it on");
    assert_eq!(error.kind, ErrorKind::PANIC);
    assert_eq!(error.message, "the pool of the talkative block panicked");
    assert!(error.backtrace.contains("talkative.rs:"), "{}", error.backtrace);
}

#[test]
fn a_panic_inside_a_call_is_an_error_and_not_a_line_of_the_log() {
    let _turn = alone();
    let (library, services, _folder) = listened(3);
    let (kind, name, path) = (Kind::BLOCK, "misbehaving", "model.pooling");
    let made = Made { library: &library, kind, name, config: r#"{"how":"panic"}"#, path };
    let pooling = made.with(&[]).expect("the block can be made");
    let error = step(&pooling, &[&pooling], &SMALL, 0).expect_err("it panics");
    assert!(error.backtrace.contains("misbehaving.rs:"), "{}", error.backtrace);
    assert_eq!(services.take(), []);
}

/// What a drawing block draws in a call.
fn drawn(block: &SharedDifferentiable, call: Call) -> Vec<f32> {
    let output = block.forward(call, SMALL.inputs(false)).into_result().expect("it draws");
    output.outputs[0].tensor.to_vec().expect("floats")
}

#[test]
fn instances_draw_numbers_of_their_own_and_every_image_the_same_ones() {
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loader = Loader::new(NoServices, 1);
    let images = [library("fixture"), fresh(&folder, "fixture", "other")];
    let images = images.map(|path| loader.open(&path, None).expect("it opens"));
    assert_ne!(images[0].image(), images[1].image());
    let [one, other] = images.each_ref().map(|library| {
        let paths = ["model.a", "model.b"];
        let blocks = paths.map(|path| talkative(library, "draw", path, None));
        let mut all = blocks.each_ref().map(|block| drawn(block, training(3))).to_vec();
        // Another instance is at work in between.
        drawn(&blocks[1], training(4));
        all.push(drawn(&blocks[0], training(3)));
        all.push(drawn(&blocks[0], training(4)));
        let gains = parameters(&[&blocks[0], &blocks[1]]).expect("parameters can be read");
        (all, gains)
    });
    assert_eq!(one, other, "the same seed, path, purpose and step in two images");
    let (numbers, gains) = one;
    assert_ne!(numbers[0], numbers[1], "two instances");
    assert_eq!(numbers[0], numbers[2], "the same call again");
    assert_ne!(numbers[0], numbers[3], "another step");
    assert_ne!(gains[0].1, gains[1].1, "the parameters of two instances");
    // Both halves, Burn's numbers and the block's own, are drawn anew for each.
    let half = SIZE as usize / 2;
    for (left, right) in [(0, 1), (0, 3)] {
        assert_ne!(numbers[left][..half], numbers[right][..half]);
        assert_ne!(numbers[left][half..2 * half], numbers[right][half..2 * half]);
    }
}

#[test]
fn another_component_in_a_slot_does_not_shift_the_streams_around_it() {
    let _turn = alone();
    let side = Side::loaded(1);
    // Blocks that draw nothing, that draw, of this image and of another one.
    let [mixing, noisy] = ["mixing", "noisy"].map(|name| block(&side.fixture, name, "model.in"));
    let drawing = talkative(&side.fixture, "draw", "model.in", None);
    let foreign = block(&side.pooling, "attentive-stats", "model.in");
    let inner = [
        (&mixing, false),
        (&noisy, false),
        (&noisy, true),
        (&drawing, false),
        (&drawing, true),
        (&foreign, false),
    ];
    let draws = inner.map(|inner| {
        let outer = talkative(&side.fixture, "draw", "model.out", Some(inner));
        let gain = parameters(&[&outer]).expect("parameters can be read");
        (gain, [3, 4].map(|step| drawn(&outer, training(step))))
    });
    for (index, one) in draws.iter().enumerate() {
        assert_eq!(*one, draws[0], "with the inner block {index}");
    }
}

/// Threads of this process that this thread has started: they have its name as long as nobody gave them another. Those of
/// other tests come and go.
#[cfg(target_os = "linux")]
fn tasks() -> usize {
    let name = |task: &str| std::fs::read_to_string(format!("/proc/{task}/comm")).ok();
    let own = name("thread-self");
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| name(&format!("self/task/{}", task.file_name().display())));
    names.filter(|name| Some(name) == own.as_ref()).count()
}

/// Processor time of all threads of this process.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    // utime and stime, fields 14 and 15 of proc(5), in ticks of 10 ms.
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

#[cfg(target_os = "linux")]
#[test]
fn every_image_has_one_pool_of_the_size_that_the_trial_may_use() {
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for threads in [1, 2] {
        let loader = Loader::new(NoServices, threads);
        for plugin in ["pooling", "fixture", "rqvae", "losses", "metrics", "speech"] {
            let before = tasks();
            let copy = fresh(&folder, plugin, &format!("{plugin}{threads}"));
            loader.open(&copy, None).expect("it opens");
            assert_eq!(tasks() - before, threads as usize, "threads of `{plugin}`");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn training_over_several_libraries_takes_no_more_than_the_trials_threads() {
    /// Large enough that Burn would spread it over all processors.
    const LARGE: Batch = Batch { items: 32, frames: 256, size: 64 };
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loader = Loader::new(NoServices, 1);
    let open = |plugin| loader.open(&fresh(&folder, plugin, plugin), None).expect("it opens");
    let [pooling, rqvae, losses] = ["pooling", "rqvae", "losses"].map(open);
    let pooling = block_with(&pooling, "attentive-stats", "model.pooling", &[("D", 64)]);
    let (model, blocks) = ablate_border::rqvae(&rqvae, &pooling, (64, 64), "{}");
    let made = Made { library: &losses, kind: Kind::LOSS, name: "mse", config: "{}", path: "loss" };
    let loss = made.with(&[]).expect("the loss can be made");
    let work = |at: u64| {
        let parts: Vec<_> = [&model, &pooling].into_iter().chain(&blocks).collect();
        step(&model, &parts, &LARGE, at).expect("a step works");
        let frames = || {
            let values = ablate_border::numbers(32 * 256 * 64, at);
            Tensor::from_vec(values, &[32, 256, 64])
        };
        let inputs = ["prediction", "target"].map(|name| NamedTensor::new(name, frames()));
        let inputs = inputs.into_iter().collect();
        loss.forward(training(at), inputs).into_result().expect("a loss");
    };
    work(0);
    let (start, before) = (Instant::now(), used());
    for at in 1.. {
        work(at);
        if start.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    let (wall, spent) =
        (start.elapsed().as_secs_f64(), used().saturating_sub(before).as_secs_f64());
    println!("{spent:.2} s of processor time in {wall:.2} s");
    // A tenth for threads that look for work, and two ticks of the clock.
    assert!(spent <= 1.1 * wall + 0.04, "{spent} s of processor time in {wall} s");
}
