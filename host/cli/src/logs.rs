//! `ablate logs`: what a run and its attempts wrote while they ran.

use crate::arguments::{Format, LogsArguments};
use crate::failure::Failure;
use crate::printer;
use crate::reference::{self, Meant};
use crate::services::LEVELS;
use ablate_runs::{AttemptRecord, AttemptState, Status};
use serde_json::{Value, json};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);

/// How often a log that grows is looked at.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) fn logs(arguments: &LogsArguments) -> Result<u8, Failure> {
    let meant = reference::find(&arguments.run)?;
    let attempts = meant.run.attempts()?;
    let chosen = choose(&meant, &attempts, arguments.attempt)?;
    if arguments.format == Format::Json {
        printer::json(&to_json(&meant, &attempts, chosen)?)?;
        return Ok(0);
    }
    if let Some(attempt) = chosen {
        let last = attempts.last().is_some_and(|last| last.number == attempt.number);
        printer::note(&heading(attempt, attempts.len()));
        let follow = arguments.follow && last;
        print(&meant, &files(&meant, Some(attempt)), follow)?;
    } else {
        print(&meant, &files(&meant, None), arguments.follow)?;
    }
    let short = meant.short()?;
    match chosen {
        Some(attempt) if attempt.number > 1 && arguments.attempt.is_none() => {
            printer::note(&format!("next: ablate logs {short} --attempt {}", attempt.number - 1));
        }
        _ => printer::note(&format!("next: ablate show {short}")),
    }
    Ok(0)
}

/// The attempt of this number, else the newest; none where a run has no record of attempts.
fn choose<'a>(
    meant: &Meant,
    attempts: &'a [AttemptRecord],
    number: Option<u32>,
) -> Result<Option<&'a AttemptRecord>, Failure> {
    let Some(number) = number else { return Ok(attempts.last()) };
    let found = attempts.iter().find(|attempt| attempt.number == number);
    if found.is_some() {
        return Ok(found);
    }
    let short = meant.short()?;
    let failure = Failure::user(format!("run `{short}` has no attempt {number}"));
    Err(failure.hint(match attempts {
        [] => "it has no record of attempts: leave out `--attempt`".to_owned(),
        [_] => "it has one attempt: 1".to_owned(),
        several => format!("it has the attempts 1 to {}", several.len()),
    }))
}

fn heading(attempt: &AttemptRecord, of: usize) -> String {
    let started = attempt.started.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S");
    let place = attempt.by.as_ref().map(|by| format!(" on {} as process {}", by.host, by.pid));
    let (number, state) = (attempt.number, attempt.state.as_str());
    format!("attempt {number} of {of}, {state}; started {started}{}", place.unwrap_or_default())
}

/// The files with what an attempt wrote: its log, then what its process wrote to stderr.
fn files(meant: &Meant, attempt: Option<&AttemptRecord>) -> Vec<PathBuf> {
    match attempt {
        None => vec![meant.run.log_path()],
        Some(attempt) => ["log.txt", "stderr.txt"].map(|name| attempt.folder.join(name)).into(),
    }
}

/// A file's text; what does not exist is empty.
fn read(file: &Path) -> Result<String, Failure> {
    match fs_err::read(file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

fn print(meant: &Meant, files: &[PathBuf], follow: bool) -> Result<(), Failure> {
    if follow {
        return tail(meant, files);
    }
    let mut empty = true;
    for file in files {
        let text = read(file)?;
        if !text.is_empty() {
            if !empty {
                printer::note("what its process wrote to stderr:");
            }
            empty = false;
            printer::data(&text);
        }
    }
    if empty {
        printer::note("nothing was written");
    }
    Ok(())
}

/// The lines of a log as data: `level` and `plugin` are null in what the host says itself.
fn lines(text: &str) -> Vec<Value> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        if let (Some(more), Some((_, above))) = (line.strip_prefix("    "), lines.last_mut()) {
            // More of the line before it, as `write_log` has it.
            above.push('\n');
            above.push_str(more);
        } else {
            let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
            lines.push((time, rest.to_owned()));
        }
    }
    let split = |(time, rest): (&str, String)| {
        let by_plugin = rest.split_once(": ").filter(|(level, _)| LEVELS.contains(level));
        match by_plugin.and_then(|(level, said)| Some((level, said.split_once(": ")?))) {
            Some((level, (plugin, message))) => {
                json!({ "time": time, "level": level, "plugin": plugin, "message": message })
            }
            None => json!({ "time": time, "level": null, "plugin": null, "message": rest }),
        }
    };
    lines.into_iter().map(split).collect()
}

/// Prints what is there and what comes, until the run has ended or somebody asks for the end.
fn tail(meant: &Meant, files: &[PathBuf]) -> Result<(), Failure> {
    // Only the first handler of a process can be set, and this is the only place.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst));
    let mut places = vec![0_u64; files.len()];
    loop {
        // Before the files are read: what is written before the end is then printed.
        let running = meant.run.status()? == Status::Running;
        for (file, place) in files.iter().zip(&mut places) {
            let Ok(mut open) = fs_err::File::open(file) else { continue };
            let mut bytes = Vec::new();
            open.seek(SeekFrom::Start(*place))?;
            open.read_to_end(&mut bytes)?;
            // Whole lines only, so that two files do not mix within a line.
            let end = if running {
                bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
            } else {
                bytes.len()
            };
            *place += end as u64;
            if end > 0 {
                printer::data(&String::from_utf8_lossy(&bytes[..end]));
            }
        }
        if !running || STOP.load(Ordering::SeqCst) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

fn to_json(
    meant: &Meant,
    attempts: &[AttemptRecord],
    chosen: Option<&AttemptRecord>,
) -> Result<Value, Failure> {
    let mut texts = Vec::new();
    for file in files(meant, chosen) {
        texts.push(read(&file)?);
    }
    Ok(json!({
        "run": meant.run.id(),
        "attempts": attempts,
        "attempt": chosen.map(|attempt| attempt.number),
        "running": chosen.map(|attempt| attempt.state == AttemptState::Running),
        "log": texts.first(),
        "lines": texts.first().map(|text| lines(text)),
        "stderr": texts.get(1),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_plugins_are_told_from_those_of_the_host() {
        let text = "2026-01-02T03:04:05Z started by process 7\n\
                    2026-01-02T03:04:06Z warning: fixture: model/a::b: two\n    \n    lines: 1\n\
                    2026-01-02T03:04:07Z failed: `model`: no: nothing\n";
        let expected = json!([
            {
                "time": "2026-01-02T03:04:05Z", "level": null, "plugin": null,
                "message": "started by process 7",
            },
            {
                "time": "2026-01-02T03:04:06Z", "level": "warning", "plugin": "fixture",
                "message": "model/a::b: two\n\nlines: 1",
            },
            {
                "time": "2026-01-02T03:04:07Z", "level": null, "plugin": null,
                "message": "failed: `model`: no: nothing",
            },
        ]);
        assert_eq!(Value::from(lines(text)), expected);
    }
}
