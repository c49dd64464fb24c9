//! Calls of differentiable components: forward, backward, gradients and state as plain values.

use crate::array::{Array, Batch};
use crate::sample::Stream;
use crate::verdict::Stop;
use ablate_abi::v1::{
    Call, ErrorKind, GroupRate, OwnedContext, PluginError, RNone, ROption, RSome, RVec,
    SharedDifferentiable,
};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How a forward pass is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) method: &'static str,
    pub(crate) flags: u32,
}

/// As in training.
pub(crate) const TRAIN: Mode = Mode { method: "train", flags: Call::TRAIN | Call::WANT_CONTEXT };
/// As in evaluation.
pub(crate) const EVAL: Mode = Mode { method: "eval", flags: 0 };
/// As in evaluation, with a graph.
pub(crate) const GRAPH: Mode = Mode { method: "eval", flags: Call::WANT_CONTEXT };

/// What a forward pass gave.
pub(crate) struct Pass {
    pub(crate) outputs: Batch,
    pub(crate) averaged_over: u64,
    pub(crate) context: Option<OwnedContext>,
    inputs: Vec<(Vec<usize>, bool)>,
}

/// One forward pass; equal `step`s draw equal random numbers.
pub(crate) fn forward(
    component: &SharedDifferentiable,
    mode: Mode,
    step: u64,
    batch: &Batch,
) -> Result<Pass, PluginError> {
    let wants_context = mode.flags & Call::WANT_CONTEXT != 0;
    let call = Call { step, flags: mode.flags, ..Call::new(mode.method, 0x5eed + step) };
    let output = component.forward(call, batch.to_border(wants_context)).into_result()?;
    Ok(Pass {
        outputs: Batch::from_border(&output.outputs)?,
        averaged_over: output.averaged_over,
        context: output.context.into_option(),
        inputs: batch.0.iter().map(|(_, array)| (array.shape.clone(), array.is_float())).collect(),
    })
}

impl Pass {
    /// The vector-Jacobian product, with the answer checked for its form.
    pub(crate) fn backward(
        &mut self,
        gradients: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>, PluginError> {
        let wrong = |text: String| Err(PluginError::contract(text));
        let Some(context) = &mut self.context else {
            return wrong("it kept no graph although gradients are wanted".to_owned());
        };
        let given = gradients.iter().map(|gradient| match gradient {
            Some(array) => RSome(array.to_border()),
            None => RNone,
        });
        let answer = context.backward(given.collect()).into_result()?;
        if answer.len() != self.inputs.len() {
            let (found, wanted) = (answer.len(), self.inputs.len());
            return wrong(format!("backward gave {found} gradients for {wanted} inputs"));
        }
        let mut list = Vec::with_capacity(answer.len());
        for (gradient, (shape, float)) in answer.into_iter().zip(&self.inputs) {
            let gradient = gradient.into_option().map(|t| Array::from_border(&t)).transpose()?;
            if let Some(gradient) = &gradient {
                if !float {
                    return wrong("backward gave a gradient for an input of no floats".to_owned());
                }
                if gradient.shape != *shape {
                    let found = &gradient.shape;
                    return wrong(format!("a gradient of shape {found:?} for an input {shape:?}"));
                }
            }
            list.push(gradient);
        }
        Ok(list)
    }

    /// Random gradients for the float outputs.
    pub(crate) fn random_gradients(&self, stream: &mut Stream) -> Vec<Option<Array>> {
        let random = |array: &Array| {
            let values = stream.normals(array.len());
            array.as_f32().map(|_| Array::f32(values, &array.shape))
        };
        let mut random = random;
        self.outputs.0.iter().map(|(_, array)| random(array)).collect()
    }
}

/// Gradients of the inputs and of the parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gradients {
    pub(crate) inputs: Vec<Option<Array>>,
    /// By part and path; `None` when the plugin does not show them.
    pub(crate) parameters: Option<BTreeMap<String, Vec<f32>>>,
}

/// A component with the blocks in its slots, each with its place.
pub(crate) struct Made {
    pub(crate) top: SharedDifferentiable,
    /// The component itself first.
    pub(crate) parts: Vec<(String, SharedDifferentiable)>,
}

