//! Nothing depends on interruptions or on the number of workers.

use ablate_config::Spec;
use ablate_train::{Measurement, Outcome};
use serde_json::{Value, json};

use crate::harness::{Folder, Memory, Ran, component, fresh, go_on, spec};

/// Momentum, noise in the model and in the batches, a block, steps of two micro-batches.
fn eventful(change: impl FnOnce(&mut Value)) -> Spec {
    spec(|json| {
        json["dataset"]["config"] = json!({ "outputs": 2 });
        json["model"]["config"]["noise"] = json!(true);
        json["model"]["slots"]["refiner"] =
            json!({ "one": component("scale-elsewhere", json!({})) });
        json["train"]["optimizer"]["momentum"] = json!(0.9);
        json["train"]["optimizer"]["learning_rate"] = json!(0.02);
        json["train"]["schedule"] =
            json!({ "use": "cosine", "warmup_steps": 3, "final_ratio": 0.1 });
        json["train"]["accumulate_steps"] = json!(2);
        json["train"]["total_epochs"] = json!(6);
        json["train"]["eval_every_epochs"] = json!(null);
        json["train"]["eval_every_steps"] = json!(3);
        json["report"]["checkpoint"] = json!("best");
        change(json);
    })
}

fn bits(measurements: &[Measurement]) -> Vec<(String, String, u64, u64, u64)> {
    let bits =
        |m: &Measurement| (m.metric.clone(), m.split.clone(), m.step, m.epoch, m.value.to_bits());
    measurements.iter().map(bits).collect()
}

fn same(one: &Ran, other: &Ran) {
    assert_eq!(bits(&one.memory.measurements), bits(&other.memory.measurements));
    assert_eq!(one.finished(), other.finished());
    assert_eq!(one.weights(), other.weights());
}

#[test]
fn an_interrupted_trial_equals_an_uninterrupted_one_bit_for_bit() {
    let spec = eventful(|_| {});
    let whole = fresh(&spec);
    // 30 items are 8 batches of 4, which are 4 steps: 24 in all.
    assert_eq!(whole.finished().steps, 24);
    for stops in [vec![1], vec![4], vec![7, 11], vec![23], vec![24]] {
        let mut folder = Folder::new();
        let mut memory = Memory::default();
        for stop_after in &stops {
            memory.stop_after = Some(*stop_after);
            let stopped = go_on(&spec, memory, &mut folder);
            assert_eq!(stopped.outcome.unwrap(), Outcome::Stopped { step: *stop_after });
            memory = Memory { measurements: stopped.memory.measurements, ..Memory::default() };
        }
        let resumed = go_on(&spec, memory, &mut folder);
        assert_eq!(resumed.memory.starts, [*stops.last().unwrap()]);
        same(&whole, &resumed);
    }
}

#[test]
fn a_crashed_trial_goes_on_from_its_last_checkpoint() {
    let every_five = |json: &mut Value| {
        json["train"]["checkpoint_every_epochs"] = json!(null);
        json["train"]["checkpoint_every_steps"] = json!(5);
    };
    let whole = fresh(&eventful(every_five));
    let crashing = eventful(|json| {
        every_five(json);
        json["losses"][0]["component"]["config"] = json!({ "fail_step": 14 });
    });
    let mut folder = Folder::new();
    let crashed = go_on(&crashing, Memory::default(), &mut folder);
    let text = "`loss.fit` (`mse`) failed to compute its value in step 14: the power went out";
    assert_eq!(crashed.error(), text);
    // The evaluation after step 12 was recorded and is repeated.
    let memory = Memory { measurements: crashed.memory.measurements, ..Memory::default() };
    let resumed = go_on(&eventful(every_five), memory, &mut folder);
    assert_eq!(resumed.memory.starts, [10]);
    same(&whole, &resumed);
}

#[test]
fn a_finished_trial_is_only_measured_again() {
    let spec = eventful(|_| {});
    let mut folder = Folder::new();
    let first = go_on(&spec, Memory::default(), &mut folder);
    let memory = Memory { measurements: first.memory.measurements.clone(), ..Memory::default() };
    same(&first, &go_on(&spec, memory, &mut folder));
}

#[test]
fn results_do_not_depend_on_the_number_of_workers() {
    let with = |workers: usize, batches: usize| {
        fresh(&eventful(|json| {
            json["train"]["prefetch_workers"] = json!(workers);
            json["train"]["prefetch_batches"] = json!(batches);
        }))
    };
    let one = with(1, 1);
    for (workers, batches) in [(1, 4), (2, 2), (4, 7)] {
        same(&one, &with(workers, batches));
    }
}

#[test]
fn another_seeds_checkpoint_is_refused() {
    let spec = eventful(|_| {});
    let mut folder = Folder::new();
    go_on(&spec, Memory { stop_after: Some(2), ..Memory::default() }, &mut folder);
    let file = folder.0.path().join("last/train.json");
    let mut state: Value = serde_json::from_slice(&fs_err::read(&file).unwrap()).unwrap();
    state["seed"] = json!(6);
    fs_err::write(&file, state.to_string()).unwrap();
    let error = go_on(&spec, Memory::default(), &mut folder).error();
    let place = folder.0.path().join("last");
    assert_eq!(error, format!("checkpoint `{}`: it is of seed 6, not 5", place.display()));
}

#[test]
fn a_dataset_that_gives_up_when_asked_to_stop_leaves_a_checkpoint() {
    // Row 3 is refused; the trial is asked to stop before the batch with it comes.
    let spec = |cancels: Value| {
        spec(|json| {
            json["dataset"]["config"] = json!({ "cancels": cancels });
            json["train"]["batch_size"] = json!(1);
            json["train"]["bucketing"] = json!(false);
        })
    };
    let order = ablate_train::train_batches(&[1; 30], 1, false, 5, 0);
    let position = order.iter().position(|batch| batch == &[3]).unwrap() as u64;
    let memory = Memory { stop_after: Some(position), ..Memory::default() };
    let mut folder = Folder::new();
    let stopped = go_on(&spec(json!(3)), memory, &mut folder);
    assert_eq!(stopped.outcome.unwrap(), Outcome::Stopped { step: position });
    let memory = Memory { measurements: stopped.memory.measurements, ..Memory::default() };
    same(&fresh(&spec(json!(null))), &go_on(&spec(json!(null)), memory, &mut folder));
}
