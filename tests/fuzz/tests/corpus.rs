//! The inputs that fuzzing found to matter, through the same functions, and small changes of them.

use ablate_fuzz::TARGETS;
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Changed inputs per input of the corpus.
const CHANGES: u64 = 150;

/// All of the corpus, in bytes.
const LARGEST: usize = 100_000;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("readable"))).collect()
}

/// Runs an input where a panic says which one it was.
fn run(target: &ablate_fuzz::Target, name: &str, input: &[u8]) {
    let ran = std::panic::catch_unwind(|| (target.run)(input));
    let shown = String::from_utf8_lossy(input);
    assert!(ran.is_ok(), "target `{}`, {name}:\n{shown}\n{input:?}", target.name);
}

#[test]
fn every_input_of_the_corpus_holds() {
    let mut total = 0;
    for target in &TARGETS {
        let inputs = corpus(target.name);
        assert!(inputs.len() >= 5, "{} inputs for `{}`", inputs.len(), target.name);
        for (file, input) in inputs {
            total += input.len();
            run(target, &file.display().to_string(), &input);
        }
        run(target, "nothing", &[]);
    }
    assert!(total <= LARGEST, "the corpus has {total} bytes, at most {LARGEST} belong here");
}

#[test]
fn every_small_change_of_the_corpus_holds() {
    for target in &TARGETS {
        let inputs = corpus(target.name);
        for (position, (file, input)) in inputs.iter().enumerate() {
            for change in 0..CHANGES {
                let mut random = Random((position as u64) << 32 | change);
                let changed = changed(input, &inputs[random.below(inputs.len())].1, &mut random);
                run(target, &format!("{}, change {change}", file.display()), &changed);
            }
        }
    }
}

/// The input with some bytes overwritten, left out, put in, or taken from another one.
fn changed(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(changed.len() + 1);
        let end = (at + random.below(16)).min(changed.len());
        match random.below(5) {
            0 => changed.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next() as u8),
            1 => changed
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= 1 << (random.next() % 8)),
            2 => drop(changed.drain(at..end)),
            3 => {
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                changed.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let again = changed[at..end].to_vec();
                changed.splice(at..at, again);
            }
        }
    }
    changed
}

/// The same numbers everywhere (SplitMix64, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }
}