impl Made {
    /// Accumulated gradients of all parts; `None` when a part does not show them.
    pub(crate) fn gradients(&self) -> Result<Option<BTreeMap<String, Vec<f32>>>, PluginError> {
        let mut all = BTreeMap::new();
        for (place, part) in &self.parts {
            match part.call("gradients".into(), "{}".into(), RVec::new()).into_result() {
                Ok(answer) => {
                    for named in &answer.tensors {
                        let values = named.tensor.to_vec::<f32>()?;
                        all.insert(format!("{place}{}", named.name), values);
                    }
                }
                Err(error) if error.kind == ErrorKind::UNSUPPORTED => {
                    if !part.parameters().into_result()?.is_empty() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(all))
    }

    /// Whether any part has a parameter that can be trained.
    pub(crate) fn trainable(&self) -> Result<bool, PluginError> {
        for (_, part) in &self.parts {
            if part.parameters().into_result()?.iter().any(|parameter| parameter.trainable) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn zero_grad(&self) -> Result<(), PluginError> {
        self.parts.iter().try_for_each(|(_, part)| part.zero_grad().into_result())
    }

    pub(crate) fn set_optimizer(&self, config: &str) -> Result<(), PluginError> {
        self.parts.iter().try_for_each(|(_, part)| part.set_optimizer(config.into()).into_result())
    }

    pub(crate) fn step(&self, rate: f64) -> Result<(), PluginError> {
        for (_, part) in &self.parts {
            let rate = GroupRate { group: "default".into(), rate };
            part.step(1.0, [rate].into_iter().collect()).into_result()?;
        }
        Ok(())
    }

    /// Graphs alive in all parts.
    pub(crate) fn live(&self) -> Vec<u64> {
        self.parts.iter().map(|(_, part)| part.live_contexts()).collect()
    }

    /// One training step with random gradients; gives the outputs.
    pub(crate) fn train_step(
        &self,
        step: u64,
        batch: &Batch,
        stream: &mut Stream,
    ) -> Result<Batch, PluginError> {
        let mut pass = forward(&self.top, TRAIN, step, batch)?;
        let gradients = pass.random_gradients(stream);
        pass.backward(&gradients)?;
        self.step(1e-2)?;
        Ok(pass.outputs)
    }

    /// Forward and backward from zero gradients.
    pub(crate) fn run(
        &self,
        mode: Mode,
        batch: &Batch,
        gradients: &[Option<Array>],
    ) -> Result<Gradients, PluginError> {
        self.zero_grad()?;
        let mut pass = forward(&self.top, mode, 0, batch)?;
        let inputs = pass.backward(gradients)?;
        Ok(Gradients { inputs, parameters: self.gradients()? })
    }

    /// Writes the state of every part into `folder`.
    pub(crate) fn save(&self, folder: &Path, format: &str) -> Result<(), Stop> {
        for (index, (_, part)) in self.parts.iter().enumerate() {
            let path = file(folder, index, format);
            if format == "resume" {
                // A folder, as the host makes it for a checkpoint.
                fs_err::create_dir_all(&path)?;
            }
            part.save(path.as_str().into(), format.into()).into_result()?;
        }
        Ok(())
    }

    /// Reads what [`Made::save`] wrote.
    pub(crate) fn load(&self, folder: &Path, format: &str) -> Result<(), Stop> {
        for (index, (_, part)) in self.parts.iter().enumerate() {
            let path = file(folder, index, format);
            part.load(path.as_str().into(), format.into()).into_result()?;
        }
        Ok(())
    }

    /// Parameters and statistics of every part.
    pub(crate) fn state(&self) -> Result<Vec<State>, Stop> {
        let folder = tempfile::tempdir()?;
        self.save(folder.path(), "safetensors")?;
        let state = |index: usize| {
            let path = file(folder.path(), index, "safetensors");
            // A block without state may write nothing.
            if Path::new(&path).exists() {
                State::read(&fs_err::read(path)?)
            } else {
                Ok(State::default())
            }
        };
        (0..self.parts.len()).map(state).collect()
    }

    /// Puts parameters and statistics of part `index` back, or others in their place.
    pub(crate) fn restore(&self, index: usize, state: &State) -> Result<(), Stop> {
        let folder = tempfile::tempdir()?;
        let path = file(folder.path(), index, "safetensors");
        fs_err::write(&path, state.bytes()?)?;
        Ok(self.parts[index].1.load(path.as_str().into(), "safetensors".into()).into_result()?)
    }
}

fn file(folder: &Path, index: usize, format: &str) -> String {
    folder.join(format!("part-{index}.{format}")).display().to_string()
}

/// Parameters and statistics of one part, by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State(pub(crate) BTreeMap<String, (Vec<usize>, Vec<u8>)>, Metadata);

/// Texts beside the tensors, which the component may want to see again.
type Metadata = Option<HashMap<String, String>>;

impl State {
    fn read(bytes: &[u8]) -> Result<Self, Stop> {
        let wrong = |error: &dyn std::fmt::Display| {
            Stop::Failed(format!("`save` wrote no valid safetensors: {error}"))
        };
        let file = SafeTensors::deserialize(bytes).map_err(|error| wrong(&error))?;
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(wrong(&format!("`{name}` holds {:?}, expected F32", view.dtype())));
            }
            Ok((name, (view.shape().to_vec(), view.data().to_vec())))
        });
        let tensors = tensors.collect::<Result<_, _>>()?;
        let header = SafeTensors::read_metadata(bytes).map_err(|error| wrong(&error))?.1;
        Ok(Self(tensors, header.metadata().clone()))
    }

    fn bytes(&self) -> Result<Vec<u8>, Stop> {
        let mut views = Vec::new();
        for (name, (shape, bytes)) in &self.0 {
            let view = safetensors::tensor::TensorView::new(Dtype::F32, shape.clone(), bytes);
            views.push((name, view.map_err(|error| Stop::Failed(error.to_string()))?));
        }
        safetensors::serialize(views, self.1.clone())
            .map_err(|error| Stop::Failed(error.to_string()))
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f32> {
        let bytes = self.0.get(name).map_or(&[][..], |(_, bytes)| bytes);
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    pub(crate) fn set(&mut self, name: &str, values: &[f32]) {
        if let Some((_, bytes)) = self.0.get_mut(name) {
            *bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        }
    }
}

/// A missing gradient is zeros.
pub(crate) fn or_zeros(gradient: Option<&Array>, like: &Array) -> Vec<f64> {
    gradient.map_or_else(|| vec![0.0; like.len()], Array::numbers)
}

/// Turns an optional border value into one of the kit's.
pub(crate) fn present<T>(value: ROption<T>, what: &str) -> Result<T, Stop> {
    value.into_option().ok_or_else(|| Stop::Failed(format!("the plugin made no {what}")))
}
