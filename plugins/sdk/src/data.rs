//! Datasets and metrics: components on plain slices.

use crate::arrays::Arrays;
use crate::build::Build;
use crate::contract::Contract;
use crate::panics::catch;
use crate::{Config, Error};
use abi_stable::std_types::{RResult, RStr, RString, RVec};
use ablate_abi::v1::{self, CallOutput, NamedTensor};

/// One item of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Stable name, such as an utterance id.
    pub id: String,
    /// Length in the dataset's own unit (frames, tokens), for bucketing.
    pub size: usize,
}

/// A source of batches. Batches may be asked for from several threads at once.
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
pub trait Metric: Send + Sized + 'static {
    /// Its configuration.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;

    /// Its inputs under `config`.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    fn contract(config: &Self::Config) -> Result<Contract, Error>;

    /// Makes it, empty.
    ///
    /// # Errors
    /// If the configuration is wrong.
    fn new(config: &Self::Config, build: &mut Build) -> Result<Self, Error>;

    /// Takes one batch.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn update(&mut self, inputs: &Arrays, records: &[String]) -> Result<(), Error>;

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
        _json: RStr<'_>,
        _tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, Error> {
        RResult::RErr(Error::unsupported(format!("metrics have no call `{name}`")))
    }
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
