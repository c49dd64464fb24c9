//! State on disk: an instance that is restored goes on as the one that was saved.

use crate::array::Batch;
use crate::drive::{EVAL, Made, forward};
use crate::sample::Stream;
use crate::subject::{Extent, Subject};
use crate::verdict::{Answer, Stop, fail, told};
use ablate_abi::v1::ErrorKind;

const OPTIMIZER: &str = r#"{ "use": "adamw" }"#;

/// Both formats, and a file that is none.
pub(crate) fn saving(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("saving");
    let (made, batch) = subject.ready(&mut stream)?;
    let trainable = made.trainable()?;
    let (saved, other) = (subject.create(1, "check")?, subject.create(2, "check")?);
    let mut batches = vec![batch];
    for _ in 0..3 {
        batches.push(subject.batch(Extent::Small, &mut stream)?);
    }
    if trainable {
        saved.set_optimizer(OPTIMIZER)?;
        other.set_optimizer(OPTIMIZER)?;
    }
    train(&saved, &batches[..2], 0)?;

    let folder = tempfile::tempdir()?;
    saved.save(folder.path(), "resume").map_err(|stop| stop.at("`resume`"))?;
    other.load(folder.path(), "resume").map_err(|stop| stop.at("`resume`"))?;
    same("`resume`", &saved, &other, &batches[0])?;
    train(&saved, &batches[2..], 2)?;
    train(&other, &batches[2..], 2)?;
    same("`resume` and two steps", &saved, &other, &batches[0])?;

    let folder = tempfile::tempdir()?;
    let fresh = subject.create(3, "check")?;
    saved.save(folder.path(), "safetensors").map_err(|stop| stop.at("`safetensors`"))?;
    fresh.load(folder.path(), "safetensors").map_err(|stop| stop.at("`safetensors`"))?;
    same("`safetensors`", &saved, &fresh, &batches[0])?;
    broken(&fresh, &saved, &batches[0])?;
    let what = if trainable { "two steps, saved, two steps" } else { "no parameters" };
    Ok(what.to_owned())
}

fn train(made: &Made, batches: &[Batch], from: u64) -> Result<(), Stop> {
    for (index, batch) in batches.iter().enumerate() {
        let step = from + index as u64;
        let mut stream = Stream::new(&["saving", &step.to_string()]);
        made.train_step(step, batch, &mut stream)?;
    }
    Ok(())
}

fn same(what: &str, one: &Made, other: &Made, batch: &Batch) -> Result<(), Stop> {
    for (a, b) in one.state()?.iter().zip(&other.state()?) {
        if let Some(name) = a.0.keys().find(|name| a.0.get(*name) != b.0.get(*name)) {
            return fail(format!("after {what}, `{name}` is another one"));
        }
    }
    let outputs = |made: &Made| forward(&made.top, EVAL, 0, batch).map(|pass| pass.outputs);
    match outputs(one)?.difference(&outputs(other)?) {
        Some(name) => fail(format!("after {what}, output `{name}` is another one")),
        None => Ok(()),
    }
}

/// A missing file, a damaged file and an unknown format are errors that change nothing.
fn broken(made: &Made, like: &Made, batch: &Batch) -> Result<(), Stop> {
    let folder = tempfile::tempdir()?;
    let damaged = folder.path().join("damaged");
    fs_err::write(&damaged, b"this is no state of anything")?;
    let missing = folder.path().join("missing").display().to_string();
    let damaged = damaged.display().to_string();
    let has_state = made.state()?.first().is_some_and(|state| !state.0.is_empty());
    let cases = [
        ("an unknown format", &damaged, "no-such-format", true),
        ("a damaged file", &damaged, "safetensors", has_state),
        ("a missing file", &missing, "safetensors", has_state),
        ("a missing folder", &missing, "resume", has_state),
    ];
    for (what, path, format, wanted) in cases {
        match made.top.load(path.as_str().into(), format.into()).into_result() {
            Ok(()) if wanted => return fail(format!("{what} was read")),
            Err(error) if error.kind == ErrorKind::PANIC => {
                return fail(format!("{what}: {}", told(&error)));
            }
            _ => {}
        }
    }
    same("files that could not be read", like, made, batch)
}
