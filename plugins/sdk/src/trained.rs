//! A Burn module with its gradients and its optimizer: the state behind a served component.

use crate::Error;
use crate::any::Tensors;
use crate::border::to_code;
use crate::call::Call;
use crate::component::Output;
use crate::optimizer::OptimizerConfig;
use crate::served::{Forward, Instance};
use crate::slot::BlockSlot;
use crate::state;
use crate::walk::{Visit, walk};
use abi_stable::std_types::RVec;
use ablate_abi::v1::{
    CallOutput, DType, GroupRate, NamedTensor, Parameter, Tensor as BorderTensor,
};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Gradients, Tensor};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Trained<M: Module> {
    forward: Forward<M>,
    group: fn(&str) -> &'static str,
    slots: Vec<BlockSlot>,
    device: Device,
    module: Mutex<M>,
    gradients: Mutex<GradientsAccumulator<M>>,
    optimizer: Mutex<(OptimizerConfig, ModuleOptimizer)>,
    /// What kept no gradient when the component was made: no optimizer ever moves it.
    statistics: BTreeSet<String>,
}

/// A panic in between is reported by the guard and poisons the instance; the lock need not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Module> Trained<M> {
    pub(crate) fn new(
        module: M,
        forward: Forward<M>,
        group: fn(&str) -> &'static str,
        slots: Vec<BlockSlot>,
        device: &Device,
    ) -> Self {
        let config = OptimizerConfig::default();
        let optimizer = config.init();
        let mut statistics = BTreeSet::new();
        walk(&module, &mut |visit: Visit<'_>| {
            if !visit.trainable {
                statistics.insert(visit.path.to_owned());
            }
        });
        Self {
            forward,
            group,
            slots,
            device: device.clone(),
            module: Mutex::new(module),
            gradients: Mutex::new(GradientsAccumulator::new()),
            optimizer: Mutex::new((config, optimizer)),
            statistics,
        }
    }

    /// Takes the accumulated gradients, lets `read` look at them, and puts them back.
    fn with_gradients<T>(&self, read: impl FnOnce(&M, &GradientsParams) -> T) -> T {
        let module = lock(&self.module);
        let mut accumulator = lock(&self.gradients);
        let gradients = accumulator.grads();
        let result = read(&module, &gradients);
        accumulator.accumulate(&module, gradients);
        result
    }
}

