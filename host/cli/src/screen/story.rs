//! The lines that stay: one per event with what there is to know about it, the same on a terminal
//! and in a log.

use super::TrialEvent;
use super::figures;
use super::frame::{difference, doing};
use super::line::{Ink, Line};
use super::model::{Model, Trial};
use console::measure_text_width;
use std::path::Path;
use std::time::Duration;

/// Names are set in a column of at most this width.
const LABEL_MAX: usize = 36;
/// What belongs to the line above.
pub(super) const INDENT: &str = "        ";
/// Running trials that a sign of life names.
const NAMED_MAX: usize = 3;

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Above a block that shows all the rest.
    Live,
    /// Into a log, where they are all there is.
    Plain,
}

/// What there is to say about an event that `model` has taken in already; `trial` is the one that it
/// was about.
pub(super) fn lines(
    model: &Model,
    trial: Trial,
    event: &TrialEvent<'_>,
    now: Duration,
    form: Form,
) -> Vec<Line> {
    let says = |word: &str, ink, rest: &[&str]| said(&label(model, trial), word, ink, rest);
    // The block says it too.
    let count = match form {
        Form::Live => String::new(),
        Form::Plain => format!("{}/{}", model.done, model.total),
    };
    let mut lines = match *event {
        TrialEvent::Started { attempt, pid, .. } if form == Form::Plain => {
            let attempt = if attempt > 1 { format!("attempt {attempt}") } else { String::new() };
            vec![says("started", Ink::Busy, &[&format!("process {pid}"), &attempt])]
        }
        TrialEvent::Resumed { step, .. } => {
            vec![says("resumed", Ink::Busy, &[&format!("goes on after step {step}")])]
        }
        TrialEvent::Measured { job, metric, split, value } if form == Form::Plain => {
            let running = model.running.get(&job).filter(|running| running.told);
            let epoch = running
                .and_then(|running| running.at)
                .map_or(String::new(), |at| format!("epoch {}/{}", at.epoch, at.epochs));
            let value = format!("{split} {metric} {}", figures::short(value));
            running.map(|_| says("now", Ink::Busy, &[&epoch, &value])).into_iter().collect()
        }
        TrialEvent::Done { text, wall, run, .. } => {
            vec![says("done", Ink::Good, &[&took(wall), text, run, &count])]
        }
        TrialEvent::ElsewhereDone { value, .. } => {
            let metric = model.objective.as_ref().map_or("", |objective| &objective.metric);
            let value = value.map(|value| format!("{metric} {}", figures::short(value)));
            let value = value.unwrap_or_default();
            vec![says("done", Ink::Good, &["in another process", &value, &count])]
        }
        TrialEvent::Failed { class, message, hints, run, log, retry, wall, .. } => {
            let first = says("failed", Ink::Bad, &[&took(wall), class]);
            [vec![first], details(message, hints, log, run, retry)].concat()
        }
        TrialEvent::Stopped { run, .. } => {
            let wall = took(now.saturating_sub(trial.since));
            vec![says("stopped", Ink::Busy, &[&wall, run])]
        }
        TrialEvent::Paused { epoch, run, .. } => {
            let wall = took(now.saturating_sub(trial.since));
            vec![says("paused", Ink::Busy, &[&wall, &format!("after epoch {epoch}"), run])]
        }
        TrialEvent::Elsewhere { .. } => {
            vec![says("skipped", Ink::Faint, &["another process runs it"])]
        }
        TrialEvent::Pruned { epoch, text, .. } => {
            vec![says("pruned", Ink::Faint, &[&format!("after epoch {epoch}"), text])]
        }
        TrialEvent::Publishing { job, split, .. } if form == Form::Plain => {
            let running = model.running.get(&job).filter(|running| running.told);
            let what = format!("artifacts of split {split}");
            running.map(|_| says("now", Ink::Busy, &[&what])).into_iter().collect()
        }
        TrialEvent::Started { .. }
        | TrialEvent::Step { .. }
        | TrialEvent::Publishing { .. }
        | TrialEvent::Measured { .. } => Vec::new(),
    };
    if form == Form::Plain && ends(event) {
        lines.extend(variant_over(model, trial.variant));
    }
    lines
}

/// A message of a plugin or of the sweep itself, one line or several.
pub(super) fn message(text: &str) -> Vec<Line> {
    let lines = text.lines().enumerate();
    lines
        .map(|(index, text)| match index {
            0 => Line::new(text, Ink::Plain),
            _ => Line::new(INDENT, Ink::Plain).with(text, Ink::Plain),
        })
        .collect()
}

