//! A table of numbers as a dataset.

use ablate_abi::v1::{
    CallOutput, Dataset, Item, NamedTensor, PluginError, RErr, ROk, RResult, RStr, RString, RVec,
    Tensor,
};
use ablate_train::derive;

/// Rows of `x` and `y` that are a function of split and index.
pub(crate) struct Table {
    pub(crate) splits: Vec<(String, usize)>,
    pub(crate) width: usize,
    pub(crate) outputs: usize,
    /// This row of `train` holds infinity.
    pub(crate) damaged: Option<u64>,
    /// The batch of this row is refused because the trial is to stop.
    pub(crate) cancels: Option<u64>,
}

/// A number in [-1, 1) for each purpose.
pub(crate) fn number(parts: &[&str]) -> f32 {
    (derive(1, parts) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

impl Table {
    /// One row: `x`, then `y` = a linear function of `x` plus noise.
    pub(crate) fn row(&self, split: &str, index: u64) -> (Vec<f32>, Vec<f32>) {
        let index = index.to_string();
        let x: Vec<f32> =
            (0..self.width).map(|k| number(&["x", split, &index, &k.to_string()])).collect();
        let y = (0..self.outputs)
            .map(|column| {
                let weight = |k: usize| (1 + k + column) as f32 * 0.5;
                let clean: f32 = x.iter().enumerate().map(|(k, x)| x * weight(k)).sum();
                clean + 0.1 * number(&["noise", split, &index, &column.to_string()])
            })
            .collect();
        (x, y)
    }
}

impl Dataset for Table {
    fn prepare(&self) -> RResult<RString, PluginError> {
        ROk("null".into())
    }

    fn fingerprint(&self) -> RResult<RString, PluginError> {
        ROk("table".into())
    }

    fn sources(&self) -> RResult<RVec<RString>, PluginError> {
        ROk(RVec::new())
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }

    fn splits(&self) -> RResult<RVec<RString>, PluginError> {
        ROk(self.splits.iter().map(|(name, _)| name.as_str().into()).collect())
    }

    fn items(&self, split: RStr<'_>) -> RResult<RVec<Item>, PluginError> {
        let (_, count) = self.splits.iter().find(|(name, _)| *name == split.as_str()).unwrap();
        let size = |index: u64| 10 + derive(index, &["size"]) % 50;
        let item = |index: u64| Item { id: format!("row-{index}").into(), size: size(index) };
        ROk((0..*count as u64).map(item).collect())
    }

    fn batch(
        &self,
        split: RStr<'_>,
        indices: RVec<u64>,
        stream: u64,
    ) -> RResult<RVec<NamedTensor>, PluginError> {
        // Later batches are often ready first.
        std::thread::sleep(std::time::Duration::from_micros(stream % 500));
        let train = split.as_str() == "train";
        if train && indices.iter().any(|index| self.cancels == Some(*index)) {
            let kind = ablate_abi::v1::ErrorKind::CANCELLED;
            return RErr(PluginError::new(kind, "asked to stop"));
        }
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for index in &indices {
            let (mut row, target) = self.row(split.as_str(), *index);
            if train && self.damaged == Some(*index) {
                row[1] = f32::INFINITY;
            }
            // Augmentation: draws from the batch's own stream.
            if train && self.outputs == 2 {
                row[0] += 1e-3 * number(&["augment", &stream.to_string(), &index.to_string()]);
            }
            x.extend(row);
            y.extend(target);
        }
        let rows = indices.len();
        ROk(vec![
            NamedTensor::new("x", Tensor::from_vec(x, &[rows, self.width])),
            NamedTensor::new("y", Tensor::from_vec(y, &[rows, self.outputs])),
        ]
        .into())
    }

    fn call(
        &self,
        _: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }
}
