//! The block that a terminal shows: a line about the sweep, and a row per variant or, where there is
//! no room for all, for those that are worth a look.

use super::figures::{self, Scale};
use super::line::{Ink, Line, shortened};
use super::model::{Model, Running, Variant};
use std::fmt::Write;
use std::time::Duration;

const GAP: &str = "  ";
/// Cells of a bar of seeds at most; longer bars are scaled.
const CELLS_MAX: usize = 12;
const DIFFERENCE: &str = "Δ base";
/// Columns that are left of a column that is too wide.
const NAME_MIN: usize = 8;
/// Columns of the longest name of a metric, and those that it may claim for itself.
const TITLE_MAX: usize = 24;
const VALUE_MIN: usize = 20;
/// Rows that a small terminal spares for the block.
const ROWS_SMALL: usize = 8;

/// The block at `now` for a terminal of this size. No line reaches its last column, and one row is
/// left for the cursor.
pub(super) fn frame(model: &Model, now: Duration, columns: usize, rows: usize) -> Vec<Line> {
    let width = columns.saturating_sub(1);
    // A third of the terminal belongs to what happened before.
    let room = (rows * 2 / 3).max(ROWS_SMALL).min(rows.saturating_sub(1));
    if room == 0 {
        return Vec::new();
    }
    let titles = usize::from(room > 3 && !model.variants.is_empty());
    // An empty line sets the block off, unless rows are rare.
    let blank = usize::from(room > model.variants.len() + titles + 1 || room > ROWS_SMALL);
    let mut lines = vec![Line::default(); blank];
    lines.push(head(model, now, width));
    let places = room - 1 - titles - blank;
    let (chosen, rest) = choose(model, places);
    let sheet = Sheet::new(model, width);
    if titles > 0 {
        lines.push(sheet.titles(model));
    }
    lines.extend(chosen.iter().map(|&index| sheet.row(model, index)));
    if !rest.is_empty() && places > 0 {
        lines.push(more(model, &rest));
    }
    lines.into_iter().map(|line| line.cut(width)).collect()
}

/// The parts of the line about the whole sweep, the dispensable ones left out where there is no
/// room.
fn head(model: &Model, now: Duration, width: usize) -> Line {
    let counted = |number: usize, text: &str, ink| {
        if number == 0 { Line::default() } else { Line::new(&format!("{text} {number}"), ink) }
    };
    let trials = format!("{}/{} trials", model.done, model.total);
    let eta = match model.left(now) {
        Some(left) => figures::clock(left),
        None => "…".to_owned(),
    };
    // Each with its rank: the highest goes first.
    let mut parts = vec![
        (4, Line::new(&model.experiment, Ink::Strong)),
        (0, Line::new(&trials, Ink::Plain)),
        (3, Line::new(&format!("running {}", model.running.len()), Ink::Busy)),
        (6, counted(model.elsewhere(), "elsewhere", Ink::Busy)),
        (1, counted(model.failed(), "failed", Ink::Bad)),
        (7, counted(model.pruned(), "pruned", Ink::Faint)),
        (9, Line::new(&format!("{} so far", figures::clock(now)), Ink::Faint)),
        (2, Line::new(&format!("eta {eta}"), Ink::Strong)),
    ];
    if let Some(usage) = model.usage {
        let cpu = format!("cpu {:.0} % of {} %", usage.cpu_percent, model.cores * 100);
        let memory = format!("mem {}", figures::memory(usage.memory_bytes));
        parts.push((8, Line::new(&cpu, Ink::Faint)));
        parts.push((5, Line::new(&memory, Ink::Faint)));
    }
    parts.retain(|(_, part)| !part.is_empty());
    loop {
        let line = joined(parts.iter().map(|(_, part)| part.clone()), GAP);
        let last = parts.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
        if line.width() <= width || last == 0 {
            return line;
        }
        parts.retain(|(rank, _)| *rank != last);
    }
}

fn joined(parts: impl IntoIterator<Item = Line>, between: &str) -> Line {
    let mut line = Line::default();
    for part in parts {
        if !line.is_empty() {
            line.push(between, Ink::Faint);
        }
        line.append(part);
    }
    line
}

