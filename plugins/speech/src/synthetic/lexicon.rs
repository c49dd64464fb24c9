//! Who speaks and what there is to say.

use std::collections::BTreeSet;

use super::phones::{CONSONANTS, Phone, VOWELS};
use crate::random::Draw;

/// A voice.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    /// Mean pitch in Hz.
    pub(super) pitch_hz: f64,
    /// Factor on all formants: shorter vocal tracts resonate higher.
    pub(super) formant_scale: f64,
    /// Coefficient of the low-pass filter behind the glottis, 0 to 1: higher is duller.
    pub(super) tilt: f64,
    /// Noise in the voice.
    pub(super) breath: f64,
    /// Factor on all bandwidths.
    pub(super) bandwidth_scale: f64,
}

/// A sequence of sounds with their relative lengths.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) units: Vec<(Phone, f64)>,
}

/// All speakers and words of a dataset. Neither changes when there are more of them.
pub(super) struct Lexicon {
    pub(super) speakers: Vec<Speaker>,
    pub(super) words: Vec<Word>,
}

impl Lexicon {
    pub(super) fn new(speakers: usize, words: usize, seed: u64) -> Self {
        let speakers = (0..speakers).map(|index| speaker(index, seed)).collect();
        let mut known = BTreeSet::new();
        let words = (0..words).map(|index| word(index, seed, &mut known)).collect();
        Self { speakers, words }
    }
}

fn speaker(index: usize, seed: u64) -> Speaker {
    let mut draw = Draw::new(seed, &["speaker", &index.to_string()]);
    let height = draw.unit();
    Speaker {
        // An octave and a half, from a low male to a high female voice.
        pitch_hz: 85.0 * 2.0_f64.powf(1.5 * height),
        // Formants rise with pitch, but loosely.
        formant_scale: 0.92 + 0.22 * height + draw.between(-0.05, 0.05),
        tilt: draw.between(0.0, 0.6),
        breath: draw.between(0.01, 0.08),
        bandwidth_scale: draw.between(0.8, 1.3),
    }
}

fn word(index: usize, seed: u64, known: &mut BTreeSet<Vec<usize>>) -> Word {
    let mut draw = Draw::new(seed, &["word", &index.to_string()]);
    loop {
        let count = 3 + draw.index(4);
        let starts_with_vowel = draw.unit() < 0.3;
        // Vowels are numbered after the consonants.
        let numbers: Vec<usize> = (0..count)
            .map(|place| {
                if (place % 2 == 0) == starts_with_vowel {
                    CONSONANTS.len() + draw.index(VOWELS.len())
                } else {
                    draw.index(CONSONANTS.len())
                }
            })
            .collect();
        if known.insert(numbers.clone()) {
            let phone = |number: usize| match number.checked_sub(CONSONANTS.len()) {
                Some(vowel) => VOWELS[vowel],
                None => CONSONANTS[number],
            };
            let units = numbers.into_iter().map(|number| {
                let phone = phone(number);
                (phone, phone.length * draw.between(0.75, 1.35))
            });
            return Word { units: units.collect() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lexicon;
    use crate::synthetic::phones::Manner;

    #[test]
    fn words_are_different_and_alternate_between_vowels_and_consonants() {
        let lexicon = Lexicon::new(0, 300, 0);
        let mut seen = std::collections::BTreeSet::new();
        for word in &lexicon.words {
            assert!((3..=6).contains(&word.units.len()));
            let vowel = |place: usize| word.units[place].0.manner == Manner::Vowel;
            assert!((1..word.units.len()).all(|place| vowel(place) != vowel(place - 1)));
            let key: Vec<String> = word.units.iter().map(|(p, _)| format!("{p:?}")).collect();
            assert!(seen.insert(key));
        }
    }

    #[test]
    fn more_words_and_speakers_leave_the_first_ones_alone() {
        let (small, large) = (Lexicon::new(3, 4, 7), Lexicon::new(5, 9, 7));
        assert_eq!(format!("{:?}", small.words), format!("{:?}", &large.words[..4]));
        assert_eq!(format!("{:?}", small.speakers), format!("{:?}", &large.speakers[..3]));
        let other = Lexicon::new(3, 4, 8);
        assert_ne!(format!("{:?}", small.words), format!("{:?}", other.words));
    }
}
