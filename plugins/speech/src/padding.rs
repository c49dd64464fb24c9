//! Utterances of different lengths to one batch.

use std::borrow::Cow;

use ablate_sdk::{Arrays, Error, Item};

/// What a batch holds of one utterance.
pub(crate) struct Piece<'a> {
    /// `frames * bins` values.
    pub(crate) features: Cow<'a, [f32]>,
    /// Length of the audio that the features are of.
    pub(crate) seconds: f32,
    /// That audio, where batches hold it.
    pub(crate) audio: Option<Cow<'a, [f32]>>,
}

/// The pieces, padded with 0 to the longest, and their masks: `features: f32[B, T, F]`,
/// `mask: bool[B, T]`, `seconds: f32[B]`, and where pieces have audio `audio: f32[B, S]` and
/// `audio_mask: bool[B, S]`.
pub(crate) fn pad(pieces: &[Piece<'_>], bins: usize) -> Arrays {
    let count = pieces.len();
    let features: Vec<&[f32]> = pieces.iter().map(|piece| &*piece.features).collect();
    let (features, mask, frames) = padded(&features, bins);
    let seconds = pieces.iter().map(|piece| piece.seconds).collect();
    let batch = Arrays::new()
        .with("features", features, &[count, frames, bins])
        .with("mask", mask, &[count, frames])
        .with("seconds", seconds, &[count]);
    let audio: Option<Vec<&[f32]>> = pieces.iter().map(|piece| piece.audio.as_deref()).collect();
    let Some(audio) = audio else { return batch };
    let (audio, mask, samples) = padded(&audio, 1);
    batch.with("audio", audio, &[count, samples]).with("audio_mask", mask, &[count, samples])
}

/// Rows of `width` values each, their mask, and how many rows the longest has.
fn padded(pieces: &[&[f32]], width: usize) -> (Vec<f32>, Vec<bool>, usize) {
    let longest = pieces.iter().map(|piece| piece.len()).max().unwrap_or(0);
    let rows = longest / width;
    let mut values = Vec::with_capacity(pieces.len() * longest);
    let mut mask = Vec::with_capacity(pieces.len() * rows);
    for (index, piece) in pieces.iter().enumerate() {
        values.extend_from_slice(piece);
        values.resize((index + 1) * longest, 0.0);
        mask.resize(index * rows + piece.len() / width, true);
        mask.resize((index + 1) * rows, false);
    }
    (values, mask, rows)
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
    use super::{Piece, pad, pick};

    fn piece(features: Vec<f32>, seconds: f32, audio: Option<Vec<f32>>) -> Piece<'static> {
        Piece { features: features.into(), seconds, audio: audio.map(Into::into) }
    }

    #[test]
    fn pads_with_zeros_and_false() {
        let pieces = [piece(vec![1.0, 2.0], 0.5, None), piece(vec![3.0, 4.0, 5.0, 6.0], 1.0, None)];
        let batch = pad(&pieces, 2);
        assert_eq!(batch.shape("features").unwrap(), [2, 2, 2]);
        let features = batch.slice::<f32>("features").unwrap();
        assert_eq!(features, [1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(batch.slice::<bool>("mask").unwrap(), [true, false, true, true]);
        assert_eq!(batch.slice::<f32>("seconds").unwrap(), [0.5, 1.0]);
        assert!(!batch.contains("audio"));
    }

    #[test]
    fn audio_is_padded_by_its_own_mask() {
        let (long, short) = (Some(vec![1.0, 2.0, 3.0]), Some(vec![4.0]));
        let batch = pad(&[piece(vec![1.0], 3.0, long), piece(vec![2.0], 1.0, short)], 1);
        assert_eq!(batch.shape("audio").unwrap(), [2, 3]);
        assert_eq!(batch.slice::<f32>("audio").unwrap(), [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
        let mask = batch.slice::<bool>("audio_mask").unwrap();
        assert_eq!(mask, [true, true, true, true, false, false]);
    }

    #[test]
    fn fails_on_an_index_outside_of_the_split() {
        let error = pick("valid", &[1, 2], &[0, 2]).unwrap_err().to_string();
        assert_eq!(error, "split `valid` has 2 items, no index 2");
        assert!(pick("valid", &[1, 2], &[]).is_err());
    }
}
