//! A block of the kit's own that fits any slot: what a component is checked with when no plugin
//! has a block for its slot.
//!
//! Each float output is a masked mean of a float input, spread over what the input does not have;
//! being linear, its vector-Jacobian product is exact. It has no parameters.

use crate::array::{Array, Batch, Values};
use crate::contract::{Contract, Dim, Port, Sizes};
use ablate_abi::v1::{
    Call, CallOutput, Context, Context_TO, Differentiable, Differentiable_TO, ForwardOutput,
    GroupRate, NamedTensor, Parameter, PluginError, RArc, RNone, ROk, ROption, RResult, RSome,
    RStr, RString, RVec, SharedDifferentiable, TD_Opaque, Tensor, guard,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// No image of any plugin: such a block always crosses the border.
const IMAGE: u64 = u64::MAX - 1;

struct PlainBlock {
    contract: Contract,
    live: Arc<AtomicU64>,
}

/// The block for a slot with this contract; `None` if an output cannot be made from its inputs.
pub(crate) fn plain_block(contract: &Contract) -> Option<SharedDifferentiable> {
    let makeable = |port: &Port| {
        !port.shape.contains(&Dim::Any)
            && (!port.is_float() || (port.dtype == "f32" && source(contract, port).is_some()))
    };
    let readable = |port: &Port| !port.shape.contains(&Dim::Any);
    let fits = contract.outputs.iter().all(makeable) && contract.inputs.iter().all(readable);
    let block = PlainBlock { contract: contract.clone(), live: Arc::default() };
    fits.then(|| Differentiable_TO::from_ptr(RArc::new(block), TD_Opaque))
}

/// The float input that an output is made from: the one that shares most dimensions with it.
fn source<'a>(contract: &'a Contract, output: &Port) -> Option<(usize, &'a Port)> {
    let floats = contract.inputs.iter().enumerate().filter(|(_, port)| port.dtype == "f32");
    let shared = |port: &Port| output.shape.iter().filter(|dim| port.shape.contains(dim)).count();
    floats.max_by_key(|(_, port)| shared(port))
}

/// A linear map by its nonzero weights: (output element, input element, weight).
struct Linear {
    input: usize,
    weights: Vec<(usize, usize, f32)>,
}

impl PlainBlock {
    fn run(&self, inputs: &Batch) -> Result<(Batch, Vec<Option<Linear>>), PluginError> {
        let mut sizes = Sizes::default();
        for port in &self.contract.inputs {
            let array = inputs.get(&port.name).ok_or_else(|| {
                PluginError::contract(format!("the slot was given no `{}`", port.name))
            })?;
            port.fits(&array.shape, &mut sizes).map_err(|text| {
                PluginError::contract(format!("the slot was given `{}`, which {text}", port.name))
            })?;
        }
        let mask = self.contract.inputs.iter().find(|port| port.is_mask());
        let valid = mask.and_then(|port| Some((port, inputs.get(&port.name)?.as_bools()?)));
        let mut outputs = Batch::default();
        let mut maps = Vec::new();
        for port in &self.contract.outputs {
            let shape = port.shape(&sizes);
            let count: usize = shape.iter().product();
            let (values, map) = if port.is_float() {
                let (input, from) = source(&self.contract, port).ok_or_else(|| {
                    PluginError::contract("a plain block needs a float input".to_owned())
                })?;
                let array = &inputs.0.iter().find(|(name, _)| *name == from.name);
                let array = array.map(|(_, array)| array).ok_or_else(|| {
                    PluginError::contract(format!("the slot was given no `{}`", from.name))
                })?;
                let weights = mean(from, &array.shape, port, &shape, valid);
                let given = array.as_f32().unwrap_or(&[]);
                let mut values = vec![0.0f32; count];
                for (out, at, weight) in &weights {
                    values[*out] += weight * given[*at];
                }
                (Values::F32(values), Some(Linear { input, weights }))
            } else if port.dtype == "bool" {
                (Values::Bool(any_valid(port, &shape, valid)), None)
            } else if port.dtype == "i32" {
                (Values::I32(vec![0; count]), None)
            } else {
                (Values::I64(vec![0; count]), None)
            };
            outputs.0.push((port.name.clone(), Array { shape, values }));
            maps.push(map);
        }
        Ok((outputs, maps))
    }
}

/// Index of each dimension of a flat index.
fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, size) in shape.iter().enumerate().rev() {
        index[at] = flat % size;
        flat /= size;
    }
    index
}

type Valid<'a> = Option<(&'a Port, &'a [bool])>;

