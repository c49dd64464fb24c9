//! Reading the measurements of a run one by one.

use std::io::{BufRead, BufReader, ErrorKind};

use ablate_runs::{Measurement, Run};
use fs_err as fs;

use crate::Error;

/// Calls `take` for every measurement in the order of writing, with one in memory at a time; gives their number. A last
/// line that a crash tore, or that is being written, is left out, as by [`Run::measurements`].
pub(crate) fn each(
    run: &Run,
    mut take: impl FnMut(&Measurement) -> Result<(), Error>,
) -> Result<u64, Error> {
    let path = run.folder().join("measurements.jsonl");
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let mut count = 0;
    loop {
        line.clear();
        file.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(count);
        }
        let measurement = serde_json::from_slice(&line).map_err(|source| {
            ablate_runs::Error::Line { path: path.clone(), line: count as usize + 1, source }
        })?;
        take(&measurement)?;
        count += 1;
    }
}
