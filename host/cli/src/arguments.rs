//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Ablation experiments with models, blocks, losses, datasets and metrics from plugins.
#[derive(Debug, Parser)]
#[command(name = "ablate", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Arguments {
    /// Look into a bundle instead of the registry of this machine
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
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
    /// Draw learning curves, differences to the baseline, and heat maps as SVG and PNG
    Plot(PlotArguments),
    /// Show the resolved spec, components, contracts and parameter counts; runs nothing
    Describe(DescribeArguments),
    /// List runs, newest first
    Runs(RunsArguments),
    /// Show one run
    Show(ShowArguments),
    /// Show what differs between two runs: spec, plugins, data, machine, result
    Diff(DiffArguments),
    /// Show what a run and its attempts wrote while they ran
    Logs(LogsArguments),
    /// Run a finished run again from what it wrote down, and compare (0 equal, 1 different, 2 could
    /// not)
    Reproduce(ReproduceArguments),
    /// Put a run, or all runs of an experiment, with their libraries into one file
    Bundle(BundleArguments),
    /// Write runs and their measurements for other programs: CSV, Parquet or TensorBoard
    /// (0 all, 2 some trials are not done)
    Export(ExportArguments),
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
    /// Run conformance checks given on stdin (for the host itself)
    #[command(name = "__conform", hide = true)]
    Conform,
    /// Contracts of components given on stdin (for the host itself)
    #[command(name = "__contracts", hide = true)]
    Contracts,
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
    /// Pin the plugins as they are now in `ablate.lock` beside the experiment
    #[arg(long)]
    pub(crate) update_lock: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Seed of the trial
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Variant to run [default: the baseline]
    #[arg(long, allow_hyphen_values = true)]
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
    #[command(flatten)]
    pub(crate) view: ViewArguments,
    /// Compare the tables of the experiment in a LaTeX or Markdown file with what they are now
    /// (0 all fresh, 1 not)
    #[arg(long, value_name = "FILE", conflicts_with = "ViewArguments")]
    pub(crate) check: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}

/// What a table shows, and how it is laid out.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ViewArguments {
    /// Splits side by side, such as `valid,test` [default: that of the report]
    #[arg(long, value_delimiter = ',', value_name = "SPLIT")]
    pub(crate) split: Vec<String>,
    /// Only these metrics, such as `snr,loss`
    #[arg(long, value_delimiter = ',', value_name = "METRIC")]
    pub(crate) metrics: Vec<String>,
    /// One row per value of this key, such as `model.pooling.use`
    #[arg(long, value_name = "KEY")]
    pub(crate) by: Option<String>,
    /// The values of this key side by side, such as `dataset.use`; with `--by` a table of means
    #[arg(long, value_name = "KEY")]
    pub(crate) columns: Option<String>,
    /// Only variants with this value; several values of a key are alternatives
    #[arg(long = "where", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<String>,
    /// Interquartile means with bootstrap intervals too
    #[arg(long)]
    pub(crate) iqm: bool,
    /// Ranks and Friedman's test too
    #[arg(long)]
    pub(crate) ranks: bool,
    /// Accept variants with different numbers of seeds
    #[arg(long)]
    pub(crate) allow_unequal: bool,
}

impl ViewArguments {
    /// The words that ask for this view, without what has no effect.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut value = |option: &str, value: String| words.extend([option.to_owned(), value]);
        if !self.split.is_empty() {
            value("--split", self.split.join(","));
        }
        if !self.metrics.is_empty() {
            value("--metrics", self.metrics.join(","));
        }
        self.by.iter().for_each(|key| value("--by", key.clone()));
        self.columns.iter().for_each(|key| value("--columns", key.clone()));
        self.filters.iter().for_each(|filter| value("--where", filter.clone()));
        let flags =
            [(self.iqm, "--iqm"), (self.ranks, "--ranks"), (self.allow_unequal, "--allow-unequal")];
        words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_owned()));
        words
    }

    /// The view that these words ask for.
    pub(crate) fn from_words(words: &[String]) -> Result<Self, String> {
        #[derive(Parser)]
        #[command(no_binary_name = true)]
        struct Words {
            #[command(flatten)]
            view: ViewArguments,
        }
        let parsed = Words::try_parse_from(words)
            .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
        Ok(parsed.view)
    }
}

