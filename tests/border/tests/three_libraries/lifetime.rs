//! State on disk, graphs that live and die, panics, and what is refused.

use crate::mathematics::WIDTH;
use crate::parts::{THERE, inputs, libraries, pair};
use ablate_abi::v1::{ErrorKind, GroupRate, Kind, OwnedContext, RNone, RSome, RVec, Tensor};
use ablate_border::{Batch, Made, alone, library, numbers, outside, parameters, training};
use ablate_loader::{Loader, NoServices};
use std::path::PathBuf;

#[test]
fn training_goes_on_bit_for_bit_in_all_three() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    for optimizer in [
        r#"{"use":"adamw"}"#,
        r#"{"use":"adam","weight_decay":0.1}"#,
        r#"{"use":"sgd","momentum":0.9}"#,
    ] {
        let whole = libraries.parts(THERE);
        whole.set_optimizer(optimizer);
        whole.train(0..6, 0.01);
        let half = libraries.parts(THERE);
        half.set_optimizer(optimizer);
        half.train(0..3, 0.01);
        let resumed = libraries.parts(THERE);
        resumed.set_optimizer(optimizer);
        // It has gone another way before.
        resumed.train(7..9, 0.1);
        for ((name, from), (_, into)) in half.all().into_iter().zip(resumed.all()) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().to_str().expect("UTF-8");
            from.save(path.into(), "resume".into()).into_result().expect("it can be written");
            into.load(path.into(), "resume".into()).into_result().expect("it can be read");
            assert_eq!(parameters(&[from]).unwrap(), parameters(&[into]).unwrap(), "{name}");
        }
        let losses = [half.train(3..6, 0.01), resumed.train(3..6, 0.01)];
        assert_eq!(losses[0], losses[1]);
        assert_eq!(whole.parameters(), resumed.parameters(), "{optimizer}");
    }
}

#[test]
fn passes_may_be_alive_at_once_and_outlive_a_step() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let pooling = libraries.pooling(THERE, "model.pooling");
    let batch = Batch { items: 2, frames: 7, size: WIDTH };
    let forward = || {
        let output = pooling.forward(training(0), batch.inputs(true)).into_result();
        output.expect("a forward pass works").context.into_option().expect("a context")
    };
    // The gradient of the features, and those of the parameters.
    let back = |mut context: OwnedContext| -> (Vec<f32>, Vec<Vec<f32>>) {
        let slope = RSome(Tensor::from_vec(numbers(2 * WIDTH, 3), &[2, 1, WIDTH]));
        let answer = context.backward([slope, RNone].into_iter().collect()).into_result();
        let [of_features, _] = pair(answer.expect("it works"));
        let of_features = of_features.into_option().expect("a gradient was asked for");
        let sums = pooling.call("gradients".into(), "{}".into(), RVec::new()).into_result();
        let sums = sums.expect("a call of all plugins").tensors.into_iter();
        let sums = sums.map(|named| named.tensor.to_vec().expect("floats")).collect();
        pooling.zero_grad().into_result().expect("it works");
        (of_features.to_vec().expect("floats"), sums)
    };
    let expected = back(forward());
    let (one, other) = (forward(), forward());
    assert_eq!(pooling.live_contexts(), 2);
    assert!(back(other) == expected, "another pass is alive");
    let mut moving = forward();
    let slope = RSome(Tensor::from_vec(numbers(2 * WIDTH, 4), &[2, 1, WIDTH]));
    moving.backward([slope, RNone].into_iter().collect()).into_result().expect("it works");
    drop(moving);
    let rate = GroupRate { group: "default".into(), rate: 0.5 };
    pooling.step(1.0, [rate].into_iter().collect()).into_result().expect("a step works");
    assert!(back(one) == expected, "a pass goes back through the parameters that it had");
    assert!(back(forward()) != expected, "the step moved nothing");
    assert_eq!(pooling.live_contexts(), 0);
}

