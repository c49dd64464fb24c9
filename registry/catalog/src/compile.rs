//! Builds the plugins of the workspace.

use crate::cargo::Cargo;
use crate::error::Error;
use crate::workspace::{PluginCrate, Workspace};

/// One command for all plugins, whatever was asked for: Cargo chooses features over the selected
/// packages, and every other selection could compile Burn, minutes of work, once more.
/// Members without a library, such as programs, cost a warning at most.
const ARGUMENTS: [&str; 4] = ["build", "--release", "--lib", "--workspace"];

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
        let mut cargo = Cargo::new(&ARGUMENTS, self.root());
        if let Some(target) = self.target_variable() {
            cargo = cargo.variable("CARGO_TARGET_DIR", target);
        }
        cargo.run(on_line)?.success()?;
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
}
