//! Lists the audio files below a folder, for datasets that are a folder of audio.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::Error;

/// Extensions that [`walk_audio`] takes for audio, in lower case.
pub const AUDIO_EXTENSIONS: [&str; 6] = ["wav", "flac", "mp3", "ogg", "opus", "oga"];

/// All files below `root` whose extension is one of [`AUDIO_EXTENSIONS`] in any case, sorted.
///
/// Links are followed; names that begin with a dot are skipped, since some systems leave files of
/// their own beside the audio (`._name.wav`).
///
/// # Errors
/// `Read` when a folder cannot be listed or a link leads back to a folder above it.
pub fn walk_audio(root: impl AsRef<Path>) -> Result<Vec<PathBuf>, Error> {
    let root = root.as_ref();
    let mut paths = Vec::new();
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(root).to_owned();
            Error::Read { path, source: error.into() }
        })?;
        if entry.file_type().is_file() && has_audio_extension(entry.path()) {
            paths.push(entry.into_path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn has_audio_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    AUDIO_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::walk_audio;

    #[test]
    fn lists_audio_sorted_and_in_any_case() {
        let root = tempfile::tempdir().unwrap();
        let names = ["b/two.FLAC", "b/notes.txt", "a/trñ00.wav", "c.Mp3", "._c.mp3", ".x/d.wav"];
        for name in names {
            let path = root.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"").unwrap();
        }
        fs_err::create_dir(root.path().join("folder.wav")).unwrap();
        let found = walk_audio(root.path()).unwrap();
        let expected = ["a/trñ00.wav", "b/two.FLAC", "c.Mp3"].map(|name| root.path().join(name));
        assert_eq!(found, expected);
    }

    #[test]
    fn fails_on_missing_root() {
        let root = tempfile::tempdir().unwrap().path().join("missing");
        let error = walk_audio(&root).unwrap_err();
        assert_eq!(error.to_string(), format!("failed to read `{}`", root.display()));
    }
}
