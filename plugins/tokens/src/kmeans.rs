//! The metric `kmeans`: how good the centers are; it publishes them.

use crate::batch::{TokenBatch, units_of};
use crate::codebook::{Statistics, write_codebook};
use crate::points::Points;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Mean squared distance of all valid frames from their center, and how the frames are spread over
/// the centers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KMeans {
    /// Frames of each center; the longest that was seen.
    counts: Vec<u64>,
    /// Σ of squared distances, as bits.
    squares: u64,
    codebook: Option<Codebook>,
    /// Whether batches came with different codebooks, so that there is none to publish.
    differ: bool,
}

/// The numbers of a codebook as bits, which compare as what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Codebook {
    width: usize,
    bits: Vec<u32>,
}

impl KMeans {
    fn frames(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn inertia(&self) -> f64 {
        f64::from_bits(self.squares) / self.frames() as f64
    }

    fn add(&mut self, counts: &[u64], squares: f64, codebook: Codebook) {
        if self.counts.len() < counts.len() {
            self.counts.resize(counts.len(), 0);
        }
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        self.squares = (f64::from_bits(self.squares) + squares).to_bits();
        let first = self.codebook.get_or_insert_with(|| codebook.clone());
        self.differ |= *first != codebook;
    }

    /// The centers, if there is one codebook and it was learned from enough frames.
    fn centers(&self) -> Result<Points, Error> {
        let Some(Codebook { width, bits }) = &self.codebook else {
            return Err(state::nothing_measured("a codebook"));
        };
        if self.differ {
            return Err(Error::data("batches came with different codebooks, not with one"));
        }
        let values = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        let mut places: BTreeMap<&[u32], usize> = BTreeMap::new();
        for (index, row) in bits.chunks_exact(*width).enumerate() {
            if let Some(first) = places.insert(row, index) {
                let count = self.counts.len();
                let text = format!(
                    "centers {first} and {index} of {count} are equal: k-means had fewer different \
                     frames than centers"
                );
                return Err(Error::data(text).hint("choose fewer centers, or train on more frames"));
            }
        }
        Ok(Points::new(values, *width))
    }
}

impl Metric for KMeans {
    type Config = NoConfig;
    const NAME: &'static str = "kmeans";
    const DOC: &'static str =
        "Mean squared distance of frames from their centers, and the centers' use; publishes them.";
    const PUBLISHES: Option<&'static str> = Some("kmeans.safetensors");

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(TokenBatch::contract().input("codebook: f32[K, F]").input("inertia: f32[1]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let units = units_of(inputs)?;
        let width = inputs.shape("codebook")?[1];
        if width == 0 {
            return Err(Error::contract(format!(
                "`codebook` is f32[{units}, 0] and holds nothing"
            )));
        }
        let bits = inputs.slice::<f32>("codebook")?.iter().map(|value| value.to_bits()).collect();
        let inertia = inputs.slice::<f32>("inertia")?;
        let &[inertia] = inertia else {
            let text = format!("`inertia` has {} numbers, expected one", inertia.len());
            return Err(Error::contract(text));
        };
        if inputs.shape("inertia")?.len() != 1 {
            let text = format!("`inertia` is f32{:?}, expected f32[1]", inputs.shape("inertia")?);
            return Err(Error::contract(text));
        }
        let tokens = TokenBatch::read(inputs, units)?;
        let mut counts = vec![0_u64; units];
        tokens.items.iter().flatten().for_each(|&token| counts[token as usize] += 1);
        let frames: u64 = counts.iter().sum();
        // A batch of padding only has no distance, whatever it says.
        let squares = if frames == 0 { 0.0 } else { f64::from(inertia) * frames as f64 };
        self.add(&counts, squares, Codebook { width, bits });
        Ok(())
    }

    fn publish(&self, path: &Path) -> Result<(), Error> {
        let centers = self.centers()?;
        if self.frames() == 0 {
            return Err(state::nothing_measured("a valid frame"));
        }
        let statistics = Statistics { counts: &self.counts, inertia: self.inertia() };
        write_codebook(path, &centers, &statistics)
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let frames = self.frames() as f64;
        if frames == 0.0 {
            return Err(state::nothing_measured("a valid frame"));
        }
        let used = self.counts.iter().filter(|&&count| count > 0);
        let entropy: f64 =
            used.clone().map(|&count| count as f64 / frames).map(|share| -share * share.ln()).sum();
        let value = |name: &str, value: f64, direction: Direction| MetricValue {
            name: name.to_owned(),
            value,
            unit: "",
            direction,
        };
        Ok(vec![
            value("", self.inertia(), Direction::Lower),
            value("utilization", used.count() as f64 / self.counts.len() as f64, Direction::Higher),
            value("perplexity", entropy.exp(), Direction::Higher),
        ])
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(self)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Self = state::read(Self::NAME, bytes)?;
        if let Some(codebook) = other.codebook {
            self.add(&other.counts, f64::from_bits(other.squares), codebook);
            self.differ |= other.differ;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::read_codebook;

    fn batch(tokens: &[i64], mask: &[bool], inertia: f32) -> Arrays {
        let shape = [1, tokens.len()];
        Arrays::new()
            .with("tokens", tokens.to_vec(), &shape)
            .with("token_mask", mask.to_vec(), &shape)
            .with("codebook", vec![0.0_f32, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], &[4, 2])
            .with("inertia", vec![inertia], &[1])
    }

    fn measured(batches: &[Arrays]) -> KMeans {
        let mut metric = KMeans::default();
        for batch in batches {
            metric.update(batch, &[]).expect("taken");
        }
        metric
    }

    #[test]
    fn averages_over_frames_and_counts_the_use_of_centers() {
        let metric = measured(&[
            batch(&[0, 0, 1, 3], &[true, true, true, false], 2.0),
            batch(&[1], &[true], 6.0),
            batch(&[2], &[false], 100.0),
        ]);
        let values: Vec<(String, f64)> =
            metric.compute().expect("values").into_iter().map(|v| (v.name, v.value)).collect();
        // (3 · 2 + 1 · 6) / 4; two of four centers; two with half of the frames each.
        assert_eq!(values[..2], [(String::new(), 3.0), ("utilization".to_owned(), 0.5)]);
        assert!((values[2].1 - 2.0).abs() < 1e-12, "{values:?}");
    }

    #[test]
    fn publishes_the_centers_with_the_frames_of_each() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("kmeans.safetensors");
        let metric = measured(&[batch(&[0, 0, 1], &[true; 3], 2.0)]);
        metric.publish(&path).expect("published");
        let first = std::fs::read(&path).expect("read");
        assert_eq!(read_codebook(&path, Some(4), 2).expect("read").row(2), [2.0, 2.5]);
        for _ in 0..5 {
            std::fs::remove_file(&path).expect("removed");
            metric.publish(&path).expect("published");
            assert!(first == std::fs::read(&path).expect("read"), "other bytes");
        }
    }

    #[test]
    fn refuses_to_publish_what_is_no_codebook() {
        let text = |metric: &KMeans| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            metric.publish(&folder.path().join("x")).expect_err("must fail").to_string()
        };
        assert_eq!(text(&KMeans::default()), "nothing was measured: no batch held a codebook");
        let other = batch(&[0], &[true], 1.0);
        let equal = Arrays::new()
            .with("tokens", vec![0_i64], &[1, 1])
            .with("codebook", vec![1.0_f32, 2.0, 1.0, 2.0], &[2, 2])
            .with("inertia", vec![0.0_f32], &[1]);
        let metric = measured(&[other, equal]);
        assert_eq!(text(&metric), "batches came with different codebooks, not with one");
        let equal = Arrays::new()
            .with("tokens", vec![0_i64], &[1, 1])
            .with("codebook", vec![1.0_f32, 2.0, 1.0, 2.0], &[2, 2])
            .with("inertia", vec![0.0_f32], &[1]);
        assert_eq!(
            text(&measured(&[equal])),
            "centers 0 and 1 of 2 are equal: k-means had fewer different frames than centers"
        );
    }

    #[test]
    fn refuses_tokens_without_a_center() {
        let error = KMeans::default().update(&batch(&[0, 4], &[true; 2], 1.0), &[]);
        assert_eq!(
            error.expect_err("must fail").to_string(),
            "token `4` is not in [0, 4): item 0 of the batch, frame 2"
        );
    }

    #[test]
    fn merges_to_what_one_saw() {
        let batches = [batch(&[0, 1, 3], &[true; 3], 0.5), batch(&[1, 1], &[true; 2], 0.25)];
        let whole = measured(&batches);
        let mut merged = measured(&batches[..1]);
        merged.merge(&measured(&batches[1..]).state().expect("a state")).expect("merged");
        assert_eq!(merged.compute().expect("values"), whole.compute().expect("values"));
        assert_eq!(merged.state().expect("a state"), whole.state().expect("a state"));
    }
}
