//! The parts of the tests: where they come from, and what can be asked of all of them.

use crate::mathematics::{Arrays, FRAMES, HIDDEN, ITEMS, LENGTHS, WIDTH};
use ablate_abi::v1::{
    GroupRate, Kind, NamedTensor, OwnedContext, PluginError, RNone, ROption, RSome, RVec,
    SharedDifferentiable, Tensor,
};
use ablate_border::{Made, Side, evaluation, numbers, outside, training};
use ablate_loader::{Library, Loader, NoServices};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The block on the SDK's Burn.
pub(crate) const HERE: &str = "attentive-mean";
/// The same mathematics on Burn 0.21.
pub(crate) const THERE: &str = "attentive-mean-0-21";

/// Plugins of the workspace, and two that are not of it.
pub(crate) struct Libraries {
    pub(crate) side: Side,
    pub(crate) burn_0_21: Arc<Library>,
    plain: Arc<Library>,
}

/// `None`, said on stderr, where nobody wants to wait for another Burn to be built.
pub(crate) fn libraries() -> Option<Libraries> {
    static FILES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    if std::env::var_os("ABLATE_SLOW").is_none_or(|value| value.is_empty()) {
        eprintln!("skipped: ABLATE_SLOW is not set");
        return None;
    }
    let files = FILES.get_or_init(|| ["burn-0-21", "plain"].map(outside));
    let loader = Loader::new(NoServices, 1);
    let [burn_0_21, plain] =
        files.each_ref().map(|file| loader.open(file, None).expect("a library that opens"));
    Some(Libraries { side: Side::loaded(1), burn_0_21, plain })
}

/// The model, the blocks in its slots, and the loss.
pub(crate) struct Parts {
    model: SharedDifferentiable,
    pub(crate) pooling: SharedDifferentiable,
    pub(crate) gain: SharedDifferentiable,
    loss: SharedDifferentiable,
}