impl<M: Module + 'static> Instance for Trained<M> {
    fn forward(&self, inputs: Tensors, call: &Call) -> Result<(Output, u64), Error> {
        let module = lock(&self.module).clone();
        let module = if call.wants_context() { module } else { module.valid() };
        (self.forward)(&module, inputs, call)
    }

    fn collect_gradients(&self, gradients: &mut Gradients) -> Result<(), Error> {
        {
            let module = lock(&self.module);
            let own = GradientsParams::from_module(gradients, &*module);
            lock(&self.gradients).accumulate(&module, own);
        }
        self.slots.iter().try_for_each(|slot| slot.collect_gradients(gradients))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut list = Vec::new();
        walk(&*lock(&self.module), &mut |visit: Visit<'_>| {
            list.push(Parameter {
                path: visit.path.into(),
                shape: visit.shape.iter().map(|&size| size as u64).collect(),
                // Burn keeps parameters in types that have a code.
                dtype: to_code(visit.dtype).unwrap_or(DType::F32),
                group: (self.group)(visit.path).into(),
                trainable: visit.trainable,
                statistic: self.statistics.contains(visit.path),
            });
        });
        list
    }

    fn set_optimizer(&self, config: &str) -> Result<(), Error> {
        let config = OptimizerConfig::parse(config)?;
        *lock(&self.optimizer) = (config, config.init());
        Ok(())
    }

    fn set_trainable(&self, group: &str, trainable: bool) -> Result<(), Error> {
        let known = self.parameters();
        let chosen: Vec<String> = known
            .iter()
            .filter(|parameter| !parameter.statistic)
            .filter(|parameter| group.is_empty() || parameter.group == group)
            .map(|parameter| parameter.path.to_string())
            .collect();
        if chosen.is_empty() && !group.is_empty() {
            let mut groups: Vec<_> = known.iter().map(|p| format!("`{}`", p.group)).collect();
            groups.sort();
            groups.dedup();
            let text = format!("no parameter group `{group}`; there is {}", groups.join(", "));
            return Err(Error::config(text));
        }
        let mut module = lock(&self.module);
        let group = ParamGroup::from_paths(chosen);
        *module = module.clone().set_require_grad_group(group, trainable);
        Ok(())
    }

    fn grad_norm_sq(&self) -> Result<f64, Error> {
        struct Sum<'a>(&'a GradientsParams, f64);
        impl ModuleVisitor for Sum<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if let Some(gradient) = self.0.get::<D>(param.id) {
                    // Summed in order and in 64 bits: Burn's own full sum is not reproducible
                    // across threads from four million elements on.
                    let data = gradient.into_data().convert::<f32>();
                    let values = data.as_slice::<f32>().unwrap_or(&[]);
                    self.1 += values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
                }
            }
        }
        Ok(self.with_gradients(|module, gradients| {
            let mut sum = Sum(gradients, 0.0);
            module.visit(&mut sum);
            sum.1
        }))
    }

    fn step(&self, scale: f64, rates: &[GroupRate]) -> Result<(), Error> {
        let groups = rate_of_each_parameter(&self.parameters(), rates)?;
        let mut module = lock(&self.module);
        let mut gradients = lock(&self.gradients).grads();
        let mut optimizer = lock(&self.optimizer);
        for (rate, paths) in groups {
            let chosen = take_scaled(&*module, &mut gradients, paths.as_deref(), scale as f32);
            *module = optimizer.1.step(rate, module.clone(), chosen);
        }
        Ok(())
    }

    fn zero_grad(&self) {
        drop(lock(&self.gradients).grads());
    }

    fn save(&self, path: &str, format: &str) -> Result<(), Error> {
        let module = lock(&self.module).clone();
        match format {
            "resume" => state::save_resume(module, &lock(&self.optimizer).1, path),
            "safetensors" => state::save_safetensors(&module, path),
            other => Err(unknown_format(other)),
        }
    }

    fn load(&self, path: &str, format: &str) -> Result<(), Error> {
        let mut module = lock(&self.module);
        match format {
            "resume" => {
                let mut optimizer = lock(&self.optimizer);
                let fresh = optimizer.0.init();
                (*module, optimizer.1) = state::load_resume(module.clone(), fresh, path)?;
            }
            "safetensors" => {
                *module = state::load_safetensors(module.clone(), path, &self.device)?;
            }
            other => return Err(unknown_format(other)),
        }
        Ok(())
    }

    /// `parameters` and `gradients` give the values by path; `non-finite-gradients` gives the
    /// paths of gradients that hold NaN or infinity.
    fn call(&self, name: &str) -> Result<CallOutput, Error> {
        let answer = |json: serde_json::Value, tensors: RVec<NamedTensor>| {
            Ok(CallOutput { json: json.to_string().into(), tensors })
        };
        let mut values = Vec::new();
        match name {
            "parameters" => walk(&*lock(&self.module), &mut |visit: Visit<'_>| {
                values.push((visit.path.to_owned(), visit.shape.to_vec(), (visit.values)()));
            }),
            "gradients" | "non-finite-gradients" => self.with_gradients(|module, gradients| {
                state::collect_gradients(module, gradients, &mut values);
            }),
            other => {
                let text = format!(
                    "no call `{other}`; there is `parameters`, `gradients`, `non-finite-gradients`"
                );
                return Err(Error::unsupported(text));
            }
        }
        if name == "non-finite-gradients" {
            let bad = |(_, _, list): &&(String, Vec<usize>, Vec<f32>)| {
                list.iter().any(|v| !v.is_finite())
            };
            let paths: Vec<&str> =
                values.iter().filter(bad).map(|(path, _, _)| path.as_str()).collect();
            return answer(serde_json::json!(paths), RVec::new());
        }
        let tensors = values
            .into_iter()
            .map(|(path, shape, list)| {
                NamedTensor::new(&path, BorderTensor::from_vec(list, &shape))
            })
            .collect();
        answer(serde_json::Value::Null, tensors)
    }
}

fn unknown_format(format: &str) -> Error {
    Error::unsupported(format!("no format `{format}`; there is `resume`, `safetensors`"))
}

type RatedPaths = (f64, Option<Vec<String>>);

/// Learning rates with the parameters that they are for; `None` is all of them.
fn rate_of_each_parameter(
    parameters: &[Parameter],
    rates: &[GroupRate],
) -> Result<Vec<RatedPaths>, Error> {
    let default = rates.iter().find(|rate| rate.group == "default").map(|rate| rate.rate);
    let mut groups: Vec<(f64, Option<Vec<String>>)> = Vec::new();
    for parameter in parameters {
        let rate = rates.iter().find(|rate| rate.group == parameter.group).map(|rate| rate.rate);
        let rate = rate.or(default).ok_or_else(|| {
            let group = &parameter.group;
            Error::config(format!("no learning rate for the parameter group `{group}`"))
        })?;
        match groups.iter_mut().find(|(known, _)| known.to_bits() == rate.to_bits()) {
            Some((_, Some(paths))) => paths.push(parameter.path.to_string()),
            _ => groups.push((rate, Some(vec![parameter.path.to_string()]))),
        }
    }
    if let [(_, paths)] = groups.as_mut_slice() {
        *paths = None;
    }
    Ok(groups)
}

/// Takes the gradients of the parameters at `paths`, multiplied by `scale`.
fn take_scaled<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
    paths: Option<&[String]>,
    scale: f32,
) -> GradientsParams {
    struct Take<'a> {
        from: &'a mut GradientsParams,
        into: GradientsParams,
        paths: Option<&'a [String]>,
        scale: f32,
        path: Vec<String>,
    }
    impl ModuleVisitor for Take<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            if self.paths.is_none_or(|paths| paths.contains(&path))
                && let Some(gradient) = self.from.remove::<D>(param.id)
            {
                let gradient =
                    if self.scale == 1.0 { gradient } else { gradient.mul_scalar(self.scale) };
                self.into.register(param.id, gradient);
            }
        }
    }
    let into = GradientsParams::new();
    let mut take = Take { from: gradients, into, paths, scale, path: Vec::new() };
    module.visit(&mut take);
    take.into
}