#[test]
fn a_thousand_cycles_leave_nothing_behind() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let mut before = 0;
    for cycle in 0..1000 {
        let parts = libraries.parts(THERE);
        // Every fourth pass is abandoned.
        if cycle % 4 == 0 {
            let forward = parts.forward(cycle, &inputs(0)).expect("a forward pass works");
            assert!(forward.value.is_finite());
            assert_eq!(parts.live_contexts(), [1, 1, 1, 1]);
        } else {
            parts.train(cycle..cycle + 1, 0.01);
        }
        assert_eq!(parts.live_contexts(), [0, 0, 0, 0], "cycle {cycle}");
        if cycle == 200 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    eprintln!("800 cycles more took {} KiB more", grown >> 10);
    assert!(grown < 512 << 10, "800 cycles kept {grown} bytes");
    // One instance, many passes.
    let parts = libraries.parts(THERE);
    for round in 0..1000 {
        if round == 200 {
            before = resident();
        }
        drop(parts.forward(round, &inputs(0)).expect("a forward pass works"));
    }
    let grown = resident().saturating_sub(before);
    eprintln!("800 abandoned passes took {} KiB more", grown >> 10);
    assert!(grown < 512 << 10, "800 abandoned passes kept {grown} bytes");
    assert_eq!(parts.live_contexts(), [0, 0, 0, 0]);
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

#[test]
fn a_panic_on_another_burn_is_an_error_with_its_place() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let parts = libraries.parts(THERE);
    let error =
        parts.pooling.call("burn-0-21/panic".into(), "{}".into(), RVec::new()).into_result();
    let error = error.err().expect("it panics");
    assert_eq!(error.kind, ErrorKind::PANIC);
    assert_eq!(error.message, "the block on Burn 0.21 was asked to panic");
    assert!(error.backtrace.contains("learned.rs:"), "{}", error.backtrace);
    // The instance takes no more calls; the model says which block that is, others work.
    let error = parts.forward(0, &inputs(0)).err().expect("it is poisoned");
    assert_eq!(error.message, "in the block of slot `pooling`");
    let expected = "`model.pooling` panicked before and takes no more calls";
    assert_eq!(error.causes[0], expected);
    libraries.parts(THERE).gradients(0, &inputs(0));
    assert_eq!(parts.live_contexts(), [0, 0, 0, 0]);
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let library = &*libraries.burn_0_21;
    let error = |name, config| {
        let made = Made { library, kind: Kind::BLOCK, name, config, path: "p" };
        made.with(&[]).err().expect("must fail").to_string()
    };
    let expected = "no block `mean` in this plugin; it has block `attentive-mean-0-21`";
    assert_eq!(error("mean", "{}"), expected);
    let expected = "`attentive-mean-0-21` has no key `width`; it has `hidden`";
    assert_eq!(error(THERE, r#"{"width":1}"#), expected);
    assert_eq!(error(THERE, r#"{"hidden":0}"#), "`hidden` is no integer of at least 1");
    // Files of other components, of other sizes, and of nothing.
    let pooling = libraries.pooling(THERE, "p");
    let before = parameters(&[&pooling]).expect("parameters can be read");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("other");
    let path = path.to_str().expect("UTF-8");
    let load = |format: &str| {
        let error = pooling.load(path.into(), format.into()).into_result().err();
        assert_eq!(parameters(&[&pooling]).expect("parameters can be read"), before);
        error.expect("must fail").to_string()
    };
    let gain = libraries.parts(THERE).gain;
    gain.save(path.into(), "safetensors".into()).into_result().expect("written");
    let expected = format!("failed to load `{path}`: no parameter `gain` to load into");
    assert_eq!(load("safetensors"), expected);
    std::fs::remove_file(path).expect("just written");
    assert!(load("safetensors").starts_with(&format!("failed to read `{path}")));
    assert!(load("resume").starts_with(&format!("failed to read `{path}/module.mpk`: ")));
    assert_eq!(load("pickle"), "no format `pickle`; there is `resume`, `safetensors`");
    let made = Made { library, kind: Kind::BLOCK, name: THERE, config: "{}", path: "p" };
    let wider = made.with(&[]).expect("the block can be made");
    wider.save(path.into(), "resume".into()).into_result().expect("written");
    assert!(load("resume").starts_with(&format!("`{path}` holds [(\"attention.hidden.weight\", ")));
}

#[test]
fn a_library_tells_the_version_of_burn_that_its_lock_file_has() {
    let _turn = alone();
    if libraries().is_none() {
        return;
    }
    let told = |file: PathBuf| {
        let library = Loader::new(NoServices, 1).open(&file, None).expect("a library that opens");
        let description = library.description().expect("it describes itself");
        let description: serde_json::Value = serde_json::from_str(&description).expect("JSON");
        description["burn"].as_str().expect("it has Burn").to_owned()
    };
    let (there, here) = (told(outside("burn-0-21")), told(library("pooling")));
    let entry = |version: &str| format!("name = \"burn\"\nversion = \"{version}\"\n");
    let lock = include_str!("../../../fixtures/burn-0-21/Cargo.lock");
    assert!(there.starts_with("0.21.") && lock.contains(&entry(&there)), "{there}");
    assert!(!here.starts_with("0.21.") && !lock.contains(&entry(&here)), "{here}");
}
