//! The sounds that words are made of.
//!
//! Vowels have the mean formants of the male speakers in Peterson and Barney, "Control methods used
//! in a study of the vowels" (1952), consonants roughly those of Klatt, "Software for a
//! cascade/parallel formant synthesizer" (1980). This is not meant to be understood, only to differ
//! as speech does.

/// What kind of sound a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Vowel,
    /// Nasals and liquids: voiced and soft.
    Sonorant,
    /// Noise, with or without voice.
    Fricative,
    /// Silence, then a burst.
    Stop,
}

/// One sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phone {
    pub(super) manner: Manner,
    /// Resonances of the voice. In consonants without voice they are where neighbors move to.
    pub(super) formants_hz: [f64; 3],
    /// Resonances of the noise.
    pub(super) noise_hz: [f64; 3],
    /// Part of voice in the source, 0 to 1; the rest is noise.
    pub(super) voice: f64,
    pub(super) level: f64,
    /// Length relative to other sounds.
    pub(super) length: f64,
}

const fn vowel(formants_hz: [f64; 3]) -> Phone {
    let (manner, noise_hz) = (Manner::Vowel, formants_hz);
    Phone { manner, formants_hz, noise_hz, voice: 1.0, level: 1.0, length: 1.2 }
}

const fn sonorant(formants_hz: [f64; 3]) -> Phone {
    let (manner, noise_hz) = (Manner::Sonorant, formants_hz);
    Phone { manner, formants_hz, noise_hz, voice: 1.0, level: 0.5, length: 0.8 }
}

const fn fricative(formants_hz: [f64; 3], noise_hz: [f64; 3], voice: f64, level: f64) -> Phone {
    Phone { manner: Manner::Fricative, formants_hz, noise_hz, voice, level, length: 0.9 }
}

const fn stop(formants_hz: [f64; 3], noise_hz: [f64; 3], level: f64) -> Phone {
    Phone { manner: Manner::Stop, formants_hz, noise_hz, voice: 0.0, level, length: 0.7 }
}

pub(super) const VOWELS: [Phone; 10] = [
    vowel([270.0, 2290.0, 3010.0]), // heed
    vowel([390.0, 1990.0, 2550.0]), // hid
    vowel([530.0, 1840.0, 2480.0]), // head
    vowel([660.0, 1720.0, 2410.0]), // had
    vowel([730.0, 1090.0, 2440.0]), // hod
    vowel([570.0, 840.0, 2410.0]),  // hawed
    vowel([440.0, 1020.0, 2240.0]), // hood
    vowel([300.0, 870.0, 2240.0]),  // who'd
    vowel([640.0, 1190.0, 2390.0]), // hud
    vowel([490.0, 1350.0, 1690.0]), // heard
];

pub(super) const CONSONANTS: [Phone; 12] = [
    sonorant([300.0, 1000.0, 2150.0]), // m
    sonorant([300.0, 1500.0, 2600.0]), // n
    sonorant([330.0, 1050.0, 2880.0]), // l
    sonorant([330.0, 1060.0, 1380.0]), // r
    fricative([320.0, 1390.0, 2530.0], [4400.0, 5600.0, 6800.0], 0.0, 0.4), // s
    fricative([300.0, 1840.0, 2750.0], [2200.0, 3000.0, 4600.0], 0.0, 0.4), // sh
    fricative([340.0, 1100.0, 2080.0], [1100.0, 3400.0, 7000.0], 0.0, 0.2), // f
    fricative([270.0, 1390.0, 2530.0], [4000.0, 5200.0, 6600.0], 0.5, 0.4), // z
    fricative([270.0, 1100.0, 2080.0], [500.0, 1300.0, 2600.0], 0.7, 0.3), // v
    stop([400.0, 1100.0, 2150.0], [700.0, 1100.0, 2300.0], 0.5), // p
    stop([400.0, 1600.0, 2600.0], [3300.0, 4200.0, 5600.0], 0.6), // t
    stop([300.0, 1990.0, 2850.0], [1700.0, 2200.0, 3200.0], 0.6), // k
];

/// Part of a stop that is silent.
const CLOSURE: f64 = 0.6;

impl Phone {
    /// Its level at `place` (0 to 1) of its length.
    pub(super) fn level_at(&self, place: f64) -> f64 {
        match self.manner {
            Manner::Stop if place < CLOSURE => 0.0,
            Manner::Stop => self.level * (1.0 - 0.7 * (place - CLOSURE) / (1.0 - CLOSURE)),
            _ => self.level,
        }
    }
}
