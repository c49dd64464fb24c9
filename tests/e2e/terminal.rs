//! What a shell and a terminal see: usage, the live screen, pipes that close, homes that cannot be
//! written.

use crate::harness::Place;
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::Read;
use std::num::NonZeroU16;
use std::process::{Command, Stdio};

#[test]
fn help_and_version_are_no_failures_and_wrong_usage_is() {
    let place = Place::with_plugins(&[]);
    let help = place.ablate(&["--help"]).expect(0);
    for command in ["run", "sweep", "table", "describe", "runs", "show", "plugins", "registry"] {
        let listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(help.stdout.lines().any(listed), "{}", help.stdout);
    }
    // What the host uses itself is nobody's business.
    assert!(!help.stdout.contains("__"), "{}", help.stdout);
    place.ablate(&["--version"]).expect(0);
    for arguments in [&["swep"][..], &["sweep"], &["sweep", "pooling", "--jobs", "0"], &[]] {
        let wrong = place.ablate(arguments).expect(1);
        assert!(
            wrong.stdout.is_empty()
                && wrong.stderr.contains("Usage: ") | wrong.stderr.contains("--help")
        );
    }
}

#[test]
fn nobody_reading_is_no_failure() {
    let place = Place::new();
    let mut command = place.command(&["sweep", "pooling", "sweep.seeds=[0]"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Both ends are closed before there is anything to read.
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.runs().iter().filter(|run| run.status() == "done").count(), 2);
}

#[test]
fn a_home_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.write("home", "a file, not a folder");
    for arguments in [&["runs"][..], &["sweep", "pooling"], &["plugins", "list"]] {
        let answer = place.ablate(arguments);
        assert!(answer.code.is_some_and(|code| code == 1 || code == 2), "{answer:?}");
        assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
        assert!(answer.stderr.contains("`[PLACE]/home"), "{}", answer.stderr);
    }
}

