//! One version of a native library in a process.
//!
//! The system's linker tells native libraries apart by their names alone: of two plugins that bring
//! different files of one name, the second silently gets the file of the first, and crashes or
//! computes something else. What a plugin brings is known before it is mapped.

use crate::Error;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH};
use object::read::elf::ElfFile64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The native libraries that a plugin names, and the folders where it wants them to be looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Natives {
    needed: Vec<String>,
    search: Vec<String>,
}

/// A native library that a plugin brings: its name and its file.
type Brought = (String, PathBuf);

/// Those in this process by name, each with the plugin that brought it.
static PRESENT: Mutex<BTreeMap<String, (PathBuf, PathBuf)>> = Mutex::new(BTreeMap::new());

impl Natives {
    /// Reads the table of a library; what is no ELF file has none.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut natives = Self::default();
        let elf = ElfFile64::<object::Endianness>::parse(bytes);
        let Ok(table) = elf.and_then(|elf| elf.elf_dynamic_table()) else { return natives };
        for entry in &table {
            let list = match entry.tag {
                DT_NEEDED => &mut natives.needed,
                DT_RPATH | DT_RUNPATH => &mut natives.search,
                _ => continue,
            };
            if let Ok(text) = table.string(entry) {
                let text = String::from_utf8_lossy(text);
                list.extend(text.split(':').filter(|part| !part.is_empty()).map(str::to_owned));
            }
        }
        natives
    }

    /// The native libraries that the plugin at `path` finds in its own folders. Those of the system
    /// are the same for all plugins.
    fn brought(&self, path: &Path) -> Vec<Brought> {
        let origin = path.parent().unwrap_or(Path::new("/")).display().to_string();
        let place = |folder: &String| {
            PathBuf::from(folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
        };
        let folders: Vec<PathBuf> = self.search.iter().map(place).collect();
        let find = |name: &String| {
            let file = folders.iter().map(|folder| folder.join(name)).find(|file| file.exists())?;
            Some((name.clone(), fs_err::canonicalize(file).ok()?))
        };
        self.needed.iter().filter_map(find).collect()
    }

    /// What the plugin at `path` brings, unless another plugin has brought something else of that
    /// name.
    pub(crate) fn check(&self, path: &Path) -> Result<Vec<Brought>, Error> {
        let brought = self.brought(path);
        let present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, file) in &brought {
            if let Some((other, by)) = present.get(name)
                && other != file
                && !same_content(other, file)
            {
                return Err(Error::TwoVersions {
                    path: path.to_path_buf(),
                    name: name.clone(),
                    file: file.clone(),
                    present: other.clone(),
                    by: by.clone(),
                });
            }
        }
        Ok(brought)
    }
}

/// From now on the process has these, for the plugin at `path`.
pub(crate) fn keep(brought: Vec<Brought>, path: &Path) {
    let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, file) in brought {
        present.entry(name).or_insert_with(|| (file, path.to_path_buf()));
    }
}

fn same_content(one: &Path, other: &Path) -> bool {
    match (fs_err::read(one), fs_err::read(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{Loader, NoServices};
    use std::process::Command;

    /// Compiles a library from C; there is a compiler wherever plugins are built.
    fn compile(folder: &Path, file: &str, source: &str, arguments: &[&str]) -> PathBuf {
        let (code, library) = (folder.join(format!("{file}.c")), folder.join(file));
        fs_err::write(&code, source).expect("a temporary file");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,--no-as-needed", "-o"])
            .arg(&library)
            .arg(code)
            .args(arguments)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "{file} can be compiled");
        library
    }

    /// A plugin's file in a folder of its own, beside the native library that it brings.
    fn plugin(folder: &Path, name: &str, answer: u32) -> PathBuf {
        let folder = folder.join(name);
        fs_err::create_dir(&folder).expect("a temporary folder");
        let source = format!("int native_answer(void) {{ return {answer}; }}");
        let soname = "-Wl,-soname,libablatenative.so.1";
        let native = compile(&folder, "libablatenative.so.1", &source, &[soname]);
        // Not the root of a plugin: the order of the steps is what counts here.
        let source = format!("char ablate_plugin_{name}[4096] = \"no root\";");
        let arguments = [native.to_str().expect("UTF-8"), "-Wl,-rpath,$ORIGIN"];
        compile(&folder, &format!("lib{name}.so"), &source, &arguments)
    }

    #[test]
    fn a_second_version_of_a_native_library_is_refused_before_it_is_mapped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [one, same, other] =
            [("one", 1), ("same", 1), ("other", 2)].map(|(name, n)| plugin(folder.path(), name, n));
        let loader = Loader::new(NoServices, 1);
        let open = |path: &Path| loader.open(path, None).expect_err("no root of a plugin");
        // The first is mapped, and only then seen to be none.
        assert!(matches!(open(&one), Error::NotARoot { .. }), "{}", open(&one));
        assert!(matches!(open(&same), Error::NotARoot { .. }), "{}", open(&same));
        let error = open(&other);
        let Error::TwoVersions { name, .. } = &error else { panic!("{error}") };
        assert_eq!(name, "libablatenative.so.1");
        let text = error.to_string();
        let place = fs_err::canonicalize(folder.path()).expect("it is there");
        for path in ["one/libablatenative.so.1", "other/libablatenative.so.1"] {
            assert!(text.contains(&place.join(path).display().to_string()), "{text}");
        }
        assert!(text.contains(&one.display().to_string()), "{text}");
        assert!(!error.hints().is_empty());
    }

    #[test]
    fn the_table_of_a_library_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = plugin(folder.path(), "table", 1);
        let natives = Natives::of(&fs_err::read(file).expect("it is there"));
        assert!(natives.needed.iter().any(|name| name == "libablatenative.so.1"), "{natives:?}");
        assert_eq!(natives.search, ["$ORIGIN"]);
        assert_eq!(Natives::of(b"no library"), Natives::default());
    }
}
