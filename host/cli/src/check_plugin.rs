//! `ablate plugins check`: the conformance checks on a library, in a process of their own, so that
//! one that crashes or hangs is a failed check like any other.

use crate::arguments::{CheckPluginArguments, Format};
use crate::child;
use crate::failure::Failure;
use crate::printer;
use crate::workplace::Workplace;
use ablate_catalog::{Kind, Plugin};
use ablate_conformance::{Check, Event, Kit, Outcome, Report};
use ablate_loader::{Loader, Services};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A plugin that ends its process this often is not asked again.
const CRASHES_MAX: usize = 100;

/// What the child is to do.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    library: PathBuf,
    /// Libraries whose blocks may fill slots.
    others: Vec<PathBuf>,
    only: Option<String>,
    configurations: Value,
    cache: PathBuf,
    done: Option<Report>,
    /// Components that hang, which would take the time again in every check.
    given_up: Vec<Component>,
}

/// A component under one configuration: kind, name, and the configuration if it is not the
/// defaults.
type Component = (String, String, Option<Value>);

/// What the child says, one JSON document a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The plugin is open.
    Opened {
        plugin: String,
        version: String,
    },
    Event(Event),
    Failed(Failure),
    Done,
}

/// How a child ended.
enum End {
    Done,
    /// In words, and what it wrote to stderr last.
    Died(String),
    Hung,
}

pub(crate) fn check(arguments: &CheckPluginArguments) -> Result<u8, Failure> {
    let (library, only, others) = resolve(arguments)?;
    let configurations = match &arguments.configurations {
        Some(file) => read_configurations(file)?,
        None => Value::Null,
    };
    let cache = tempfile::tempdir()?;
    let cache_folder = cache.path().to_path_buf();
    let mut request = Request {
        library,
        others,
        only,
        configurations,
        cache: cache_folder,
        done: None,
        given_up: Vec::new(),
    };
    let report = run(&mut request, Duration::from_secs(arguments.timeout))?;
    if report.components.is_empty() {
        return Err(Failure::user("nothing was checked"));
    }
    match arguments.format {
        Format::Term => printer::data(&report.to_string()),
        Format::Json => printer::json(&report)?,
    }
    if report.passed() {
        printer::note(&format!("next: ablate plugins info {}", report.plugin));
        return Ok(0);
    }
    printer::note("hint: `--format json` shows what every check looked at");
    Ok(1)
}

/// The library, the component if one was named, and the libraries with blocks for its slots.
fn resolve(
    arguments: &CheckPluginArguments,
) -> Result<(PathBuf, Option<String>, Vec<PathBuf>), Failure> {
    let name = arguments.plugin.to_string_lossy().into_owned();
    let mut workplace = Workplace::open(&arguments.folder, None)?;
    let file = Path::new(&arguments.plugin);
    let is_file = name.contains(std::path::MAIN_SEPARATOR)
        || file.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION);
    let with_blocks = |plugin: &&Plugin| {
        plugin.description.components.iter().any(|component| component.kind == Kind::Block)
    };
    if is_file {
        // What can be seen without running anything gives better errors than a crash.
        ablate_loader::inspect(file)?;
        let plugins = workplace.catalog.plugins().iter().filter(with_blocks);
        let others = plugins.map(|plugin| plugin.library.clone()).collect();
        return Ok((file.to_path_buf(), None, others));
    }
    workplace.build_outdated(|plugin, _| plugin.plugin == name)?;
    let catalog = &workplace.catalog;
    let owners: Vec<&Plugin> = catalog
        .plugins()
        .iter()
        .filter(|plugin| plugin.description.components.iter().any(|c| c.name == name))
        .collect();
    let (plugin, only) = match (catalog.plugin(&name), owners.as_slice()) {
        (Some(plugin), _) => (plugin, None),
        (None, [owner]) => (*owner, Some(name)),
        (None, []) => return Err(unknown(&workplace, &name)),
        (None, several) => {
            let names: Vec<String> =
                several.iter().map(|plugin| format!("`{}`", plugin.name())).collect();
            let text = format!("`{name}` is in several plugins: {}", names.join(", "));
            return Err(Failure::user(text).hint("check one of the plugins by its name"));
        }
    };
    let others = catalog.plugins().iter().filter(|other| other.name() != plugin.name());
    let others = others.filter(with_blocks).map(|other| other.library.clone()).collect();
    Ok((plugin.library.clone(), only, others))
}

