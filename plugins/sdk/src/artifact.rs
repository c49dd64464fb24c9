//! A config value that names what another run has made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An artifact that a component reads: what a trial of another experiment published, or a file.
///
/// In a component's config it is written as `{ from = "experiments/rqvae:sliding-window", artifact =
/// "id_map" }`, with `seed = 0` for the trial of one seed rather than of the seed that asks, or as the
/// path of a file. The host finds the file, or runs the trial that makes it; the component asks for
/// it by the key:
///
/// ```
/// use ablate_sdk::schemars::JsonSchema;
/// use ablate_sdk::serde::{Deserialize, Serialize};
/// use ablate_sdk::{ArtifactSource, Build, Error};
///
/// /// What a dataset is configured by.
/// #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
/// #[serde(crate = "ablate_sdk::serde", deny_unknown_fields)]
/// #[schemars(crate = "ablate_sdk::schemars")]
/// struct Config {
///     /// The codes of every document.
///     indices: ArtifactSource,
/// }
///
/// fn read(_: &Config, build: &mut Build) -> Result<String, Error> {
///     let path = build.artifact("indices")?;
///     std::fs::read_to_string(&path).map_err(|error| Error::data(error.to_string()))
/// }
/// ```
///
/// A value inside a table of the config is asked for by its dotted key (`codes.map`), and one that
/// the config leaves out is asked for only where it is there: `Option<ArtifactSource>`. A component is
/// not made before its artifacts are: until then only its contract is asked for, which therefore must
/// not depend on what they hold.
///
/// What the component computes from it belongs to the trial: its identity holds that of the trial
/// which made the artifact, or the content of the file. A dataset's `fingerprint` need not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-ablate" = "artifact"))]
pub enum ArtifactSource {
    /// A file.
    File(String),
    /// What a trial of another experiment published.
    Run(PublishedBy),
}

/// Which trial published an artifact, and under which name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedBy {
    /// The experiment as one would name it behind `ablate sweep`, and behind a colon the variant, its
    /// baseline by default; a path that begins with `./` or `../` is relative to the file that says it.
    pub from: String,
    /// The name of the artifact: `id_map` of `[artifact.id_map]`.
    pub artifact: String,
    /// The seed of the trial; that of the trial which asks by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::{ArtifactSource, PublishedBy};
    use schemars::schema_for;
    use serde_json::json;

    #[test]
    fn a_path_and_a_table_are_read_back_as_they_were_written() {
        let file = json!("maps/id_map.json");
        let run = json!({ "from": "experiments/rqvae:sliding-window", "artifact": "id_map" });
        let of_seed = json!({ "from": "experiments/rqvae", "artifact": "id_map", "seed": 3 });
        for value in [&file, &run, &of_seed] {
            let source: ArtifactSource = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(&source).unwrap(), *value);
        }
        let expected = PublishedBy {
            from: "experiments/rqvae:sliding-window".into(),
            artifact: "id_map".into(),
            seed: None,
        };
        let source: ArtifactSource = serde_json::from_value(run).unwrap();
        assert_eq!(source, ArtifactSource::Run(expected));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for value in
            [json!(3), json!({ "from": "x" }), json!({ "from": "x", "artifact": "y", "z": 1 })]
        {
            assert!(serde_json::from_value::<ArtifactSource>(value).is_err());
        }
    }

    #[test]
    fn the_schema_is_marked_for_the_host() {
        let schema = schema_for!(ArtifactSource).to_value();
        assert_eq!(schema["x-ablate"], "artifact");
    }
}
