//! State on disk: Burn's records to resume bit for bit, safetensors to exchange.

use crate::Error;
use crate::walk::{Visit, to_values, walk};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeSet;
use std::path::Path;

const MODULE_FILE: &str = "module.bpk";
const OPTIMIZER_FILE: &str = "optimizer.bpk";

fn failed(action: &str, path: &Path, error: impl std::fmt::Display) -> Error {
    let mut built = Error::data(format!("failed to {action} `{}`", path.display()));
    built.causes.push(error.to_string().into());
    built
}

/// Writes `module.bpk` and `optimizer.bpk` into the folder `path`. Burn's records keep parameter
/// ids, which tie the optimizer's state to the parameters.
pub(crate) fn save_resume<M: Module>(
    module: M,
    optimizer: &ModuleOptimizer,
    path: &str,
) -> Result<(), Error> {
    let folder = Path::new(path);
    std::fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))?;
    let file = folder.join(MODULE_FILE);
    module.into_record().save(&file).map_err(|error| failed("write", &file, error))?;
    let file = folder.join(OPTIMIZER_FILE);
    optimizer.save(&file).map_err(|error| failed("write", &file, error))
}

/// Reads what [`save_resume`] wrote.
pub(crate) fn load_resume<M: Module>(
    module: M,
    optimizer: ModuleOptimizer,
    path: &str,
) -> Result<(M, ModuleOptimizer), Error> {
    let file = Path::new(path).join(MODULE_FILE);
    let record = ModuleRecord::from_bytes(read(&file)?);
    let module = record.and_then(|record| module.try_load_record(record));
    let module = module.map_err(|error| failed("read", &file, error))?;
    let file = Path::new(path).join(OPTIMIZER_FILE);
    let optimizer = optimizer.from_bytes(read(&file)?);
    Ok((module, optimizer.map_err(|error| failed("read", &file, error))?))
}

/// A whole file. Given a path, Burn reads a tensor when it is first used, and by then the folder may
/// be gone or hold another checkpoint.
fn read(path: &Path) -> Result<Bytes, Error> {
    std::fs::read(path).map(Bytes::from_bytes_vec).map_err(|error| failed("read", path, error))
}

/// Writes parameters and statistics by path, as 32-bit floats.
pub(crate) fn save_safetensors<M: Module>(module: &M, path: &str) -> Result<(), Error> {
    let path = Path::new(path);
    let mut list: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    walk(module, &mut |visit: Visit<'_>| {
        let bytes = (visit.values)().iter().flat_map(|value| value.to_le_bytes()).collect();
        list.push((visit.path.to_owned(), visit.shape.to_vec(), bytes));
    });
    let mut views = Vec::with_capacity(list.len());
    for (name, shape, bytes) in &list {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        views.push((name, view.map_err(|error| failed("write", path, error))?));
    }
    let bytes =
        safetensors::serialize(views, None).map_err(|error| failed("write", path, error))?;
    std::fs::write(path, bytes).map_err(|error| failed("write", path, error))
}

/// Reads parameters and statistics by path; every one must be there with its shape.
///
/// Done with a mapper of our own: Burn's `load_from` aborts the process if anything panics in it.
pub(crate) fn load_safetensors<M: Module>(
    module: M,
    path: &str,
    device: &Device,
) -> Result<M, Error> {
    struct Load<'a> {
        file: &'a SafeTensors<'a>,
        path: Vec<String>,
        device: Device,
        used: BTreeSet<String>,
        errors: Vec<String>,
    }
    impl Load<'_> {
        fn find<const D: usize>(&self, path: &str, shape: [usize; D]) -> Result<Tensor<D>, String> {
            let view = self.file.tensor(path).map_err(|_| format!("no tensor `{path}`"))?;
            if view.shape() != shape {
                return Err(format!("`{path}` has shape {:?}, expected {shape:?}", view.shape()));
            }
            if view.dtype() != Dtype::F32 {
                return Err(format!("`{path}` holds {:?}, expected F32", view.dtype()));
            }
            let bytes = view.data().chunks_exact(4);
            let values: Vec<f32> =
                bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok(Tensor::from_data(TensorData::new(values, shape), &self.device))
        }
    }
    impl ModuleMapper for Load<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let path = self.path.join(".");
            match self.find(&path, param.val().dims()) {
                Ok(tensor) => {
                    self.used.insert(path);
                    param.map(|old| tensor.set_require_grad(old.is_require_grad()))
                }
                Err(error) => {
                    self.errors.push(error);
                    param
                }
            }
        }
    }
    let path = Path::new(path);
    let bytes = std::fs::read(path).map_err(|error| failed("read", path, error))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| failed("read", path, error))?;
    let mut load = Load {
        file: &file,
        path: Vec::new(),
        device: device.clone(),
        used: BTreeSet::new(),
        errors: Vec::new(),
    };
    let module = module.map(&mut load);
    let unused = file.names().into_iter().filter(|name| !load.used.contains(*name));
    load.errors.extend(unused.map(|name| format!("no parameter `{name}` to load into")));
    if load.errors.is_empty() {
        Ok(module)
    } else {
        Err(failed("load", path, load.errors.join("; ")))
    }
}

/// Gradients by path; a parameter without one is left out.
pub(crate) fn collect_gradients<M: Module>(
    module: &M,
    gradients: &GradientsParams,
    into: &mut Vec<(String, Vec<usize>, Vec<f32>)>,
) {
    struct Collect<'a> {
        gradients: &'a GradientsParams,
        path: Vec<String>,
        into: &'a mut Vec<(String, Vec<usize>, Vec<f32>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                let shape = gradient.dims().to_vec();
                self.into.push((self.path.join("."), shape, to_values(gradient)));
            }
        }
    }
    module.visit(&mut Collect { gradients, path: Vec::new(), into });
}
