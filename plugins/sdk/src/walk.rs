//! Every parameter and running statistic of a module, with its path.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// One parameter or statistic.
pub(crate) struct Visit<'a> {
    /// Path inside the module, such as `score.weight`.
    pub(crate) path: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) dtype: burn::tensor::DType,
    /// Whether gradients are kept for it.
    pub(crate) trainable: bool,
    /// Its values, row-major.
    pub(crate) values: &'a dyn Fn() -> Vec<f32>,
}

/// Calls `look` on every float parameter and statistic, in the order of the module's fields.
pub(crate) fn walk<M: Module>(module: &M, look: &mut dyn FnMut(Visit<'_>)) {
    struct Walk<'a> {
        path: Vec<String>,
        look: &'a mut dyn FnMut(Visit<'_>),
    }
    impl ModuleVisitor for Walk<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let path = self.path.join(".");
            (self.look)(Visit {
                path: &path,
                shape: &value.dims(),
                dtype: value.dtype(),
                trainable: value.is_require_grad(),
                values: &|| to_values(value.clone()),
            });
        }
    }
    module.visit(&mut Walk { path: Vec::new(), look });
}

/// The values of a tensor as 32-bit floats, row-major.
pub(crate) fn to_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.inner().into_data().convert::<f32>();
    data.as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default()
}