/// Whether the row that an element lies in counts.
fn counts(port: &Port, index: &[usize], shape: &[usize], valid: Valid<'_>) -> bool {
    match valid {
        Some((mask, list)) if port.is_under(mask) => list[index[0] * shape[1] + index[1]],
        _ => true,
    }
}

/// Weights of the mean over the input's dimensions that the output does not have.
fn mean(
    from: &Port,
    from_shape: &[usize],
    to: &Port,
    to_shape: &[usize],
    valid: Valid<'_>,
) -> Vec<(usize, usize, f32)> {
    // Which output dimension an input dimension is, by symbol, or by size at the same place.
    let place = |at: usize, dim: &Dim| match dim {
        Dim::Symbol(_) => to.shape.iter().position(|other| other == dim),
        _ => (to.shape.get(at) == Some(dim)).then_some(at),
    };
    let places: Vec<Option<usize>> =
        from.shape.iter().enumerate().map(|(at, dim)| place(at, dim)).collect();
    let inputs: Vec<(usize, Vec<usize>)> = (0..from_shape.iter().product())
        .map(|flat| (flat, unravel(flat, from_shape)))
        .filter(|(_, index)| counts(from, index, from_shape, valid))
        .collect();
    let mut weights = Vec::new();
    for out in 0..to_shape.iter().product() {
        let index = unravel(out, to_shape);
        let same = |from: &[usize]| {
            places.iter().zip(from).all(|(place, &at)| place.is_none_or(|p| index[p] == at))
        };
        let chosen: Vec<usize> =
            inputs.iter().filter(|(_, from)| same(from)).map(|(flat, _)| *flat).collect();
        let weight = 1.0 / chosen.len().max(1) as f32;
        weights.extend(chosen.into_iter().map(|flat| (out, flat, weight)));
    }
    weights
}

/// Rows of an output mask count if anything in their item does, and at their own place where the
/// output runs over the same dimension.
fn any_valid(port: &Port, shape: &[usize], valid: Valid<'_>) -> Vec<bool> {
    let count = shape.iter().product();
    let Some((mask, list)) = valid else { return vec![true; count] };
    let frames = list.len() / shape.first().copied().unwrap_or(1).max(1);
    (0..count)
        .map(|flat| {
            let index = unravel(flat, shape);
            if port.shape.first() != mask.shape.first() || frames == 0 {
                return true;
            }
            let row = &list[index[0] * frames..(index[0] + 1) * frames];
            if port.is_under(mask) { row[index[1]] } else { row.contains(&true) }
        })
        .collect()
}

impl Differentiable for PlainBlock {
    fn image(&self) -> u64 {
        IMAGE
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        RResult::RErr(PluginError::unsupported("the kit's own block has no contract to show"))
    }

    fn forward(
        &self,
        call: Call,
        inputs: RVec<NamedTensor>,
    ) -> RResult<ForwardOutput, PluginError> {
        guard(|| {
            let inputs = Batch::from_border(&inputs)?;
            let (outputs, maps) = self.run(&inputs)?;
            let context = if call.wants_context() {
                self.live.fetch_add(1, Ordering::SeqCst);
                // Gradients answer the inputs that were given, which may be more than were used.
                let place = |map: Linear| {
                    let name = &self.contract.inputs[map.input].name;
                    let input = inputs.0.iter().position(|(given, _)| given == name);
                    Linear { input: input.unwrap_or(map.input), weights: map.weights }
                };
                let maps = maps.into_iter().map(|map| map.map(place)).collect();
                let shapes = inputs.0.iter().map(|(_, array)| array.shape.clone()).collect();
                let graph = Graph { maps, shapes, live: self.live.clone() };
                RSome(Context_TO::from_value(graph, TD_Opaque))
            } else {
                RNone
            };
            let outputs = outputs.to_border(false);
            Ok(ForwardOutput { outputs, records: RVec::new(), averaged_over: 0, context })
        })
    }

    fn parameters(&self) -> RResult<RVec<Parameter>, PluginError> {
        ROk(RVec::new())
    }

    fn set_optimizer(&self, _: RStr<'_>) -> RResult<(), PluginError> {
        ROk(())
    }

    fn set_trainable(&self, _: RStr<'_>, _: bool) -> RResult<(), PluginError> {
        ROk(())
    }

    fn grad_norm_sq(&self) -> RResult<f64, PluginError> {
        ROk(0.0)
    }

    fn step(&self, _: f64, _: RVec<GroupRate>) -> RResult<(), PluginError> {
        ROk(())
    }

    fn zero_grad(&self) -> RResult<(), PluginError> {
        ROk(())
    }

    fn save(&self, _: RStr<'_>, _: RStr<'_>) -> RResult<(), PluginError> {
        ROk(())
    }

