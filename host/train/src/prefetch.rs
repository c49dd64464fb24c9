//! Batches made ahead by threads and taken in order, so that results do not depend on the number of threads.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// What the threads make, in the order of the jobs. Dropping it waits for what is being made and no longer.
pub(crate) struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    /// A worker may have something to do.
    room: Condvar,
    /// Something was made.
    ready: Condvar,
}

struct Queue<T> {
    /// Gives each job with its work; `None` when there are no more.
    jobs: Jobs<T>,
    /// Jobs given out.
    started: u64,
    /// Results taken.
    taken: u64,
    made: BTreeMap<u64, Result<T, Box<dyn Any + Send>>>,
    /// No more jobs will be given out.
    closed: bool,
    ahead: u64,
}

type Work<T> = Box<dyn FnOnce() -> T + Send>;
type Jobs<T> = Box<dyn Iterator<Item = Work<T>> + Send>;

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `workers` threads that make at most `ahead` results before they are asked for.
    pub(crate) fn new<J: Send + 'static>(
        jobs: impl Iterator<Item = J> + Send + 'static,
        make: impl Fn(J) -> T + Send + Sync + 'static,
        workers: usize,
        ahead: usize,
    ) -> std::io::Result<Self> {
        let make = Arc::new(make);
        let jobs = jobs.map(move |job| {
            let make = make.clone();
            Box::new(move || make(job)) as Work<T>
        });
        let queue = Queue {
            jobs: Box::new(jobs),
            started: 0,
            taken: 0,
            made: BTreeMap::new(),
            closed: false,
            ahead: ahead.max(1) as u64,
        };
        let shared = Shared { queue: queue.into(), room: Condvar::new(), ready: Condvar::new() };
        let mut prefetch = Self { shared: Arc::new(shared), workers: Vec::new() };
        for worker in 0..workers.clamp(1, ahead.max(1)) {
            let shared = prefetch.shared.clone();
            let builder = Builder::new().name(format!("batches-{worker}"));
            prefetch.workers.push(builder.spawn(move || shared.work())?);
        }
        Ok(prefetch)
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut queue = self.shared.lock();
        loop {
            let wanted = queue.taken;
            if let Some(made) = queue.made.remove(&wanted) {
                queue.taken += 1;
                drop(queue);
                self.shared.room.notify_all();
                return Some(made.unwrap_or_else(|payload| resume_unwind(payload)));
            }
            if queue.closed && queue.started == queue.taken {
                return None;
            }
            queue = self.shared.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            while !queue.closed && queue.started - queue.taken >= queue.ahead {
                queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if queue.closed {
                return;
            }
            let Some(job) = queue.jobs.next() else {
                queue.closed = true;
                drop(queue);
                self.room.notify_all();
                self.ready.notify_all();
                return;
            };
            let ticket = queue.started;
            queue.started += 1;
            drop(queue);
            let made = catch_unwind(AssertUnwindSafe(job));
            queue = self.lock();
            queue.made.insert(ticket, made);
            self.ready.notify_all();
        }
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // Panics of the work are caught and belong to its result.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prefetch;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    #[test]
    fn results_come_in_order_whoever_is_faster() {
        for workers in [1, 2, 5] {
            let slow_first = |job: u64| {
                sleep(Duration::from_millis(if job.is_multiple_of(3) { 4 } else { 0 }));
                job * job
            };
            let prefetch = Prefetch::new(0..30, slow_first, workers, 4).unwrap();
            assert!(prefetch.eq((0..30).map(|job| job * job)), "{workers} workers");
        }
    }

    #[test]
    fn makes_no_more_ahead_than_asked() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let count = move |_| counter.fetch_add(1, Ordering::SeqCst);
        let mut prefetch = Prefetch::new(0..100, count, 4, 3).unwrap();
        for taken in 1..=5 {
            prefetch.next().unwrap();
            let started = Instant::now();
            while made.load(Ordering::SeqCst) < taken + 3 && started.elapsed().as_secs() < 20 {
                sleep(Duration::from_millis(1));
            }
            // Time to make one too many.
            sleep(Duration::from_millis(5));
            assert_eq!(made.load(Ordering::SeqCst), taken + 3);
        }
    }

    #[test]
    fn stops_when_dropped_and_passes_errors_in_place() {
        let mut prefetch =
            Prefetch::new(0.., |job| if job == 2 { Err(job) } else { Ok(job) }, 2, 2).unwrap();
        assert_eq!([prefetch.next(), prefetch.next()], [Some(Ok(0)), Some(Ok(1))]);
        assert_eq!(prefetch.next(), Some(Err(2)));
        drop(prefetch);
    }
}
