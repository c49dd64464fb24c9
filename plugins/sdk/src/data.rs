//! Datasets and metrics: components on plain slices.

use crate::arrays::Arrays;
use crate::build::Build;
use crate::contract::Contract;
use crate::panics::catch;
use crate::{Config, Error, SlotSpec};
use abi_stable::std_types::{RResult, RStr, RString, RVec};
use ablate_abi::v1::{self, CallOutput, NamedTensor};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// One item of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Stable name, such as an utterance id.
    pub id: String,
    /// Length in the dataset's own unit (frames, tokens), for bucketing.
    pub size: usize,
}

/// A source of batches. Batches may be asked for from several threads at once.
///
/// ```
/// use ablate_sdk::{Arrays, Build, Contract, Dataset, Error, Item, seed};
/// use ablate_sdk::rand::RngExt;
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// Configuration of `noisy-line`.
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields, default)]
/// struct NoisyLineConfig {
///     /// Points of each split.
///     points: usize,
///     /// Slope of the line.
///     slope: f32,
/// }
///
/// impl Default for NoisyLineConfig {
///     fn default() -> Self {
///         Self { points: 100, slope: 2.0 }
///     }
/// }
///
/// struct NoisyLine {
///     points: usize,
///     slope: f32,
/// }
///
/// impl Dataset for NoisyLine {
///     type Config = NoisyLineConfig;
///     const NAME: &'static str = "noisy-line";
///     const DOC: &'static str = "Points near a line.";
///
///     fn contract(_: &NoisyLineConfig) -> Result<Contract, Error> {
///         Ok(Contract::new().output("x: f32[B, 1]").output("y: f32[B, 1]"))
///     }
///
///     fn new(config: &NoisyLineConfig, _: &mut Build) -> Result<Self, Error> {
///         if config.points == 0 {
///             return Err(Error::config("`points` is 0, must be at least 1"));
///         }
///         Ok(Self { points: config.points, slope: config.slope })
///     }
///
///     fn fingerprint(&self) -> Result<String, Error> {
///         // Raise the number when the code draws other points.
///         Ok(format!("noisy-line 1: {} points, slope {}", self.points, self.slope))
///     }
///
///     fn splits(&self) -> Vec<String> {
///         vec!["train".to_owned(), "test".to_owned()]
///     }
///
///     fn items(&self, split: &str) -> Result<Vec<Item>, Error> {
///         Ok((0..self.points).map(|i| Item { id: format!("{split}-{i}"), size: 1 }).collect())
///     }
///
///     fn batch(&self, _: &str, indices: &[usize], stream: u64) -> Result<Arrays, Error> {
///         let mut noise = seed::generator(stream);
///         let x: Vec<f32> = indices.iter().map(|&i| i as f32 / self.points as f32).collect();
///         let y = x.iter().map(|x| self.slope * x + noise.random_range(-0.1..0.1)).collect();
///         let shape = [indices.len(), 1];
///         Ok(Arrays::new().with("x", x, &shape).with("y", y, &shape))
///     }
/// }
///
/// let line = NoisyLine { points: 4, slope: 2.0 };
/// assert_eq!(line.items("test")?[3].id, "test-3");
/// // The stream decides all that is random.
/// let batch = |stream| line.batch("train", &[0, 2], stream);
/// assert_eq!(batch(7)?.slice::<f32>("y")?, batch(7)?.slice::<f32>("y")?);
/// assert_ne!(batch(7)?.slice::<f32>("y")?, batch(8)?.slice::<f32>("y")?);
/// # Ok::<(), Error>(())
/// ```
pub trait Dataset: Send + Sync + Sized + 'static {
    /// Its configuration. A field with `#[schemars(extend("x-ablate" = "location"))]` says where
    /// data lies and is left out of a trial's identity; the fingerprint stands for it.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;

    /// The outputs of its batches under `config`.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    fn contract(config: &Self::Config) -> Result<Contract, Error>;

    /// The slots that it has. Their blocks are frozen; [`crate::Build::slot_identity`] tells them
    /// apart, for caches of what they compute.
    fn slots() -> Vec<SlotSpec> {
        Vec::new()
    }

    /// Makes it. Must be quick: reading the data is for [`Dataset::prepare`].
    ///
    /// # Errors
    /// If the configuration is wrong or the data is not where it says.
    fn new(config: &Self::Config, build: &mut Build) -> Result<Self, Error>;

    /// Decodes, extracts features and fills caches; reports with [`crate::host::progress`] and
    /// stops when [`crate::host::cancelled`]. Cheap when all is cached. Returns a report for the
    /// manifest.
    ///
    /// # Errors
    /// If data cannot be read.
    fn prepare(&self) -> Result<serde_json::Value, Error> {
        Ok(serde_json::Value::Null)
    }

    /// Identity of the data: equal exactly if the batches are equal. Asked for before `prepare`,
    /// so it looks at contents (hashes, which are worth caching), not at decoded data.
    ///
    /// # Errors
    /// If data cannot be read.
    fn fingerprint(&self) -> Result<String, Error>;

    /// Where the data comes from, one line each.
    fn sources(&self) -> Vec<String> {
        Vec::new()
    }

    /// Names of the splits: `train`, and where there are any `valid` and `test`.
    fn splits(&self) -> Vec<String>;

    /// Items of a split, in a stable order, after `prepare`.
    ///
    /// # Errors
    /// If data cannot be read.
    fn items(&self, split: &str) -> Result<Vec<Item>, Error>;

    /// The batch of the items at `indices`; all its randomness comes from `stream` (see
    /// [`crate::seed::generator`]).
    ///
    /// # Errors
    /// If data cannot be read.
    fn batch(&self, split: &str, indices: &[usize], stream: u64) -> Result<Arrays, Error>;
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
    /// Neither.
    Neither,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// Name below the metric's own, such as `level-2`; empty for the main value.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Unit, such as `dB`; may be empty.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
}

