//! What the numbers of a semantic map mean, on disk as `vocabulary.json`.

use crate::codebook::failed;
use crate::pairs::{Merges, Pair};
use ablate_sdk::{Error, serde_json};
use serde::Deserialize;
use std::fmt::Write;
use std::path::Path;

/// Name of the file beside the map that `semantic-map` publishes.
pub(crate) const FILE: &str = "vocabulary.json";

/// Tokens that stand for no sound, after all others: begin and end of a sequence, and padding.
const SPECIALS: u32 = 3;

/// Units, merges of them, and tokens with a meaning of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    merges: Merges,
    deduplicated: bool,
}

/// The file as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    units: u32,
    deduplicated: bool,
    size: u32,
    bos: u32,
    eos: u32,
    pad: u32,
    merges: Vec<Pair>,
}

impl Vocabulary {
    /// The vocabulary of `merges`; `deduplicated` says whether runs become one token before.
    pub fn new(merges: Merges, deduplicated: bool) -> Self {
        Self { merges, deduplicated }
    }

    /// The merges.
    pub fn merges(&self) -> &Merges {
        &self.merges
    }

    /// Whether runs of equal units become one before anything is merged.
    pub fn deduplicated(&self) -> bool {
        self.deduplicated
    }

    /// The token that begins a sequence.
    pub fn bos(&self) -> u32 {
        self.merges.tokens()
    }

    /// The token that ends a sequence.
    pub fn eos(&self) -> u32 {
        self.bos() + 1
    }

    /// The token that fills a batch up.
    pub fn pad(&self) -> u32 {
        self.bos() + 2
    }

    /// Different tokens: units, merges and special tokens.
    pub fn size(&self) -> u32 {
        self.bos() + SPECIALS
    }

    /// Units frame by frame as tokens; special tokens are not added.
    pub fn encode(&self, units: &[u32]) -> Vec<u32> {
        if self.deduplicated {
            self.merges.encode(&without_runs(units))
        } else {
            self.merges.encode(units)
        }
    }

    /// The file's text: one key per line, one merge per line.
    pub(crate) fn to_json(&self) -> String {
        let mut text = String::from("{\n");
        let numbers = [
            ("format", 1),
            ("units", self.merges.units()),
            ("size", self.size()),
            ("bos", self.bos()),
            ("eos", self.eos()),
            ("pad", self.pad()),
        ];
        for (key, number) in numbers {
            let _ = writeln!(text, "  \"{key}\": {number},");
        }
        let _ = writeln!(text, "  \"deduplicated\": {},", self.deduplicated);
        text.push_str("  \"merges\": [");
        for (rank, (first, second)) in self.merges.pairs().iter().enumerate() {
            let _ = write!(text, "{}\n    [{first}, {second}]", if rank == 0 { "" } else { "," });
        }
        text.push_str(if self.merges.pairs().is_empty() { "]\n}\n" } else { "\n  ]\n}\n" });
        text
    }

    /// Reads the vocabulary that `semantic-map` published: the file itself, or the one beside a map.
    ///
    /// # Errors
    /// If there is none, or it contradicts itself.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let beside = path.with_file_name(FILE);
        let file = if beside.is_file() { beside } else { path.to_path_buf() };
        Self::read_file(&file)
            .map_err(|error| error.hint(format!("a map has its vocabulary beside it, as `{FILE}`")))
    }

    fn read_file(file: &Path) -> Result<Self, Error> {
        let text = fs_err::read_to_string(file).map_err(|error| failed("read", file, &error))?;
        let written: Written =
            serde_json::from_str(&text).map_err(|error| failed("read", file, &error))?;
        Self::from_written(written).map_err(|why| failed("read", file, &why))
    }

    fn from_written(written: Written) -> Result<Self, String> {
        let Written { format, units, deduplicated, size, bos, eos, pad, merges } = written;
        if format != 1 {
            return Err(format!("it has format {format}, known is 1"));
        }
        if units == 0 || u64::from(units) + merges.len() as u64 + 3 > u64::from(u32::MAX) {
            return Err(format!("it has {units} units and {} merges", merges.len()));
        }
        let merges = Merges::new(units, merges).map_err(|rank| {
            format!("its merge {rank} is there before, or merges a token that comes later")
        })?;
        let vocabulary = Self { merges, deduplicated };
        let wanted = [vocabulary.size(), vocabulary.bos(), vocabulary.eos(), vocabulary.pad()];
        if wanted == [size, bos, eos, pad] {
            return Ok(vocabulary);
        }
        Err(format!(
            "its `size`, `bos`, `eos` and `pad` are {:?}, but {units} units and {} merges make them \
             {wanted:?}",
            [size, bos, eos, pad],
            vocabulary.merges.pairs().len()
        ))
    }
}