    fn load(&self, _: RStr<'_>, _: RStr<'_>) -> RResult<(), PluginError> {
        ROk(())
    }

    fn live_contexts(&self) -> u64 {
        self.live.load(Ordering::SeqCst)
    }

    fn call(
        &self,
        name: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        RResult::RErr(PluginError::unsupported(format!("the kit's own block has no call `{name}`")))
    }
}

struct Graph {
    maps: Vec<Option<Linear>>,
    shapes: Vec<Vec<usize>>,
    live: Arc<AtomicU64>,
}

impl Context for Graph {
    fn backward(
        &mut self,
        gradients: RVec<ROption<Tensor>>,
    ) -> RResult<RVec<ROption<Tensor>>, PluginError> {
        guard(|| {
            let mut answer: Vec<Option<Vec<f32>>> = vec![None; self.shapes.len()];
            for (map, gradient) in self.maps.iter().zip(gradients) {
                let (Some(map), RSome(gradient)) = (map, gradient) else { continue };
                let gradient = gradient.to_vec::<f32>()?;
                let count = self.shapes[map.input].iter().product();
                let sum = answer[map.input].get_or_insert_with(|| vec![0.0; count]);
                for (out, at, weight) in &map.weights {
                    let given = gradient.get(*out).ok_or_else(|| {
                        PluginError::contract("a gradient of another shape than its output")
                    })?;
                    sum[*at] += weight * given;
                }
            }
            let tensors = answer
                .into_iter()
                .zip(&self.shapes)
                .map(|(values, shape)| values.map(|values| Tensor::from_vec(values, shape)).into());
            Ok(tensors.collect())
        })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::contract;
    use crate::drive::{GRAPH, forward};

    #[test]
    fn pools_as_a_masked_mean_and_hands_gradients_back() {
        let contract = contract(
            &["features: f32[B, T, 2]", "mask: bool[B, T]"],
            &["pooled: f32[B, W, 2]", "mask: bool[B, W]", "count: int[B]"],
        );
        let block = plain_block(&contract).expect("it can be made");
        let features = vec![1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 5.0, 6.0, 9.0, 9.0, 9.0, 9.0];
        let inputs = Batch(vec![
            ("features".to_owned(), Array::f32(features, &[2, 3, 2])),
            (
                "mask".to_owned(),
                Array {
                    shape: vec![2, 3],
                    values: Values::Bool(vec![true, true, false, true, false, false]),
                },
            ),
        ]);
        let mut pass = forward(&block, GRAPH, 0, &inputs).expect("it fits");
        let pooled = pass.outputs.get("pooled").expect("there");
        assert_eq!(pooled, &Array::f32(vec![2.0, 3.0, 5.0, 6.0], &[2, 1, 2]));
        assert_eq!(block.live_contexts(), 1);
        let seed = Array::f32(vec![1.0, 10.0, 100.0, 1000.0], &[2, 1, 2]);
        let gradients = pass.backward(&[Some(seed), None, None]).expect("once");
        let wanted = vec![0.5, 5.0, 0.5, 5.0, 0.0, 0.0, 100.0, 1000.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(gradients, [Some(Array::f32(wanted, &[2, 3, 2])), None]);
        drop(pass);
        assert_eq!(block.live_contexts(), 0);
    }

    #[test]
    fn keeps_frames_that_the_output_has_too() {
        let contract = contract(
            &["x: f32[B, T, D]", "mask: bool[B, T]"],
            &["y: f32[B, T, 3]", "mask: bool[B, T]"],
        );
        let block = plain_block(&contract).expect("it can be made");
        let inputs = Batch(vec![
            ("x".to_owned(), Array::f32(vec![1.0, 3.0, 5.0, 7.0], &[1, 2, 2])),
            (
                "mask".to_owned(),
                Array { shape: vec![1, 2], values: Values::Bool(vec![true, false]) },
            ),
        ]);
        let pass = forward(&block, GRAPH, 0, &inputs).expect("it fits");
        let y = Array::f32(vec![2.0, 2.0, 2.0, 0.0, 0.0, 0.0], &[1, 2, 3]);
        assert_eq!(pass.outputs.get("y"), Some(&y));
        let mask = pass.outputs.get("mask").and_then(Array::as_bools);
        assert_eq!(mask, Some(&[true, false][..]));
    }

    #[test]
    fn does_not_pretend_to_fit_every_slot() {
        assert!(plain_block(&contract(&["codes: int[B, L]"], &["x: f32[B, L]"])).is_none());
        assert!(plain_block(&contract(&["x: f32[...]"], &["y: f32[B]"])).is_none());
    }
}
