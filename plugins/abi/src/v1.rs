//! Revision 1 of the border.
//!
//! abi_stable checks types, sizes and signatures when a plugin is opened. What follows is what it
//! cannot see; a plugin and a host that differ in it would load and be wrong. A change of any of it
//! is a new revision too.
//!
//! # Text, numbers, absence
//!
//! All text is UTF-8 without a final NUL, and so are paths; a path that is not is never passed.
//! What is called JSON is one document. Whoever reads an object ignores keys that it does not know,
//! unless said otherwise. A `call` that needs no document is given `null`, and treats `null` and
//! `{}` alike. Optional text is absent when it is empty. A list that may be absent is empty.
//! Numbers in JSON are written so that reading them gives the same bits; NaN and infinity do not
//! stand in it. Shapes are sizes from the outermost dimension inwards; times are seconds.
//!
//! # Life of a plugin
//!
//! 1. The library is mapped; its constructors must do nothing that can fail.
//! 2. `build_info`, `list` and `describe` may be called, at any time and from any thread. They use
//!    no services.
//! 3. `init` is called once, from one thread. A second call (two plugins linked into one program)
//!    succeeds and changes nothing.
//! 4. `create` and everything on components. The services of the host may be used from `init` on,
//!    until the process ends; they are never taken back.
//! 5. Nothing is ever unloaded. When the process ends the host may leave without dropping anything.
//!
//! A component holds no thread of the host: it may be dropped on another thread than it was made
//! on, and in any order with respect to others, except that a component which was given blocks
//! keeps them alive.
//!
//! # Threads
//!
//! | object | who calls |
//! |---|---|
//! | `Differentiable`, `Context` | one call at a time per trial, but not always from one thread |
//! | `Dataset::batch` | several threads at once, while a model computes |
//! | `Metric` | one call at a time |
//! | `Host` | any thread of the plugin, at any time after `init` |
//!
//! A plugin calls the blocks in its slots from inside its own `forward`, `backward`, `prepare`,
//! `update` and `compute`, on whatever thread that runs, and a block never calls the component that
//! it stands in. A dataset does not call blocks in `batch`, which overlaps with a model that may be
//! in the same library. Nobody calls the host from a constructor of the library.
//! `InitOptions::threads` is how many threads may compute at one time inside of a call.
//!
//! # Ownership and panics
//!
//! Who allocated frees: every object that crosses carries its destructor, and dropping it is all
//! that the receiver does. Arguments that are moved belong to the callee even if it fails.
//! No panic crosses, in either direction: it becomes an error of kind `PANIC` or, where there is
//! no error, is swallowed. After `PANIC` an instance is only dropped; asked again it fails with
//! kind `STATE`.
//! An error leaves an instance as it was before the call, except that `forward` with
//! [`Call::TRAIN`] may have moved running statistics.
//!
//! # Tensors
//!
//! Row-major, contiguous, on the CPU, first element aligned to 16 bytes, rank 0 to [`MAX_RANK`];
//! rank 0 is one number. `byte_len` is the product of the shape and the size of an element, and is
//! 0 for an empty tensor, whose pointer means nothing; with ones in the place of zeros that product
//! fits in an `isize`. Strides are in elements; none stands for
//! contiguous. Numbers are in the machine's byte order, which is little-endian wherever this
//! revision is spoken. Bools are bytes 0 and 1. Vector lanes are 1. A flag that is not known is
//! ignored. The readiness handle is null; it belongs to the owner and goes with it.
//! A [`Device`] other than the CPU is refused, until host and plugin have agreed on it by a `call`
//! of a later convention; nothing in the layout stands in the way.
//! Text inside a batch is `u8[B, L]`: UTF-8 bytes, filled up with zero bytes.
//! Masks are true where data is. Whatever stands under a false mask must not change a result.
//! The first dimension of whatever belongs to items is the batch, in the order of its items.
//!
//! Names of tensors are unique within a list, not empty, and without `:`, `?` and `.`.
//!
//! # Methods
//!
//! `Call::method` says what to compute.
//!
//! | method | meaning |
//! |---|---|
//! | `train` | what the contract says, with [`Call::TRAIN`] |
//! | `eval` | what the contract says, without dropout; running statistics stand still |
//! | `predict` | what a user wants of finished training: outputs, and a record per item; it may search and sample |
//! | `encode` | the representation of the inputs |
//!
//! The first two are there in every component, take the inputs of the contract and give its
//! outputs. For others inputs may be left out and further tensors given; what carries a name of the
//! contract fits it. A component lists the further methods that it knows under `methods` in its
//! description, and refuses others with kind `UNSUPPORTED`. A method's own settings are
//! [`Call::options`]; a model hands neither method nor options on to its slots unless it means to.
//!
//! A loss has one output `loss: f32[1]`, a mean over [`ForwardOutput::averaged_over`] elements.
//! Equal inputs, parameters and [`Call`] give equal bits, on one machine, on one device, with any
//! number of threads. A component draws random numbers from `Call::seed` mixed with its own path,
//! or from `Create::seed` mixed with it, and from nothing else.
//!
//! # Parameters and optimizers
//!
//! The owner of parameters moves them. The host calls, per step: `forward` and `backward` of one or
//! more micro-batches, `grad_norm_sq` on all components, `step` on all. A context that was made
//! before a step keeps the values of then. Gradients that were not asked to be cleared add up.
//! `set_trainable` is called while no gradients are accumulated; frozen parameters keep their bits
//! and are in no norm. What is frozen is not part of the saved state: the host says it again after
//! `load`.
//! `set_optimizer` takes `{"use": NAME, …}`: `adamw` and `adam` with `betas`, `epsilon`,
//! `weight_decay`; `sgd` with `momentum`, `nesterov`, `weight_decay`; defaults, formulas and their
//! order are those of PyTorch. An optimizer or key that is not known is refused with kind `CONFIG`.
//! Rates are factors of the update, one per group in every `step`; a group that is not listed has
//! that of `default`, and rates of groups that a component does not have are ignored.
//!
//! `save` in the format `resume` is given a folder that exists and is empty, and `load` that folder
//! with the same bytes in it, possibly elsewhere. `safetensors` is given a file. Other formats are
//! refused with `UNSUPPORTED`. `load` changes all or, with an error, nothing.
//!
//! # Datasets and metrics
//!
//! `fingerprint`, `sources`, `contract` and `splits` work before `prepare`; `items` and `batch`
//! after it. `prepare` is called once per sweep in a process of its own and again in every trial,
//! where it finds its caches; two processes may run it at once, so what it writes appears whole
//! (written beside, then renamed). It says how far it is with `Host::progress` and looks at
//! `Host::cancelled` at least once a second; what it has cached by then stays.
//! `train` is what is learned from, `valid` chooses, `test` is measured at the end; there may be
//! others. Ids are unique in a split. `Item::size` is in the dataset's own unit.
//! A batch depends on indices and stream alone.
//!
//! Blocks in the slots of datasets and metrics are frozen: the host says so with `set_trainable`,
//! gives those of a dataset the seed 0, shares them with nobody, and saves none of them.
//! `Create::properties` has `identity.SLOT` for each block in a slot, in the order of the slots: a
//! text that differs whenever the block may compute something else from equal inputs before it is
//! trained, for caches of what it computes.
//!
//! A metric is measured over a whole split: `reset`, any number of `update`s, `compute`. Splitting
//! the items into other batches, or over several instances whose states are merged in any order,
//! must not change its values beyond rounding. `state` is read by the same library only.
//!
//! # Artifacts and caches
//!
//! `Host::cache_folder` is shared by all plugins and processes of a machine: a plugin makes a
//! folder of its own in it. `Create::artifacts` and `Host::artifact` name files or folders that
//! other runs made, to be read only. `Host::new_artifact` gives one path per name, where nothing is
//! yet, for a file or a folder; a component that may occur twice puts its place into the name.
//! Outside of a run both fail with `UNSUPPORTED`.
//!
//! # Open calls
//!
//! Every object ends with `call`, for what this revision does not say. Names without a `/` belong
//! to the contract; a plugin's own begin with its name and a `/`. An unknown name fails with kind
//! `UNSUPPORTED` and has no effect, so that a caller may ask for what not everyone has. Known:
//!
//! | on | name | gives |
//! |---|---|---|
//! | `Differentiable` | `parameters` | the values of parameters and statistics, by path |
//! | | `gradients` | the accumulated gradients, by path; those without one are left out |
//! | | `non-finite-gradients` | a JSON list of the paths whose gradients hold NaN or infinity |
//! | `Metric` that publishes | `items` | nothing; is given `{split, ids}` of the next `update` |
//! | | `publish` | nothing; writes a file to `{path}`, where nothing is yet |
//!
//! A metric publishes if its contract, and its description, has `publishes`, the file's name. It is
//! then made for an artifact: `reset`, `items` and `update` for every batch of whole splits in the
//! order of their items, `compute`, `publish`. Equal batches give equal bytes.
//!
//! Left to it on purpose: exchange of gradients between processes, averaged weights, a component's
//! last word after training, further data of items, tables and curves of metrics, devices.
//!
//! # Descriptions and contracts
//!
//! `list` gives `{name, version, abi, sdk, rustc, burn, backends, target, debug, components}`; of a
//! component `{kind, name, role, doc, schema, defaults, slots, methods, surrogate_gradients}`.
//! `schema` is a JSON Schema (2020-12) of the configuration, `defaults` the configuration of an
//! empty object or null, a slot `{name, role, doc, optional, many, default, null}`.
//! `describe` gives `{inputs, outputs, slots}`, a port being `{name, dtype, shape, optional}` with
//! `dtype` one of `f32 f64 f16 bf16 i64 i32 int u8 bool` and a dimension a size, a symbol, or
//! `...`. Names, versions and `Create::config` are what the description says they can be: the host
//! checks a configuration against the schema and fills in the defaults.

