//! The pictures as files of one folder.

use super::Named;
use crate::arguments::PlotFiles;
use crate::failure::Failure;
use ablate_plot::Picture;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Pictures that were written.
pub(super) struct Album {
    folder: PathBuf,
    files: PlotFiles,
    pictures: Vec<Written>,
    taken: HashSet<String>,
}

/// A picture that was written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    kind: &'static str,
    metric: String,
    split: String,
    pub(super) files: Vec<PathBuf>,
}

impl Album {
    /// The folder is made with the first picture.
    pub(super) fn open(folder: PathBuf, files: PlotFiles) -> Self {
        Self { folder, files, pictures: Vec::new(), taken: HashSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    pub(super) fn pictures(&self) -> &[Written] {
        &self.pictures
    }

    /// Writes a picture; a file of the same name is replaced.
    pub(super) fn add(&mut self, named: &Named, picture: &Picture) -> Result<(), Failure> {
        let Named { kind, name, metric, split, .. } = named;
        let parts = [kind, name.as_str(), metric, split].map(file_name);
        let parts: Vec<&str> =
            parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let stem = self.free(parts.join("-"));
        let place = |error: std::io::Error| {
            Failure::chain(&error, Vec::new(), 1)
                .hint("`--out FOLDER` names another folder for the pictures")
        };
        fs_err::create_dir_all(&self.folder).map_err(place)?;
        let mut files = Vec::new();
        if self.files != PlotFiles::Png {
            let path = self.folder.join(format!("{stem}.svg"));
            write(&path, picture.svg().as_bytes()).map_err(place)?;
            files.push(path);
        }
        if self.files != PlotFiles::Svg {
            let path = self.folder.join(format!("{stem}.png"));
            write(&path, &picture.png()?).map_err(place)?;
            files.push(path);
        }
        let (metric, split) = (metric.clone(), split.clone());
        self.pictures.push(Written { kind, metric, split, files });
        Ok(())
    }

    /// Different names may be alike as names of files, in capitals too.
    fn free(&mut self, stem: String) -> String {
        let others = (2..).map(|number| format!("{stem}-{number}"));
        let mut names = std::iter::once(stem.clone()).chain(others);
        let free = names.find(|name| self.taken.insert(name.to_lowercase()));
        free.expect("numbers do not end")
    }
}

/// A name as the name of a file on any machine.
pub(super) fn file_name(name: &str) -> String {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "._".contains(letter);
    let mut file = String::new();
    for letter in name.chars() {
        if known(letter) {
            file.push(letter);
        } else if !file.ends_with('-') && !file.is_empty() {
            file.push('-');
        }
    }
    file.trim_matches(['-', '.']).to_owned()
}

/// Readers see the old file or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), std::io::Error> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".new-{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = fs_err::write(&temporary, bytes).and_then(|()| fs_err::rename(&temporary, path));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs_err::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_become_names_of_files() {
        assert_eq!(file_name("loss/reconstruction"), "loss-reconstruction");
        assert_eq!(file_name("pooling:librispeech"), "pooling-librispeech");
        assert_eq!(file_name("../../etc"), "etc");
        assert_eq!(file_name("ü"), "");
    }
}