/// The variants that are shown, in their order, and the others, for which one place is kept.
fn choose(model: &Model, places: usize) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<usize> = (0..model.variants.len()).collect();
    if all.len() <= places {
        return (all, Vec::new());
    }
    let best = model.best();
    let mut ranked = all;
    // Stable: among equals the order of the experiment.
    ranked.sort_by_key(|&index| {
        let variant = &model.variants[index];
        let rank = if model.runs_of(index).next().is_some() {
            0
        } else if !variant.troubles.is_empty() || variant.failed > 0 {
            1
        } else if variant.baseline {
            2
        } else if Some(index) == best {
            3
        } else if !variant.elsewhere.is_empty() {
            4
        } else if variant.over() > 0 {
            5
        } else {
            6
        };
        // What changed last is of more interest than what ended long ago.
        (rank, std::cmp::Reverse(if rank == 5 { variant.changed } else { Duration::ZERO }))
    });
    let mut rest = ranked.split_off(places.saturating_sub(1));
    ranked.sort_unstable();
    rest.sort_unstable();
    (ranked, rest)
}

/// `… 37 more: 20 done, 17 waiting`
fn more(model: &Model, rest: &[usize]) -> Line {
    let (mut counts, mut failed) = ([0; 4], 0);
    for &index in rest {
        let variant = &model.variants[index];
        failed += usize::from(variant.failed > 0);
        let place = match (variant.is_over(), model.busy(index), variant.over()) {
            (true, ..) => 0,
            (_, 1.., _) => 1,
            (_, _, 1..) => 2,
            _ => 3,
        };
        counts[place] += 1;
    }
    let words = ["over", "running", "begun", "waiting"];
    let known = counts.iter().zip(words).filter(|(count, _)| **count > 0);
    let known: Vec<String> = known.map(|(count, word)| format!("{count} {word}")).collect();
    let (number, known) = (rest.len(), known.join(", "));
    let none_shown = number == model.variants.len();
    let text = if none_shown { format!("{number} variants") } else { format!("… {number} more") };
    let line = Line::new(&format!("{text}: {known}"), Ink::Faint);
    if failed == 0 { line } else { line.with(&format!(", {failed} with failures"), Ink::Bad) }
}

/// The columns of the rows and their widths; zero where a column is left out.
struct Sheet {
    name: usize,
    cells: usize,
    count: usize,
    value: usize,
    difference: usize,
    now: usize,
    scale: Scale,
    /// Columns of the means and of the spreads, which stand below each other.
    mean: usize,
    spread: usize,
    best: Option<usize>,
}

