//! A metric: the mean of all numbers.

use crate::flaw;
use ablate_abi::v1::{
    CallOutput, Metric, Metric_TO, MetricValue, NamedTensor, OwnedMetric, PluginError, RErr, ROk,
    RResult, RStr, RString, RVec, TD_Opaque, guard,
};

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

pub(crate) fn make() -> OwnedMetric {
    Metric_TO::from_value(Mean::default(), TD_Opaque)
}

impl Metric for Mean {
    fn update(&mut self, inputs: RVec<NamedTensor>, _: RVec<RString>) -> RResult<(), PluginError> {
        guard(|| {
            let x = inputs.iter().find(|named| named.name == "x");
            let x = &x.ok_or_else(|| PluginError::contract("no `x`"))?.tensor;
            if x.shape().len() != 1 {
                return Err(PluginError::contract("`x` has another rank"));
            }
            let values = x.as_slice::<f32>()?;
            let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
            self.sum += sum;
            self.count += values.len() as f64;
            Ok(())
        })
    }

    fn merge(&mut self, state: RVec<u8>) -> RResult<(), PluginError> {
        guard(|| {
            let Ok(bytes) = <[u8; 16]>::try_from(&state[..]) else {
                if flaw::is("any-state") {
                    return Ok(());
                }
                return Err(PluginError::data("no state"));
            };
            let (sum, count) = bytes.split_at(8);
            let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            if flaw::is("mean-of-means") {
                // The mean of both means, as if they were of as many numbers.
                let mean = |sum: f64, count: f64| sum / count.max(1.0);
                let (own, other) = (mean(self.sum, self.count), mean(number(sum), number(count)));
                self.sum = f64::midpoint(own, other);
                self.count = 1.0;
                return Ok(());
            }
            self.sum += number(sum);
            self.count += number(count);
            Ok(())
        })
    }

    fn state(&self) -> RResult<RVec<u8>, PluginError> {
        ROk(self.sum.to_le_bytes().into_iter().chain(self.count.to_le_bytes()).collect())
    }

    fn compute(&self) -> RResult<RVec<MetricValue>, PluginError> {
        if self.count == 0.0 && !flaw::is("nan-when-nothing") {
            return RErr(PluginError::data("nothing was measured"));
        }
        let value = self.sum / self.count;
        let value = MetricValue { name: "".into(), value, unit: "".into(), direction: -1 };
        ROk([value].into_iter().collect())
    }

    fn reset(&mut self) -> RResult<(), PluginError> {
        if !flaw::is("never-resets") {
            *self = Self::default();
        }
        ROk(())
    }

    fn call(
        &mut self,
        name: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        RErr(PluginError::unsupported(format!("no call `{name}`")))
    }
}
