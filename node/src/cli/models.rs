//! `gantry models`: versions of models, and what becomes of them.

use super::{ConfigArgument, SaidArguments};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub struct ModelsArguments {
    #[command(subcommand)]
    pub command: ModelsCommand,
}

#[derive(Subcommand)]
pub enum ModelsCommand {
    /// List the models of the configuration with all versions: which is live and which is tried, what each takes and
    /// gives, and its graph's SHA-256.
    List(ConfigArgument),
    /// Check one model's folder before it is put below models/: its manifest, its graph, and that the two agree.
    ///
    /// The folder's name is checked too: it becomes the model's name. Exit status 1 when anything is wrong.
    Check(ModelsCheckArguments),
    /// Check a folder and copy it below models/, whole or not at all.
    ///
    /// A running node loads a model of a new name and runs it once, and rules may name it then; without a running node the
    /// next start takes it. Where one of that name is there with other contents, nothing is copied: `--beside` brings it as
    /// a version beside that, for `gantry models promote`.
    Add(ModelsAddArguments),
    /// Take a model away from models/: all of it, or one version.
    ///
    /// Refused while a rule names the model, the version is live or tried, or jobs wait for it. What it did stays readable.
    Remove(ModelsRemoveArguments),
    /// Load a model in a process of its own and run it several times: how long it takes, and how much memory.
    Bench(ModelsBenchArguments),
    /// Let another version of a model be live; or try it beside the live one, or with a share of the series.
    ///
    /// A running node loads it beside the old one, warms it up, and puts it in the place of the old one, or refuses it with
    /// the reason; jobs that were decided before end with the version that they began with. Without a running node the next
    /// start does so.
    Promote(ModelsPromoteArguments),
    /// End a trial; without one, let the version be live again that was so before.
    Rollback(ModelsRollbackArguments),
    /// List what was promoted, tried, rolled back and refused, newest first: when, by whom and why.
    History(ModelsNameArguments),
    /// Compare what a version in shadow found with what the live version found on the same series.
    Compare(ModelsCompareArguments),
}

#[derive(Args)]
pub struct ModelsAddArguments {
    /// A folder with model.toml and the graph that it names.
    pub folder: PathBuf,
    /// Beside the version that is there, as models/NAME@VERSION.
    #[arg(long)]
    pub beside: bool,
    #[command(flatten)]
    pub said: SaidArguments,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsRemoveArguments {
    /// NAME, for all versions, or NAME@VERSION.
    pub name: String,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsBenchArguments {
    /// NAME, for its live version, or NAME@VERSION.
    pub name: String,
    /// A folder with the DICOM files of one series, for a model with one input; or `phantom`: images that are made up, of
    /// the size that the manifest names.
    #[arg(long, value_name = "FOLDER", default_value = "phantom")]
    pub series: String,
    /// How often it runs behind a first time, which is told apart.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsPromoteArguments {
    pub name: String,
    /// As its manifest names it; `gantry models list` lists them.
    pub version: String,
    /// Only beside the live version, on the same series, when there is nothing else to do: nothing of it is sent.
    #[arg(long, conflicts_with = "canary")]
    pub shadow: bool,
    /// Only for this share of the series, in the place of the live version, as in 5%.
    #[arg(long, value_name = "PERCENT")]
    pub canary: Option<String>,
    #[command(flatten)]
    pub said: SaidArguments,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsRollbackArguments {
    pub name: String,
    #[command(flatten)]
    pub said: SaidArguments,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsNameArguments {
    pub name: String,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsCompareArguments {
    pub name: String,
    /// Of a trial that has ended; default: the version that is tried now or was last.
    #[arg(long)]
    pub version: Option<String>,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ModelsCheckArguments {
    /// A folder with model.toml and the graph that it names.
    pub folder: PathBuf,
    /// Where to look for the path of ONNX Runtime; it need not exist.
    #[arg(long, short, default_value = "node.toml", value_name = "FILE")]
    pub config: PathBuf,
}
