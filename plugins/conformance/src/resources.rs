//! Memory and threads: what a component keeps, and how much of the machine it takes.

use crate::drive::{Made, TRAIN, forward};
use crate::subject::{Extent, Subject};
use crate::verdict::{Answer, Stop, fail, skip};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Cycles of create, forward, backward and drop before memory is read, so that allocators and
/// pools have what they want, and between two readings.
const CYCLES: usize = 100;
/// Readings: an allocator's memory grows in jumps and then stays, a leak grows every time.
const READINGS: usize = 6;
/// Bytes that the cycles between two readings may keep.
const GROWTH: u64 = 1 << 20;
/// How often at most, where too many run.
const BURSTS: usize = 8;

/// How long threads are watched.
const BURST: Duration = Duration::from_millis(600);
/// How long a check may take before it makes do with fewer cycles.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `cycle` often and says how much memory it kept.
pub(crate) fn memory(mut cycle: impl FnMut(usize) -> Result<(), Stop>) -> Answer {
    if resident().is_none() {
        return skip("not exercised: resident memory can be read on Linux only");
    }
    let (start, mut before) = (Instant::now(), None);
    let mut grown = Vec::new();
    for index in 0..=READINGS {
        for cycle_index in 0..CYCLES {
            cycle(cycle_index)?;
            if start.elapsed() > PATIENCE {
                let run = index * CYCLES + cycle_index + 1;
                return skip(format!("not exercised: {run} cycles took {:.0?}", start.elapsed()));
            }
        }
        let now = resident().unwrap_or_default();
        if let Some(before) = before {
            let more = now.saturating_sub(before);
            if more <= GROWTH {
                let cycles = (index + 1) * CYCLES;
                return Ok(format!("{} kB more after {CYCLES} of {cycles} cycles", more / 1024));
            }
            grown.push(more);
        }
        before = Some(now);
    }
    let each = grown.iter().sum::<u64>() / (grown.len() * CYCLES) as u64;
    fail(format!("cycles keep {each} bytes each: {grown:?} bytes for every {CYCLES} cycles"))
}

/// Repeats `work` and compares the time of all threads with the time on the wall.
pub(crate) fn threads(threads: u32, mut work: impl FnMut() -> Result<(), Stop>) -> Answer {
    if used().is_none() {
        return skip("not exercised: processor time can be read on Linux only");
    }
    // Once before, so that pools are there and caches are full.
    work()?;
    // Whoever else is in the process may happen to run just then, but not every time.
    let mut answer = burst(threads, &mut work);
    for _ in 1..BURSTS {
        if !matches!(answer, Err(Stop::Failed(_))) {
            break;
        }
        answer = burst(threads, &mut work);
    }
    answer
}

/// One measurement.
fn burst(threads: u32, work: &mut impl FnMut() -> Result<(), Stop>) -> Answer {
    let (start, before) = (Instant::now(), used().unwrap_or_default());
    let sampler = Sampler::start();
    while start.elapsed() < BURST {
        work()?;
    }
    let wall = start.elapsed().as_secs_f64();
    let running = sampler.mean();
    let spent = used().unwrap_or_default().saturating_sub(before).as_secs_f64();
    let (share, allowed) = (spent / wall, f64::from(threads) * 1.1);
    // Ticks are hundredths of a second; two of them may fall on either side.
    if spent > allowed * wall + 0.04 {
        return fail(format!("{share:.2} processors on average, {threads} are allowed"));
    }
    if running > f64::from(threads) + 0.5 {
        return fail(format!("{running:.1} threads run on average, {threads} are allowed"));
    }
    Ok(format!("{share:.2} processors on average of {threads}"))
}

/// Counts threads that run or want to: on a busy machine they do not get the time that they would
/// take on an idle one.
struct Sampler {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u64, u64)>,
}

impl Sampler {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let thread = std::thread::spawn(move || {
            let (mut samples, mut running) = (0, 0);
            while !ended.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(4));
                // This thread runs while it looks.
                running += runnable().saturating_sub(1);
                samples += 1;
            }
            (samples, running)
        });
        Self { over, thread }
    }

    fn mean(self) -> f64 {
        self.over.store(true, Ordering::SeqCst);
        let (samples, running) = self.thread.join().unwrap_or_default();
        running as f64 / samples.max(1) as f64
    }
}

/// Threads of this process in state `R`.
fn runnable() -> u64 {
    let Ok(tasks) = fs_err::read_dir("/proc/self/task") else { return 0 };
    let running = tasks.filter_map(Result::ok).filter(|task| {
        let text = fs_err::read_to_string(task.path().join("stat")).unwrap_or_default();
        text.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('R'))
    });
    running.count() as u64
}

/// Resident memory in bytes.
fn resident() -> Option<u64> {
    let text = fs_err::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// Processor time of all threads of this process.
fn used() -> Option<Duration> {
    let text = fs_err::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // utime and stime, fields 14 and 15 of proc(5), in ticks of 10 ms.
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

pub(crate) fn differentiable_memory(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("memory");
    let (_, batch) = subject.ready(&mut stream)?;
    memory(|index| {
        let made = subject.create(1, "check")?;
        let mut pass = forward(&made.top, TRAIN, 0, &batch)?;
        let gradients = pass.random_gradients(&mut stream);
        // Every fourth graph is abandoned.
        if index % 4 > 0 {
            pass.backward(&gradients)?;
        }
        drop(pass);
        let live: u64 = made.live().iter().sum();
        if live > 0 { fail(format!("{live} graphs are left after cycle {index}")) } else { Ok(()) }
    })
}

pub(crate) fn differentiable_threads(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("threads");
    let (made, _): (Made, _) = subject.ready(&mut stream)?;
    let batch = subject.batch(Extent::Long, &mut stream)?;
    let mut step = 0;
    threads(subject.kit.threads, || {
        step += 1;
        let mut pass = forward(&made.top, TRAIN, step, &batch)?;
        let gradients = pass.random_gradients(&mut stream);
        pass.backward(&gradients)?;
        Ok(made.zero_grad()?)
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_kept_buffer_per_cycle_is_noticed() {
        let kept = RefCell::new(Vec::new());
        let stop = memory(|_| {
            kept.borrow_mut().push(vec![1u8; 64 << 10]);
            Ok(())
        });
        assert!(matches!(stop, Err(Stop::Failed(_))), "{stop:?}");
        let flat = memory(|_| {
            drop(std::hint::black_box(vec![1u8; 64 << 10]));
            Ok(())
        });
        assert!(flat.is_ok(), "{flat:?}");
    }

    #[test]
    fn processor_time_goes_up_with_work() {
        let before = used().expect("Linux");
        let start = Instant::now();
        let mut sum = 0u64;
        while start.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(used().expect("Linux").saturating_sub(before) >= Duration::from_millis(20));
    }
}
