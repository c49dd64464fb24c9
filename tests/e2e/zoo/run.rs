//! Components that go wrong in a trial: the trial is lost and named, the other one finishes.

use super::{TEXT_MAX, lying};
use crate::harness::{Answer, PLUGINS, Place, RunFolder};
use fs_err as fs;
use std::time::Duration;

/// A place whose second variant pools with this block, which goes wrong in its fourth step.
fn place(block: &str, how: &str) -> Place {
    let place = Place::with_plugins(&[&PLUGINS[..], &["liar"]].concat());
    place.edit("seeds = [0, 1]", "seeds = [0]");
    place.edit("name = \"mean\"", "name = \"bad\"");
    let set = format!("{{ use = \"{block}\", how = \"{how}\", after_steps = 3 }}");
    place.edit("{ use = \"mean\" }", &set);
    // Every recording has 1 + (6400 - 400) / 160 = 38 frames.
    place.edit("min_seconds = 0.3", "min_seconds = 0.4");
    place.edit("max_seconds = 0.5", "max_seconds = 0.4");
    place
}

/// Sweeps with these settings; the good variant is done. Gives the run of the bad one.
#[track_caller]
fn sweep(place: &Place, settings: &[&str], code: i32) -> (Answer, RunFolder) {
    let arguments = [&["sweep", "pooling", "sweep.retry=false"], settings].concat();
    let answer = place.ablate(&arguments).expect(code);
    let mut runs = place.runs();
    assert_eq!(runs.len(), 2, "{}", answer.stderr);
    let bad = runs.remove(1);
    assert_eq!((runs[0].variant.as_str(), runs[0].status()), ("attentive", "done"));
    assert_eq!(bad.variant, "bad");
    (answer, bad)
}

/// The trial of the bad variant failed with this kind and text, which name component and plugin.
#[track_caller]
fn fails_with(place: &Place, settings: &[&str], kind: &str, message: &str) -> Answer {
    let (answer, bad) = sweep(place, settings, 1);
    assert_eq!(bad.status(), "failed", "{}", answer.stderr);
    let error = &bad.result["error"];
    let found = place.filter(error["message"].as_str().unwrap());
    assert!(found.contains(message), "expected:\n{message}\nfound:\n{found}");
    assert_eq!(error["kind"], kind, "{found}");
    let hints: Vec<&str> =
        error["hints"].as_array().unwrap().iter().map(|hint| hint.as_str().unwrap()).collect();
    let lied = found.contains("(`liar`)");
    let (name, plugin) = if lied { ("liar", "liar") } else { ("misbehaving", "fixture") };
    let from = format!("`{name}` is from plugin `{plugin}` 0.1.0");
    assert!(hints.contains(&from.as_str()), "no {from} in {hints:?}: {found}");
    assert!(found.len() + hints.concat().len() < TEXT_MAX, "{found}\n{hints:?}");
    assert!(answer.stderr.contains(&format!("  {kind}\n        {found}\n")), "{}", answer.stderr);
    assert!(!answer.stderr.contains("panicked at host"), "{}", answer.stderr);
    answer
}

/// The block of the plugin that lies, which is not made with the SDK.
#[track_caller]
fn liar(how: &str, kind: &str, message: &str) {
    fails_with(&place("liar", how), &[], kind, message);
}

/// The block of the fixture, which is.
#[track_caller]
fn misbehaving(how: &str, kind: &str, message: &str) {
    fails_with(&place("misbehaving", how), &[], kind, message);
}

/// Nothing is run, and the variant is named.
#[track_caller]
fn refused(block: &str, how: &str, message: &str) {
    let place = place(block, how);
    let answer = place.ablate(&["sweep", "pooling"]).expect(1);
    assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
    assert!(answer.stderr.contains(message), "no {message} in\n{}", answer.stderr);
    assert!(answer.stderr.contains(&format!("`{block}`")), "{}", answer.stderr);
    assert!(answer.stderr.len() < TEXT_MAX, "{}", answer.stderr);
    assert!(place.runs().is_empty());
    // The way out: without it.
    place.ablate(&["run", "pooling", "--variant", "attentive"]).expect(0);
}