/// A measure over all batches of a split.
///
/// States merge, so that a split may be measured in parts:
///
/// ```
/// use ablate_sdk::serde_json;
/// use ablate_sdk::{Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig};
///
/// /// Share of rows whose prediction is the label.
/// #[derive(Default)]
/// struct Hits {
///     hits: u64,
///     rows: u64,
/// }
///
/// impl Metric for Hits {
///     type Config = NoConfig;
///     const NAME: &'static str = "hits";
///     const DOC: &'static str = "Share of rows whose prediction is the label.";
///
///     fn contract(_: &NoConfig) -> Result<Contract, Error> {
///         Ok(Contract::new().input("prediction: int[B]").input("label: int[B]"))
///     }
///
///     fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
///         Ok(Self::default())
///     }
///
///     fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
///         let (predictions, labels) = (inputs.integers("prediction")?, inputs.integers("label")?);
///         self.hits += predictions.iter().zip(&labels).filter(|(p, l)| p == l).count() as u64;
///         self.rows += labels.len() as u64;
///         Ok(())
///     }
///
///     fn compute(&self) -> Result<Vec<MetricValue>, Error> {
///         if self.rows == 0 {
///             return Err(Error::data("nothing was measured: no batch held a row"));
///         }
///         let (value, direction) = (self.hits as f64 / self.rows as f64, Direction::Higher);
///         Ok(vec![MetricValue { name: String::new(), value, unit: "", direction }])
///     }
///
///     fn reset(&mut self) {
///         *self = Self::default();
///     }
///
///     fn state(&self) -> Result<Vec<u8>, Error> {
///         let state = (self.hits, self.rows);
///         serde_json::to_vec(&state).map_err(|error| Error::other(error.to_string()))
///     }
///
///     fn merge(&mut self, state: &[u8]) -> Result<(), Error> {
///         let state = serde_json::from_slice(state);
///         let (hits, rows): (u64, u64) = state.map_err(|error| Error::data(error.to_string()))?;
///         self.hits += hits;
///         self.rows += rows;
///         Ok(())
///     }
/// }
///
/// let batch = |prediction: i64| {
///     let rows = Arrays::new().with("prediction", vec![prediction, 1], &[2]);
///     rows.with("label", vec![1_i64, 1], &[2])
/// };
/// let (mut one, mut other) = (Hits::default(), Hits::default());
/// one.update(&batch(0), &[])?;
/// other.update(&batch(1), &[])?;
/// one.merge(&other.state()?)?;
/// assert_eq!(one.compute()?[0].value, 0.75);
/// # Ok::<(), Error>(())
/// ```
///
/// # Publishing
///
/// A metric may also write what it saw as a file that belongs to the run, such as the codes of every
/// item: it says so with [`Metric::PUBLISHES`], and an experiment asks for it with `[artifact.NAME]`.
/// After training the host gives it every item of the artifact's splits once, in order, by `items`
/// and `update` in turn, and then calls `publish`. As an ordinary `[metric.NAME]` it only measures,
/// and is told no ids.
pub trait Metric: Send + Sized + 'static {
    /// Its configuration.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;
    /// Name of the file that [`Metric::publish`] writes, such as `id_map.json`; without one it only
    /// measures.
    const PUBLISHES: Option<&'static str> = None;

    /// Its inputs under `config`.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    fn contract(config: &Self::Config) -> Result<Contract, Error>;

    /// The slots that it has; their blocks are frozen.
    fn slots() -> Vec<SlotSpec> {
        Vec::new()
    }

    /// Makes it, empty.
    ///
    /// # Errors
    /// If the configuration is wrong.
    fn new(config: &Self::Config, build: &mut Build) -> Result<Self, Error>;

    /// Takes one batch: the arrays, and the model's record of each item if it gives any.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn update(&mut self, inputs: &Arrays, records: &[String]) -> Result<(), Error>;

    /// Takes the ids of the items of the batch that comes next, in its order, and the split that
    /// they are of. Called before every [`Metric::update`] while an artifact is made, and only then.
    ///
    /// # Errors
    /// If the ids are of no use, such as one that was there before.
    fn items(&mut self, split: &str, ids: &[String]) -> Result<(), Error> {
        let _ = (split, ids);
        Ok(())
    }

    /// Writes the artifact to `path`, where nothing is yet. Equal batches must give equal bytes.
    ///
    /// # Errors
    /// If it cannot be written, or the metric does not publish.
    fn publish(&self, path: &Path) -> Result<(), Error> {
        let _ = path;
        Err(Error::unsupported(format!("metric `{}` does not publish", Self::NAME)))
    }

    /// The values so far, main value first.
    ///
    /// # Errors
    /// If nothing was measured.
    fn compute(&self) -> Result<Vec<MetricValue>, Error>;

    /// Forgets everything.
    fn reset(&mut self);

    /// What [`Metric::merge`] of another instance needs.
    ///
    /// # Errors
    /// If the state cannot be written.
    fn state(&self) -> Result<Vec<u8>, Error>;

    /// Takes the state of another instance.
    ///
    /// # Errors
    /// If the state is not one of this metric.
    fn merge(&mut self, state: &[u8]) -> Result<(), Error>;
}

