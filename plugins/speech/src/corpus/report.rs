//! What preparing a corpus found, for the user and for the manifest.

use ablate_sdk::{Error, LogLevel, host};
use serde_json::{Value, json};

use super::Corpus;
use super::prepare::Clip;
use crate::encoded::seconds;

/// Files that a message names.
const NAMED: usize = 5;
/// Files that the report lists.
const LISTED: usize = 100;

/// A recording that cannot be used.
pub(crate) struct Unreadable {
    /// Its number in the corpus.
    pub(crate) recording: usize,
    /// Why, with the file's name.
    pub(crate) reason: String,
}

impl Corpus {
    /// Stops at recordings that cannot be used, or says that they are left out.
    ///
    /// # Errors
    /// If there are some and they are not to be skipped, or nothing is left.
    pub(crate) fn check_unreadable(&self, unreadable: &[Unreadable]) -> Result<(), Error> {
        if unreadable.is_empty() {
            return Ok(());
        }
        let (count, total) = (unreadable.len(), self.recordings.len());
        let reasons = named(unreadable.iter().map(|one| one.reason.clone()), "; ");
        let message = format!("{count} of {total} audio files cannot be read: {reasons}");
        if !self.config.skip_unreadable {
            let advice = "`dataset.skip_unreadable=true` leaves such files out";
            return Err(Error::data(format!("{message}; {advice}")));
        }
        if count == total {
            return Err(Error::data(message));
        }
        host::log(LogLevel::WARN, "speech", &format!("left out: {message}"));
        Ok(())
    }

    /// The report of `prepare`. Silent recordings are used, but not silently.
    pub(crate) fn report(&self, splits: &[Vec<Clip>], unreadable: &[Unreadable]) -> Value {
        let names = self.assignment.splits().map(|(name, _)| name.to_owned());
        let items: serde_json::Map<String, Value> =
            names.zip(splits).map(|(name, clips)| (name, clips.len().into())).collect();
        let clips = || splits.iter().flatten();
        let id = |recording: usize| self.recordings[recording].id.as_str();
        let most = self.max_samples.map_or(u64::MAX, |most| most as u64);
        let cropped = clips().filter(|clip| clip.source.total_samples > most).count();
        let samples: u64 = clips().map(|clip| clip.source.total_samples).sum();
        let skipped: Vec<Value> = unreadable
            .iter()
            .take(LISTED)
            .map(|one| json!({ "id": id(one.recording), "reason": one.reason }))
            .collect();
        let silent: Vec<&str> =
            clips().filter(|clip| clip.source.peak == 0.0).map(|clip| id(clip.recording)).collect();
        if !silent.is_empty() {
            let count = silent.len();
            let total = self.recordings.len();
            let names = named(silent.iter().map(|id| format!("`{id}`")), ", ");
            let message = format!("{count} of {total} recordings hold nothing but zeros: {names}");
            host::log(LogLevel::WARN, "speech", &message);
        }
        let mut speakers: Vec<usize> = clips().map(|clip| self.speakers[clip.recording]).collect();
        speakers.sort_unstable();
        speakers.dedup();
        json!({
            "files": self.recordings.len(),
            "items": items,
            "speakers": speakers.len(),
            "seconds": (seconds(samples) * 10.0).round() / 10.0,
            "cropped": cropped,
            "in_memory": clips().all(|clip| {
                clip.features.is_some() && (clip.audio.is_some() || !self.config.audio)
            }),
            "silent": silent.len(),
            "skipped": unreadable.len(),
            "skipped_files": skipped,
        })
    }
}

/// The first few of `names`, and how many more there are.
fn named(names: impl ExactSizeIterator<Item = String>, separator: &str) -> String {
    let count = names.len();
    let mut shown: Vec<String> = names.take(NAMED).collect();
    if count > NAMED {
        shown.push(format!("and {} more", count - NAMED));
    }
    shown.join(separator)
}
