//! The same components twice: linked into this program, and loaded from their libraries.

use ablate_abi::v1::{
    Call, Create, Dimension, GroupRate, Kind, NamedTensor, PluginError, RNone, ROption, RSome,
    RVec, SharedDifferentiable, Slot, Tensor, share,
};
use ablate_loader::{Library, Loader, NoServices};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The plugins of one side.
pub struct Side {
    /// Plugin `pooling`.
    pub pooling: Arc<Library>,
    /// Plugin `fixture`.
    pub fixture: Arc<Library>,
    /// Plugin `rqvae`.
    pub rqvae: Arc<Library>,
    /// Plugin `losses`.
    pub losses: Arc<Library>,
}

/// The library of a plugin, built beside this program.
///
/// # Panics
/// If this program has no folder.
pub fn library(plugin: &str) -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    let folder = program.parent().expect("a program lies in a folder");
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    folder.join(format!("{prefix}ablate_{plugin}{suffix}"))
}

/// The library of a fixture that is a workspace of its own, built by its own manifest into a folder
/// beside those of this workspace.
///
/// # Panics
/// If it does not build.
pub fn outside(fixture: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../fixtures/{fixture}/Cargo.toml"))
        .canonicalize()
        .expect("a fixture of this repository");
    let program = std::env::current_exe().expect("this program has a path");
    // …/target/release/deps/program.
    let target = program.ancestors().nth(3).expect("a folder of cargo").join(fixture);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join(format!("release/libablate_{}.so", fixture.replace('-', "_")))
}

impl Side {
    /// The plugins as they are linked into this program: one image, one Burn.
    ///
    /// # Panics
    /// If a plugin does not start.
    pub fn linked(threads: u32) -> Self {
        let loader = Loader::new(NoServices, threads);
        let open = |name, header| Arc::new(loader.linked(name, header).expect("a linked plugin"));
        Self {
            pooling: open("pooling", &ablate_pooling::ablate_plugin_root::ablate_plugin_pooling),
            fixture: open("fixture", &ablate_fixture::ablate_plugin_root::ablate_plugin_fixture),
            rqvae: open("rqvae", &ablate_rqvae::ablate_plugin_root::ablate_plugin_rqvae),
            losses: open("losses", &ablate_losses::ablate_plugin_root::ablate_plugin_losses),
        }
    }

    /// The plugins as libraries, each with a Burn of its own.
    ///
    /// # Panics
    /// If a library is not there or does not open.
    pub fn loaded(threads: u32) -> Self {
        let loader = Loader::new(NoServices, threads);
        let open = |name| loader.open(&library(name), None).expect("a library that opens");
        Self {
            pooling: open("pooling"),
            fixture: open("fixture"),
            rqvae: open("rqvae"),
            losses: open("losses"),
        }
    }
}

/// Lets one test at a time draw random numbers: Burn's generator belongs to the image, and the host
/// calls into plugins from one thread.
///
/// # Panics
/// Never: a failed test does not harm the others.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Size of a frame in these tests.
pub const SIZE: u64 = 16;

/// A component to make.
pub struct Made<'a> {
    /// Its plugin.
    pub library: &'a Library,
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// Its configuration.
    pub config: &'a str,
    /// Its place.
    pub path: &'a str,
}

impl Made<'_> {
    /// Makes it with blocks in its slots; dimensions `D` and `F` are [`SIZE`].
    ///
    /// # Errors
    /// Those of the component.
    pub fn with(
        &self,
        slots: &[(&str, &SharedDifferentiable, bool)],
    ) -> Result<SharedDifferentiable, PluginError> {
        self.sized(&[("D", SIZE), ("F", SIZE)], slots)
    }

    /// As [`Made::with`], with dimensions of other sizes.
    ///
    /// # Errors
    /// Those of the component.
    pub fn sized(
        &self,
        dimensions: &[(&str, u64)],
        slots: &[(&str, &SharedDifferentiable, bool)],
    ) -> Result<SharedDifferentiable, PluginError> {
        let dimensions =
            dimensions.iter().map(|(name, size)| Dimension { name: (*name).into(), size: *size });
        let slots = slots.iter().map(|(name, block, shared)| Slot {
            name: (*name).into(),
            block: share(block),
            shared: *shared,
        });
        let made = self.library.create(Create {
            kind: self.kind,
            name: self.name.into(),
            config: self.config.into(),
            path: self.path.into(),
            seed: 7,
            device: "flex".into(),
            dimensions: dimensions.collect(),
            slots: slots.collect(),
            artifacts: RVec::new(),
            properties: RVec::new(),
        })?;
        Ok(made.differentiable.into_option().expect("models and blocks are differentiable"))
    }
}

/// A block of role pooling at `path`.
///
/// # Panics
/// If it cannot be made.
pub fn block(library: &Library, name: &str, path: &str) -> SharedDifferentiable {
    let made = Made { library, kind: Kind::BLOCK, name, config: "{}", path };
    made.with(&[]).expect("the block can be made")
}

/// As [`block`], with dimensions of other sizes.
///
/// # Panics
/// If it cannot be made.
pub fn block_with(
    library: &Library,
    name: &str,
    path: &str,
    dimensions: &[(&str, u64)],
) -> SharedDifferentiable {
    let made = Made { library, kind: Kind::BLOCK, name, config: "{}", path };
    made.sized(dimensions, &[]).expect("the block can be made")
}