/// `12 of 40 done, 2 running (mean seed 3  epoch 4/10  loss 0.412), eta 4 min`: a sign of life.
pub(super) fn alive(model: &Model, now: Duration) -> Line {
    let mut running: Vec<String> = model
        .running
        .values()
        .take(NAMED_MAX)
        .map(|running| {
            let name = &model.variants[running.variant].name;
            format!("{name} {}", doing(running).replace("  ", " "))
        })
        .collect();
    if model.running.len() > NAMED_MAX {
        running.push(format!("{} more", model.running.len() - NAMED_MAX));
    }
    let named =
        if running.is_empty() { String::new() } else { format!(" ({})", running.join("; ")) };
    let mut parts = vec![
        format!("{} of {} done", model.done, model.total),
        format!("{} running{named}", model.running.len()),
    ];
    let counts = [
        (model.elsewhere(), "in other processes"),
        (model.failed(), "failed"),
        (model.pruned(), "pruned"),
    ];
    let some = counts.iter().filter(|(number, _)| *number > 0);
    parts.extend(some.map(|(number, word)| format!("{number} {word}")));
    parts.extend(model.left(now).map(|left| format!("eta {}", figures::about(left))));
    if let Some(usage) = model.usage {
        parts.push(format!("cpu {:.0} % of {} %", usage.cpu_percent, model.cores * 100));
        parts.push(format!("mem {}", figures::memory(usage.memory_bytes)));
    }
    Line::new(&parts.join(", "), Ink::Plain)
}

fn took(wall: Duration) -> String {
    format!("{:>8}", figures::took(wall))
}

/// `mean seed 3`, as wide as the widest of the sweep.
fn label(model: &Model, trial: Trial) -> String {
    padded(model, &format!("{} seed {}", model.variants[trial.variant].name, trial.seed))
}

fn padded(model: &Model, label: &str) -> String {
    let names = model.variants.iter().map(|variant| measure_text_width(&variant.name));
    let width = (names.max().unwrap_or(0) + " seed 10".len()).min(LABEL_MAX);
    let missing = width.saturating_sub(measure_text_width(label));
    format!("{label}{}", " ".repeat(missing))
}

fn said(label: &str, word: &str, ink: Ink, rest: &[&str]) -> Line {
    let mut line = Line::new(&format!("{word:<8}"), ink).with(label, Ink::Plain);
    for part in rest.iter().filter(|part| !part.is_empty()) {
        line.push("  ", Ink::Plain);
        line.push(part, Ink::Plain);
    }
    line
}

/// What went wrong, what to do about it, and where to look.
fn details(
    message: &str,
    hints: &[String],
    log: Option<&Path>,
    run: &str,
    retry: Option<(u32, u32)>,
) -> Vec<Line> {
    let plain = |text: &str| Line::new(INDENT, Ink::Plain).with(text, Ink::Plain);
    let mut lines: Vec<Line> =
        message.lines().map(|text| Line::new(INDENT, Ink::Plain).with(text, Ink::Bad)).collect();
    for hint in hints {
        let mut texts = hint.lines();
        lines.push(plain(&format!("hint: {}", texts.next().unwrap_or_default())));
        lines.extend(texts.map(|text| plain(&format!("      {text}"))));
    }
    lines.extend(log.map(|log| plain(&format!("log: {}", log.display()))));
    if !run.is_empty() {
        lines.push(plain(&format!("ablate show {run}")));
    }
    lines.extend(retry.map(|(next, of)| plain(&format!("attempt {next} of {of} follows"))));
    lines
}

fn ends(event: &TrialEvent<'_>) -> bool {
    match event {
        TrialEvent::Done { .. } | TrialEvent::ElsewhereDone { .. } | TrialEvent::Pruned { .. } => {
            true
        }
        TrialEvent::Failed { retry, .. } => retry.is_none(),
        _ => false,
    }
}

/// `over    mean  5 of 5 seeds  utilization 0.421 ± 0.012  +0.010 to attentive`, when nothing of a
/// variant is left: in a log, what the block shows of it.
fn variant_over(model: &Model, index: usize) -> Option<Line> {
    let variant = &model.variants[index];
    if variant.seeds < 2 || !variant.is_over() {
        return None;
    }
    let seeds = format!("{} of {} seeds", variant.done, variant.seeds);
    let mut line = said(&padded(model, &variant.name), "over", Ink::Strong, &[&seeds]);
    if let Some(summary) = variant.summary() {
        let metric = model.objective.as_ref().map_or("objective", |objective| &objective.metric);
        let scale = figures::Scale::of([(summary.mean, summary.spread)]);
        let spread = summary.spread.map(|spread| format!(" ± {}", scale.number(spread)));
        let mean = scale.number(summary.mean);
        let text = format!("  {metric} {mean}{}", spread.unwrap_or_default());
        line.push(&text, Ink::Plain);
        if let (Some((mean, pairs)), Some(baseline)) = (difference(model, index), model.baseline())
        {
            let pairs = if pairs == variant.done { String::new() } else { format!(" (n {pairs})") };
            let text = format!("  {} to {}{pairs}", scale.signed(mean), baseline.name);
            line.push(&text, Ink::Plain);
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests;