/// In the block, as the text of every failure in a forward pass begins.
const FORWARD: &str =
    "`model` (`rqvae`) failed to compute step 4: in the block of slot `pooling`: ";
/// The same for a backward pass.
const BACKWARD: &str = "`model` (`rqvae`) failed to compute the gradients of step 4: ";

mod crashes {
    use super::*;

    #[test]
    fn a_segfault() {
        let message = "ended with signal 11 (SIGSEGV) in `model.pooling` (`liar`)";
        liar("segfault", "signal", message);
    }

    #[test]
    fn a_segfault_in_a_thread() {
        let message = "ended with signal 11 (SIGSEGV) in `model.pooling` (`liar`)";
        liar("segfault-in-thread", "signal", message);
    }

    #[test]
    fn a_segfault_in_backward() {
        let message = "ended with signal 11 (SIGSEGV) in `model.pooling` (`liar`)";
        liar("segfault-in-backward", "signal", message);
    }

    #[test]
    fn a_stack_overflow() {
        let message = "ended with signal 6 (SIGABRT) in `model.pooling` (`misbehaving`)";
        misbehaving("overflow", "signal", message);
        let message = "ended with signal 6 (SIGABRT) in `model.pooling` (`liar`)";
        liar("overflow", "signal", message);
    }

    #[test]
    fn an_abort() {
        let message = "ended with signal 6 (SIGABRT) in `model.pooling` (`misbehaving`)";
        misbehaving("abort", "signal", message);
    }

    #[test]
    fn an_exit_with_success() {
        let message = "ended with exit code 0 in `model.pooling` (`misbehaving`)";
        misbehaving("exit", "other", message);
        let message = "ended with exit code 0 in `model.pooling` (`liar`)";
        liar("exit", "other", message);
    }

    #[test]
    fn an_endless_loop() {
        let place = place("misbehaving", "hang");
        let message = "the trial took longer than its 2 s in `model.pooling` (`misbehaving`)";
        let answer = fails_with(&place, &["sweep.trial_timeout=\"2s\""], "timeout", message);
        // It has ten seconds to hear that it should end.
        assert!(answer.took < Duration::from_secs(20), "{:?}", answer.took);
    }

    #[test]
    fn too_much_memory() {
        let place = place("misbehaving", "memory");
        let message =
            "the trial used more memory than its 300 MiB in `model.pooling` (`misbehaving`)";
        fails_with(&place, &["sweep.trial_memory=\"300MiB\""], "out-of-memory", message);
    }
}

mod panics {
    use super::*;

    #[test]
    fn in_forward() {
        let message =
            format!("{FORWARD}`model.pooling` (`misbehaving`): the misbehaving block panicked");
        misbehaving("panic", "panic", &message);
    }

    #[test]
    fn in_forward_without_a_guard() {
        let message = "ended with exit code 1 in `model.pooling` (`liar`)";
        liar("bare-panic", "other", message);
    }

    #[test]
    fn in_backward() {
        let message =
            format!("{BACKWARD}`model.pooling` (`liar`): the liar panicked in its backward pass");
        liar("panic-in-backward", "panic", &message);
    }

    #[test]
    fn in_backward_without_a_guard() {
        let message = "ended with exit code 1 in `model.pooling` (`liar`)";
        liar("bare-panic-in-backward", "other", message);
    }

    #[test]
    fn while_it_is_made() {
        let message = "variant `bad`: `model.pooling` (`misbehaving`) failed to start: the \
                       misbehaving block panicked while it was made\nhint: it panicked at [FIXTURE]";
        refused("misbehaving", "panic-in-new", message);
    }

    #[test]
    fn when_a_pass_is_dropped() {
        let message = "ended with exit code 1 in `model.pooling` (`liar`)";
        liar("panic-in-drop-of-context", "other", message);
    }

    #[test]
    fn when_it_is_dropped_under_a_guard() {
        let place = place("misbehaving", "panic-in-drop");
        let (_, bad) = sweep(&place, &[], 0);
        assert_eq!(bad.status(), "done");
    }