#[derive(Debug, Args)]
pub(crate) struct PlotArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Folder of the pictures; files of the same names are replaced [default: plots/EXPERIMENT]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Which pictures
    #[arg(long, value_enum, default_value_t)]
    pub(crate) kind: PlotKind,
    /// Only these metrics, such as `snr,loss`
    #[arg(long, visible_alias = "metric", value_delimiter = ',', value_name = "METRIC")]
    pub(crate) metrics: Vec<String>,
    /// Only these splits [default: train and valid for curves, else that of the report]
    #[arg(long, value_delimiter = ',', value_name = "SPLIT")]
    pub(crate) split: Vec<String>,
    /// What learning curves are drawn over
    #[arg(long, value_enum, default_value_t)]
    pub(crate) x: PlotOver,
    /// Draw over these keys: two for a heat map, across and up, or one of numbers for a line
    /// [default: what the variants differ in]
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    pub(crate) axes: Vec<String>,
    /// Which files
    #[arg(long = "as", value_enum, default_value_t, value_name = "FILES")]
    pub(crate) files: PlotFiles,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArguments,
    /// Only this variant
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) variant: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Only runs of this experiment
    pub(crate) experiment: Option<String>,
    /// Only runs of this experiment
    #[arg(long = "experiment", value_name = "EXPERIMENT", conflicts_with = "experiment")]
    pub(crate) of_experiment: Option<String>,
    /// Only runs of this variant
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) variant: Option<String>,
    /// Only runs that stand so
    #[arg(long, value_enum)]
    pub(crate) status: Option<RunStatus>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 40)]
    pub(crate) limit: usize,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Where a run stands, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunStatus {
    /// A process works on it
    Running,
    /// Finished
    Done,
    /// Ended with an error
    Failed,
    /// Without an end, and nobody works on it: stopped, pruned, or its process died
    Lost,
    /// Lost, but asked to stop: it goes on from where it is
    Stopped,
    /// Lost, because its variant had no prospect of winning
    Pruned,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// Id of the run, or the beginning of it
    pub(crate) run: String,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// Beginning of the id of a run, EXPERIMENT:VARIANT:SEED, or a run's folder
    pub(crate) left: String,
    /// The run to compare it with
    pub(crate) right: String,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Beginning of the id of a run, EXPERIMENT:VARIANT:SEED, or a run's folder
    pub(crate) run: String,
    /// Number of the attempt [default: the newest]
    #[arg(long)]
    pub(crate) attempt: Option<u32>,
    /// Go on until the run has ended
    #[arg(long, short, conflicts_with = "format")]
    pub(crate) follow: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ReproduceArguments {
    /// Beginning of the id of a run, EXPERIMENT:VARIANT:SEED, or a run's folder
    pub(crate) run: String,
    /// Let values differ by this much of the larger one, such as 1e-6 [default: every bit counts]
    #[arg(long, value_name = "RELATIVE", value_parser = tolerance)]
    pub(crate) tolerance: Option<f64>,
    /// Use the plugins that are installed now, not those that the run used
    #[arg(long)]
    pub(crate) current: bool,
    /// Keep the reproduction in `reproductions/` under the run's folder
    #[arg(long)]
    pub(crate) keep: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// A relative tolerance.
fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number that is not negative, such as 1e-6".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct BundleArguments {
    /// Name or path of an experiment that was swept, or the id of a run
    pub(crate) what: String,
    /// The file [default: NAME.ablate]
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// With checkpoints, which are most of a run's bytes
    #[arg(long)]
    pub(crate) checkpoints: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Name or path of an experiment that was swept, or the id of a run
    pub(crate) what: String,
    /// Which files
    #[arg(long = "as", value_enum, value_name = "FILES", required_unless_present = "artifact")]
    pub(crate) form: Option<ExportForm>,
    /// Copy this artifact of a run instead; without a name, list those that it has
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with = "form"
    )]
    pub(crate) artifact: Option<String>,
    /// The folder; an earlier export there is replaced [default: NAME-FILES]. Of an artifact the
    /// file, or a folder that is there [default: the name of its file]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file that an artifact would be copied to
    #[arg(long, requires = "artifact")]
    pub(crate) force: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// Two tables as text: `runs.csv` and `measurements.csv`
    Csv,
    /// The same tables as `runs.parquet` and `measurements.parquet`
    Parquet,
    /// An event file per run, with values rounded to 32 bits
    Tensorboard,
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
    /// Build the plugin crates of the workspace, or those of any crate
    Build(BuildPluginArguments),
    /// Install a plugin, so that experiments find it by name: a library, the folder of a crate, or a
    /// published crate, which cargo fetches
    Add(AddPluginArguments),
    /// Take an installed plugin away; runs keep what they need
    Remove {
        /// Name of the plugin
        name: String,
    },
    /// Run the conformance checks on a library, a plugin or one component
    Check(CheckPluginArguments),
    /// Write the crate of a new plugin: component, tests, manifest, CI
    New(NewPluginArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BuildPluginArguments {
    /// Folder or manifest of a crate [default: the workspace here]
    pub(crate) path: Option<PathBuf>,
    /// Only this package, where there are several
    #[arg(long, short, requires = "path")]
    pub(crate) package: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct AddPluginArguments {
    /// A library with its folder, the folder of a crate, or the name of a published crate
    #[arg(value_name = "FILE|PATH|CRATE[@VERSION]")]
    pub(crate) plugin: std::ffi::OsString,
    /// This package of the folder, where there are several
    #[arg(long, short)]
    pub(crate) package: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct CheckPluginArguments {
    /// A library with its folder, or the name of a plugin or component
    #[arg(value_name = "FILE|NAME")]
    pub(crate) plugin: std::ffi::OsString,
    /// JSON file with more configurations, by component name
    #[arg(long, value_name = "FILE")]
    pub(crate) configurations: Option<PathBuf>,
    /// Seconds after which a check has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Look in this folder too
    #[arg(long)]
    pub(crate) folder: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct NewPluginArguments {
    /// Name of the crate; the plugin and its component are called the same, without `ablate-`
    pub(crate) name: String,
    /// What its component is
    #[arg(long, value_enum)]
    pub(crate) kind: NewKind,
    /// Role of a block: what slots it fits, such as `pooling`
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Folder that the folder of the crate is made in [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    /// Folder of a checkout of `ablate`, or of the SDK in it, to build against [default: the
    /// checkout around the current folder, else the published SDK]
    #[arg(long, value_name = "PATH")]
    pub(crate) sdk: Option<PathBuf>,
    /// Look in this folder too for plugins, whose names are taken and whose slots say what a role is
    #[arg(long)]
    pub(crate) folder: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// What a new plugin's component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewKind {
    /// A part of a model, for slots of its role
    Block,
    /// What is trained
    Model,
    /// A differentiable function to a number
    Loss,
    /// A source of batches
    Dataset,
    /// A measure over a split
    Metric,
}

impl NewKind {
    /// The word used in files and messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Model => "model",
            Self::Loss => "loss",
            Self::Dataset => "dataset",
            Self::Metric => "metric",
        }
    }

    /// Whether it computes gradients.
    pub(crate) fn needs_burn(self) -> bool {
        matches!(self, Self::Block | Self::Model | Self::Loss)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Make the index of runs anew from the run folders
    Rebuild,
    /// Remove libraries that no run and no installed plugin refers to
    Gc {
        /// Say what would be removed
        #[arg(long)]
        dry_run: bool,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotKind {
    /// All that fit the experiment
    #[default]
    All,
    /// Learning curves: mean and band over seeds
    Curves,
    /// Differences to the baseline with their intervals
    Forest,
    /// A heat map over two keys that make a grid
    Heatmap,
    /// A line over a key of numbers
    Axis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotOver {
    /// Optimizer steps
    #[default]
    Step,
    /// Passes over the train split; what is measured more often is averaged
    Epoch,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotFiles {
    /// Vectors, with text as text
    Svg,
    /// Pixels, 300 to the inch
    Png,
    /// SVG and PNG
    #[default]
    Both,
}
