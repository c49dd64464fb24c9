//! The screen as a whole: events in, text on a terminal or in a log out.

use super::painter::Painter;
use super::story::Form;
use super::{Objective, Output, Overview, Screen, TrialEvent, VariantOverview, reflows};
use crate::progress::Logged;
use std::io::Write;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What was written so far.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// What a terminal of this size shows after it.
    fn shown(&self, columns: u16, rows: u16) -> Vec<String> {
        let size = |number| NonZeroU16::new(number).unwrap();
        let mut terminal = vt100::Parser::new(size(rows), size(columns), 0);
        terminal.process(self.text().as_bytes());
        let rows = terminal.screen().rows(0, columns);
        rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
    }

    fn wait_for(&self, what: &str, seen: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !seen(self) {
            assert!(since.elapsed() < Duration::from_secs(20), "no {what} in\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn screen(form: Form, logged: Logged) -> (Screen, Paper) {
    let paper = Paper::default();
    let output = Output {
        writer: Box::new(paper.clone()),
        color: false,
        size: Box::new(|| (80, 12)),
        painter: Painter::new(false, true),
    };
    let variant = VariantOverview {
        name: "mean".to_owned(),
        baseline: true,
        seeds: 2,
        values: Vec::new(),
        done: 0,
        failed: 0,
        expected: None,
    };
    let overview = Overview {
        experiment: "pooling".to_owned(),
        objective: Some(Objective {
            metric: "utilization".to_owned(),
            split: "test".to_owned(),
            higher_is_better: Some(true),
        }),
        jobs: 1,
        threads: 1,
        cores: 1,
        variants: vec![variant],
        total: 2,
        done: 0,
    };
    (Screen::with(overview, logged, form, output), paper)
}

fn play(screen: &Screen) {
    screen.trial(TrialEvent::Started { job: 0, variant: 0, seed: 0, attempt: 1, pid: u32::MAX });
    let (epoch, epochs, step, steps) = (1, 2, 5, 10);
    screen.trial(TrialEvent::Step { job: 0, epoch, epochs, step, steps, loss: 0.5 });
}

fn finish(screen: &Screen) {
    let (text, wall) = ("test utilization 0.2500", Duration::from_secs(1));
    screen.trial(TrialEvent::Done { job: 0, value: Some(0.25), text, wall, run: "0199" });
}

/// Without the time, which must be there.
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_at(9);
    let digits = time.bytes().filter(u8::is_ascii_digit).count();
    assert!(digits == 6 && time.matches(':').count() == 2, "no time in `{line}`");
    rest
}

#[test]
fn a_log_has_a_line_with_the_time_per_event_and_no_control_characters() {
    let (screen, paper) = screen(Form::Plain, Logged::default());
    play(&screen);
    paper.wait_for("start", |paper| paper.text().contains("started mean seed 0"));
    finish(&screen);
    screen.note("something");
    screen.close();
    let text = paper.text();
    let lines: Vec<&str> = text.lines().map(without_time).collect();
    let expected = [
        &format!("started mean seed 0   process {}", u32::MAX),
        "done    mean seed 0      1.0 s  test utilization 0.2500  0199  1/2",
        "something",
    ];
    assert_eq!(lines, expected);
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
}

#[test]
fn a_terminal_shows_the_block_below_what_stays_and_nothing_of_it_at_the_end() {
    let (screen, paper) = screen(Form::Live, Logged::default());
    play(&screen);
    let block = |paper: &Paper| {
        let shown = paper.shown(80, 12);
        shown.len() == 3
            && shown[0].starts_with("pooling  0/2 trials  running 1  ")
            && shown[2].ends_with("▸▯ 0/2                        seed 0  epoch 1/2  loss 0.500")
    };
    paper.wait_for("block", block);
    finish(&screen);
    let moved = |paper: &Paper| {
        let shown = paper.shown(80, 12);
        shown.len() == 4 && shown[1].starts_with("pooling  1/2 trials  running 0  ")
    };
    paper.wait_for("moved block", moved);
    screen.close();
    let shown = paper.shown(80, 12);
    assert_eq!(shown.len(), 1, "{shown:#?}");
    assert!(without_time(&shown[0]).starts_with("done    mean seed 0      1.0 s  "), "{shown:#?}");
    // The cursor is where the shell goes on, and lines wrap again.
    assert!(paper.text().ends_with("\x1b[?7h\x1b[?2026l"));
    // Dropping it closes it once more.
    let length = paper.text().len();
    drop(screen);
    assert_eq!(paper.text().len(), length);
}

#[test]
fn what_plugins_say_is_said_once_and_not_again_after_the_preparation() {
    let logged = Logged::default();
    logged.lock().unwrap().insert("left out: 2 of 14".to_owned());
    let (screen, paper) = screen(Form::Plain, logged);
    for message in ["left out: 2 of 14", "slow\ndisk", "slow\ndisk"] {
        screen.log("mean seed 0", message);
    }
    screen.close();
    let text = paper.text();
    let (first, second) = text.trim_end().split_once('\n').unwrap();
    assert_eq!([without_time(first), second], ["mean seed 0: slow", "        disk"]);
}

#[test]
fn terminals_that_do_not_break_lines_again_are_known() {
    let told = |variables: &[(&str, &str)]| {
        reflows(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map_or_else(String::new, |(_, value)| (*value).to_owned())
        })
    };
    assert!(told(&[("TERM", "xterm-256color")]));
    assert!(told(&[("TERM", "screen-256color"), ("TMUX", "/tmp/x"), ("XTERM_VERSION", "1")]));
    assert!(!told(&[("TERM", "screen")]) && !told(&[("TERM", "linux")]));
    assert!(!told(&[("TERM", "xterm"), ("XTERM_VERSION", "XTerm(390)")]));
}