impl Libraries {
    pub(crate) fn pooling(&self, name: &str, path: &str) -> SharedDifferentiable {
        let library = if name == HERE { &self.side.pooling } else { &self.burn_0_21 };
        let config = format!(r#"{{"hidden":{HIDDEN}}}"#);
        let made = Made { library, kind: Kind::BLOCK, name, config: &config, path };
        made.sized(&[("D", WIDTH as u64)], &[]).expect("the block can be made")
    }

    pub(crate) fn parts(&self, pooling: &str) -> Parts {
        let pooling = self.pooling(pooling, "model.pooling");
        let (library, config) = (&*self.plain, "{}");
        let (name, path) = ("plain-gain", "model.gain");
        let gain = Made { library, kind: Kind::BLOCK, name, config, path }
            .sized(&[("D", WIDTH as u64)], &[])
            .expect("the block can be made");
        let made = Made { library, kind: Kind::LOSS, name: "plain-mse", config, path: "loss" };
        let loss = made.with(&[]).expect("the loss can be made");
        let (library, config) = (&*self.side.fixture, format!(r#"{{"width":{WIDTH}}}"#));
        let (kind, name, path) = (Kind::MODEL, "relay", "model");
        let model = Made { library, kind, name, config: &config, path }
            .with(&[("pooling", &pooling, false), ("gain", &gain, false)])
            .expect("the model can be made");
        Parts { model, pooling, gain, loss }
    }
}

impl Parts {
    pub(crate) fn all(&self) -> [(&'static str, &SharedDifferentiable); 4] {
        let Self { model, pooling, gain, loss } = self;
        [("model", model), ("pooling", pooling), ("gain", gain), ("loss", loss)]
    }

    /// Values of all parameters, by part and path.
    pub(crate) fn parameters(&self) -> Arrays {
        self.ask("parameters")
    }

    fn ask(&self, what: &str) -> Arrays {
        let mut all = Arrays::new();
        for (name, part) in self.all() {
            let answer = part.call(what.into(), "{}".into(), RVec::new()).into_result();
            for named in answer.expect("a call of all plugins").tensors {
                let values = named.tensor.to_vec::<f32>().expect("floats");
                let values = values.into_iter().map(f64::from).collect();
                all.insert(format!("{name}.{}", named.name), values);
            }
        }
        all
    }

    /// Adds to one number of a parameter, by way of the format for exchange.
    pub(crate) fn add(&self, place: &str, index: usize, by: f32) {
        let (name, path) = place.split_once('.').expect("part and path");
        let (_, part) = self.all().into_iter().find(|(known, _)| *known == name).expect("a part");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("state.safetensors");
        let text = file.to_str().expect("UTF-8");
        part.save(text.into(), "safetensors".into()).into_result().expect("it can be written");
        let mut bytes = std::fs::read(&file).expect("just written");
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let header: serde_json::Value =
            serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
        let start = header[path]["data_offsets"][0].as_u64().expect("a number") as usize;
        let number = &mut bytes[8 + length + start + 4 * index..][..4];
        let value = f32::from_le_bytes((&*number).try_into().expect("four bytes"));
        number.copy_from_slice(&(value + by).to_le_bytes());
        std::fs::write(&file, bytes).expect("a writable folder");
        part.load(text.into(), "safetensors".into()).into_result().expect("it can be read");
    }

    /// The loss of `inputs` in evaluation.
    pub(crate) fn loss(&self, inputs: &Arrays) -> f64 {
        let [features, mask, target] = tensors(inputs);
        let output = self.model.forward(evaluation(), list([features, mask])).into_result();
        let prediction = output.expect("an evaluation works").outputs.remove(0);
        let output = self.loss.forward(evaluation(), list([prediction, target])).into_result();
        let value = output.expect("an evaluation works").outputs.remove(0);
        f64::from(value.tensor.to_vec::<f32>().expect("a float")[0])
    }

    /// The loss in training, and what it takes to go back from it; nothing is gone back yet.
    pub(crate) fn forward(&self, step: u64, inputs: &Arrays) -> Result<Forward, PluginError> {
        let [mut features, mask, mut target] = tensors(inputs);
        features.tensor.set_needs_grad(true);
        target.tensor.set_needs_grad(true);
        let output = self.model.forward(training(step), list([features, mask])).into_result()?;
        let model = output.context.into_option().expect("a context was asked for");
        let mut prediction = output.outputs.into_iter().next().expect("one output");
        prediction.tensor.set_needs_grad(true);
        let output = self.loss.forward(training(step), list([prediction, target])).into_result()?;
        let loss = output.context.into_option().expect("a context was asked for");
        let value = output.outputs[0].tensor.to_vec::<f32>()?[0];
        Ok(Forward { value: f64::from(value), model, loss })
    }

    /// Loss and gradients of inputs and parameters, which are kept for a step.
    pub(crate) fn gradients(&self, step: u64, inputs: &Arrays) -> (f64, Arrays) {
        let Forward { value, mut model, mut loss } =
            self.forward(step, inputs).expect("a forward pass works");
        let seed = RSome(Tensor::from_vec(vec![1.0f32], &[1]));
        let back = loss.backward([seed].into_iter().collect()).into_result().expect("it works");
        let [of_prediction, of_target] = pair(back);
        let back = model.backward([of_prediction].into_iter().collect()).into_result();
        let [of_features, of_mask] = pair(back.expect("it works"));
        assert!(matches!(of_mask, RNone), "a gradient of a mask");
        let mut all = self.ask("gradients");
        for (name, gradient) in [("features", of_features), ("target", of_target)] {
            let RSome(gradient) = gradient else { panic!("no gradient of `{name}`") };
            let values = gradient.to_vec::<f32>().expect("floats");
            all.insert(name.to_owned(), values.into_iter().map(f64::from).collect());
        }
        (value, all)
    }

    pub(crate) fn step(&self, rate: f64) {
        for (_, part) in self.all() {
            let rate = GroupRate { group: "default".into(), rate };
            part.step(1.0, [rate].into_iter().collect()).into_result().expect("a step works");
        }
    }

    /// Steps of training; gives the losses.
    pub(crate) fn train(&self, steps: std::ops::Range<u64>, rate: f64) -> Vec<f64> {
        let train = |step| {
            let (loss, _) = self.gradients(step, &inputs(step % 5));
            self.step(rate);
            loss
        };
        steps.map(train).collect()
    }

    pub(crate) fn set_optimizer(&self, config: &str) {
        for (_, part) in self.all() {
            part.set_optimizer(config.into()).into_result().expect("a known optimizer");
        }
    }

    pub(crate) fn live_contexts(&self) -> [u64; 4] {
        self.all().map(|(_, part)| part.live_contexts())
    }
}

pub(crate) struct Forward {
    pub(crate) value: f64,
    model: OwnedContext,
    loss: OwnedContext,
}

pub(crate) type Gradient = ROption<Tensor>;

pub(crate) fn pair(list: RVec<Gradient>) -> [Gradient; 2] {
    let list: Vec<Gradient> = list.into_iter().collect();
    list.try_into().expect("two inputs")
}

fn list(tensors: [NamedTensor; 2]) -> RVec<NamedTensor> {
    tensors.into_iter().collect()
}

/// Features and targets of batch `which`.
pub(crate) fn inputs(which: u64) -> Arrays {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let features = wide(numbers(ITEMS * FRAMES, 10 + which));
    let target = wide(numbers(ITEMS, 20 + which));
    [("features".to_owned(), features), ("target".to_owned(), target)].into()
}

/// Features, mask and target as they cross.
fn tensors(inputs: &Arrays) -> [NamedTensor; 3] {
    let narrow = |name: &str| inputs[name].iter().map(|&value| value as f32).collect::<Vec<f32>>();
    let mask = LENGTHS.iter().flat_map(|&length| (0..FRAMES).map(move |frame| frame < length));
    [
        NamedTensor::new("features", Tensor::from_vec(narrow("features"), &[ITEMS, FRAMES])),
        NamedTensor::new("mask", Tensor::from_vec(mask.collect::<Vec<bool>>(), &[ITEMS, FRAMES])),
        NamedTensor::new("target", Tensor::from_vec(narrow("target"), &[ITEMS, 1])),
    ]
}

/// The largest difference, and where it is; both must have the same names and counts.
pub(crate) fn worst(one: &Arrays, other: &Arrays) -> (f64, String) {
    let names = |arrays: &Arrays| -> Vec<_> {
        arrays.iter().map(|(name, values)| (name.clone(), values.len())).collect()
    };
    assert_eq!(names(one), names(other));
    let mut worst = (0.0, String::new());
    for (name, values) in one {
        for (index, (a, b)) in values.iter().zip(&other[name]).enumerate() {
            let off = if a.is_finite() && b.is_finite() { (a - b).abs() } else { f64::INFINITY };
            if off > worst.0 {
                worst = (off, format!("{name}[{index}]: {a} against {b}"));
            }
        }
    }
    worst
}