/// A model `rqvae` with small codebooks and the `pooling`, in which the rest is its own plugin's, and
/// the blocks of that rest. Widths are `width` for latent frames and `bins` for frames.
///
/// # Panics
/// If it cannot be made.
pub fn rqvae(
    library: &Library,
    pooling: &SharedDifferentiable,
    (width, bins): (u64, u64),
    quantizer: &str,
) -> (SharedDifferentiable, Vec<SharedDifferentiable>) {
    let sizes = [("D", width), ("F", bins)];
    let own = [
        ("encoder", "convolution", "{}", "model.encoder"),
        ("quantizer", "ema", quantizer, "model.quantizer"),
        ("decoder", "located", "{}", "model.decoder"),
    ];
    let blocks = own.map(|(_, name, config, path)| {
        let made = Made { library, kind: Kind::BLOCK, name, config, path };
        made.sized(&sizes, &[]).expect("the block can be made")
    });
    let mut slots = vec![("pooling", pooling, false)];
    slots.extend(own.iter().zip(&blocks).map(|((slot, ..), block)| (*slot, block, false)));
    let config = format!(r#"{{"latent_dim":{width}}}"#);
    let made = Made { library, kind: Kind::MODEL, name: "rqvae", config: &config, path: "model" };
    let model = made.sized(&sizes, &slots).expect("the model can be made");
    (model, blocks.into())
}

/// Reproducible numbers between -1 and 1.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A batch of sequences of falling length.
pub struct Batch {
    /// Sequences.
    pub items: usize,
    /// Frames of the longest.
    pub frames: usize,
    /// Values per frame.
    pub size: usize,
}

impl Batch {
    /// `features` and `mask`; `needs_grad` asks for the gradient of the features.
    pub fn inputs(&self, needs_grad: bool) -> RVec<NamedTensor> {
        let Self { items, frames, size } = *self;
        let values = numbers(items * frames * size, 99);
        let mut features = Tensor::from_vec(values, &[items, frames, size]);
        features.set_needs_grad(needs_grad);
        let mask: Vec<bool> = (0..items)
            .flat_map(|item| {
                (0..frames).map(move |frame| frame < frames - item * frames / (2 * items))
            })
            .collect();
        let mask = Tensor::from_vec(mask, &[items, frames]);
        [NamedTensor::new("features", features), NamedTensor::new("mask", mask)]
            .into_iter()
            .collect()
    }
}

/// The batch of the small cases.
pub const SMALL: Batch = Batch { items: 4, frames: 40, size: SIZE as usize };

/// A training call at `step`.
pub fn training(step: u64) -> Call {
    let flags = Call::TRAIN | Call::WANT_CONTEXT;
    Call { step, flags, ..Call::new("train", 1000 + step) }
}

/// An evaluation call.
pub fn evaluation() -> Call {
    Call::new("eval", 5)
}

/// What one step computed, bit by bit.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Trace {
    /// Name, shape and bytes of every output.
    pub outputs: Vec<(String, Vec<usize>, Vec<u8>)>,
    /// Bytes of the gradient of the features.
    pub input_gradient: Option<Vec<u8>>,
    /// Path and bytes of every parameter gradient, of all instances.
    pub gradients: Vec<(String, Vec<u8>)>,
}

/// One training step of `model`, whose parts are `parts`; the gradient that goes in is made of
/// fixed numbers for the first output and nothing for the others.
///
/// # Errors
/// Those of the components.
pub fn step(
    model: &SharedDifferentiable,
    parts: &[&SharedDifferentiable],
    batch: &Batch,
    step: u64,
) -> Result<Trace, PluginError> {
    let output = model.forward(training(step), batch.inputs(true)).into_result()?;
    let mut trace = Trace::default();
    let mut gradients: RVec<ROption<Tensor>> = RVec::new();
    for (index, named) in output.outputs.iter().enumerate() {
        let (tensor, shape) = (&named.tensor, named.tensor.shape());
        trace.outputs.push((named.name.to_string(), shape.clone(), tensor.bytes().to_vec()));
        gradients.push(if index == 0 {
            RSome(Tensor::from_vec(numbers(shape.iter().product(), 50 + step), &shape))
        } else {
            RNone
        });
    }
    let mut context = output.context.into_option().expect("a context was asked for");
    let answer = context.backward(gradients).into_result()?;
    let gradient = answer.into_iter().next().and_then(ROption::into_option);
    trace.input_gradient = gradient.map(|tensor| tensor.bytes().to_vec());
    for part in parts {
        for named in part.call("gradients".into(), "{}".into(), RVec::new()).into_result()?.tensors
        {
            trace.gradients.push((named.name.to_string(), named.tensor.bytes().to_vec()));
        }
        let rate = GroupRate { group: "default".into(), rate: 0.01 };
        part.step(1.0, [rate].into_iter().collect()).into_result()?;
    }
    Ok(trace)
}

/// Bytes of all parameters and statistics of `parts`, by path.
///
/// # Errors
/// Those of the components.
pub fn parameters(parts: &[&SharedDifferentiable]) -> Result<Vec<(String, Vec<u8>)>, PluginError> {
    let mut all = Vec::new();
    for part in parts {
        for named in part.call("parameters".into(), "{}".into(), RVec::new()).into_result()?.tensors
        {
            all.push((named.name.to_string(), named.tensor.bytes().to_vec()));
        }
    }
    Ok(all)
}