pub(crate) struct ServedDataset<D: Dataset> {
    pub(crate) dataset: D,
    pub(crate) contract: String,
}

impl<D: Dataset> v1::Dataset for ServedDataset<D> {
    fn prepare(&self) -> RResult<RString, Error> {
        catch(|| Ok(self.dataset.prepare()?.to_string().into())).into()
    }

    fn fingerprint(&self) -> RResult<RString, Error> {
        catch(|| Ok(self.dataset.fingerprint()?.into())).into()
    }

    fn sources(&self) -> RResult<RVec<RString>, Error> {
        catch(|| Ok(self.dataset.sources().into_iter().map(RString::from).collect())).into()
    }

    fn contract(&self) -> RResult<RString, Error> {
        RResult::ROk(self.contract.as_str().into())
    }

    fn splits(&self) -> RResult<RVec<RString>, Error> {
        catch(|| Ok(self.dataset.splits().into_iter().map(RString::from).collect())).into()
    }

    fn items(&self, split: RStr<'_>) -> RResult<RVec<v1::Item>, Error> {
        catch(|| {
            let items = self.dataset.items(split.as_str())?.into_iter();
            Ok(items.map(|item| v1::Item { id: item.id.into(), size: item.size as u64 }).collect())
        })
        .into()
    }

