//! What must not leak, hang or take the process down.

use ablate_abi::v1::{ErrorKind, Kind, RNone, RSome, RVec, SharedDifferentiable, Tensor};
use ablate_border::{
    Made, SIZE, SMALL, Side, alone, block, evaluation, library, numbers, step, training,
};
use ablate_loader::{Error, Loader, NoServices};
use std::time::Duration;

fn tiny(side: &Side, pooling: &SharedDifferentiable) -> SharedDifferentiable {
    let library = &*side.fixture;
    let made = Made { library, kind: Kind::MODEL, name: "tiny", config: "{}", path: "model" };
    made.with(&[("pooling", pooling, false)]).expect("the model can be made")
}

fn nested(side: &Side) -> (SharedDifferentiable, Vec<SharedDifferentiable>) {
    let inner = block(&side.pooling, "attentive-stats", "model.pooling.inner");
    let library = &*side.pooling;
    let config = r#"{"window":10,"stride":5}"#;
    let (kind, name, path) = (Kind::BLOCK, "sliding-window", "model.pooling");
    // Shared: the inner block crosses the border although both live in one image, which is where
    // a sweep inside a drop would deadlock.
    let outer = Made { library, kind, name, config, path }
        .with(&[("inner", &inner, true)])
        .expect("the block can be made");
    (tiny(side, &outer), vec![outer, inner])
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Fails instead of hanging.
fn within(seconds: u64, work: impl FnOnce() + Send + 'static) {
    let (done, wait) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match wait.recv_timeout(Duration::from_secs(seconds)) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().expect("the work succeeded"),
    }
}

#[test]
fn abandoned_forwards_free_their_graphs_in_every_library() {
    let _turn = alone();
    within(120, || {
        let side = Side::loaded(2);
        let (model, parts) = nested(&side);
        let mut before = 0;
        for round in 0..40 {
            let output = model.forward(training(round), SMALL.inputs(true)).into_result();
            drop(output.expect("a forward works"));
            if round == 10 {
                before = resident();
            }
        }
        let live = [&model, &parts[0], &parts[1]].map(SharedDifferentiable::live_contexts);
        assert_eq!(live, [0, 0, 0], "graphs alive in model, outer and inner block");
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 << 20, "thirty abandoned forwards kept {grown} bytes");
        // The model still works.
        let all: Vec<_> = std::iter::once(&model).chain(&parts).collect();
        step(&model, &all, &SMALL, 50).expect("a step works");
    });
}

#[test]
fn evaluation_keeps_no_graph() {
    let _turn = alone();
    let side = Side::loaded(2);
    let (model, _parts) = nested(&side);
    let mut before = 0;
    for round in 0..60 {
        let output = model.forward(evaluation(), SMALL.inputs(false)).into_result().expect("works");
        assert!(matches!(output.context, RNone));
        if round == 20 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "forty evaluations kept {grown} bytes");
}

#[test]
fn a_second_backward_and_wrong_gradients_are_errors() {
    let _turn = alone();
    let side = Side::loaded(1);
    let pooling = block(&side.pooling, "attentive-mean", "model.pooling");
    let model = tiny(&side, &pooling);
    let forward = || model.forward(training(0), SMALL.inputs(false)).into_result().expect("works");
    let shape = forward().outputs[0].tensor.shape();
    let gradient = |shape: &[usize]| {
        let values = numbers(shape.iter().product(), 1);
        [RSome(Tensor::from_vec(values, shape))].into_iter().collect::<RVec<_>>()
    };
    let mut context = forward().context.into_option().expect("a context");
    let error = context.backward(RVec::new()).into_result().expect_err("no gradient given");
    assert_eq!(error.message, "0 gradients for 1 outputs");
    let error = context.backward(gradient(&[1, 2])).into_result().expect_err("a wrong shape");
    assert_eq!(error.kind, ErrorKind::CONTRACT);
    assert!(error.message.contains("a gradient of shape [1, 2] for an output of"), "{error}");
    context.backward(gradient(&shape)).into_result().expect("the right one works");
    let error = context.backward(gradient(&shape)).into_result().expect_err("a second time");
    assert_eq!(error.message, "backward was already called on this pass");
}