/// The sequence with every run of equal units as one.
pub fn without_runs(units: &[u32]) -> Vec<u32> {
    let mut kept = units.to_vec();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::rand::RngExt;
    use ablate_sdk::seed::generator;

    fn vocabulary() -> Vocabulary {
        let merges = Merges::new(5, vec![(0, 1), (5, 2)]).expect("well made");
        Vocabulary::new(merges, true)
    }

    #[test]
    fn special_tokens_follow_units_and_merges() {
        let vocabulary = vocabulary();
        assert_eq!((vocabulary.bos(), vocabulary.eos(), vocabulary.pad()), (7, 8, 9));
        assert_eq!(vocabulary.size(), 10);
    }

    #[test]
    fn runs_become_one_before_anything_is_merged() {
        let units = [0, 0, 1, 1, 1, 2, 0, 0, 3];
        assert_eq!(without_runs(&units), [0, 1, 2, 0, 3]);
        assert_eq!(vocabulary().encode(&units), [6, 0, 3]);
        let whole = Vocabulary { deduplicated: false, ..vocabulary() };
        assert_eq!(whole.encode(&units), [0, 5, 1, 1, 2, 0, 0, 3]);
        assert_eq!(whole.merges().decode(&whole.encode(&units)), units);
        assert_eq!(without_runs(&[]), [0_u32; 0]);
    }

    #[test]
    fn no_neighbors_are_equal_without_runs_and_nothing_else_is_lost() {
        let mut random = generator(1);
        for _ in 0..200 {
            let length = random.random_range(0..30_usize);
            let units: Vec<u32> = (0..length).map(|_| random.random_range(0..3)).collect();
            let kept = without_runs(&units);
            assert!(kept.windows(2).all(|pair| pair[0] != pair[1]));
            // Index by index: a unit stays exactly if the one before it is another.
            let expected: Vec<u32> = (0..length)
                .filter(|&at| at == 0 || units[at] != units[at - 1])
                .map(|at| units[at])
                .collect();
            assert_eq!(kept, expected);
        }
    }

    #[test]
    fn comes_back_from_its_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for vocabulary in
            [vocabulary(), Vocabulary::new(Merges::new(3, vec![]).expect("none"), false)]
        {
            let file = folder.path().join(FILE);
            std::fs::write(&file, vocabulary.to_json()).expect("written");
            assert_eq!(Vocabulary::read(&file).expect("read"), vocabulary);
            let map = folder.path().join("semantic_map.json");
            assert_eq!(Vocabulary::read(&map).expect("read"), vocabulary);
        }
        assert_eq!(
            vocabulary().to_json(),
            "{\n  \"format\": 1,\n  \"units\": 5,\n  \"size\": 10,\n  \"bos\": 7,\n  \"eos\": 8,\n  \
             \"pad\": 9,\n  \"deduplicated\": true,\n  \"merges\": [\n    [0, 1],\n    [5, 2]\n  ]\n}\n"
        );
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(FILE);
        let check = |change: fn(String) -> String, expected: &str| {
            std::fs::write(&file, change(vocabulary().to_json())).expect("written");
            let error = Vocabulary::read(&file).expect_err("must fail");
            assert!(error.message.contains(&*file.display().to_string()), "{error}");
            assert!(error.causes[0].contains(expected), "{}", error.causes[0]);
        };
        check(|text| text.replace("\"format\": 1", "\"format\": 2"), "it has format 2, known is 1");
        check(|text| text.replace("[5, 2]", "[6, 2]"), "its merge 1 is there before, or merges");
        check(|text| text.replace("\"units\": 5", "\"units\": 9"), "but 9 units and 2 merges make");
        check(|text| text.replace("\"pad\"", "\"padding\""), "unknown field `padding`");
    }
}
