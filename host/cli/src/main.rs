//! The `ablate` command: parses what was typed, wires the rooms together, prints, and decides the
//! exit code (0 done, 1 the user's input or a failed trial, 2 incomplete or unexpected).

mod add_plugin;
mod arguments;
mod artifacts;
mod build_plugin;
mod bundle;
mod check;
mod check_plugin;
mod child;
mod describe;
mod diff;
mod differences;
mod edited;
mod estimate;
mod export;
mod factory;
mod failure;
mod flood;
mod garbage;
mod guide;
mod identity;
mod inside;
mod leftovers;
mod lineage;
mod located;
mod logs;
mod manifest;
mod new_plugin;
mod objective;
mod plan;
mod plot;
mod plugins;
mod prepare;
mod printer;
mod probe;
mod progress;
mod ready;
mod recorded;
mod reference;
mod registry;
mod replay;
mod reproduce;
mod runs;
mod schemas;
mod screen;
mod services;
mod session;
mod sweep;
mod table;
mod trial;
mod workplace;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    keep_freed_memory();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failures; wrong usage is the user's input.
            let code = u8::from(error.use_stderr());
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            printer::failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn run(Arguments { bundle, command }: Arguments) -> Result<u8, Failure> {
    if let Some(file) = bundle {
        let reads = matches!(
            command,
            Command::Table(_)
                | Command::Plot(_)
                | Command::Runs(_)
                | Command::Show(_)
                | Command::Diff(_)
                | Command::Logs(_)
                | Command::Reproduce(_)
                | Command::Export(_)
        );
        if !reads {
            return Err(Failure::user("a bundle can only be read").hint(
                "with `--bundle` there are `table`, `plot`, `runs`, `show`, `diff`, `logs`, `reproduce`, `export`",
            ));
        }
        workplace::use_bundle(bundle::open(&file)?);
    }
    match command {
        Command::Bundle(arguments) => bundle::bundle(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Run(arguments) => sweep::run_one(arguments),
        Command::Sweep(arguments) => sweep::sweep(arguments),
        Command::Table(arguments) => table::table(arguments),
        Command::Plot(arguments) => plot::plot(&arguments),
        Command::Describe(arguments) => describe::describe(arguments),
        Command::Runs(arguments) => runs::list(&arguments),
        Command::Show(arguments) => runs::show(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Logs(arguments) => logs::logs(&arguments),
        Command::Reproduce(arguments) => reproduce::reproduce(&arguments),
        Command::Plugins(command) => plugins::plugins(command),
        Command::Registry(command) => registry::registry(&command),
        Command::Probe { library } => probe::probe(&library),
        Command::Check => check::serve(),
        Command::Conform => check_plugin::serve(),
        Command::Contracts => new_plugin::role::serve(),
        Command::Prepare => prepare::serve(),
        Command::Trial { file } => trial::serve(&file),
    }
}

/// Tells glibc to keep freed memory: giving it back and faulting it in again at every step costs
/// up to a fifth of a training step. Must happen before any library is opened.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
        // SAFETY: called first in `main`, while there is one thread; both parameters exist.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
    }
}
