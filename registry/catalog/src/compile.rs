//! Builds the plugins of the workspace.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::workspace::{PluginCrate, Workspace};

/// One command for all plugins, whatever was asked for: Cargo chooses features over the selected
/// packages, and every other selection could compile Burn, minutes of work, once more.
/// Members without a library, such as programs, cost a warning at most.
const ARGUMENTS: [&str; 4] = ["build", "--release", "--lib", "--workspace"];

/// How many of the last lines an error shows.
const TAIL: usize = 30;

impl Workspace {
    /// Builds the workspace's libraries in release mode with one Cargo command (`CARGO`, by default
    /// `cargo`) and checks that those of `crates` are there.
    ///
    /// Every line that Cargo prints goes to `on_line`.
    pub fn build(
        &self,
        crates: &[PluginCrate],
        on_line: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let all = self.plugin_crates()?;
        let sources = self.newest_sources(&all);
        self.run_cargo(on_line)?;
        self.record_build(&all, &sources);
        for plugin in crates {
            if self.library(plugin).is_none() {
                let (package, library) = (plugin.package.clone(), &plugin.library);
                let library = self.build_folder().join(library);
                return Err(Error::NotBuilt { package, library });
            }
        }
        Ok(())
    }

    fn run_cargo(&self, on_line: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let program = std::env::var_os("CARGO").filter(|program| !program.is_empty());
        let program = program.unwrap_or_else(|| OsString::from("cargo"));
        let shown = program.display().to_string();
        let failed = |source| Error::Cargo { program: shown.clone(), source };
        let mut command = Command::new(&program);
        command.args(ARGUMENTS).current_dir(self.root());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(target) = self.target_variable() {
            command.env("CARGO_TARGET_DIR", target);
        }
        // `cargo run` and `cargo test` describe their own package in the environment, and some
        // build scripts run again when that differs.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|p| text.starts_with(p)) {
                command.env_remove(&name);
            }
        }
        let mut child = command.spawn().map_err(failed)?;
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut tail = VecDeque::new();
        let mut bytes = Vec::new();
        while lines.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            let line = text.trim_end();
            on_line(line);
            tail.push_back(line.to_owned());
            if tail.len() > TAIL {
                tail.pop_front();
            }
            bytes.clear();
        }
        let status = child.wait().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Build {
            command: format!("{shown} {}", ARGUMENTS.join(" ")),
            root: self.root().to_owned(),
            status,
            tail: tail.into(),
        })
    }
}
