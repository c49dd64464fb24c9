//! Models, blocks, losses and metrics in plain Rust, with their own derivatives.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ablate_abi::v1::{
    Call, CallOutput, Context, Context_TO, DType, Differentiable, ErrorKind, ForwardOutput,
    GroupRate, Metric, MetricValue, NamedTensor, Parameter, PluginError, RErr, RNone, ROk, ROption,
    RResult, RSome, RStr, RString, RVec, SharedDifferentiable, TD_Opaque, Tensor,
};
use serde_json::{Value, json};

/// A function of named matrices with one parameter vector: what differs between the fakes.
pub(crate) trait Function: Send + Sync + 'static {
    /// Outputs, and for losses the elements averaged over.
    fn forward(&self, weights: &[f32], inputs: &Inputs, call: &Call) -> Result<Given, PluginError>;
    /// Adds to the gradient of the parameters; gives that of the inputs, in their order.
    fn backward(
        &self,
        weights: &[f32],
        inputs: &Inputs,
        gradients: &[Option<Vec<f32>>],
        weight_gradient: &mut [f32],
        saved: &mut Saved,
    ) -> Result<Vec<Option<Vec<f32>>>, PluginError>;
}

#[derive(Default)]
pub(crate) struct Given {
    pub(crate) outputs: Vec<(String, Vec<f32>, Vec<usize>)>,
    pub(crate) averaged_over: u64,
    pub(crate) saved: Saved,
}

/// What a function keeps for its backward pass.
#[derive(Default)]
pub(crate) struct Saved {
    pub(crate) values: Vec<f32>,
    pub(crate) contexts: Vec<ablate_abi::v1::OwnedContext>,
}

/// Float inputs by name, with shapes.
pub(crate) struct Inputs(Vec<(String, Vec<f32>, Vec<usize>)>);

impl Inputs {
    pub(crate) fn get(&self, name: &str) -> (&[f32], &[usize]) {
        let found = self.0.iter().find(|(known, _, _)| known == name);
        let (_, values, shape) = found.expect("checked by the host");
        (values, shape)
    }
}

/// A function with parameters, SGD with momentum and files.
pub(crate) struct Fake<F> {
    pub(crate) image: u64,
    pub(crate) group: &'static str,
    pub(crate) state: Arc<FakeState<F>>,
}

pub(crate) struct FakeState<F> {
    function: F,
    pub(crate) weights: Mutex<Weights>,
    live: AtomicU64,
}

#[derive(Clone, Default, Debug, PartialEq)]
pub(crate) struct Weights {
    pub(crate) values: Vec<f32>,
    gradient: Vec<f32>,
    velocity: Vec<f32>,
    momentum: f64,
    pub(crate) frozen: bool,
}

impl<F: Function> Fake<F> {
    pub(crate) fn new(image: u64, function: F, values: Vec<f32>) -> Self {
        let (gradient, velocity) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        let weights = Weights { values, gradient, velocity, ..Weights::default() };
        let state = FakeState { function, weights: weights.into(), live: AtomicU64::new(0) };
        Self { image, group: "default", state: Arc::new(state) }
    }
}

struct FakeContext<F: Function> {
    state: Arc<FakeState<F>>,
    inputs: Inputs,
    wanted: Vec<bool>,
    saved: Saved,
}

