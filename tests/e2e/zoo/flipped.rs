//! A real plugin with flipped bits, as a bad disk or a broken transfer leaves it.

use super::{TEXT_MAX, lying};
use crate::harness::Place;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers from a seed, by splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// A copy with one to sixteen flipped bits.
fn flipped(whole: &[u8], seed: u64) -> Vec<u8> {
    let (mut bytes, mut numbers) = (whole.to_vec(), Numbers(seed));
    for _ in 0..=numbers.below(16) {
        let place = numbers.below(bytes.len());
        bytes[place] ^= 1 << numbers.below(8);
    }
    bytes
}

#[test]
fn flipped_bits_give_a_usable_plugin_or_a_named_one() {
    let count = 200;
    let whole = lying("nothing");
    let (next, tally) = (AtomicU64::new(0), Mutex::new(BTreeMap::<String, usize>::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let place = Place::with_plugins(&[]);
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= count {
                        break;
                    }
                    let outcome = probe(&place, &flipped(&whole, seed), seed);
                    *tally.lock().unwrap().entry(outcome).or_default() += 1;
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    eprintln!("{count} plugins with flipped bits: {tally:?}");
    assert_eq!(tally.values().sum::<usize>() as u64, count);
    // Most bits matter to nobody who only asks.
    assert!(tally.get("usable").is_some_and(|usable| *usable as u64 > count / 4), "{tally:?}");
}

/// What listing makes of a library: `usable`, or the kind of failure.
fn probe(place: &Place, bytes: &[u8], seed: u64) -> String {
    let file = place.write("flipped/libablate_liar.so", bytes);
    let arguments = ["plugins", "list", "--format", "json", "--folder", file.to_str().unwrap()];
    let mut command = place.command(&arguments);
    command.env("ABLATE_PROBE_TIMEOUT", "5");
    let answer = place.answer(command).expect(0);
    let json = answer.json();
    let [plugins, broken] = ["plugins", "broken"].map(|key| json[key].as_array().unwrap());
    match (plugins.as_slice(), broken.as_slice()) {
        ([_], []) => "usable".to_owned(),
        ([], [broken]) => {
            let message = broken["message"].as_str().unwrap();
            assert_eq!(broken["library"], file.to_str().unwrap());
            assert!(!message.is_empty() && message.len() < TEXT_MAX, "seed {seed}: {message}");
            assert!(!message.contains("panicked at host"), "seed {seed}: {message}");
            assert!(answer.stderr.len() < TEXT_MAX, "seed {seed}: {}", answer.stderr);
            broken["kind"].as_str().unwrap().to_owned()
        }
        _ => panic!("seed {seed}: {json}"),
    }
}