    #[test]
    fn when_it_is_dropped() {
        // Even the process that only looks at the block ends.
        let message = "a plugin ended its process with exit code 1 in `model.pooling` (`liar`)";
        refused("liar", "panic-in-drop", message);
    }

    #[test]
    fn in_a_thread_of_its_own() {
        for block in ["misbehaving", "liar"] {
            let place = place(block, "panic-in-thread");
            let (_, bad) = sweep(&place, &[], 0);
            assert_eq!(bad.status(), "done");
            let attempt = bad.folder.join("attempts/001");
            let said: String = ["log.txt", "stderr.txt"]
                .iter()
                .filter_map(|file| fs::read_to_string(attempt.join(file)).ok())
                .collect();
            assert!(said.contains(" panicked"), "{said}");
        }
    }
}

mod answers {
    use super::*;

    #[test]
    fn of_another_shape() {
        let message = "`model.pooling` (`misbehaving`): output `pooled` is f32[4, 1, 32], its \
                       contract says `pooled: f32[B, 1, 16]`";
        misbehaving("shape", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn of_another_type() {
        let message = "`model.pooling` (`misbehaving`): output `mask` is f32[4, 38], its contract \
                       says `mask: bool[B, 1]`";
        misbehaving("dtype", "contract", &format!("{FORWARD}{message}"));
        let message = "`model.pooling` (`liar`): output `pooled` is i32[4, 1, 16], its contract \
                       says `pooled: f32[B, 1, 16]`";
        liar("dtype", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn of_a_type_that_nobody_knows() {
        let message = "`model.pooling` (`liar`): output `pooled`: tensor has the unknown element \
                       type DType { code: 77, bits: 7, lanes: 0 }";
        liar("unknown-dtype", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn with_nan() {
        let message = "`model.pooling` (`misbehaving`): output `pooled` holds NaN at [0, 0, 0] in \
                       step 4 (64 of 64 values)";
        misbehaving("nan", "not-finite", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn with_nan_in_a_gradient() {
        // 4 items of 38 frames of 16 numbers.
        let message = "`model.pooling` (`misbehaving`): the gradient of input `features` holds NaN \
                       at [0, 0, 0] in step 4 (2432 of 2432 values)";
        misbehaving("nan-gradient", "not-finite", &format!("{BACKWARD}{message}"));
    }

    /// The tensor `pooled` of the plugin that lies does not validate.
    #[track_caller]
    fn no_tensor(how: &str, message: &str) {
        let start = "`model.pooling` (`liar`): output `pooled`: tensor";
        liar(how, "contract", &format!("{FORWARD}{start} {message}"));
    }

    #[test]
    fn with_a_null_pointer() {
        no_tensor("null", "memory is null or not aligned to 16 bytes");
    }

    #[test]
    fn with_a_misaligned_buffer() {
        no_tensor("misaligned", "memory is null or not aligned to 16 bytes");
    }

    #[test]
    fn with_a_length_that_is_not_that_of_the_shape() {
        no_tensor("length", "of shape [4, 1, 16] and type f32 has 252 bytes");
    }

    #[test]
    fn with_a_shape_whose_product_overflows() {
        let two_to_the_40 = 1u64 << 40;
        let shape = [two_to_the_40; 3];
        no_tensor("product", &format!("of shape {shape:?} and type f32 has 256 bytes"));
    }

    #[test]
    fn with_an_absurd_rank() {
        no_tensor("rank", "has rank 100000, at most 8 is allowed");
        no_tensor("endless-rank", &format!("has rank {}, at most 8 is allowed", usize::MAX));
    }

    #[test]
    fn with_strides_that_skip() {
        no_tensor("strides", "is not contiguous in row-major order");
    }

    #[test]
    fn on_another_device() {
        let message = "lies on device Device { kind: 2, id: 3 }, only the CPU is known";
        no_tensor("device", message);
    }

    #[test]
    fn with_bytes_that_are_no_bool() {
        let message = "output `mask`: a bool tensor holds bytes other than 0 and 1";
        liar("bytes-of-bool", "contract", &format!("{FORWARD}`model.pooling` (`liar`): {message}"));
    }

    #[test]
    fn with_a_name_that_is_no_text() {
        let message = "`model.pooling` (`liar`): the name of output `mask\u{fffd}mask` is no UTF-8";
        liar("name-is-no-text", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn with_one_name_twice() {
        let message = "`model.pooling` (`liar`): two outputs are called `pooled`";
        liar("name-twice", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn without_an_output() {
        let message = "`model.pooling` (`liar`): output `pooled: f32[B, 1, 16]` is missing; there \
                       is `mask`";
        liar("missing", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn without_a_graph() {
        let message = "`model.pooling` (`liar`): it kept no graph although gradients are wanted";
        liar("no-context", "contract", &format!("{FORWARD}{message}"));
    }

    #[test]
    fn with_gradients_of_another_shape_or_number() {
        let message = "`model.pooling` (`liar`): the gradient of input `features` has shape \
                       [38, 4, 16], the tensor has [4, 38, 16]";
        liar("shape-of-gradient", "contract", &format!("{BACKWARD}{message}"));
        let message = "`model.pooling` (`liar`): 0 gradients for 2 inputs";
        liar("gradients", "contract", &format!("{BACKWARD}{message}"));
    }

    #[test]
    fn with_an_error_that_is_no_text_or_too_much() {
        let message = "`model.pooling` (`liar`): the liar is out of words\u{fffd}the liar is out";
        liar("error-is-no-text", "other", &format!("{FORWARD}{message}"));
        let message = "`model.pooling` (`liar`): word word word";
        liar("huge-error", "other", &format!("{FORWARD}{message}"));
    }
}

mod plans {
    use super::*;

    #[test]
    fn with_a_contract_that_is_no_json() {
        let message = "variant `bad`: `model.pooling` (`liar`) failed to describe its tensors: the \
                       contract is no JSON: ";
        refused("liar", "contract-is-no-json", message);
        refused("liar", "contract-is-no-text", message);
    }

    #[test]
    fn with_a_contract_that_crashes() {
        let message = "a plugin ended its process with signal 11 (SIGSEGV) in the contract of block \
                       `liar` (plugin `liar`)";
        refused("liar", "contract-segfault", message);
    }

    #[test]
    fn with_a_block_that_cannot_be_made() {
        let message = "variant `bad`: `model.pooling` (`liar`) failed to start: the liar will not \
                       be made\nhint: `liar` is from plugin `liar` 0.1.0";
        refused("liar", "new-fails", message);
        let message =
            "a plugin ended its process with signal 11 (SIGSEGV) in `model.pooling` (`liar`)";
        refused("liar", "new-segfault", message);
    }

    #[test]
    fn with_a_contract_or_a_block_that_never_answers() {
        let places = [
            ("contract-hangs", "the contract of block `liar` (plugin `liar`)"),
            ("new-hangs", "`model.pooling` (`liar`)"),
        ];
        for (how, entered) in places {
            let place = place("liar", how);
            let mut command = place.command(&["sweep", "pooling"]);
            command.env("ABLATE_PLAN_TIMEOUT", "5");
            let answer = place.answer(command).expect(1);
            let message = format!("error: a plugin did not answer within 5 s in {entered}\n");
            assert!(answer.stderr.contains(&message), "{}", answer.stderr);
            assert!(answer.stderr.contains("hint: `ABLATE_PLAN_TIMEOUT` is"), "{}", answer.stderr);
            assert_eq!(place.runs().len(), 0);
        }
    }
}

#[test]
fn a_crash_after_the_result_takes_nothing_with_it() {
    let place = place("liar", "nothing");
    place.write("plugins/libablate_liar.so", lying("destructor-segfault"));
    let (answer, bad) = sweep(&place, &[], 0);
    assert_eq!(bad.status(), "done");
    let text =
        "bad seed 0: its result was complete when its process ended with signal 11 (SIGSEGV)";
    assert!(answer.stderr.contains(text), "{}", answer.stderr);
}