impl Sheet {
    fn new(model: &Model, width: usize) -> Self {
        let variants = &model.variants;
        let wide = |text: &str| Line::new(text, Ink::Plain).width();
        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| wide(&text)).max().unwrap_or(0)
        };
        let summaries: Vec<_> = variants.iter().filter_map(Variant::summary).collect();
        let scale = Scale::of(summaries.iter().map(|summary| (summary.mean, summary.spread)));
        let mean = widest(&mut summaries.iter().map(|summary| scale.number(summary.mean)));
        let spreads = summaries.iter().filter_map(|summary| summary.spread);
        let spread = widest(&mut spreads.map(|spread| scale.number(spread)));
        let numbers = mean + if spread > 0 { spread + 3 } else { 0 };
        let differences = (0..variants.len()).filter_map(|index| difference(model, index));
        let difference = widest(&mut differences.map(|(mean, _)| scale.signed(mean)));
        let compared = variants.len() > 1 && model.baseline().is_some() && mean > 0;
        let name = widest(&mut variants.iter().map(|variant| variant.name.clone()));
        let count = widest(&mut variants.iter().map(seed_count));
        let title = wide(&value_title(model)).min(VALUE_MIN);
        let mut sheet = Self {
            name: name.min((width * 3 / 10).max(NAME_MIN)).max(wide("variant")),
            cells: variants.iter().map(|variant| variant.seeds).max().unwrap_or(0).min(CELLS_MAX),
            count: count.max(wide("seeds")),
            value: if model.objective.is_some() || mean > 0 { numbers.max(title) } else { 0 },
            difference: if compared { difference.max(wide(DIFFERENCE)) } else { 0 },
            now: 0,
            scale,
            mean,
            spread,
            best: model.best(),
        };
        sheet.fit(width, numbers.max(NAME_MIN));
        sheet
    }

    /// Leaves out columns until what runs now has room, and gives the rest of the line to it.
    fn fit(&mut self, width: usize, numbers: usize) {
        for step in 0.. {
            let fixed = self.before_now();
            self.now = width.saturating_sub(fixed + GAP.len());
            match step {
                0 if self.now < 30 => self.value = self.value.min(numbers),
                1 if self.now < 20 => self.cells = 0,
                2 if self.now < 18 => self.difference = 0,
                3 if self.now < 12 => self.name = self.name.min(NAME_MIN),
                4 if fixed > width => self.value = 0,
                5.. => return,
                _ => {}
            }
        }
    }

    fn before_now(&self) -> usize {
        let gaps = [self.value, self.difference].iter().filter(|column| **column > 0).count();
        let cells = if self.cells > 0 { self.cells + 1 } else { 0 };
        self.name + cells + self.count + self.value + self.difference + GAP.len() * (1 + gaps)
    }

    fn titles(&self, model: &Model) -> Line {
        let faint = |text: &str| Line::new(text, Ink::Faint);
        let seeds = if self.cells > 0 { self.cells + 1 + self.count } else { self.count };
        let mut line = faint("variant").fill(self.name);
        for (text, width) in [
            ("seeds".to_owned(), seeds),
            (value_title(model), self.value),
            (DIFFERENCE.to_owned(), self.difference),
            ("now".to_owned(), self.now.min(3)),
        ] {
            if width > 0 {
                line.push(GAP, Ink::Plain);
                line.append(faint(&text).fill(width));
            }
        }
        line
    }

    fn row(&self, model: &Model, index: usize) -> Line {
        let variant = &model.variants[index];
        let mut line = Line::new(&shortened(&variant.name, self.name), Ink::Plain).fill(self.name);
        line.push(GAP, Ink::Plain);
        if self.cells > 0 {
            line.append(bar(model, index, self.cells).fill(self.cells + 1));
        }
        line.append(Line::new(&seed_count(variant), Ink::Plain).fill(self.count));
        if self.value > 0 {
            line.push(GAP, Ink::Plain);
            line.append(self.value(model, index).fill(self.value));
        }
        if self.difference > 0 {
            line.push(GAP, Ink::Plain);
            line.append(self.difference(model, index).fill(self.difference));
        }
        line.push(GAP, Ink::Plain);
        line.append(now(model, index).cut(self.now));
        line
    }

    fn value(&self, model: &Model, index: usize) -> Line {
        let Some(summary) = model.variants[index].summary() else { return Line::default() };
        let ink = if self.best == Some(index) { Ink::Strong } else { Ink::Plain };
        let mut text = format!("{:>1$}", self.scale.number(summary.mean), self.mean);
        if let Some(spread) = summary.spread {
            // Writing to a string cannot fail.
            let _ = write!(text, " ± {:>1$}", self.scale.number(spread), self.spread);
        }
        Line::new(&text, ink)
    }

    fn difference(&self, model: &Model, index: usize) -> Line {
        if model.variants[index].baseline {
            return Line::new(&format!("{:>1$}", "base", self.difference), Ink::Faint);
        }
        let Some((mean, _)) = difference(model, index) else { return Line::default() };
        let text = format!("{:>1$}", self.scale.signed(mean), self.difference);
        Line::new(&text, Ink::Plain)
    }
}

/// The mean difference of a variant that is not the baseline, and over how many seeds.
pub(super) fn difference(model: &Model, index: usize) -> Option<(f64, usize)> {
    let variant = &model.variants[index];
    let baseline = model.baseline().filter(|_| !variant.baseline)?;
    variant.difference(baseline)
}

/// `test utilization ↑`, with an arrow where the better values are.
fn value_title(model: &Model) -> String {
    let Some(objective) = &model.objective else { return "objective".to_owned() };
    let arrow = match objective.higher_is_better {
        Some(true) => " ↑",
        Some(false) => " ↓",
        None => "",
    };
    let name = format!("{} {}", objective.split, objective.metric);
    format!("{}{arrow}", shortened(name.trim(), TITLE_MAX))
}

fn seed_count(variant: &Variant) -> String {
    format!("{}/{}", variant.done, variant.seeds)
}

/// `▮▮▸▯▯`: the seeds that are over, run, and wait.
fn bar(model: &Model, index: usize, cells: usize) -> Line {
    let variant = &model.variants[index];
    let here = model.runs_of(index).count();
    let known = variant.over() + here + variant.elsewhere.len();
    let parts = [
        (variant.done, "▮", Ink::Good),
        (variant.pruned, "-", Ink::Faint),
        (variant.failed, "✗", Ink::Bad),
        (here, "▸", Ink::Busy),
        (variant.elsewhere.len(), "▹", Ink::Busy),
        (variant.seeds.saturating_sub(known), "▯", Ink::Faint),
    ];
    let sizes = scaled(parts.map(|(count, ..)| count), cells);
    let mut line = Line::default();
    for ((_, sign, ink), size) in parts.into_iter().zip(sizes) {
        line.push(&sign.repeat(size), ink);
    }
    line
}

