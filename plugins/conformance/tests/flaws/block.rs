//! A block with one parameter: y = w tanh(m) + g m, where m is the masked mean over time.

use crate::{flaw, plugin};
use ablate_abi::v1::{
    Call, CallOutput, Context, Context_TO, Create, DType, Differentiable, Differentiable_TO,
    ForwardOutput, GroupRate, Kind, NamedTensor, Parameter, PluginError, RArc, RErr, RNone, ROk,
    ROption, RResult, RSome, RStr, RString, RVec, SharedDifferentiable, TD_Opaque, Tensor, guard,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    weight: Vec<f32>,
    gradient: Vec<f32>,
    momentum: Vec<f32>,
}

struct Toy {
    gain: f32,
    width: usize,
    broken: Mutex<bool>,
    state: Arc<Mutex<State>>,
    live: Arc<AtomicU64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn make(request: &Create, config: &Value) -> SharedDifferentiable {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let width = request.dimensions.iter().find(|d| d.name == "D").map_or(1, |d| d.size as usize);
    let mut seed = match request.seed {
        _ if flaw::is("one-seed") => 1,
        _ if flaw::is("no-seed") => COUNT.fetch_add(1, Ordering::SeqCst),
        seed => seed,
    };
    if !flaw::is("one-place") {
        seed = request.path.bytes().fold(seed, |seed, byte| seed * 31 + u64::from(byte));
    }
    let weight: Vec<f32> = (0..width as u64)
        .map(|at| {
            let mixed = (seed ^ (at << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    let zeros = vec![0.0; width];
    let state = State { weight, gradient: zeros.clone(), momentum: zeros };
    let toy = Toy {
        gain: config.get("gain").and_then(Value::as_f64).unwrap_or(0.5) as f32,
        width,
        broken: Mutex::new(false),
        state: Arc::new(Mutex::new(state)),
        live: Arc::default(),
    };
    Differentiable_TO::from_ptr(RArc::new(toy), TD_Opaque)
}

struct Graph {
    inputs: usize,
    /// Frames of each row that count, `[B, T]`.
    mask: Vec<bool>,
    shape: [usize; 3],
    mean: Vec<f32>,
    gain: f32,
    outputs: usize,
    used: bool,
    state: Arc<Mutex<State>>,
    live: Arc<AtomicU64>,
}

impl Toy {
    fn run(&self, call: &Call, inputs: &[NamedTensor]) -> Result<ForwardOutput, PluginError> {
        if flaw::is("keeps-memory") {
            std::mem::forget(std::hint::black_box(vec![1u8; 64 << 10]));
        }
        if flaw::is("many-threads") {
            burn_time();
        }
        let find = |name: &str| inputs.iter().find(|named| named.name == name);
        let missing = |name: &str| PluginError::contract(format!("no `{name}`"));
        let features = &find("features").ok_or_else(|| missing("features"))?.tensor;
        let &[batch, frames, width] = &features.shape()[..] else {
            return Err(PluginError::contract("`features` has another rank"));
        };
        if width != self.width {
            return Err(PluginError::contract("`features` has another width"));
        }
        let values = features.as_slice::<f32>()?;
        let mask = match find("mask") {
            Some(mask) if mask.tensor.shape() == [batch, frames] => mask.tensor.to_vec::<bool>()?,
            Some(_) => return Err(PluginError::contract("`mask` has another shape")),
            None if flaw::is("takes-anything") => vec![true; batch * frames],
            None => return Err(missing("mask")),
        };
        let state = lock(&self.state);
        let (mut mean, mut filled) = (vec![0.0f32; batch * width], Vec::new());
        for row in 0..batch {
            let valid = |frame: &usize| mask[row * frames + frame] || flaw::is("padding");
            let count = (0..frames).filter(valid).count();
            filled.push((0..frames).any(|frame| mask[row * frames + frame]));
            for frame in (0..frames).filter(valid) {
                for at in 0..width {
                    mean[row * width + at] += values[(row * frames + frame) * width + at];
                }
            }
            let least = usize::from(!flaw::is("nan-when-empty"));
            mean[row * width..(row + 1) * width]
                .iter_mut()
                .for_each(|value| *value /= count.max(least) as f32);
        }
        let pooled: Vec<f32> = mean
            .iter()
            .enumerate()
            .map(|(at, mean)| state.weight[at % width] * mean.tanh() + self.gain * mean)
            .collect();
        drop(state);
        let mut outputs = RVec::new();
        let shape = [batch, 1, width];
        outputs.push(if flaw::is("wrong-dtype") {
            let wide = pooled.iter().map(|&value| f64::from(value)).collect();
            NamedTensor::new("pooled", Tensor::from_vec::<f64>(wide, &shape))
        } else {
            NamedTensor::new("pooled", Tensor::from_vec(pooled, &shape))
        });
        if !flaw::is("missing-output") {
            outputs.push(NamedTensor::new("mask", Tensor::from_vec(filled, &[batch, 1])));
        }
        let context = if call.wants_context() {
            self.live.fetch_add(1, Ordering::SeqCst);
            RSome(Context_TO::from_value(
                Graph {
                    inputs: inputs.len(),
                    mask: if flaw::is("padding") { vec![true; mask.len()] } else { mask },
                    shape: [batch, frames, width],
                    mean,
                    gain: self.gain,
                    outputs: outputs.len(),
                    used: false,
                    state: self.state.clone(),
                    live: self.live.clone(),
                },
                TD_Opaque,
            ))
        } else {
            RNone
        };
        Ok(ForwardOutput { outputs, records: RVec::new(), averaged_over: 0, context })
    }
}

/// Eight threads that do nothing for a while.
fn burn_time() {
    let until = std::time::Instant::now() + std::time::Duration::from_millis(20);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| while std::time::Instant::now() < until {});
        }
    });
}

impl Context for Graph {
    fn backward(
        &mut self,
        gradients: RVec<ROption<Tensor>>,
    ) -> RResult<RVec<ROption<Tensor>>, PluginError> {
        guard(|| {
            if self.used && !flaw::is("backward-again") {
                return Err(PluginError::state("backward was already called"));
            }
            if gradients.len() != self.outputs {
                return Err(PluginError::contract("another number of gradients"));
            }
            let [batch, frames, width] = self.shape;
            let given = match gradients.into_iter().next() {
                Some(RSome(tensor)) if tensor.shape() == [batch, 1, width] => tensor.to_vec()?,
                Some(RSome(_)) => return Err(PluginError::contract("another shape")),
                _ => vec![0.0f32; batch * width],
            };
            self.used = true;
            let mut state = lock(&self.state);
            if flaw::is("overwrites") {
                state.gradient.fill(0.0);
            }
            let mut answer = vec![0.0f32; batch * frames * width];
            for row in 0..batch {
                let count = (0..frames).filter(|at| self.mask[row * frames + at]).count();
                for at in 0..width {
                    let (dy, mean) = (given[row * width + at], self.mean[row * width + at]);
                    let curve = mean.tanh();
                    if !flaw::is("no-weight-gradient") {
                        state.gradient[at] += dy * curve;
                    }
                    let slope = state.weight[at] * (1.0 - curve * curve) + self.gain;
                    let mut dx = dy * slope / count.max(1) as f32;
                    if flaw::is("two-percent") {
                        dx *= 1.02;
                    }
                    if flaw::is("square-gradient") {
                        dx *= 1.0 + 0.3 * dy;
                    }
                    for frame in (0..frames).filter(|frame| self.mask[row * frames + frame]) {
                        answer[(row * frames + frame) * width + at] = dx;
                    }
                }
            }
            let mut list: RVec<ROption<Tensor>> = RVec::new();
            list.push(RSome(Tensor::from_vec(answer, &self.shape)));
            list.extend((1..self.inputs).map(|_| RNone));
            Ok(list)
        })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // Only graphs that nobody went back through stay.
        if self.used || !flaw::is("leaves-contexts") {
            self.live.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// To go on from, the host gives a folder; to exchange, a file.
fn file(path: &str) -> PathBuf {
    let path = Path::new(path);
    if path.is_dir() { path.join("state") } else { path.to_path_buf() }
}

impl Differentiable for Toy {
    fn image(&self) -> u64 {
        u64::MAX
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        ROk(plugin::contract(Kind::BLOCK).to_string().into())
    }

    fn forward(
        &self,
        call: Call,
        inputs: RVec<NamedTensor>,
    ) -> RResult<ForwardOutput, PluginError> {
        guard(|| {
            if *lock(&self.broken) {
                return Err(PluginError::other("something is wrong"));
            }
            let result = self.run(&call, &inputs);
            if result.is_err() && flaw::is("stays-broken") {
                *lock(&self.broken) = true;
            }
            result
        })
    }

    fn parameters(&self) -> RResult<RVec<Parameter>, PluginError> {
        let weight = Parameter {
            path: "weight".into(),
            shape: [self.width as u64].into_iter().collect(),
            dtype: DType::F32,
            group: "default".into(),
            trainable: true,
            statistic: false,
        };
        ROk([weight].into_iter().collect())
    }

    fn set_optimizer(&self, config: RStr<'_>) -> RResult<(), PluginError> {
        guard(|| {
            let config: Value = serde_json::from_str(config.as_str())
                .map_err(|error| PluginError::config(error.to_string()))?;
            if config["use"] != "adamw" {
                return Err(PluginError::config("the only optimizer is `adamw`, and it is none"));
            }
            lock(&self.state).momentum.fill(0.0);
            Ok(())
        })
    }

    fn set_trainable(&self, _: RStr<'_>, _: bool) -> RResult<(), PluginError> {
        ROk(())
    }

    fn grad_norm_sq(&self) -> RResult<f64, PluginError> {
        ROk(lock(&self.state).gradient.iter().map(|&g| f64::from(g).powi(2)).sum())
    }

    fn step(&self, scale: f64, rates: RVec<GroupRate>) -> RResult<(), PluginError> {
        let rate = rates.first().map_or(0.0, |rate| rate.rate) as f32;
        let mut state = lock(&self.state);
        let state = &mut *state;
        for at in 0..self.width {
            state.momentum[at] = 0.9 * state.momentum[at] + scale as f32 * state.gradient[at];
            state.weight[at] -= rate * state.momentum[at];
        }
        state.gradient.fill(0.0);
        ROk(())
    }

    fn zero_grad(&self) -> RResult<(), PluginError> {
        if !flaw::is("keeps-gradients") {
            lock(&self.state).gradient.fill(0.0);
        }
        ROk(())
    }

    fn save(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError> {
        guard(|| {
            let state = lock(&self.state);
            let bytes =
                |list: &[f32]| list.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
            let mut list = vec![("weight", bytes(&state.weight))];
            match format.as_str() {
                "resume" if !flaw::is("no-momentum") => {
                    list.push(("momentum", bytes(&state.momentum)));
                }
                "resume" | "safetensors" => {}
                other => return Err(PluginError::unsupported(format!("no format `{other}`"))),
            }
            let views = list.iter().map(|(name, bytes)| {
                (name, TensorView::new(Dtype::F32, vec![self.width], bytes).expect("floats"))
            });
            let bytes = safetensors::serialize(views, None).expect("valid tensors");
            fs_err::write(file(path.as_str()), bytes)
                .map_err(|error| PluginError::data(error.to_string()))
        })
    }

    fn load(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError> {
        guard(|| {
            if !["resume", "safetensors"].contains(&format.as_str()) {
                return Err(PluginError::unsupported(format!("no format `{format}`")));
            }
            let data = |error: &dyn std::fmt::Display| PluginError::data(error.to_string());
            let bytes = fs_err::read(file(path.as_str())).map_err(|error| data(&error))?;
            let file = SafeTensors::deserialize(&bytes).map_err(|error| data(&error))?;
            let values = |name: &str| {
                let view = file.tensor(name).ok()?;
                let four = view.data().chunks_exact(4);
                Some(four.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<_>>())
            };
            let mut state = lock(&self.state);
            state.weight = values("weight").ok_or_else(|| PluginError::data("no `weight`"))?;
            if let Some(momentum) = values("momentum") {
                state.momentum = momentum;
            }
            Ok(())
        })
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
        if name.as_str() != "gradients" {
            return RErr(PluginError::unsupported(format!("no call `{name}`")));
        }
        let gradient = lock(&self.state).gradient.clone();
        let tensor = NamedTensor::new("weight", Tensor::from_vec(gradient, &[self.width]));
        ROk(CallOutput { json: "null".into(), tensors: [tensor].into_iter().collect() })
    }
}
