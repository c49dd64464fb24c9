//! Checkpoints as they are published: safetensors and PyTorch's pickles.

use crate::architecture::Family;
use crate::config::{Size, SpeechEncoderConfig};
use ablate_sdk::Error;
use ablate_sdk::burn::store::{
    ModuleStore, PytorchStore, SafetensorsStore, bridge, burn_pack::Tensor as Stored,
};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A tensor that every checkpoint of both families has.
const LANDMARK: &str = "feature_projection.projection.weight";

/// One that only the checkpoints of the original training code have.
const ORIGINAL: &str = "post_extract_proj.weight";

/// An open checkpoint; its tensors are read one by one.
pub(crate) struct Checkpoint {
    path: PathBuf,
    /// What precedes the names, such as `wavlm.` in a fine-tuned model with a head.
    prefix: String,
    file: File,
}

enum File {
    Safetensors(Box<SafetensorsStore>),
    Pytorch(Box<PytorchStore>),
}

impl Checkpoint {
    /// The file that `config` names, if it is one; `None` with `random = true`.
    ///
    /// # Errors
    /// Which file is needed, where it comes from and where to put it.
    pub(crate) fn locate(
        family: Family,
        config: &SpeechEncoderConfig,
    ) -> Result<Option<&Path>, Error> {
        match (&config.weights, config.random) {
            (None, true) => Ok(None),
            (Some(_), true) => {
                let text =
                    "`weights` and `random = true` exclude each other: leave one of them out";
                Err(Error::config(text))
            }
            (None, false) => Err(needed(family, config.size)),
            (Some(path), false) if path.is_dir() => {
                let names = ["model.safetensors", "pytorch_model.bin"];
                let found = names.into_iter().find(|name| path.join(name).is_file());
                let file = path.join(found.unwrap_or(names[0]));
                Err(Error::config(format!(
                    "`weights` is the folder `{}`: name the file, `weights = \"{}\"`",
                    path.display(),
                    file.display()
                )))
            }
            (Some(path), false) if !path.is_file() => {
                let mut error = needed(family, config.size);
                error.message = format!("no file `{}`; {}", path.display(), error.message).into();
                Err(error)
            }
            (Some(path), false) => Ok(Some(path)),
        }
    }

    /// Reads which tensors there are.
    ///
    /// # Errors
    /// If the file is not what its name says, or no checkpoint of these models.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let mut file = match extension {
            Some("safetensors") => File::Safetensors(Box::new(SafetensorsStore::from_file(path))),
            Some("bin" | "pt" | "pth") => {
                let store = PytorchStore::from_file(path).map_indices_contiguous(false);
                File::Pytorch(Box::new(store))
            }
            _ => {
                return Err(Error::config(format!(
                    "`{}` ends in none of `.safetensors`, `.bin`, `.pt`, `.pth`, so its format is \
                     not known",
                    path.display()
                )));
            }
        };
        let names = file.names().map_err(|reason| unreadable(path, reason))?;
        let landmark = names.iter().find_map(|name| name.strip_suffix(LANDMARK));
        let Some(prefix) = landmark.map(ToOwned::to_owned) else {
            let original = names.iter().any(|name| name.ends_with(ORIGINAL));
            let why = if original {
                "; it is in the format of the original training code, needed is the converted file \
                 of the model card"
            } else {
                ""
            };
            let shown = path.display();
            let text =
                format!("`{shown}` is no checkpoint of these models: no tensor `{LANDMARK}`{why}");
            return Err(Error::data(text));
        };
        Ok(Self { path: path.to_owned(), prefix, file })
    }

    /// The values of a tensor, which has one of several names.
    ///
    /// # Errors
    /// If it is not there, has another shape, or cannot be read.
    pub(crate) fn read(&mut self, names: &[String], shape: &[usize]) -> Result<Vec<f32>, Error> {
        let shown = self.path.display().to_string();
        let name = |name: &String| format!("{}{name}", self.prefix);
        let names: Vec<String> = names.iter().map(name).collect();
        let mut found = None;
        for name in &names {
            let tensor = self.file.get(name).map_err(|reason| unreadable(&self.path, reason))?;
            if let Some(tensor) = tensor {
                found = Some((name, tensor));
                break;
            }
        }
        let Some((name, tensor)) = found else {
            let text = format!("`{shown}` has no tensor `{}`, expected one of {shape:?}", names[0]);
            return Err(Error::data(text));
        };
        let stored: Vec<usize> = tensor.shape.iter().copied().collect();
        if stored != shape {
            let text =
                format!("`{shown}`: tensor `{name}` has shape {stored:?}, expected {shape:?}");
            return Err(Error::data(text));
        }
        let dtype = tensor.dtype;
        if !dtype.is_float() {
            let text = format!("`{shown}`: tensor `{name}` holds {dtype:?}, expected floats");
            return Err(Error::data(text));
        }
        let data = bridge::into_data(tensor).map_err(|error| {
            let mut failed = Error::data(format!("`{shown}`: tensor `{name}` cannot be read"));
            failed.causes.push(error.to_string().into());
            failed
        })?;
        let count: usize = shape.iter().product();
        match data.convert::<f32>().try_into_vec::<f32>() {
            Ok(values) if values.len() == count => Ok(values),
            _ => Err(Error::data(format!("`{shown}`: tensor `{name}` is cut short"))),
        }
    }
}

impl File {
    fn names(&mut self) -> Result<Vec<String>, String> {
        match self {
            Self::Safetensors(store) => store.keys().map_err(shown),
            Self::Pytorch(store) => store.keys().map_err(shown),
        }
    }

    fn get(&mut self, name: &str) -> Result<Option<Stored>, String> {
        match self {
            Self::Safetensors(store) => {
                store.get_tensor(name).map(Option::<&Stored>::cloned).map_err(shown)
            }
            Self::Pytorch(store) => {
                store.get_tensor(name).map(Option::<&Stored>::cloned).map_err(shown)
            }
        }
    }
}

fn shown(error: impl Display) -> String {
    error.to_string()
}

fn unreadable(path: &Path, reason: String) -> Error {
    let text = format!(
        "`{}` is cut short or not in the format that its name says: download it again",
        path.display()
    );
    let mut error = Error::data(text);
    error.causes.push(reason.into());
    error
}

fn needed(family: Family, size: Size) -> Error {
    let (name, card) = (family.name(), family.card(size));
    if size == Size::Custom {
        return Error::config(format!(
            "`{name}` needs the weights that its `architecture` describes: \
             `weights = \"path/of/model.safetensors\"` (or `pytorch_model.bin`); `random = true` is \
             for weights that no training has seen"
        ));
    }
    let size = size.name();
    let folder = card.rsplit('/').next().unwrap_or(card);
    Error::config(format!(
        "`{name}` of size `{size}` needs its published weights: download `model.safetensors` (or \
         `pytorch_model.bin`, where there is no other) from the model card \
         https://huggingface.co/{card} into a folder of yours, say `weights/{folder}`, and write \
         `weights = \"weights/{folder}/model.safetensors\"`; `random = true` is for weights that no \
         training has seen"
    ))
}
