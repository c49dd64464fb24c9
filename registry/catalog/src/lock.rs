//! `ablate.lock`: the plugins that the experiments of a folder are pinned to.
//!
//! Without the file nothing is pinned. With it, a library that has other bytes than its pin, or no pin, is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::Error;

/// Name of the file beside an experiment.
const FILE: &str = "ablate.lock";
/// Form of the file.
const VERSION: u32 = 1;

/// The pins of one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    path: PathBuf,
    pins: BTreeMap<String, Pin>,
}

/// What a plugin is pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The plugin.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// The sha256 of its library.
    pub sha256: String,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    #[serde(default)]
    plugin: Vec<Pin>,
}

/// A plugin that is not what the lock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpinned {
    /// The plugin as it is.
    pub found: Pin,
    /// What it is pinned to, if it is.
    pub pinned: Option<Pin>,
}

impl fmt::Display for Unpinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, pinned } = self;
        write!(f, "plugin `{}` {} ({})", found.name, found.version, short(&found.sha256))?;
        match pinned {
            None => write!(f, " is not pinned"),
            Some(pin) => write!(f, " is pinned to {} ({})", pin.version, short(&pin.sha256)),
        }
    }
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

impl Lock {
    /// The lock of a folder with experiments; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or is not a lock.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let content: Content = toml::from_str(&text)
            .map_err(|source| Error::Lock { path: path.clone(), source: Box::new(source) })?;
        if content.version != VERSION {
            return Err(Error::LockVersion { path, found: content.version, known: VERSION });
        }
        let pins = content.plugin.into_iter().map(|pin| (pin.name.clone(), pin)).collect();
        Ok(Some(Self { path, pins }))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses plugins that are not what they are pinned to.
    ///
    /// # Errors
    /// [`Error::Unpinned`] with all of them.
    pub fn check(&self, used: &[Pin]) -> Result<(), Error> {
        let wrong: Vec<Unpinned> = used
            .iter()
            .filter(|found| self.pins.get(&found.name).is_none_or(|pin| pin.sha256 != found.sha256))
            .map(|found| Unpinned {
                found: found.clone(),
                pinned: self.pins.get(&found.name).cloned(),
            })
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::Unpinned { lock: self.path.clone(), plugins: wrong })
    }

    /// Pins the plugins that are used, and says what changed. Pins of other plugins stay: other experiments of the
    /// folder may use them.
    ///
    /// # Errors
    /// A file that cannot be written, or is not a lock.
    pub fn update(folder: &Path, used: &[Pin]) -> Result<Vec<Unpinned>, Error> {
        let path = folder.join(FILE);
        let mut lock = Self::read(folder)?.unwrap_or(Self { path, pins: BTreeMap::new() });
        let changed = match lock.check(used) {
            Ok(()) => Vec::new(),
            Err(Error::Unpinned { plugins, .. }) => plugins,
            Err(error) => return Err(error),
        };
        lock.pins.extend(used.iter().map(|pin| (pin.name.clone(), pin.clone())));
        let content = Content { version: VERSION, plugin: lock.pins.into_values().collect() };
        let text = toml::to_string(&content).expect("strings and a number are TOML");
        let text =
            format!("# The plugins that experiments here are pinned to, by their bytes.\n{text}");
        atomic::write(&lock.path, text.as_bytes())?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(name: &str, digit: char) -> Pin {
        Pin {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            sha256: digit.to_string().repeat(64),
        }
    }

    #[test]
    fn without_a_file_nothing_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), None);
    }

    #[test]
    fn updates_are_read_back_and_keep_other_pins() {
        let folder = tempfile::tempdir().unwrap();
        let both = [pin("a", '1'), pin("b", '2')];
        let (a, b) = (&both[..1], &both[1..]);
        let new = |found: &Pin| Unpinned { found: found.clone(), pinned: None };
        assert_eq!(Lock::update(folder.path(), a).unwrap(), [new(&a[0])]);
        assert_eq!(Lock::update(folder.path(), b).unwrap(), [new(&b[0])]);
        assert_eq!(Lock::update(folder.path(), &both).unwrap(), []);
        let lock = Lock::read(folder.path()).unwrap().unwrap();
        lock.check(a).unwrap();
        lock.check(&both).unwrap();
        let names: Vec<_> =
            fs_err::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["ablate.lock"]);
    }

    #[test]
    fn refuses_other_bytes_and_plugins_without_a_pin() {
        let folder = tempfile::tempdir().unwrap();
        Lock::update(folder.path(), &[pin("a", '1')]).unwrap();
        let lock = Lock::read(folder.path()).unwrap().unwrap();
        let error = lock.check(&[pin("a", '3'), pin("c", '4')]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with(
                "plugin `a` 0.1.0 (333333333333) is pinned to 0.1.0 (111111111111); \
                 plugin `c` 0.1.0 (444444444444) is not pinned"
            ),
            "{text}"
        );
        assert!(error.hints()[0].contains("--update-lock"));
    }

    #[test]
    fn a_file_that_is_no_lock_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs_err::write(&path, "version = 2\n").unwrap();
        let error = Lock::read(folder.path()).unwrap_err();
        assert!(matches!(error, Error::LockVersion { found: 2, known: 1, .. }), "{error}");
        fs_err::write(&path, "version = 1\n[[plugin]]\nname = 3\n").unwrap();
        let error = Lock::update(folder.path(), &[]).unwrap_err();
        assert!(matches!(error, Error::Lock { .. }), "{error}");
        assert!(fs_err::read_to_string(&path).unwrap().contains("name = 3"));
    }
}
