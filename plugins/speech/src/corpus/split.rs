//! Which recording is in which split.

use std::collections::BTreeSet;

use ablate_sdk::{Error, seed};

use super::{CorpusConfig, Recording, SplitBy};

/// The recordings of each split, by number and in order.
#[derive(Debug)]
pub(crate) struct Assignment {
    train: Vec<usize>,
    valid: Vec<usize>,
    test: Vec<usize>,
}

impl Assignment {
    /// Ranks ids (or speakers) by a hash with the seed; the first are `test`, then come `valid` and
    /// `train`. So a recording more or less moves few others.
    ///
    /// # Errors
    /// If nothing is left to train on.
    pub(crate) fn new(config: &CorpusConfig, recordings: &[Recording]) -> Result<Self, Error> {
        let key = |one: &Recording| match config.split_by {
            SplitBy::Utterance => one.id.clone(),
            SplitBy::Speaker => one.speaker.clone(),
        };
        let keys: BTreeSet<String> = recordings.iter().map(key).collect();
        let mut ranked: Vec<(u64, String)> = keys
            .into_iter()
            .map(|key| (seed::derive(config.split_seed, &["split", &key]), key))
            .collect();
        ranked.sort();
        let part = |fraction: f64| match (fraction * ranked.len() as f64).round() as usize {
            _ if fraction == 0.0 => 0,
            count => count.max(1),
        };
        let (test, valid) = (part(config.test_fraction), part(config.valid_fraction));
        if test + valid >= ranked.len() {
            return Err(nothing_to_train(config.split_by, ranked.len(), valid, test));
        }
        let names = |range: &[(u64, String)]| -> BTreeSet<String> {
            range.iter().map(|(_, key)| key.clone()).collect()
        };
        let (test_keys, valid_keys) = (names(&ranked[..test]), names(&ranked[test..test + valid]));
        let mut assignment = Self { train: Vec::new(), valid: Vec::new(), test: Vec::new() };
        for (index, recording) in recordings.iter().enumerate() {
            let key = key(recording);
            if test_keys.contains(&key) {
                assignment.test.push(index);
            } else if valid_keys.contains(&key) {
                assignment.valid.push(index);
            } else {
                assignment.train.push(index);
            }
        }
        Ok(assignment)
    }

    /// The splits that are not empty, with the numbers of their recordings.
    pub(crate) fn splits(&self) -> impl Iterator<Item = (&'static str, &[usize])> {
        let all = [("train", &self.train), ("valid", &self.valid), ("test", &self.test)];
        all.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name, &list[..]))
    }
}

fn nothing_to_train(by: SplitBy, count: usize, valid: usize, test: usize) -> Error {
    let (what, other) = match by {
        SplitBy::Utterance => ("utterances", ""),
        SplitBy::Speaker => ("speakers", "split by utterance or "),
    };
    Error::data(format!(
        "nothing is left to train on: of {count} {what}, `valid` would have {valid} and `test` \
         {test}; {other}set `valid_fraction` or `test_fraction` to 0"
    ))
}

#[cfg(test)]
mod tests {
    use super::Assignment;
    use crate::corpus::{CorpusConfig, Recording, SplitBy};

    fn recordings(speakers: usize, each: usize) -> Vec<Recording> {
        let one = |speaker: usize, index: usize| Recording {
            id: format!("{speaker}-{index}"),
            speaker: speaker.to_string(),
            path: "unused".into(),
        };
        (0..speakers).flat_map(|s| (0..each).map(move |i| one(s, i))).collect()
    }

    fn counts(config: &CorpusConfig, recordings: &[Recording]) -> Vec<(&'static str, usize)> {
        let assignment = Assignment::new(config, recordings).unwrap();
        assignment.splits().map(|(name, list)| (name, list.len())).collect()
    }

    #[test]
    fn utterances_are_split_by_the_fractions() {
        let config = CorpusConfig::default();
        let found = counts(&config, &recordings(6, 10));
        assert_eq!(found, [("train", 42), ("valid", 9), ("test", 9)]);
        let config = CorpusConfig { valid_fraction: 0.0, ..config };
        assert_eq!(counts(&config, &recordings(6, 10)), [("train", 51), ("test", 9)]);
    }

    #[test]
    fn no_speaker_is_in_two_splits() {
        let config = CorpusConfig { split_by: SplitBy::Speaker, ..CorpusConfig::default() };
        let recordings = recordings(6, 10);
        assert_eq!(counts(&config, &recordings), [("train", 40), ("valid", 10), ("test", 10)]);
        let assignment = Assignment::new(&config, &recordings).unwrap();
        let speakers = |list: &[usize]| -> std::collections::BTreeSet<String> {
            list.iter().map(|&index| recordings[index].speaker.clone()).collect()
        };
        let total: usize = assignment.splits().map(|(_, list)| speakers(list).len()).sum();
        assert_eq!(total, 6);
    }

    #[test]
    fn the_seed_decides_and_one_recording_less_moves_few() {
        let config = CorpusConfig::default();
        let mut recordings = recordings(10, 20);
        let test = |config: &CorpusConfig, recordings: &[Recording]| -> Vec<String> {
            let assignment = Assignment::new(config, recordings).unwrap();
            assignment.test.iter().map(|&index| recordings[index].id.clone()).collect()
        };
        let before = test(&config, &recordings);
        assert_eq!(test(&config, &recordings), before);
        let other = CorpusConfig { split_seed: 1, ..config.clone() };
        assert_ne!(test(&other, &recordings), before);
        recordings.remove(77);
        let after = test(&config, &recordings);
        assert!(before.iter().filter(|id| !after.contains(id)).count() <= 1);
    }

    #[test]
    fn fails_when_nothing_is_left_to_train_on() {
        let config = CorpusConfig { split_by: SplitBy::Speaker, ..CorpusConfig::default() };
        let error = Assignment::new(&config, &recordings(2, 9)).unwrap_err().to_string();
        assert_eq!(
            error,
            "nothing is left to train on: of 2 speakers, `valid` would have 1 and `test` 1; split \
             by utterance or set `valid_fraction` or `test_fraction` to 0"
        );
    }
}