    fn batch(
        &self,
        split: RStr<'_>,
        indices: RVec<u64>,
        stream: u64,
    ) -> RResult<RVec<NamedTensor>, Error> {
        catch(|| {
            let indices: Vec<usize> = indices.iter().map(|&index| index as usize).collect();
            Ok(self.dataset.batch(split.as_str(), &indices, stream)?.into_border())
        })
        .into()
    }

    fn call(
        &self,
        name: RStr<'_>,
        _json: RStr<'_>,
        _tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, Error> {
        RResult::RErr(Error::unsupported(format!("datasets have no call `{name}`")))
    }
}

pub(crate) struct ServedMetric<M: Metric>(pub(crate) M);

impl<M: Metric> v1::Metric for ServedMetric<M> {
    fn update(&mut self, inputs: RVec<NamedTensor>, records: RVec<RString>) -> RResult<(), Error> {
        catch(|| {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            self.0.update(&Arrays::from_border(inputs), &records)
        })
        .into()
    }

    fn merge(&mut self, state: RVec<u8>) -> RResult<(), Error> {
        catch(|| self.0.merge(&state)).into()
    }

    fn state(&self) -> RResult<RVec<u8>, Error> {
        catch(|| Ok(self.0.state()?.into())).into()
    }

    fn compute(&self) -> RResult<RVec<v1::MetricValue>, Error> {
        catch(|| Ok(self.0.compute()?.into_iter().map(to_border).collect())).into()
    }

    fn reset(&mut self) -> RResult<(), Error> {
        catch(|| {
            self.0.reset();
            Ok(())
        })
        .into()
    }

    fn call(
        &mut self,
        name: RStr<'_>,
        json: RStr<'_>,
        _tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, Error> {
        catch(|| {
            match (name.as_str(), M::PUBLISHES) {
                ("items", Some(_)) => {
                    let Items { split, ids } = read(name, json)?;
                    self.0.items(&split, &ids)?;
                }
                ("publish", Some(_)) => {
                    let Publish { path } = read(name, json)?;
                    self.0.publish(&path)?;
                }
                _ => {
                    return Err(Error::unsupported(format!("metrics have no call `{name}`")));
                }
            }
            Ok(CallOutput { json: RString::from("null"), tensors: RVec::new() })
        })
        .into()
    }
}

/// Arguments of the call `items`.
#[derive(Deserialize)]
struct Items {
    split: String,
    ids: Vec<String>,
}

/// Arguments of the call `publish`.
#[derive(Deserialize)]
struct Publish {
    path: PathBuf,
}

fn read<T: DeserializeOwned>(call: RStr<'_>, json: RStr<'_>) -> Result<T, Error> {
    serde_json::from_str(json.as_str())
        .map_err(|error| Error::other(format!("arguments of the call `{call}`: {error}")))
}

fn to_border(value: MetricValue) -> v1::MetricValue {
    v1::MetricValue {
        name: value.name.into(),
        value: value.value,
        unit: value.unit.into(),
        direction: match value.direction {
            Direction::Higher => 1,
            Direction::Lower => -1,
            Direction::Neither => 0,
        },
    }
}
