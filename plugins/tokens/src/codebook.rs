//! Centers on disk: the artifact of `kmeans`.

use crate::points::Points;
use ablate_sdk::Error;
use ablate_sdk::serde_json::json;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// The tensor of the centers, `f32[K, F]`.
const CENTERS: &str = "centers";

/// The tensor of the frames of each, `i64[K]`.
const COUNTS: &str = "counts";

/// What is written beside the centers.
pub(crate) struct Statistics<'a> {
    /// Frames of each center in the splits that were seen.
    pub(crate) counts: &'a [u64],
    /// Mean squared distance of those frames from their center.
    pub(crate) inertia: f64,
}

/// Writes `centers: f32[K, F]`, `counts: i64[K]`, and as metadata one key `kmeans` with a JSON object
/// of `format`, `frames` and `inertia`: several keys would stand in another order each time.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_codebook(
    path: &Path,
    centers: &Points,
    statistics: &Statistics<'_>,
) -> Result<(), Error> {
    let rows: Vec<u8> = centers.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    let counts: Vec<u8> =
        statistics.counts.iter().flat_map(|&count| (count as i64).to_le_bytes()).collect();
    let shape = vec![centers.len(), centers.width()];
    let views = [
        (CENTERS, TensorView::new(Dtype::F32, shape, &rows)),
        (COUNTS, TensorView::new(Dtype::I64, vec![centers.len()], &counts)),
    ];
    let views = views.map(|(name, view)| (name, view.expect("as many bytes as numbers")));
    let frames: u64 = statistics.counts.iter().sum();
    let about = json!({ "format": 1, "frames": frames, "inertia": statistics.inertia });
    let metadata = HashMap::from([("kmeans".to_owned(), about.to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata));
    let bytes = bytes.map_err(|error| failed("write", path, &error))?;
    fs_err::write(path, bytes).map_err(|error| failed("write", path, &error))
}

/// Reads the centers: `clusters` of them, if that is given, of `width` numbers each.
///
/// # Errors
/// If there is no such file, it holds no centers, or others than are expected.
pub(crate) fn read_codebook(
    path: &Path,
    clusters: Option<usize>,
    width: usize,
) -> Result<Points, Error> {
    let bytes = fs_err::read(path).map_err(|error| failed("read", path, &error))?;
    let wrong = |text: String| {
        Err(Error::data(text).context(format!("`{}` is no codebook for this", path.display())))
    };
    let file = match SafeTensors::deserialize(&bytes) {
        Ok(file) => file,
        Err(error) => return wrong(format!("it is no safetensors file: {error}")),
    };
    let Ok(view) = file.tensor(CENTERS) else {
        let mut names: Vec<String> = file.names().iter().map(|name| format!("`{name}`")).collect();
        names.sort();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return wrong(format!("it has no tensor `{CENTERS}`, only {names}"));
    };
    let (dtype, shape) = (view.dtype(), view.shape().to_vec());
    let &[count, features] = shape.as_slice() else {
        return wrong(format!("`{CENTERS}` is {dtype:?}{shape:?}, expected two dimensions"));
    };
    if dtype != Dtype::F32 || count == 0 || features == 0 {
        return wrong(format!("`{CENTERS}` is {dtype:?}{shape:?}, expected F32[K, F]"));
    }
    if features != width {
        let text = format!("its centers have {features} numbers, but the frames have {width}");
        return wrong(text);
    }
    if let Some(clusters) = clusters.filter(|&clusters| clusters != count) {
        return wrong(format!("it has {count} centers, but `clusters` is {clusters}"));
    }
    let numbers = view.data().chunks_exact(4);
    let values: Vec<f32> =
        numbers.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return wrong(format!("center {} holds {}", at / width, values[at]));
    }
    Ok(Points::new(values, width))
}

/// The error of a file that cannot be read or written; the cause names it.
pub(crate) fn failed(action: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::data(error.to_string()).context(format!("failed to {action} `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::serde_json;

    fn write(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("kmeans.safetensors");
        let centers = Points::new(vec![0.1, -2.0, 3.5, 4.0, 5.0, 6.25], 3);
        let statistics = Statistics { counts: &[7, 9], inertia: 0.25 };
        write_codebook(&path, &centers, &statistics).expect("written");
        path
    }

    #[test]
    fn centers_come_back_as_they_were() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = write(folder.path());
        let centers = read_codebook(&path, Some(2), 3).expect("read");
        assert_eq!(centers, Points::new(vec![0.1, -2.0, 3.5, 4.0, 5.0, 6.25], 3));
        let bytes = std::fs::read(&path).expect("read");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
        let metadata = metadata.metadata().clone().expect("metadata");
        let about = serde_json::from_str::<serde_json::Value>(&metadata["kmeans"]).expect("JSON");
        assert_eq!(about, json!({ "format": 1, "frames": 16, "inertia": 0.25 }));
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = write(folder.path());
        let check = |path: &Path, clusters, width, expected: &str| {
            let error = read_codebook(path, clusters, width).expect_err("must fail");
            let text = format!("{error}: {}", error.causes[0]);
            assert!(text.contains(expected), "{text}");
            assert!(text.contains(&path.display().to_string()), "{text}");
        };
        check(&path, None, 80, "its centers have 3 numbers, but the frames have 80");
        check(&path, Some(500), 3, "it has 2 centers, but `clusters` is 500");
        check(&folder.path().join("none"), None, 3, "failed to read");
        let other = folder.path().join("other");
        std::fs::write(&other, "{}").expect("written");
        check(&other, None, 3, "it is no safetensors file: ");
        let view = TensorView::new(Dtype::F32, vec![1], &[0, 0, 0, 0]).expect("a tensor");
        let bytes = safetensors::serialize([("weight", view)], None).expect("bytes");
        std::fs::write(&other, bytes).expect("written");
        check(&other, None, 3, "it has no tensor `centers`, only `weight`");
    }
}