/// Counts as numbers of cells, where there are more than `cells`: none that is there vanishes, as
/// long as there are cells.
fn scaled<const N: usize>(counts: [usize; N], cells: usize) -> [usize; N] {
    let total: usize = counts.iter().sum();
    if total <= cells {
        return counts;
    }
    let mut sizes = counts.map(|count| (count * cells / total).max(usize::from(count > 0)));
    while sizes.iter().sum::<usize>() > cells {
        *sizes.iter_mut().max().expect("there are counts") -= 1;
    }
    while sizes.iter().sum::<usize>() < cells {
        // To the part that is shortest of what it should have.
        let short =
            |&part: &usize| counts[part] * cells - (sizes[part] * total).min(counts[part] * cells);
        let part = (0..N).max_by_key(short).expect("there are counts");
        sizes[part] += 1;
    }
    sizes
}

/// What goes on in a variant: failures first, then the trials that run.
fn now(model: &Model, index: usize) -> Line {
    let variant = &model.variants[index];
    let mut parts = Vec::new();
    parts.extend(troubles(variant));
    parts.extend(model.runs_of(index).map(|running| {
        let ink =
            if running.at.is_some_and(|at| !at.loss.is_finite()) { Ink::Bad } else { Ink::Busy };
        Line::new(&doing(running), ink)
    }));
    if !variant.elsewhere.is_empty() {
        let seeds: Vec<u64> = variant.elsewhere.iter().copied().collect();
        let text = format!("{} in another process", seed_list(&seeds));
        parts.push(Line::new(&text, Ink::Busy));
    }
    if parts.is_empty() && variant.is_over() && variant.pruned == 0 {
        parts.push(Line::new("done", Ink::Faint));
    } else if variant.pruned > 0 {
        parts.push(Line::new(&format!("pruned {}", variant.pruned), Ink::Faint));
    }
    joined(parts, " · ")
}

/// `✗ seed 3 signal, attempt 2/3`
fn troubles(variant: &Variant) -> Option<Line> {
    let all = &variant.troubles;
    let seeds: Vec<u64> = all.keys().copied().collect();
    let Some(first) = all.values().next() else {
        let failed = variant.failed;
        return (failed > 0).then(|| Line::new(&format!("✗ {failed} failed"), Ink::Bad));
    };
    let one_class = all.values().all(|trouble| trouble.class == first.class);
    let class = if one_class { &first.class } else { "failed" };
    let retries = match first.retry {
        Some((next, of)) if seeds.len() == 1 => format!(", attempt {next}/{of}"),
        Some(_) if all.values().all(|trouble| trouble.retry.is_some()) => {
            ", again later".to_owned()
        }
        _ => String::new(),
    };
    Some(Line::new(&format!("✗ {} {class}{retries}", seed_list(&seeds)), Ink::Bad))
}

/// `seed 3`, `seeds 3, 4`, `5 seeds`
fn seed_list(seeds: &[u64]) -> String {
    match seeds {
        [seed] => format!("seed {seed}"),
        [_, _] | [_, _, _] => {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            format!("seeds {}", seeds.join(", "))
        }
        many => format!("{} seeds", many.len()),
    }
}

/// `seed 3  epoch 4/10  loss 0.412`
pub(super) fn doing(running: &Running) -> String {
    let mut words = vec![format!("seed {}", running.seed)];
    if running.attempt > 1 {
        words.push(format!("attempt {}", running.attempt));
    }
    if let Some((split, batch, batches)) = &running.publishing {
        words.push(format!("artifacts: split {split} {batch}/{batches}"));
        return words.join(GAP);
    }
    match running.at {
        None => words.push("starting".to_owned()),
        Some(at) if at.epochs > 1 => words.push(format!("epoch {}/{}", at.epoch, at.epochs)),
        Some(at) => words.push(format!("step {}/{}", at.step, at.steps)),
    }
    if let Some(at) = running.at {
        words.push(format!("loss {}", figures::short(at.loss)));
    }
    if let Some((split, value)) = &running.measured {
        words.push(format!("{split} {}", figures::short(*value)));
    }
    words.join(GAP)
}

#[cfg(test)]
mod tests;
