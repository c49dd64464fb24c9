//! The files that lie beside a checkpoint must not contradict the configuration.

use crate::architecture::{Architecture, Family};
use crate::config::SpeechEncoderConfig;
use crate::encoder::normalizes;
use ablate_sdk::{Error, serde_json};
use std::path::Path;

/// Compares with the `config.json` and the `preprocessor_config.json` in the folder of `weights`, if
/// they are there. They are not read for anything else: a result depends on what the experiment
/// says alone.
///
/// # Errors
/// What they say otherwise.
pub(crate) fn compare(
    family: Family,
    config: &SpeechEncoderConfig,
    architecture: &Architecture,
    weights: &Path,
) -> Result<(), Error> {
    let Some(folder) = weights.parent() else { return Ok(()) };
    let path = folder.join("config.json");
    if path.is_file() {
        let other = Architecture::read(family, &path)?;
        if let Some(key) = architecture.difference(&other) {
            let (size, shown) = (config.size.name(), path.display());
            return Err(Error::config(format!(
                "`size = \"{size}\"` is not that of the weights: `{shown}` says otherwise about \
                 {key}; for a size that has no name write `size = \"custom\"` and `architecture = \
                 \"{shown}\"`"
            )));
        }
    }
    let path = folder.join("preprocessor_config.json");
    let text = match config.normalize {
        None if path.is_file() => {
            fs_err::read_to_string(&path).map_err(|error| Error::data(error.to_string()))?
        }
        _ => return Ok(()),
    };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let own = normalizes(config, architecture);
    match json["do_normalize"].as_bool() {
        Some(said) if said != own => Err(Error::config(format!(
            "whether to normalize is not clear: `{}` says `do_normalize` {said}, the models of size \
             `{}` were trained with {own}: write `normalize = {said}` or `normalize = {own}`",
            path.display(),
            config.size.name()
        ))),
        _ => Ok(()),
    }
}
