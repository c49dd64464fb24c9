//! State on disk across the border: export and import by name, exact resume, frozen groups.

use ablate_abi::v1::SharedDifferentiable;
use ablate_border::{SMALL, Side, alone, block, parameters, step};
use std::path::PathBuf;

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ablate-state-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

fn values(part: &SharedDifferentiable) -> Vec<(String, Vec<u8>)> {
    parameters(&[part]).expect("parameters can be read")
}

fn trained(side: &Side, path: &str, steps: u64) -> SharedDifferentiable {
    let pooling = block(&side.pooling, "attentive-stats", path);
    for index in 0..steps {
        step(&pooling, &[&pooling], &SMALL, index).expect("a step works");
    }
    pooling
}

#[test]
fn safetensors_carry_parameters_by_name_into_another_instance() {
    let _turn = alone();
    let side = Side::loaded(1);
    let (one, other) = (trained(&side, "one", 3), block(&side.pooling, "attentive-stats", "two"));
    assert!(values(&one) != values(&other), "two instances start differently");
    let folder = folder("safetensors");
    let file = folder.join("pooling.safetensors");
    let path = file.to_str().expect("UTF-8");
    one.save(path.into(), "safetensors".into()).into_result().expect("it can be written");
    // The format's own header: eight bytes of length, then JSON with the names.
    let bytes = std::fs::read(&file).expect("the file is there");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
    assert_eq!(header["statistics.attention.hidden.weight"]["dtype"], "F32");
    other.load(path.into(), "safetensors".into()).into_result().expect("it can be read");
    assert!(values(&one) == values(&other), "the parameters are the same bits");
    // Another component does not take them, and says what is missing.
    let stranger = block(&side.fixture, "mixing", "three");
    let error = stranger.load(path.into(), "safetensors".into()).into_result();
    let error = error.expect_err("other parameters").to_string();
    assert!(
        error.contains("failed to load `") && error.contains("no tensor `linear.weight`"),
        "{error}"
    );
    let error = one.save(path.into(), "pickle".into()).into_result().expect_err("unknown");
    assert_eq!(error.message, "no format `pickle`; there is `resume`, `safetensors`");
    std::fs::remove_dir_all(folder).expect("the temporary folder");
}

#[test]
fn resumed_parameters_and_optimizer_go_on_bit_for_bit() {
    let _turn = alone();
    let side = Side::loaded(1);
    let whole = trained(&side, "model", 6);
    let half = trained(&side, "model", 3);
    let folder = folder("resume");
    let path = folder.to_str().expect("UTF-8");
    half.save(path.into(), "resume".into()).into_result().expect("it can be written");
    let resumed = block(&side.pooling, "attentive-stats", "model");
    resumed.load(path.into(), "resume".into()).into_result().expect("it can be read");
    for index in 3..6 {
        step(&resumed, &[&resumed], &SMALL, index).expect("a step works");
    }
    assert!(values(&whole) == values(&resumed), "three steps and three more are six");
    std::fs::write(folder.join("module.bpk"), b"not a record").expect("a damaged file");
    let error = resumed.load(path.into(), "resume".into()).into_result().expect_err("damaged");
    assert!(error.message.starts_with("failed to read `"), "{error}");
    std::fs::remove_dir_all(folder).expect("the temporary folder");
}

#[test]
fn frozen_parameters_stay_and_thawed_ones_move_again() {
    let _turn = alone();
    let side = Side::loaded(1);
    let pooling = block(&side.pooling, "attentive-stats", "model.pooling");
    let before = values(&pooling);
    pooling.set_trainable("default".into(), false).into_result().expect("a known group");
    let trace = step(&pooling, &[&pooling], &SMALL, 0).expect("a step works");
    assert!(trace.gradients.is_empty() && trace.input_gradient.is_some());
    assert!(values(&pooling) == before, "frozen parameters moved");
    pooling.set_trainable("".into(), true).into_result().expect("all groups");
    step(&pooling, &[&pooling], &SMALL, 1).expect("a step works");
    assert!(values(&pooling) != before, "thawed parameters stayed");
    let error = pooling.set_trainable("head".into(), false).into_result().expect_err("unknown");
    assert_eq!(error.message, "no parameter group `head`; there is `default`");
}
