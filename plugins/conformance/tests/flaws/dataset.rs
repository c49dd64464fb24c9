//! A dataset of three numbers for each item, with a little noise from the stream.

use crate::{flaw, plugin};
use ablate_abi::v1::{
    CallOutput, Dataset, Dataset_TO, ErrorKind, Item, Kind, NamedTensor, PluginError, RArc, RErr,
    ROk, RResult, RStr, RString, RVec, SharedDataset, TD_Opaque, Tensor, guard,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ITEMS: u64 = 12;

struct Numbers;

static COUNT: AtomicU64 = AtomicU64::new(1);

pub(crate) fn make() -> SharedDataset {
    Dataset_TO::from_ptr(RArc::new(Numbers), TD_Opaque)
}

fn check(split: &str) -> Result<(), PluginError> {
    if ["train", "valid"].contains(&split) || flaw::is("any-split") {
        return Ok(());
    }
    Err(PluginError::config(format!("no split `{split}`")))
}

impl Dataset for Numbers {
    fn prepare(&self) -> RResult<RString, PluginError> {
        guard(|| {
            if flaw::is("never-stops") && plugin::cancelled() {
                std::thread::sleep(Duration::from_millis(2500));
            } else if plugin::cancelled() {
                let otherwise = flaw::is("stops-otherwise");
                let kind = if otherwise { ErrorKind::DATA } else { ErrorKind::CANCELLED };
                return Err(PluginError::new(kind, "stopped"));
            }
            Ok("{}".into())
        })
    }

    fn fingerprint(&self) -> RResult<RString, PluginError> {
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        ROk(if flaw::is("new-fingerprint") { format!("{count}").into() } else { "one".into() })
    }

    fn sources(&self) -> RResult<RVec<RString>, PluginError> {
        ROk(RVec::new())
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        ROk(plugin::contract(Kind::DATASET).to_string().into())
    }

    fn splits(&self) -> RResult<RVec<RString>, PluginError> {
        ROk(["train", "valid"].into_iter().map(RString::from).collect())
    }

    fn items(&self, split: RStr<'_>) -> RResult<RVec<Item>, PluginError> {
        guard(|| {
            if !["train", "valid"].contains(&split.as_str()) {
                return Err(PluginError::config(format!("no split `{split}`")));
            }
            let item = |at| Item { id: format!("{split}-{at}").into(), size: 1 };
            Ok((0..ITEMS).map(item).collect())
        })
    }

    fn batch(
        &self,
        split: RStr<'_>,
        indices: RVec<u64>,
        stream: u64,
    ) -> RResult<RVec<NamedTensor>, PluginError> {
        guard(|| {
            check(split.as_str())?;
            if let Some(index) = indices.iter().find(|index| **index >= ITEMS) {
                return Err(PluginError::config(format!("no item {index}")));
            }
            // A little work, so that a burst of calls is more than calls.
            let until = Instant::now() + Duration::from_micros(200);
            while Instant::now() < until {}
            let noise =
                if flaw::is("no-stream") { COUNT.fetch_add(1, Ordering::SeqCst) } else { stream };
            let mut values: Vec<f32> = indices
                .iter()
                .flat_map(|index| {
                    (0..3).map(move |at| (index * 3 + at) as f32 + noise as f32 * 1e-3)
                })
                .collect();
            let mut rows = indices.len();
            if flaw::is("other-rows") {
                values.extend([0.0; 3]);
                rows += 1;
            }
            let features = NamedTensor::new("features", Tensor::from_vec(values, &[rows, 3]));
            Ok([features].into_iter().collect())
        })
    }

    fn call(
        &self,
        name: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        RErr(PluginError::unsupported(format!("no call `{name}`")))
    }
}