// What `sabi_trait` and the prefix derive generate trips these two lints on current compilers.
#![allow(non_local_definitions, non_camel_case_types)]
#![allow(
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    unsafe_code,
    reason = "sabi_trait and StableAbi generate unsafe companions of each item"
)]

mod component;
mod error;
mod host;
mod root;
mod tensor;

// The containers that cross, so that a crate which drives handles needs no other dependency.
pub use abi_stable::sabi_trait::TD_Opaque;
pub use abi_stable::std_types::{
    RArc, RBox, RErr, RNone, ROk, ROption, RResult, RSome, RStr, RString, RVec,
};
pub use component::{
    Call, CallOutput, Component, Context, Context_TO, Create, Dataset, Dataset_TO, Differentiable,
    Differentiable_TO, Dimension, ForwardOutput, GroupRate, Item, Kind, Metric, Metric_TO,
    MetricValue, OwnedContext, OwnedMetric, Parameter, Property, SharedDataset,
    SharedDifferentiable, Slot, share,
};
pub use error::{ErrorKind, PluginError, guard};
pub use host::{Host, Host_TO, InitOptions, LogLevel, SharedHost};
pub use root::{BuildInfo, Plugin, Plugin_Ref, SYMBOL_PREFIX};
pub use tensor::{DType, Device, Element, MAX_RANK, NamedTensor, Tensor};

/// The number of this revision; a plugin reports it in its root.
pub const REVISION: u32 = 1;