impl<F: Function> Drop for FakeContext<F> {
    fn drop(&mut self) {
        self.state.live.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<F: Function> Context for FakeContext<F> {
    fn backward(
        &mut self,
        gradients: RVec<ROption<Tensor>>,
    ) -> RResult<RVec<ROption<Tensor>>, PluginError> {
        let gradients: Vec<Option<Vec<f32>>> = gradients
            .into_iter()
            .map(|gradient| gradient.into_option().map(|tensor| tensor.to_vec().unwrap()))
            .collect();
        let mut weights = self.state.weights.lock().unwrap();
        let Weights { values, gradient, .. } = &mut *weights;
        let function = &self.state.function;
        let given = function.backward(values, &self.inputs, &gradients, gradient, &mut self.saved);
        let given = match given {
            Ok(given) => given,
            Err(error) => return RErr(error),
        };
        let inputs = given.into_iter().zip(&self.inputs.0).zip(&self.wanted);
        ROk(inputs
            .map(|((gradient, (_, _, shape)), wanted)| match gradient {
                Some(gradient) if *wanted => RSome(Tensor::from_vec(gradient, shape)),
                _ => RNone,
            })
            .collect())
    }
}

impl<F: Function> Differentiable for Fake<F> {
    fn image(&self) -> u64 {
        self.image
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }

    fn forward(
        &self,
        call: Call,
        inputs: RVec<NamedTensor>,
    ) -> RResult<ForwardOutput, PluginError> {
        let wanted = inputs.iter().map(|named| named.tensor.needs_grad()).collect();
        let read = |NamedTensor { name, tensor }: NamedTensor| {
            (name.to_string(), tensor.to_vec::<f32>().unwrap_or_default(), tensor.shape())
        };
        let inputs = Inputs(inputs.into_iter().map(read).collect());
        let weights = self.state.weights.lock().unwrap().values.clone();
        let given = match self.state.function.forward(&weights, &inputs, &call) {
            Ok(given) => given,
            Err(error) => return RErr(error),
        };
        let tensors = given.outputs.into_iter();
        let outputs = tensors
            .map(|(name, values, shape)| NamedTensor::new(&name, Tensor::from_vec(values, &shape)))
            .collect();
        let context = if call.wants_context() {
            self.state.live.fetch_add(1, Ordering::SeqCst);
            let context =
                FakeContext { state: self.state.clone(), inputs, wanted, saved: given.saved };
            RSome(Context_TO::from_value(context, TD_Opaque))
        } else {
            RNone
        };
        let averaged_over = given.averaged_over;
        ROk(ForwardOutput { outputs, records: RVec::new(), averaged_over, context })
    }

    fn parameters(&self) -> RResult<RVec<Parameter>, PluginError> {
        let weights = self.state.weights.lock().unwrap();
        let shape = RVec::from(vec![weights.values.len() as u64]);
        let (path, group, trainable) = ("weight".into(), self.group.into(), !weights.frozen);
        let (dtype, statistic) = (DType::F32, false);
        ROk(vec![Parameter { path, shape, dtype, group, trainable, statistic }].into())
    }

    fn set_optimizer(&self, config: RStr<'_>) -> RResult<(), PluginError> {
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["use"], "sgd");
        self.state.weights.lock().unwrap().momentum = config["momentum"].as_f64().unwrap();
        ROk(())
    }

    fn set_trainable(&self, group: RStr<'_>, trainable: bool) -> RResult<(), PluginError> {
        assert!(group.is_empty() || group == self.group);
        self.state.weights.lock().unwrap().frozen = !trainable;
        ROk(())
    }

    fn grad_norm_sq(&self) -> RResult<f64, PluginError> {
        let weights = self.state.weights.lock().unwrap();
        ROk(weights.gradient.iter().map(|value| f64::from(*value).powi(2)).sum())
    }

    fn step(&self, scale: f64, rates: RVec<GroupRate>) -> RResult<(), PluginError> {
        let rate = |group: &str| rates.iter().find(|rate| rate.group == group);
        let rate = rate(self.group).or_else(|| rate("default")).unwrap().rate as f32;
        let mut weights = self.state.weights.lock().unwrap();
        let Weights { values, gradient, velocity, momentum, frozen } = &mut *weights;
        for ((value, gradient), velocity) in values.iter_mut().zip(gradient).zip(velocity) {
            *velocity = *momentum as f32 * *velocity + *gradient * scale as f32;
            *gradient = 0.0;
            if !*frozen {
                *value -= rate * *velocity;
            }
        }
        ROk(())
    }

    fn zero_grad(&self) -> RResult<(), PluginError> {
        self.state.weights.lock().unwrap().gradient.fill(0.0);
        ROk(())
    }

    fn save(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError> {
        assert_eq!(format.as_str(), "resume");
        let weights = self.state.weights.lock().unwrap();
        let bits = |list: &[f32]| list.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let json = json!([bits(&weights.values), bits(&weights.velocity)]);
        fs_err::write(Path::new(path.as_str()).join("fake.json"), json.to_string()).unwrap();
        ROk(())
    }

    fn load(&self, path: RStr<'_>, _: RStr<'_>) -> RResult<(), PluginError> {
        let json = fs_err::read(Path::new(path.as_str()).join("fake.json")).unwrap();
        let [values, velocity]: [Vec<u32>; 2] = serde_json::from_slice(&json).unwrap();
        let floats = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
        let mut weights = self.state.weights.lock().unwrap();
        (weights.values, weights.velocity) = (floats(values), floats(velocity));
        ROk(())
    }

    fn live_contexts(&self) -> u64 {
        self.state.live.load(Ordering::SeqCst)
    }

    fn call(
        &self,
        name: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        assert_eq!(name.as_str(), "non-finite-gradients");
        ROk(CallOutput { json: r#"["weight"]"#.into(), tensors: RVec::new() })
    }
}

/// `prediction = h W` with `h` the sum of what the slots make of `x`, or `x` itself.
pub(crate) struct Linear {
    pub(crate) slots: Vec<(String, SharedDifferentiable)>,
    /// Multiplies inputs by random numbers in training.
    pub(crate) noise: bool,
    /// Calls a block that failed again.
    pub(crate) retry: bool,
    pub(crate) outputs: usize,
}

impl Function for Linear {
    fn forward(&self, weights: &[f32], inputs: &Inputs, call: &Call) -> Result<Given, PluginError> {
        let (x, shape) = inputs.get("x");
        let (rows, width) = (shape[0], shape[1]);
        let mut saved = Saved::default();
        let mut h = if self.slots.is_empty() { x.to_vec() } else { vec![0.0; x.len()] };
        for (slot, block) in &self.slots {
            let call_block = || {
                let mut given = Tensor::from_vec(x.to_vec(), shape);
                given.set_needs_grad(true);
                let inputs = vec![NamedTensor::new("x", given)].into();
                block.forward(call.clone(), inputs).into_result()
            };
            let mut passed = call_block();
            if self.retry && passed.is_err() {
                passed = call_block();
            }
            let passed = passed.map_err(|error| error.context(format!("in slot `{slot}`")))?;
            let block = passed.outputs[0].tensor.to_vec::<f32>()?;
            h.iter_mut().zip(block).for_each(|(sum, value)| *sum += value);
            saved.contexts.extend(passed.context.into_option());
        }
        if self.noise && call.train() {
            for (index, value) in h.iter_mut().enumerate() {
                let draw = ablate_train::derive(call.seed, &["noise", &index.to_string()]);
                *value *= 0.5 + (draw >> 40) as f32 / (1u64 << 24) as f32;
            }
        }
        let columns = self.outputs;
        let mut prediction = vec![0.0; rows * columns];
        for row in 0..rows {
            for column in 0..columns {
                for k in 0..width {
                    prediction[row * columns + column] +=
                        h[row * width + k] * weights[k * columns + column];
                }
            }
        }
        saved.values = h;
        let outputs = vec![("prediction".to_owned(), prediction, vec![rows, columns])];
        Ok(Given { outputs, averaged_over: 0, saved })
    }

    fn backward(
        &self,
        weights: &[f32],
        inputs: &Inputs,
        gradients: &[Option<Vec<f32>>],
        weight_gradient: &mut [f32],
        saved: &mut Saved,
    ) -> Result<Vec<Option<Vec<f32>>>, PluginError> {
        let (x, shape) = inputs.get("x");
        let (rows, width, columns) = (shape[0], shape[1], self.outputs);
        let gradient = gradients[0].as_ref().expect("the only output");
        let mut h_gradient = vec![0.0; x.len()];
        for row in 0..rows {
            for column in 0..columns {
                for k in 0..width {
                    let flow = gradient[row * columns + column];
                    weight_gradient[k * columns + column] += saved.values[row * width + k] * flow;
                    h_gradient[row * width + k] += weights[k * columns + column] * flow;
                }
            }
        }
        for context in &mut saved.contexts {
            let flow = Tensor::from_vec(h_gradient.clone(), shape);
            context.backward(vec![RSome(flow)].into()).into_result()?;
        }
        Ok(vec![None])
    }
}

/// `x = s x` with one parameter, and what can be wrong with it in some step.
pub(crate) struct Scale {
    pub(crate) nan_step: Option<u64>,
    pub(crate) panic_step: Option<u64>,
    /// Gives one column too many.
    pub(crate) wide_step: Option<u64>,
    pub(crate) nan_gradient: bool,
}

impl Function for Scale {
    fn forward(&self, weights: &[f32], inputs: &Inputs, call: &Call) -> Result<Given, PluginError> {
        let (x, shape) = inputs.get("x");
        let mut shape = shape.to_vec();
        let mut y: Vec<f32> = x.iter().map(|value| value * weights[0]).collect();
        let now = Some(call.step + 1);
        if self.panic_step == now {
            return Err(PluginError::new(ErrorKind::PANIC, "index out of bounds"));
        }
        if self.nan_step == now {
            y[1] = f32::NAN;
        }
        if self.wide_step == now {
            y.extend(vec![0.0; shape[0]]);
            shape[1] += 1;
        }
        let outputs = vec![("x".to_owned(), y, shape)];
        Ok(Given { outputs, ..Given::default() })
    }

    fn backward(
        &self,
        weights: &[f32],
        inputs: &Inputs,
        gradients: &[Option<Vec<f32>>],
        weight_gradient: &mut [f32],
        _: &mut Saved,
    ) -> Result<Vec<Option<Vec<f32>>>, PluginError> {
        let (x, _) = inputs.get("x");
        let gradient = gradients[0].as_ref().expect("the only output");
        weight_gradient[0] += x.iter().zip(gradient).map(|(x, g)| x * g).sum::<f32>();
        let factor = if self.nan_gradient { f32::NAN } else { weights[0] };
        Ok(vec![Some(gradient.iter().map(|value| value * factor).collect())])
    }
}

/// Mean of `(prediction - target)²`, with one parameter that it ignores.
pub(crate) struct MeanSquared {
    /// Whether it says how many elements it averaged.
    pub(crate) reports: bool,
    /// In this step its value is NaN.
    pub(crate) nan_step: Option<u64>,
    /// In this step the gradient of its own parameter is infinite.
    pub(crate) infinite_step: Option<u64>,
    /// In this step it fails.
    pub(crate) fail_step: Option<u64>,
}

impl Function for MeanSquared {
    fn forward(&self, _: &[f32], inputs: &Inputs, call: &Call) -> Result<Given, PluginError> {
        if self.fail_step == Some(call.step + 1) && call.train() {
            return Err(PluginError::new(ErrorKind::OTHER, "the power went out"));
        }
        let ((p, shape), (t, _)) = (inputs.get("prediction"), inputs.get("target"));
        let differences: Vec<f32> = p.iter().zip(t).map(|(p, t)| p - t).collect();
        let sum: f64 = differences.iter().map(|d| f64::from(*d).powi(2)).sum();
        let mut value = (sum / p.len() as f64) as f32;
        if self.nan_step == Some(call.step + 1) {
            value = f32::NAN;
        }
        assert_eq!(shape.len(), 2);
        let infinite = self.infinite_step == Some(call.step + 1);
        Ok(Given {
            outputs: vec![("loss".to_owned(), vec![value], vec![1])],
            averaged_over: if self.reports { p.len() as u64 } else { 0 },
            saved: Saved { values: vec![f32::from(u8::from(infinite))], contexts: Vec::new() },
        })
    }

    fn backward(
        &self,
        _: &[f32],
        inputs: &Inputs,
        gradients: &[Option<Vec<f32>>],
        weight_gradient: &mut [f32],
        saved: &mut Saved,
    ) -> Result<Vec<Option<Vec<f32>>>, PluginError> {
        if saved.values[0] == 1.0 {
            weight_gradient[0] = f32::INFINITY;
        }
        let ((p, _), (t, _)) = (inputs.get("prediction"), inputs.get("target"));
        let flow = gradients[0].as_ref().expect("the only output")[0];
        let slope = |(q, t): (&f32, &f32)| 2.0 * (q - t) * flow / p.len() as f32;
        let slopes = p.iter().zip(t).map(slope).collect();
        Ok(vec![Some(slopes), None])
    }
}

/// Mean absolute error over a split, or given values in turn.
#[derive(Default)]
pub(crate) struct Error {
    pub(crate) script: Vec<f64>,
    pub(crate) direction: i8,
    pub(crate) turn: AtomicUsize,
    pub(crate) sum: f64,
    pub(crate) count: usize,
}

impl Metric for Error {
    fn update(&mut self, inputs: RVec<NamedTensor>, _: RVec<RString>) -> RResult<(), PluginError> {
        let [p, t] = [0, 1].map(|index| inputs[index].tensor.as_slice::<f32>().unwrap());
        self.sum += p.iter().zip(t).map(|(p, t)| f64::from((p - t).abs())).sum::<f64>();
        self.count += p.len();
        ROk(())
    }

    fn merge(&mut self, _: RVec<u8>) -> RResult<(), PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }

    fn state(&self) -> RResult<RVec<u8>, PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }

    fn compute(&self) -> RResult<RVec<MetricValue>, PluginError> {
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        let mean = self.sum / self.count as f64;
        let value = self.script.get(turn).or(self.script.last()).copied().unwrap_or(mean);
        let direction = self.direction;
        let part = |name: &str, value, unit: &str| MetricValue {
            name: name.into(),
            value,
            unit: unit.into(),
            direction,
        };
        ROk(vec![part("", value, "m"), part("count", self.count as f64, "")].into())
    }

    fn reset(&mut self) -> RResult<(), PluginError> {
        (self.sum, self.count) = (0.0, 0);
        ROk(())
    }

    fn call(
        &mut self,
        _: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }
}
