//! What this image says, on its way to the host's log: records of `log` and events of `tracing`, of
//! the plugin and of every crate inside it, from any thread.
//!
//! Both keep their sinks in statics, and every image has its own: without this they would vanish.

use crate::host;
use ablate_abi::v1::LogLevel;
use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::sync::Arc;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Metadata, Subscriber};

/// More than debugging detail: the border has no name for it.
const TRACE: LogLevel = LogLevel(LogLevel::DEBUG.0 + 1);

thread_local! {
    /// Place of the component that is at work on this thread.
    static PLACE: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Until it is dropped, the component at a place is at work on this thread.
pub(crate) struct AtWork(Option<Arc<str>>);

impl AtWork {
    pub(crate) fn at(place: &Arc<str>) -> Self {
        let place = Some(place.clone());
        Self(PLACE.try_with(|current| current.replace(place)).unwrap_or_default())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let before = self.0.take();
        // A thread that is ending has no place any more.
        let _ = PLACE.try_with(|current| current.replace(before));
    }
}

/// Says a line to the host: `target` is what speaks.
pub(crate) fn say(level: LogLevel, target: &str, message: &str) {
    let place = PLACE.try_with(|place| place.borrow().clone()).unwrap_or_default();
    match place {
        Some(place) => host::pass_on(level, &format!("{place}/{target}"), message),
        None => host::pass_on(level, target, message),
    }
}

/// Takes over from `log` and `tracing`; what the author has set up himself stays.
pub(crate) fn install(level: LogLevel) {
    if log::set_logger(&Records).is_ok() {
        log::set_max_level(match level {
            level if level >= TRACE => log::LevelFilter::Trace,
            LogLevel::DEBUG => log::LevelFilter::Debug,
            LogLevel::INFO => log::LevelFilter::Info,
            LogLevel::WARN => log::LevelFilter::Warn,
            LogLevel::ERROR => log::LevelFilter::Error,
            _ => log::LevelFilter::Off,
        });
    }
    // Fails where there is one already.
    let _ = tracing_core::dispatcher::set_global_default(tracing_core::Dispatch::new(Events));
}

/// The logger of this image.
struct Records;

impl log::Log for Records {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        host::wants(level_of_record(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = level_of_record(record.level());
        if host::wants(level) {
            say(level, record.target(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn level_of_record(level: log::Level) -> LogLevel {
    match level {
        log::Level::Error => LogLevel::ERROR,
        log::Level::Warn => LogLevel::WARN,
        log::Level::Info => LogLevel::INFO,
        log::Level::Debug => LogLevel::DEBUG,
        log::Level::Trace => TRACE,
    }
}

/// The subscriber of this image: events with their fields. Spans are not recorded.
struct Events;

impl Events {
    fn level(metadata: &Metadata<'_>) -> LogLevel {
        match *metadata.level() {
            tracing_core::Level::ERROR => LogLevel::ERROR,
            tracing_core::Level::WARN => LogLevel::WARN,
            tracing_core::Level::INFO => LogLevel::INFO,
            tracing_core::Level::DEBUG => LogLevel::DEBUG,
            tracing_core::Level::TRACE => TRACE,
        }
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && host::wants(Self::level(metadata))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        let gap = if message.is_empty() || fields.is_empty() { "" } else { " " };
        let metadata = event.metadata();
        say(Self::level(metadata), metadata.target(), &format!("{message}{gap}{fields}"));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event as a line: its message, then `name=value` for each field.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn field(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        let result = if name == "message" {
            self.message.write_fmt(value)
        } else {
            let gap = if self.fields.is_empty() { "" } else { " " };
            write!(self.fields, "{gap}{name}={value}")
        };
        // Only the author's own `Debug` can fail here: the rest of the line is still worth having.
        let _ = result;
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field.name(), format_args!("{value:?}"));
    }
}