#[test]
fn runs_are_filtered_and_limited() {
    let place = Place::new();
    place.write("pooling/other.toml", "extends = \"experiment.toml\"\n[sweep]\nseeds = [5]\n");
    place.ablate(&["sweep", "pooling/other.toml"]).expect(0);
    place.ablate(&["run", "pooling", "--seed", "6"]).expect(0);
    let list = |arguments: &[&str]| {
        let arguments = [&["runs", "--format", "json"], arguments].concat();
        let json = place.ablate(&arguments).expect(0).json();
        let runs = json["runs"].as_array().unwrap().iter();
        runs.map(|run| format!("{} {}", run["experiment"].as_str().unwrap(), run["seed"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["pooling 6", "pooling:other 5", "pooling:other 5"]);
    assert_eq!(list(&["pooling"]), ["pooling 6"]);
    assert_eq!(list(&["-n", "1"]), ["pooling 6"]);
    let text = place.ablate(&["runs", "pooling"]).expect(0);
    let row = text.stdout.lines().nth(1).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..6], ["[RUN]", "pooling", "attentive", "6", "done", "[DATE]"]);
    text.says("next: ablate show [RUN]\n");
}

/// What a command showed on a terminal.
struct Watched {
    code: Option<i32>,
    /// What it wrote to stdout, which was no terminal.
    stdout: String,
    /// Everything that was written to the terminal.
    written: String,
    /// The rows of the terminal after each frame, blanks at their ends left out.
    frames: Vec<Vec<String>>,
}

/// Runs a command whose stderr is a terminal of this size.
fn watch(mut command: Command, columns: u16, rows: u16) -> Watched {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).unwrap();
    command.env("TERM", "xterm-256color").env_remove("TMUX").env_remove("XTERM_VERSION");
    command.stdout(Stdio::piped()).stderr(Stdio::from(terminal.slave));
    let child = command.spawn().unwrap();
    // This process must not keep the other end open.
    drop(command);
    let mut screen = File::from(terminal.master);
    let reader = std::thread::spawn(move || {
        let (mut written, mut bytes) = (Vec::new(), [0; 4096]);
        // Once nobody can write any more, reading is an error.
        while let Ok(read @ 1..) = screen.read(&mut bytes) {
            written.extend_from_slice(&bytes[..read]);
        }
        String::from_utf8(written).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    let written = reader.join().unwrap();
    let size = |number| NonZeroU16::new(number).unwrap();
    let mut terminal = vt100::Parser::new(size(rows), size(columns), 0);
    let frames = written.split_inclusive("\x1b[?2026l").map(|frame| {
        terminal.process(frame.as_bytes());
        let rows = terminal.screen().rows(0, columns);
        rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
    });
    let frames = frames.collect();
    let stdout = String::from_utf8(output.stdout).unwrap();
    Watched { code: output.status.code(), stdout, written, frames }
}

impl Watched {
    /// Whether there was a moment when one row began with the first text and held the second.
    #[track_caller]
    fn showed(&self, start: &str, part: &str) {
        let row = |row: &String| row.starts_with(start) && row.contains(part);
        let seen = self.frames.iter().any(|frame| frame.iter().any(row));
        assert!(seen, "no `{start}` with `{part}` in\n{:#?}", self.frames);
    }
}

/// A sweep of two variants on a terminal, the second of which fails in its fourth step.
fn watched(colors: bool, columns: u16, rows: u16) -> (Place, Watched) {
    let place = Place::new();
    place.edit("name = \"mean\"", "name = \"bad\"");
    let set = "{ use = \"misbehaving\", how = \"nan\", after_steps = 3 }";
    place.edit("{ use = \"mean\" }", set);
    let mut command = place.command(&["sweep", "pooling", "train.total_epochs=40", "--jobs", "1"]);
    if colors {
        command.env_remove("NO_COLOR");
    }
    let watched = watch(command, columns, rows);
    (place, watched)
}

#[test]
fn a_terminal_shows_how_far_variants_are_and_failures_as_they_happen() {
    let (_place, watched) = watched(false, 110, 30);
    assert_eq!(watched.code, Some(1), "{:#?}", watched.frames.last());
    watched.showed("pooling  0/4 trials  running 1  ", "so far  eta ");
    watched.showed("attentive  ▸▯ 0/2 ", "seed 0  epoch ");
    watched.showed("attentive  ▮", "1/2 ");
    watched.showed("bad        ", "✗ seed 0 ");
    watched.showed("pooling  ", "failed 1");
    // What stays: a line for each trial, with what went wrong, and nothing of the block.
    let last = watched.frames.last().unwrap();
    let count = |text: &str| last.iter().filter(|row| row.contains(text)).count();
    assert_eq!(count(" done    attentive seed "), 2, "{last:#?}");
    assert_eq!(count(" failed  bad seed "), 2, "{last:#?}");
    assert!(count("        ablate show ") == 2 && count("        log: ") > 0, "{last:#?}");
    assert_eq!(count("trials  running") + count("Δ base"), 0, "{last:#?}");
    // Data is data.
    assert!(watched.stdout.contains("attentive") && !watched.stdout.contains('\x1b'));
    let inks = ["\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[2m"];
    assert!(!inks.iter().any(|ink| watched.written.contains(ink)));
}

#[test]
fn a_small_terminal_shows_what_fits_in_colors() {
    let (_place, watched) = watched(true, 40, 6);
    assert_eq!(watched.code, Some(1));
    let head = |row: &String| row.contains("/4 trials");
    for frame in &watched.frames {
        // Two of them would be what is left of a frame before.
        assert!(frame.iter().filter(|row| head(row)).count() <= 1, "{frame:#?}");
    }
    assert!(watched.frames.iter().any(|frame| frame.iter().any(head)));
    for ink in ["\x1b[31mfailed  \x1b[0m", "\x1b[32mdone    \x1b[0m"] {
        assert!(watched.written.contains(ink), "{:?}", watched.written);
    }
}