fn misbehaving(side: &Side, how: &str) -> SharedDifferentiable {
    let config = format!(r#"{{"how":"{how}"}}"#);
    let library = &*side.fixture;
    let (kind, name, path) = (Kind::BLOCK, "misbehaving", "model.pooling");
    let made = Made { library, kind, name, config: &config, path };
    made.with(&[]).expect("the block can be made")
}

#[test]
fn a_panic_is_an_error_with_its_place_and_poisons_only_its_instance() {
    let _turn = alone();
    let side = Side::loaded(1);
    let pooling = misbehaving(&side, "panic");
    let error = step(&pooling, &[&pooling], &SMALL, 0).expect_err("it panics");
    assert_eq!(error.kind, ErrorKind::PANIC);
    assert_eq!(error.message, "the misbehaving block panicked");
    assert!(error.backtrace.contains("misbehaving.rs:"), "{}", error.backtrace);
    let error = step(&pooling, &[&pooling], &SMALL, 1).expect_err("it is poisoned");
    assert_eq!(error.message, "`model.pooling` panicked before and takes no more calls");
    let other = block(&side.fixture, "mixing", "model.other");
    step(&other, &[&other], &SMALL, 0).expect("other instances work");
}

#[test]
fn a_panic_in_a_foreign_block_reaches_the_host_with_its_message() {
    let _turn = alone();
    let side = Side::loaded(1);
    let pooling = misbehaving(&side, "panic");
    let quantizer = r#"{"codebook_size":8,"levels":2}"#;
    let (model, _) = ablate_border::rqvae(&side.rqvae, &pooling, (SIZE, SIZE), quantizer);
    let error = step(&model, &[&model], &SMALL, 0).expect_err("the block panics");
    assert_eq!(error.message, "in the block of slot `pooling`");
    assert_eq!(error.causes[0], "the misbehaving block panicked");
}

#[test]
fn a_panic_while_a_component_is_made_is_an_error() {
    let _turn = alone();
    let side = Side::loaded(1);
    let library = &*side.fixture;
    let config = r#"{"how":"panic-in-new"}"#;
    let made =
        Made { library, kind: Kind::BLOCK, name: "misbehaving", config, path: "model.pooling" };
    let error = made.with(&[]).err().expect("it panics");
    assert_eq!(error.message, "the misbehaving block panicked while it was made");
}

#[test]
fn unknown_names_configurations_and_devices_are_errors() {
    let _turn = alone();
    let side = Side::loaded(1);
    let library = &*side.fixture;
    let error = |name, config| {
        let made = Made { library, kind: Kind::BLOCK, name, config, path: "p" };
        made.with(&[]).err().expect("must fail").message.to_string()
    };
    assert_eq!(
        error("nothing", "{}"),
        "no block `nothing` in this plugin; it has `mixing`, `noisy`, `stats`, `wide`, \
         `misbehaving`, `talkative`, `frozen-encoder`"
    );
    assert!(error("misbehaving", r#"{"hw":1}"#).starts_with("unknown field `hw`"));
}

#[test]
fn files_that_are_no_plugins_are_named_errors() {
    let _turn = alone();
    let folder = std::env::temp_dir().join(format!("ablate-border-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let good = std::fs::read(library("fixture")).expect("the library is there");
    let loader = Loader::new(NoServices, 1);
    let open = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        loader.open(&path, None).expect_err("must be refused")
    };
    for keep in [100, 10_000, good.len() / 2, good.len() - 100] {
        let error = open(&format!("libcut{keep}.so"), &good[..keep]);
        assert!(matches!(error, Error::Truncated { .. }), "{error}");
    }
    assert!(matches!(open("libtext.so", b"no library"), Error::NotALibrary { .. }));
    let copy = folder.join("libchanged.so");
    std::fs::write(&copy, &good).expect("a temporary file");
    let error = loader.open(&copy, Some("00ff")).expect_err("another hash");
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    std::fs::remove_dir_all(&folder).expect("the temporary folder");
}

#[test]
fn a_copy_of_a_library_is_an_image_of_its_own() {
    let _turn = alone();
    let folder = std::env::temp_dir().join(format!("ablate border {}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let copy = folder.join("lib copy of fixture.so");
    std::fs::copy(library("fixture"), &copy).expect("a copy");
    let loader = Loader::new(NoServices, 1);
    let one = loader.open(&library("fixture"), None).expect("opens");
    let other = loader.open(&copy, None).expect("a path with spaces opens");
    assert_ne!(one.image(), other.image());
    let [first, second] = [&one, &other].map(|library| {
        let mixing = block(library, "mixing", "p");
        assert_eq!(mixing.image(), library.image());
        step(&mixing, &[&mixing], &SMALL, 3).expect("a step works")
    });
    assert_eq!(first, second, "the same seed gives the same bits in two images");
    std::fs::remove_dir_all(&folder).expect("the temporary folder");
}
