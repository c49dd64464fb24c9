//! The host's checks around a block of another library: what passes them is what was agreed on.

use std::cell::LazyCell;
use std::sync::{Arc, Mutex};

use ablate_abi::v1::{
    Call, DType, ForwardOutput, NamedTensor, RNone, ROption, RSome, SharedDifferentiable, Tensor,
};
use ablate_train::{assemble, bind};
use serde_json::json;

use crate::block::{Script, Surroundings, spec};
use crate::bytes::Bytes;
use crate::foreign::Foreign;
use crate::said::readable;

thread_local! {
    static GUARDED: LazyCell<Guarded> = LazyCell::new(Guarded::new);
}

struct Guarded {
    block: SharedDifferentiable,
    script: Arc<Mutex<Script>>,
}

impl Guarded {
    fn new() -> Self {
        let port = |name, dtype, shape, optional| json!({ "name": name, "dtype": dtype, "shape": shape, "optional": optional });
        let x = port("x", "f32", json!(["B", "T", 2]), false);
        let y = port("y", "f32", json!(["B", 4]), false);
        let inputs = json!([
            port("x", "f32", json!(["B", "...", 2]), false),
            port("mask", "bool", json!(["B", "T"]), true),
        ]);
        let outputs = json!([y, port("codes", "int", json!(["B", "..."]), true)]);
        let mut surroundings = Surroundings::new(json!({
            "dataset": { "outputs": [x] },
            "model": {
                "inputs": [x], "outputs": [y],
                "slots": { "inner": { "inputs": [x], "outputs": [y] } },
            },
            "block": { "inputs": inputs, "outputs": outputs },
            "loss": { "inputs": [y], "outputs": [port("loss", "f32", json!([1]), false)] },
        }));
        let spec = spec(true);
        let bound = bind(&spec, &mut surroundings).expect("contracts that fit");
        assemble(&spec, bound, 0, &mut surroundings).expect("components that can be made");
        let block = surroundings.slot.take().expect("the model has a slot");
        Self { block, script: surroundings.script }
    }
}

/// Drives a checked block with foreign tensors in every place.
pub fn guard(input: &[u8]) {
    GUARDED.with(|guarded| guarded.drive(&mut Bytes::new(input)));
}

impl Guarded {
    fn drive(&self, bytes: &mut Bytes<'_>) {
        let mut call = Call::new(bytes.choose(&["train", "eval", "predict"]), 0);
        call.flags = u32::from(bytes.byte() & 3);
        let (complete, wants_context) = (call.method != "predict", call.wants_context());
        let inputs = named(bytes);
        let outputs = named(bytes);
        let gradients = gradients(bytes);
        let given = gradients_of(bytes, &outputs);
        let input_shapes: Vec<Vec<usize>> = inputs.iter().map(|i| i.tensor.shape()).collect();
        let input_batch = size(&inputs, "x", 0);
        let script = Script { outputs, keeps_graph: bytes.byte() % 4 != 3, gradients };
        *self.script.lock().expect("one thread") = script;
        let ForwardOutput { outputs, context, .. } =
            match self.block.forward(call, inputs.into()).into_result() {
                Ok(passed) => passed,
                Err(error) => {
                    let text = error.to_string();
                    readable(&text);
                    assert!(text.contains("`model.inner`"), "it names nobody: {text}");
                    return;
                }
            };
        passed(&outputs, complete, input_batch);
        let Some(mut context) = context.into_option() else { return };
        assert!(wants_context, "a graph that nobody asked for");
        match context.backward(given.into()).into_result() {
            Ok(gradients) => {
                assert_eq!(gradients.len(), input_shapes.len());
                for (gradient, shape) in gradients.iter().zip(&input_shapes) {
                    let RSome(gradient) = gradient else { continue };
                    assert_eq!(gradient.shape(), *shape);
                    finite(gradient);
                }
            }
            Err(error) => readable(&error.to_string()),
        }
    }
}

fn named(bytes: &mut Bytes<'_>) -> Vec<NamedTensor> {
    let names = ["x", "y", "mask", "codes", "", "a name with\na second line", LONG];
    (0..bytes.below(4))
        .filter_map(|_| {
            let name = bytes.choose(&names);
            Some(NamedTensor::new(name, Foreign::draw_safe(bytes)?.tensor))
        })
        .collect()
}

/// Longer than any message should be.
const LONG: &str = {
    const LETTERS: [u8; 5_000] = [b'n'; 5_000];
    match str::from_utf8(&LETTERS) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

fn gradients(bytes: &mut Bytes<'_>) -> Vec<ROption<Tensor>> {
    (0..bytes.below(4)).map(|_| gradient(bytes)).collect()
}

fn gradient(bytes: &mut Bytes<'_>) -> ROption<Tensor> {
    if bytes.flag() {
        return RNone;
    }
    Foreign::draw_safe(bytes).map_or(RNone, |drawn| RSome(drawn.tensor))
}

/// Right ones for what the block gives, or any.
fn gradients_of(bytes: &mut Bytes<'_>, outputs: &[NamedTensor]) -> Vec<ROption<Tensor>> {
    if bytes.byte() % 4 == 3 {
        return gradients(bytes);
    }
    let zeros = |NamedTensor { tensor, .. }: &NamedTensor| match tensor.as_slice::<f32>() {
        Ok(values) => RSome(Tensor::from_vec(vec![0.0f32; values.len()], &tensor.shape())),
        Err(_) => RNone,
    };
    outputs.iter().map(zeros).collect()
}

fn size(tensors: &[NamedTensor], name: &str, dim: usize) -> Option<usize> {
    let found = tensors.iter().find(|named| named.name == name)?;
    found.tensor.shape().get(dim).copied()
}

/// What the contract of the block says of its outputs.
fn passed(outputs: &[NamedTensor], complete: bool, input_batch: Option<usize>) {
    for (position, NamedTensor { name, tensor }) in outputs.iter().enumerate() {
        assert!(tensor.validate().is_ok(), "`{name}` passed: {tensor:?}");
        assert!(outputs[..position].iter().all(|other| other.name != *name), "two `{name}`");
        finite(tensor);
        let shape = tensor.shape();
        match name.as_str() {
            "y" => {
                assert!(tensor.dtype() == DType::F32 && shape.len() == 2 && shape[1] == 4);
            }
            "codes" => assert!(tensor.dtype().is_integer() && !shape.is_empty()),
            _ => {}
        }
    }
    assert!(!complete || outputs.iter().any(|named| named.name == "y"), "no `y`");
    let batches = [size(outputs, "y", 0), size(outputs, "codes", 0), input_batch];
    let mut batches = batches.into_iter().flatten();
    if let Some(first) = batches.next() {
        assert!(batches.all(|other| other == first), "batches of different sizes");
    }
}

fn finite(tensor: &Tensor) {
    let is_finite = match tensor.dtype() {
        DType::F32 => tensor.to_vec::<f32>().expect("valid").iter().all(|value| value.is_finite()),
        DType::F64 => tensor.to_vec::<f64>().expect("valid").iter().all(|value| value.is_finite()),
        DType::F16 | DType::BF16 => {
            let exponent = if tensor.dtype() == DType::F16 { 0x7c00 } else { 0x7f80 };
            let (halves, _) = tensor.bytes().as_chunks::<2>();
            halves.iter().all(|half| u16::from_ne_bytes(*half) & exponent != exponent)
        }
        _ => true,
    };
    assert!(is_finite, "NaN or infinity passed");
}
