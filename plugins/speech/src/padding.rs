//! Clips of different lengths to one batch.

use ablate_sdk::{Arrays, Error, Item};

/// Features of `clips` (each `frames * bins` values), padded with 0 to the longest, and the mask:
/// `features: f32[B, T, F]`, `mask: bool[B, T]`.
pub(crate) fn pad<C: AsRef<[f32]>>(clips: &[C], bins: usize) -> Arrays {
    let longest = clips.iter().map(|clip| clip.as_ref().len()).max().unwrap_or(0);
    let frames = longest / bins;
    let mut features = Vec::with_capacity(clips.len() * longest);
    let mut mask = Vec::with_capacity(clips.len() * frames);
    for (index, clip) in clips.iter().enumerate() {
        let clip = clip.as_ref();
        features.extend_from_slice(clip);
        features.resize((index + 1) * longest, 0.0);
        mask.resize(index * frames + clip.len() / bins, true);
        mask.resize((index + 1) * frames, false);
    }
    Arrays::new().with("features", features, &[clips.len(), frames, bins]).with(
        "mask",
        mask,
        &[clips.len(), frames],
    )
}

/// The elements of `split` at `indices`.
///
/// # Errors
/// If there is no index, or one that is too large.
pub(crate) fn pick<'a, T>(
    split: &str,
    elements: &'a [T],
    indices: &[usize],
) -> Result<Vec<&'a T>, Error> {
    if indices.is_empty() {
        return Err(Error::contract("a batch needs at least one index"));
    }
    let pick = |&index: &usize| {
        elements.get(index).ok_or_else(|| {
            let count = elements.len();
            Error::contract(format!("split `{split}` has {count} items, no index {index}"))
        })
    };
    indices.iter().map(pick).collect()
}

/// The error for a split that is not there.
pub(crate) fn unknown_split(split: &str, known: &[String]) -> Error {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    Error::data(format!("there is no split `{split}`, only {}", known.join(", ")))
}

/// An item of `frames` frames.
pub(crate) fn item(id: &str, frames: usize) -> Item {
    Item { id: id.to_owned(), size: frames }
}

#[cfg(test)]
mod tests {
    use super::{pad, pick};

    #[test]
    fn pads_with_zeros_and_false() {
        let batch = pad(&[vec![1.0, 2.0], vec![3.0, 4.0, 5.0, 6.0]], 2);
        assert_eq!(batch.shape("features").unwrap(), [2, 2, 2]);
        let features = batch.slice::<f32>("features").unwrap();
        assert_eq!(features, [1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(batch.slice::<bool>("mask").unwrap(), [true, false, true, true]);
    }

    #[test]
    fn fails_on_an_index_outside_of_the_split() {
        let error = pick("valid", &[1, 2], &[0, 2]).unwrap_err().to_string();
        assert_eq!(error, "split `valid` has 2 items, no index 2");
        assert!(pick("valid", &[1, 2], &[]).is_err());
    }
}
