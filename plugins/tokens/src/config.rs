//! The configuration of the model.

use ablate_sdk::{ArtifactSource, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Centers when the configuration does not say.
const CLUSTERS: usize = 500;

/// Frames for each center to start from when the configuration does not say.
const FRAMES_PER_CLUSTER: usize = 10;

/// Configuration of the model `semantic-tokens`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SemanticTokensConfig {
    /// Centers, and so different tokens: 500 when not given, or as many as `codebook` has.
    #[schemars(range(min = 1))]
    pub clusters: Option<usize>,
    /// Frames that the first centers come from, the first of training: ten for each center when not
    /// given.
    #[schemars(range(min = 1))]
    pub initial_frames: Option<usize>,
    /// Rounds of k-means over those frames; 0 leaves the centers where k-means++ put them.
    pub initial_rounds: usize,
    /// A center with fewer frames than this share of the largest starts again from a frame of the
    /// batch; 0 turns that off.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub reassignment_ratio: f64,
    /// Centers that another run published, the artifact of a `kmeans`: they are used as they are
    /// and nothing is learned.
    pub codebook: Option<ArtifactSource>,
}

impl Default for SemanticTokensConfig {
    fn default() -> Self {
        Self {
            clusters: None,
            initial_frames: None,
            initial_rounds: 10,
            reassignment_ratio: 0.0,
            codebook: None,
        }
    }
}

impl SemanticTokensConfig {
    /// Number of centers, if it does not depend on a file.
    pub(crate) fn known_clusters(&self) -> Option<usize> {
        self.clusters.or(if self.codebook.is_some() { None } else { Some(CLUSTERS) })
    }

    /// Frames that `clusters` centers start from.
    pub(crate) fn frames_for(&self, clusters: usize) -> usize {
        self.initial_frames.unwrap_or(clusters * FRAMES_PER_CLUSTER)
    }

    /// Whether a model can be made of it.
    ///
    /// # Errors
    /// If a value is out of its range, or two contradict each other.
    pub fn check(&self) -> Result<(), Error> {
        let Self { clusters, initial_frames, initial_rounds: _, reassignment_ratio, codebook } =
            self;
        for (name, value) in [("clusters", clusters), ("initial_frames", initial_frames)] {
            if *value == Some(0) {
                return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
            }
        }
        if !(0.0..1.0).contains(reassignment_ratio) {
            let text = format!(
                "`reassignment_ratio` is {reassignment_ratio}, must be at least 0 and less than 1"
            );
            return Err(Error::config(text));
        }
        let (Some(frames), None) = (initial_frames, codebook) else { return Ok(()) };
        let clusters = clusters.unwrap_or(CLUSTERS);
        if *frames < clusters {
            let text =
                format!("`initial_frames` is {frames}, must be at least `clusters` ({clusters})");
            return Err(Error::config(text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_model_can_be_made_of() {
        let check = |change: fn(&mut SemanticTokensConfig), expected: &str| {
            let mut config = SemanticTokensConfig::default();
            change(&mut config);
            assert_eq!(config.check().expect_err("must fail").to_string(), expected);
        };
        check(|c| c.clusters = Some(0), "`clusters` is 0, must be at least 1");
        check(
            |c| c.initial_frames = Some(499),
            "`initial_frames` is 499, must be at least `clusters` (500)",
        );
        check(
            |c| c.reassignment_ratio = 1.0,
            "`reassignment_ratio` is 1, must be at least 0 and less than 1",
        );
        assert!(SemanticTokensConfig::default().check().is_ok());
    }
}
