//! What a plugin may say in how much time: a loop that logs must not fill the disk.

use std::collections::BTreeMap;
use std::time::Instant;

/// How many lines may come at once, and how many a second go on after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) burst: u32,
    pub(crate) per_second: u32,
}

/// The allowances of all plugins.
#[derive(Debug)]
pub(crate) struct Flood {
    allowance: Allowance,
    plugins: BTreeMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Lines that may come now.
    free: f64,
    /// When that was so.
    at: Instant,
    left_out: u64,
}

/// Whether a line may be said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may; so many before it were left out and not spoken of yet.
    Say { left_out: u64 },
    /// It is one too many.
    LeaveOut,
}

impl Flood {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self { allowance, plugins: BTreeMap::new() }
    }

    /// Judges a line that `plugin` says at `now`.
    pub(crate) fn judge(&mut self, plugin: &str, now: Instant) -> Verdict {
        let Allowance { burst, per_second } = self.allowance;
        if !self.plugins.contains_key(plugin) {
            let full = Bucket { free: f64::from(burst), at: now, left_out: 0 };
            self.plugins.insert(plugin.to_owned(), full);
        }
        let bucket = self.plugins.get_mut(plugin).expect("just put there");
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.free = (bucket.free + passed * f64::from(per_second)).min(f64::from(burst));
        bucket.at = now;
        if bucket.free < 1.0 {
            bucket.left_out += 1;
            return Verdict::LeaveOut;
        }
        bucket.free -= 1.0;
        Verdict::Say { left_out: std::mem::take(&mut bucket.left_out) }
    }

    /// Plugins with lines that were left out and not spoken of, and how many; none from then on.
    pub(crate) fn silenced(&mut self) -> Vec<(String, u64)> {
        let silenced = self.plugins.iter_mut().filter(|(_, bucket)| bucket.left_out > 0);
        silenced.map(|(name, b)| (name.clone(), std::mem::take(&mut b.left_out))).collect()
    }
}

/// The beginning of a text that is too long, with how much follows.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{} … ({} more bytes)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second_for_each_plugin() {
        let mut flood = Flood::new(Allowance { burst: 3, per_second: 2 });
        let start = Instant::now();
        let mut say = |plugin, after_ms| {
            flood.judge(plugin, start + Duration::from_millis(after_ms)) != Verdict::LeaveOut
        };
        assert_eq!([0; 5].map(|at| say("a", at)), [true, true, true, false, false]);
        // Another plugin does not suffer from it.
        assert!(say("b", 0));
        // Half a second is one line.
        assert_eq!([500, 501].map(|at| say("a", at)), [true, false]);
        // However long it was silent, no more than a burst.
        assert_eq!([90_000; 4].map(|at| say("a", at)), [true, true, true, false]);
    }

    #[test]
    fn what_was_left_out_is_counted_once() {
        let mut flood = Flood::new(Allowance { burst: 1, per_second: 1 });
        let start = Instant::now();
        assert_eq!(flood.judge("a", start), Verdict::Say { left_out: 0 });
        for _ in 0..7 {
            assert_eq!(flood.judge("a", start), Verdict::LeaveOut);
        }
        let later = start + Duration::from_secs(1);
        assert_eq!(flood.judge("a", later), Verdict::Say { left_out: 7 });
        assert_eq!(flood.judge("a", later), Verdict::LeaveOut);
        assert_eq!(flood.silenced(), [("a".to_owned(), 1)]);
        assert_eq!(flood.silenced(), []);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("häuser", 10), "häuser");
        assert_eq!(shortened("häuser", 2), "h … (6 more bytes)");
    }
}
