//! A file as it is looked at before the system's linker may see it.

use std::cell::LazyCell;

use ablate_abi::v1::SYMBOL_PREFIX;
use ablate_loader::inspect;
use tempfile::TempDir;

use crate::said::chain;

thread_local! {
    static FOLDER: LazyCell<TempDir> = LazyCell::new(folder);
}

/// A folder in memory, where there is one.
pub(crate) fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.expect("a temporary folder")
}

/// Inspects a file with this content.
pub fn library(input: &[u8]) {
    FOLDER.with(|folder| {
        let path = folder.path().join("libablate_x.so");
        fs_err::write(&path, input).expect("a writable folder");
        match inspect(&path) {
            Ok(found) => {
                assert!(found.symbol.starts_with(SYMBOL_PREFIX), "{found:?}");
                assert!(found.sha256.len() == 64, "{found:?}");
                assert_eq!(inspect(&path).expect("as before"), found);
                // Nothing that says where the symbols are is left of it.
                fs_err::write(&path, &input[..input.len().min(64)]).expect("writable");
                inspect(&path).expect_err("64 bytes are no library");
            }
            Err(error) => assert!(chain(&error).contains("libablate_x.so"), "{error}"),
        }
    });
}