fn unknown(workplace: &Workplace, name: &str) -> Failure {
    let catalog = &workplace.catalog;
    let plugins = catalog.plugins().iter().map(|plugin| plugin.name().to_owned());
    let components = catalog.components().map(|found| found.component.name.clone());
    let known: Vec<String> = plugins.chain(components).collect();
    let text = format!("no file, no plugin and no component is called `{name}`");
    let mut failure = Failure::user(text);
    if let Some(near) = ablate_config::nearest(name, known.iter().map(String::as_str)) {
        failure = failure.hint(format!("did you mean `{near}`?"));
    }
    failure.hint("`ablate plugins list` shows what there is; a file is given with its folder")
}

fn read_configurations(file: &Path) -> Result<Value, Failure> {
    let wrong = |why: String| {
        Failure::user(format!("`{}`: {why}", file.display())).hint(
            "it holds configurations by component: `{ \"sliding-window\": { \"window\": 3 } }`",
        )
    };
    let text = fs_err::read_to_string(file).map_err(|error| Failure::user(error.to_string()))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if json.is_object() { Ok(json) } else { Err(wrong("it is no JSON object".to_owned())) }
}

/// Runs children until one gets to the end; each goes on behind what ended the one before.
fn run(request: &mut Request, timeout: Duration) -> Result<Report, Failure> {
    let mut report =
        Report { plugin: String::new(), version: String::new(), components: Vec::new() };
    for _ in 0..CRASHES_MAX {
        let mut watched = Watched { report: &mut report, entering: None, opened: false };
        let end = watched.run(request, timeout)?;
        let Watched { entering, opened, .. } = watched;
        let hung = matches!(end, End::Hung);
        let text = match end {
            End::Done => return Ok(report),
            End::Died(how) => format!("it ended the process: {how}"),
            End::Hung => format!(
                "it was not over after {} s; the checks behind it were left out",
                timeout.as_secs()
            ),
        };
        let Some((Place { kind, name, config, check }, start)) = entering else {
            let what = if opened { "between two checks" } else { "while it was opened" };
            let library = request.library.display();
            return Err(Failure::user(format!("`{library}`, {what}: {text}"))
                .hint("the file is broken, or its code crashes while it is loaded"));
        };
        let took_s = start.elapsed().as_secs_f64();
        let check = Check { name: check, outcome: Outcome::Failed, detail: text, took_s };
        report.add(&kind, &name, config.as_ref(), check);
        request.done = Some(report.clone());
        if hung {
            request.given_up.push((kind, name, config));
        }
    }
    Ok(report)
}

struct Place {
    kind: String,
    name: String,
    config: Option<Value>,
    check: String,
}

struct Watched<'a> {
    report: &'a mut Report,
    /// The check that the child is in, and since when.
    entering: Option<(Place, Instant)>,
    opened: bool,
}

