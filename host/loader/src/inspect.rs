//! What can be known about a library without running any of it.
//!
//! A truncated file kills the process inside the system's linker, so completeness is checked
//! before anything is mapped.

use crate::Error;
use crate::natives::Natives;
use ablate_abi::v1::SYMBOL_PREFIX;
use object::elf::PT_INTERP;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Architecture, NameOrOrdinal, Object, ObjectKind, ObjectSection};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A file that looks like a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Name of its root symbol.
    pub symbol: String,
    /// Its sha256, in hexadecimal.
    pub sha256: String,
    /// The native libraries that it names.
    pub(crate) natives: Natives,
}

impl Inspection {
    /// The plugin's name, as its root symbol says.
    pub fn plugin(&self) -> String {
        self.symbol.strip_prefix(SYMBOL_PREFIX).unwrap_or(&self.symbol).replace('_', "-")
    }
}

/// Reads the file at `path` and checks that it is a complete plugin for this machine.
///
/// # Errors
/// Names what is wrong with the file.
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let at = || path.to_path_buf();
    let not_a_library = |reason: &str| Error::NotALibrary { path: at(), reason: reason.to_owned() };
    if path.is_dir() {
        return Err(not_a_library("it is a folder"));
    }
    let bytes = fs_err::read(path).map_err(|source| Error::Read { path: at(), source })?;
    if bytes.is_empty() {
        return Err(not_a_library("the file is empty"));
    }
    check_complete(path, &bytes)?;
    let file = object::File::parse(&*bytes)
        .map_err(|error| not_a_library(&error.to_string().to_lowercase()))?;
    if file.kind() != ObjectKind::Dynamic {
        return Err(not_a_library("it is an executable or an object file"));
    }
    let expected = native_architecture();
    if file.architecture() != expected {
        let found = format!("{:?}", file.architecture());
        return Err(Error::WrongMachine { path: at(), found, expected: format!("{expected:?}") });
    }
    let exports = file.exports().map_err(|error| not_a_library(&error.to_string()))?;
    let symbol = exports
        .filter_map(Result::ok)
        .filter_map(|export| match export.name() {
            NameOrOrdinal::Name(name) => Some(String::from_utf8_lossy(name).into_owned()),
            NameOrOrdinal::Ordinal(_) => None,
        })
        // Mach-O puts an underscore before every symbol.
        .map(|name| name.strip_prefix('_').map(ToOwned::to_owned).unwrap_or(name))
        .find(|name| name.starts_with(SYMBOL_PREFIX));
    let symbol = match symbol {
        Some(symbol) => symbol,
        None if is_program(&bytes) => return Err(not_a_library("it is an executable")),
        None => return Err(Error::NoRoot { path: at() }),
    };
    let digest = Sha256::digest(&bytes);
    let sha256 = digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(Inspection { symbol, sha256, natives: Natives::of(&bytes) })
}

/// Compares the length of the file with what its headers speak of.
fn check_complete(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let len = bytes.len() as u64;
    let mut expected = 0u64;
    if let Ok(elf) = ElfFile64::<object::Endianness>::parse(bytes) {
        let (header, endian) = (elf.elf_header(), elf.endian());
        let table = u64::from(header.e_shentsize(endian)) * u64::from(header.e_shnum(endian));
        expected = header.e_shoff(endian).saturating_add(table);
        for segment in elf.elf_program_headers() {
            let end = segment.p_offset(endian).saturating_add(segment.p_filesz(endian));
            expected = expected.max(end);
        }
    } else if let Some(claimed) = claimed_elf_length(bytes) {
        expected = claimed;
    } else if let Ok(file) = object::File::parse(bytes) {
        let ends = file.sections().filter_map(|section| section.file_range());
        expected = ends.map(|(start, size)| start.saturating_add(size)).max().unwrap_or(0);
    }
    if expected > len {
        return Err(Error::Truncated { path: path.to_path_buf(), len, expected });
    }
    Ok(())
}

/// Whether an ELF file names the program that starts it. Executables are loaded anywhere, so the
/// kind of their file is that of libraries.
fn is_program(bytes: &[u8]) -> bool {
    ElfFile64::<object::Endianness>::parse(bytes).is_ok_and(|elf| {
        elf.elf_program_headers().iter().any(|header| header.p_type(elf.endian()) == PT_INTERP)
    })
}

/// The end of the section table of a 64-bit little-endian ELF file whose table is cut off, so that
/// it no longer parses.
fn claimed_elf_length(bytes: &[u8]) -> Option<u64> {
    let is_elf = bytes.starts_with(b"\x7fELF\x02\x01");
    if is_elf && bytes.len() < 64 {
        return Some(64);
    }
    let field = bytes.get(0x28..0x30).filter(|_| is_elf)?;
    let start = u64::from_le_bytes(field.try_into().ok()?);
    let count = u16::from_le_bytes(bytes.get(0x3c..0x3e)?.try_into().ok()?);
    start.checked_add(u64::from(count) * 64)
}

fn native_architecture() -> Architecture {
    match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        "x86" => Architecture::I386,
        "arm" => Architecture::Arm,
        "riscv64" => Architecture::Riscv64,
        _ => Architecture::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(name: &str, content: &[u8]) -> String {
        let folder =
            std::env::temp_dir().join(format!("ablate-inspect-{}-{name}", std::process::id()));
        fs_err::create_dir_all(&folder).expect("temporary folder");
        let path = folder.join("libx.so");
        fs_err::write(&path, content).expect("temporary file");
        let error = inspect(&path).expect_err("not a plugin");
        fs_err::remove_dir_all(&folder).expect("temporary folder");
        error.to_string().replace(&path.display().to_string(), "libx.so")
    }

    #[test]
    fn says_what_a_file_is_when_it_is_no_plugin() {
        assert_eq!(error_of("empty", b""), "`libx.so` is not a plugin: the file is empty");
        let text = error_of("text", b"hello, this is text and no library at all");
        assert!(text.starts_with("`libx.so` is not a plugin: "), "{text}");
        let own = fs_err::read(std::env::current_exe().expect("a path")).expect("readable");
        let text = error_of("executable", &own);
        assert!(text.contains("`libx.so` is "), "{text}");
    }

    #[test]
    fn notices_truncation_at_every_length() {
        let own = fs_err::read(std::env::current_exe().expect("a path")).expect("readable");
        for keep in [40, 64, 1_000, own.len() / 2, own.len() - 1] {
            let text = error_of(&format!("cut-{keep}"), &own[..keep]);
            assert!(
                text.contains("is truncated") && text.contains(&format!("{keep} bytes")),
                "{text}"
            );
        }
    }
}
