//! Scores a system's RTTM against a reference, each a file or a folder of files: `der REFERENCE SYSTEM [UEM]`. Prints the
//! rates and how long reading and scoring took; `der.py` does the same with pyannote.metrics.
#![allow(clippy::print_stdout, reason = "an example prints")]

use ablate_diarization::{ErrorTime, Jaccard, Pairing, Rttm, Scoring, Uem, pair, score};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn files(path: &Path, ending: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs_err::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|own| own == ending)).collect())
}

fn rttm(path: &str) -> Result<Rttm, Box<dyn Error>> {
    let mut all = Rttm::default();
    for file in files(path.as_ref(), "rttm")? {
        all.extend(Rttm::read(&file)?);
    }
    Ok(all)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reference, system, rest @ ..] = &arguments[..] else {
        return Err("usage: der REFERENCE SYSTEM [UEM]".into());
    };
    let begin = Instant::now();
    let (reference, system) = (rttm(reference)?, rttm(system)?);
    let mut uem = Uem::default();
    for path in rest {
        for file in files(path.as_ref(), "uem")? {
            uem.extend(Uem::read(&file)?);
        }
    }
    let read = begin.elapsed();
    let begin = Instant::now();
    let (mut time, mut jaccard) = (ErrorTime::default(), Jaccard::default());
    for (own, other) in pair(reference.recordings(), system.recordings(), &Pairing::default())? {
        let other = other.map_or(&[][..], |other| system.turns(other));
        let one = score(reference.turns(own), other, uem.region(own), Scoring::default());
        time += one.time;
        jaccard += one.jaccard;
    }
    let scored = begin.elapsed();
    let percent = |part: f64| 100.0 * part / time.total;
    println!(
        "DER {:.3} %: missed {:.3}, false alarm {:.3}, confusion {:.3}; JER {:.3} %; {:.2} h of speech",
        percent(time.missed + time.false_alarm + time.confusion),
        percent(time.missed),
        percent(time.false_alarm),
        percent(time.confusion),
        100.0 * jaccard.error_rate().unwrap_or(f64::NAN),
        time.total / 3600.0,
    );
    println!("read in {:.3} s, scored in {:.3} s", read.as_secs_f64(), scored.as_secs_f64());
    Ok(())
}