impl Watched<'_> {
    fn run(&mut self, request: &Request, timeout: Duration) -> Result<End, Failure> {
        let mut child = child::command(&["__conform".as_ref()])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A child that dies before it has read everything is reported below.
            let _ = stdin.write_all(serde_json::to_string(request)?.as_bytes());
        }
        let lines = child.stdout.take().map(read_lines);
        let rest = child.stderr.take().map(read_rest);
        let mut done = false;
        if let Some(lines) = lines {
            loop {
                match lines.recv_timeout(timeout) {
                    Ok(Line::Done) => done = true,
                    Ok(line) => self.take(line, request)?,
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        // That it has just ended by itself is no error.
                        let _ = child.kill();
                        child.wait()?;
                        return Ok(End::Hung);
                    }
                }
            }
        }
        let status = child.wait()?;
        if done && status.success() {
            return Ok(End::Done);
        }
        let last = rest.and_then(|rest| rest.join().ok()).unwrap_or_default();
        let how = child::ended(status);
        Ok(End::Died(if last.is_empty() { how } else { format!("{how}: {last}") }))
    }

    fn take(&mut self, line: Line, request: &Request) -> Result<(), Failure> {
        match line {
            Line::Opened { plugin, version } => {
                (self.report.plugin, self.report.version) = (plugin, version);
                self.opened = true;
            }
            Line::Event(Event::Entering { kind, name, config, check }) => {
                let mut known = self.report.components.iter();
                if !known.any(|c| c.kind == kind && c.name == name && c.config == config) {
                    let with = config.as_ref().map_or_else(String::new, |c| format!(" with {c}"));
                    printer::note(&format!("checking {kind} `{name}`{with}"));
                }
                self.entering = Some((Place { kind, name, config, check }, Instant::now()));
            }
            Line::Event(Event::Finished { kind, name, config, check }) => {
                self.report.add(&kind, &name, config.as_ref(), check);
                self.entering = None;
            }
            Line::Failed(mut failure) => {
                let library = request.library.display().to_string();
                if !failure.message.contains(&library) {
                    failure.message = format!("`{library}`: {}", failure.message);
                }
                return Err(failure);
            }
            Line::Done => {}
        }
        Ok(())
    }
}

fn read_lines(stdout: ChildStdout) -> Receiver<Line> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A plugin may print to stdout as well.
            let Ok(line) = serde_json::from_str(&line) else { continue };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The last line that says something.
fn read_rest(mut stderr: ChildStderr) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What is left of a dead child's words is a courtesy.
        let _ = stderr.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.next_back().map(|line| line.chars().take(200).collect()).unwrap_or_default()
    })
}

/// Services for checks: caches are new, and what runs can be cancelled.
struct CheckServices {
    cancelled: Arc<AtomicBool>,
    cache: PathBuf,
}

impl Services for CheckServices {
    fn log(&self, _: &str, _: u32, _: &str, _: &str) {}

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn cache_folder(&self) -> PathBuf {
        self.cache.clone()
    }
}

/// The child's side.
pub(crate) fn serve() -> Result<u8, Failure> {
    match conform(child::request()?) {
        Ok(()) => {
            printer::line(&Line::Done);
            Ok(0)
        }
        Err(failure) => {
            printer::line(&Line::Failed(failure));
            Ok(0)
        }
    }
}

fn conform(request: Request) -> Result<(), Failure> {
    let Request { library, others, only, configurations, cache, done, given_up } = request;
    let cancelled = Arc::new(AtomicBool::new(false));
    let loader = Loader::new(CheckServices { cancelled: cancelled.clone(), cache }, 1);
    let root = loader.open(&library, None)?.root();
    let mut kit = Kit::new(root, 1)?.cancellation(cancelled).configurations(&configurations);
    for other in others {
        // One that does not open is for its own check.
        if let Ok(other) = loader.open(&other, None) {
            kit = kit.with_blocks_of(other.root())?;
        }
    }
    if let Some(only) = &only {
        kit = kit.only(only);
    }
    if let Some(done) = done {
        kit = kit.without(done);
    }
    for (kind, name, config) in given_up {
        kit = kit.giving_up(&kind, &name, config);
    }
    printer::line(&Line::Opened {
        plugin: kit.plugin().to_owned(),
        version: kit.version().to_owned(),
    });
    kit.run_with(&mut |event| printer::line(&Line::Event(event)));
    Ok(())
}
