//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Ablation experiments with models, blocks, losses, datasets and metrics from plugins.
#[derive(Debug, Parser)]
#[command(name = "ablate", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one trial of an experiment, with live progress
    Run(RunArguments),
    /// Run all trials that are not done; the same command resumes
    Sweep(SweepArguments),
    /// Print the ablation table of an experiment
    Table(TableArguments),
    /// Show the resolved spec, components, contracts and parameter counts; runs nothing
    Describe(DescribeArguments),
    /// List runs, newest first
    Runs(RunsArguments),
    /// Show one run
    Show(ShowArguments),
    /// Installed plugins and their components
    #[command(subcommand)]
    Plugins(PluginsCommand),
    /// The store of runs and plugins
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Describe one library, in this process (for the host itself)
    #[command(name = "__probe", hide = true)]
    Probe { library: PathBuf },
    /// Check variants given on stdin (for the host itself)
    #[command(name = "__check", hide = true)]
    Check,
    /// Prepare datasets given on stdin (for the host itself)
    #[command(name = "__prepare", hide = true)]
    Prepare,
    /// Run the trial described by a file (for the host itself)
    #[command(name = "__trial", hide = true)]
    Trial { file: PathBuf },
}

/// An experiment and what to change about it.
#[derive(Debug, Args)]
pub(crate) struct ExperimentArguments {
    /// Folder of an experiment, or a TOML file
    pub(crate) experiment: PathBuf,
    /// Changes: `key=value`, such as `train.batch_size=8`
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Device of the trials, such as `flex`
    #[arg(long)]
    pub(crate) device: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Seed of the trial
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Variant to run [default: the baseline]
    #[arg(long)]
    pub(crate) variant: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Trials at once [default: cores divided by the threads of a trial]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Show what would run, and check it, without running
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct TableArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Only this variant
    #[arg(long)]
    pub(crate) variant: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Only runs of this experiment
    pub(crate) experiment: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 40)]
    pub(crate) limit: usize,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// Id of the run, or the beginning of it
    pub(crate) run: String,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginsCommand {
    /// All plugins that are found, with their components
    List {
        /// Look in this folder too
        #[arg(long)]
        folder: Vec<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// One plugin or component: doc, config keys with their defaults, slots
    Info {
        /// Name of a plugin or of a component
        name: String,
        /// Look in this folder too
        #[arg(long)]
        folder: Vec<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Build the plugin crates of the workspace
    Build,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Make the index of runs anew from the run folders
    Rebuild,
    /// Print where runs, plugins and caches lie
    Path,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Term,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For the terminal
    #[default]
    Term,
    /// Markdown
    Md,
    /// LaTeX, with booktabs
    Latex,
    /// Comma-separated values
    Csv,
    /// For programs
    Json,
}
