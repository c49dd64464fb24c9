//! Every frame encoder and decoder of this crate under one interface, with what tests ask of them.

use ablate_rqvae::{
    ConvolutionConfig, ConvolutionEncoder, LocatedConfig, LocatedDecoder, MultiWindowConfig,
    MultiWindowDecoder, PositionalConfig, PositionalDecoder, Positions, Queries, ResidualMlpConfig,
    ResidualMlpDecoder, ResidualMlpEncoder, TransformerConfig, TransformerEncoder,
};
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use ablate_sdk::burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};

/// Numbers of a frame.
pub(crate) const FEATURES: usize = 6;
/// Width of latent frames and codes.
pub(crate) const WIDTH: usize = 16;

/// What a coder is given.
#[derive(Clone)]
pub(crate) struct Given {
    /// Frames `[B, T, FEATURES]` for an encoder, memory `[B, W, WIDTH]` for a decoder.
    pub(crate) vectors: Tensor<3>,
    /// Of the memory, `[B, W]`; an encoder does not look at it.
    pub(crate) windows: Tensor<2, Bool>,
    /// Of the frames, `[B, T]`.
    pub(crate) frames: Tensor<2, Bool>,
    /// For dropout.
    pub(crate) seed: Option<u64>,
}

type Run = dyn Fn(&Given) -> Result<Tensor<3>, Error>;
type ReadGradients = dyn Fn(&Gradients) -> Vec<f32>;

/// An encoder or decoder.
pub(crate) struct Coder {
    pub(crate) name: &'static str,
    pub(crate) encoder: bool,
    /// Whether it drops values in training.
    pub(crate) drops: bool,
    pub(crate) run: Box<Run>,
    /// The gradients of its parameters, which all must have one.
    pub(crate) gradients: Box<ReadGradients>,
}

/// 0.3 sin(0.7 i² + 0.1 · the sum of the name's bytes), plus 1 for the scale of a norm.
pub(crate) fn wave(name: &str, count: usize) -> Vec<f32> {
    let phase = 0.1 * name.bytes().map(f64::from).sum::<f64>();
    let shift = if name.ends_with("gamma") { 1.0 } else { 0.0 };
    (0..count).map(|i| (0.3 * (0.7 * (i * i) as f64 + phase).sin() + shift) as f32).collect()
}

/// The module with a wave in every parameter. Burn's own draws come from one generator of the
/// process, which the tests share.
pub(crate) fn filled<M: Module>(module: M, device: &Device) -> M {
    module.map(&mut Fill(Vec::new(), device.clone()))
}

struct Fill(Vec<String>, Device);

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, old, mapper) = param.consume();
        let shape = old.dims();
        let values = TensorData::new(wave(&self.0.join("."), shape.iter().product()), shape);
        let values = Tensor::from_data(values, &self.1);
        let values = if old.is_autodiff() { values.require_grad() } else { values };
        Param::from_mapped_value(id, values, mapper)
    }
}

fn coder<M: Module + 'static>(
    name: &'static str,
    encoder: bool,
    module: M,
    run: impl Fn(&M, &Given) -> Result<Tensor<3>, Error> + 'static,
) -> Coder {
    let same = module.clone();
    Coder {
        name,
        encoder,
        drops: ["transformer", "positional", "multi-window"].iter().any(|n| name.starts_with(n)),
        run: Box::new(move |given| run(&module, given)),
        gradients: Box::new(move |gradients| parameter_gradients(&same, gradients)),
    }
}

fn parameter_gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<f32> {
    struct Collect<'a>(&'a Gradients, Vec<f32>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0).expect("every parameter has a gradient");
            self.1.extend(gradient.into_data().iter::<f32>());
        }
    }
    let mut collect = Collect(gradients, Vec::new());
    module.visit(&mut collect);
    collect.1
}

/// Both kinds of positions of each coder that has them, and both places of norms.
pub(crate) fn coders(max_frames: usize, device: &Device) -> Vec<Coder> {
    use ablate_rqvae::{NormPlace, Norms};
    let mut list = Vec::new();
    let transformers = [
        ("transformer, sinusoidal", Positions::Sinusoidal, NormPlace::Post),
        ("transformer, learned", Positions::Learned, NormPlace::Pre),
        ("transformer, none", Positions::None, NormPlace::Post),
    ];
    for (name, positions, norm) in transformers {
        let config = TransformerConfig { positions, norm, max_frames, ..Default::default() };
        let module = TransformerEncoder::init(FEATURES, WIDTH, &config, device).expect("valid");
        let module = filled(module, device);
        list.push(coder(name, true, module, |m, g| m.encode(g.vectors.clone(), &g.frames, g.seed)));
    }
    let mlp = ResidualMlpConfig::default();
    let module = filled(ResidualMlpEncoder::init(FEATURES, WIDTH, &mlp, device), device);
    list.push(coder("residual-mlp encoder", true, module, |m, g| {
        Ok(m.encode(g.vectors.clone(), &g.frames))
    }));
    let positional = [
        ("positional, sinusoidal", Queries::Sinusoidal, NormPlace::Pre),
        ("positional, learned", Queries::Learned, NormPlace::Post),
    ];
    for (name, queries, norm) in positional {
        let config = PositionalConfig { queries, norm, max_frames, ..Default::default() };
        let module = PositionalDecoder::init(WIDTH, FEATURES, &config, device).expect("valid");
        let module = filled(module, device);
        list.push(coder(name, false, module, |m, g| {
            m.decode(g.vectors.clone(), &g.windows, &g.frames, g.seed)
        }));
    }
    let multi = [
        ("multi-window, sinusoidal", Queries::Sinusoidal, Norms::Pre),
        ("multi-window, learned", Queries::Learned, Norms::SelfAttention),
    ];
    for (name, queries, norms) in multi {
        let config = MultiWindowConfig { queries, norms, max_frames, ..Default::default() };
        let module = MultiWindowDecoder::init(WIDTH, FEATURES, &config, device).expect("valid");
        let module = filled(module, device);
        list.push(coder(name, false, module, |m, g| {
            m.decode(g.vectors.clone(), &g.windows, &g.frames, g.seed)
        }));
    }
    let module = ConvolutionEncoder::init(FEATURES, WIDTH, &ConvolutionConfig::default(), device);
    list.push(coder("convolution", true, filled(module, device), |m, g| {
        Ok(m.encode(g.vectors.clone(), &g.frames))
    }));
    let located = LocatedDecoder::init(WIDTH, FEATURES, &LocatedConfig::default(), device);
    list.push(coder("located", false, filled(located.expect("valid"), device), |m, g| {
        Ok(m.decode(g.vectors.clone(), &g.windows, &g.frames))
    }));
    let module = filled(ResidualMlpDecoder::init(WIDTH, FEATURES, &mlp, device), device);
    list.push(coder("residual-mlp decoder", false, module, |m, g| {
        Ok(m.decode(g.vectors.clone(), &g.windows, &g.frames))
    }));
    list
}

#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * e.abs().max(1.0), "{what}: {f} is not {e}");
    }
}
