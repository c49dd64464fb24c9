//! The contents of the files that a configuration names.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::Value;

/// The sha256 of every file that a text in `config` is the path of, in their order. What cannot be
/// read is left out: who needs it will say so.
pub(crate) fn of_files(config: &Value) -> Vec<String> {
    match config {
        Value::String(text) => hash(Path::new(text)).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(of_files).collect(),
        Value::Object(entries) => entries.values().flat_map(of_files).collect(),
        _ => Vec::new(),
    }
}

fn hash(path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let mut file = fs_err::File::open(path).ok()?;
    let mut hash = Hasher(Sha256::new());
    io::copy(&mut file, &mut hash).ok()?;
    Some(hash.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
