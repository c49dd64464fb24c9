//! Random frames, masks, and the poolings under one interface.

use ablate_pooling::{
    AttentiveConfig, AttentiveMean, AttentiveStats, AttentiveStatsPerChannel, Mean, Tail, Windows,
    pool_windows,
};
use ablate_sdk::burn::module::{Module, ModuleVisitor, Param};
use ablate_sdk::burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use ablate_sdk::rand::RngExt;
use ablate_sdk::seed::generator;

/// Pooled vectors with the mask of their windows.
pub(crate) type Pooled = (Tensor<3>, Tensor<2, Bool>);

type ReadGradients = dyn Fn(&Gradients) -> Vec<f32>;

/// A pooling with the gradients of its parameters.
pub(crate) struct Pooling {
    pub(crate) name: &'static str,
    pub(crate) pool: Box<dyn Fn(Tensor<3>, Tensor<2, Bool>) -> Pooled>,
    pub(crate) gradients: Box<ReadGradients>,
}

/// Every pooling for frames of `features` numbers, on `device`.
pub(crate) fn poolings(features: usize, device: &Device) -> Vec<Pooling> {
    let config = AttentiveConfig { hidden: 16 };
    device.seed(11);
    let mean = AttentiveMean::init(features, &config, device);
    let stats = AttentiveStats::init(features, &config, device);
    let channel = AttentiveStatsPerChannel::init(features, &config, device);
    let sliding = |name, tail| {
        let inner = stats.clone();
        let windows = Windows { window: 5, stride: 2, tail };
        let pool = move |x, m| {
            pool_windows(&windows, x, m, |x, m| Ok(inner.pool(x, m))).expect("inner pools")
        };
        pooling(name, pool, stats.clone())
    };
    vec![
        pooling("mean", |x, m| Mean {}.pool(x, m), Mean {}),
        pooling(
            "attentive-mean",
            {
                let p = mean.clone();
                move |x, m| p.pool(x, m)
            },
            mean,
        ),
        pooling(
            "attentive-stats",
            {
                let p = stats.clone();
                move |x, m| p.pool(x, m)
            },
            stats.clone(),
        ),
        pooling(
            "per-channel",
            {
                let p = channel.clone();
                move |x, m| p.pool(x, m)
            },
            channel,
        ),
        sliding("sliding, padded", Tail::Pad),
        sliding("sliding, dropped", Tail::Drop),
    ]
}

fn pooling<M: Module + 'static>(
    name: &'static str,
    pool: impl Fn(Tensor<3>, Tensor<2, Bool>) -> Pooled + 'static,
    module: M,
) -> Pooling {
    Pooling {
        name,
        pool: Box::new(pool),
        gradients: Box::new(move |gradients| parameter_gradients(&module, gradients)),
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

/// Frames between −1 and 1.
pub(crate) fn frames(shape: [usize; 3], seed: u64, device: &Device) -> Tensor<3> {
    let mut generator = generator(seed);
    let count = shape.iter().product();
    let list: Vec<f32> = (0..count).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(list, shape), device)
}

/// A mask whose rows are valid up to each length.
pub(crate) fn prefix_mask(lengths: &[usize], frames: usize, device: &Device) -> Tensor<2, Bool> {
    let list: Vec<bool> =
        lengths.iter().flat_map(|&length| (0..frames).map(move |frame| frame < length)).collect();
    Tensor::from_data(TensorData::new(list, [lengths.len(), frames]), device)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

pub(crate) fn flags(mask: Tensor<2, Bool>) -> Vec<bool> {
    mask.into_data().iter::<bool>().collect()
}

#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{what}: {f} is not {e}");
    }
}
