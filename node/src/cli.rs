//! The command line: what can be asked of `gantry`, and the help that teaches it.

mod models;
mod outbox;

pub use models::*;
pub use outbox::*;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Stands between scanners and the PACS: receives DICOM, decides by rules, runs AI models, sends results back.
///
/// Research use only: not a medical device.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "First steps: `gantry demo` shows the whole road on this machine; \
`gantry check` reads a configuration and its rules without starting anything; `gantry doctor` looks at the machine."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the node: listen, keep, decide, infer, compose, deliver, until SIGTERM or Ctrl-C.
    Serve(ConfigArgument),
    /// Read configuration, models and rules, and run the rules' cases. Exit status 1 when anything is wrong.
    Check(CheckArguments),
    /// Say line by line what this machine has of what the node needs, what is missing, and who must act.
    ///
    /// Configuration, ONNX Runtime and its providers, NVIDIA's driver and NVRTC, the device of each model, the data folder
    /// and its disk, the port, the clock. `good` is good, a `note` is missing and the node runs without, `BAD` has to be
    /// mended. Starts nothing and changes nothing. Exit status 1 when something is BAD.
    Doctor(DoctorArguments),
    /// Say what is where: series, jobs, deliveries for each peer, what failed and what was refused.
    Status(StatusArguments),
    /// Say why a study, a series or an image did or did not run: each rule, each condition, the value found, and what
    /// came of it.
    Explain(ExplainArguments),
    /// Print a kept report as a tree, and write a kept image as PNG files.
    Show(ShowArguments),
    /// Make a kept result again, from the same images by the same model, and say whether it is the same.
    ///
    /// Nothing is kept or sent. Works beside a running node, and takes as long as the model takes. Exit status 1 when
    /// something is not the same, or cannot be made again: because an image was evicted or replaced, or the model is
    /// another than then.
    Reproduce(ReproduceArguments),
    /// Try rules on what was decided lately, without changing anything: what they would add, drop and change, and the load.
    Backtest(BacktestArguments),
    /// Say which rules were in force when, show and compare them, and go back to earlier ones.
    ///
    /// A running node takes changed rules by itself: within some seconds of the last byte written, as a whole, and only
    /// when they are sound. Every version that was in force is kept, with the decisions that it made. All of this works
    /// beside a running node, and when none runs.
    Rules(RulesArguments),
    /// Bring models, measure them, and say which version of each is live and which is tried; models/README.md is the guide.
    Models(ModelsArguments),
    /// Say what waits for which peer, and try again, drop, pause and resume deliveries.
    ///
    /// All of it works beside a running node, which acts on it within seconds, and when none runs.
    Outbox(OutboxArguments),
    /// List the last associations: who called, what was offered and taken, how it ended, and why one was refused.
    Associations(AssociationsArguments),
    /// Say of each peer where it was found, when, by which record, for how long that holds, and what failed last.
    ///
    /// Without `--now`, what the running node found last. With it, the name servers are asked now, no node is needed, and
    /// the exit status is 1 when a peer is not found.
    Peers(PeersArguments),
    /// Call a peer as the node would, and say step by step what is good: DNS, TCP, TLS, association, presentation context, C-ECHO.
    ///
    /// At the first step that fails it says who must do what. Needs no node. Exit status 1 when a step failed.
    Echo(EchoArguments),
    /// Say what left here without its patient under which name, or under which names something left.
    Pseudonym(PseudonymArguments),
    /// Write kept objects as DICOM files, byte for byte as they were received.
    Export(ExportArguments),
    /// Build the index anew from the segments. The node must not be running.
    Reindex(ConfigArgument),
    /// Read every kept object and compare checksum, digest and index. Works beside a running node.
    Verify(ConfigArgument),
    /// Evict now what `[retention]` wants gone and nothing needs, while no node runs; a running node does it by itself.
    Retention(RetentionArguments),
    /// Peers that misbehave on purpose, to try a node, its queues and what its admin reads. For a laboratory only.
    #[command(subcommand)]
    Lab(LabCommand),
    /// Show the whole road on this machine: a scanner, the node and a PACS on loopback.
    Demo(DemoArguments),
    /// Run one model for a node, which starts this by itself and talks to it over standard input.
    #[command(hide = true)]
    Worker,
}

#[derive(Args)]
pub struct ConfigArgument {
    /// The node's configuration; node.example.toml explains every key.
    #[arg(long, short, default_value = "node.toml", value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Args)]
pub struct DoctorArguments {
    /// As JSON: a list with `what`, `state` (good, note, bad), `says` and, where something is to be done, `then`.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct CheckArguments {
    /// The folder of rules to read, as a copy that you edit; default: the one of the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub rules: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct StatusArguments {
    /// The numbers alone, in Prometheus' text format: what `[admin] metrics` serves.
    #[arg(long)]
    pub metrics: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ExplainArguments {
    /// Study Instance UID (0020,000D), Series Instance UID (0020,000E) or SOP Instance UID (0008,0018).
    pub uid: String,
    /// Name every image that was selected or not, and not only the first few of each kind.
    #[arg(long)]
    pub images: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
#[command(
    after_help = "What is printed and drawn may tell who the patient is: it is for who may read the study."
)]
pub struct ShowArguments {
    /// SOP Instance UID (0008,0018) of what was made here or received; or a Series Instance UID (0020,000E) or Study
    /// Instance UID (0020,000D), for all results that models made of it.
    pub uid: String,
    /// Where the frames of an image are laid, as UID.png or UID-FRAME.png, and a PDF, as UID.pdf; made if it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// Only this frame of a multi-frame image, counted from 1.
    #[arg(long, value_name = "NUMBER", requires = "to")]
    pub frame: Option<usize>,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
#[command(
    after_help = "Examples: gantry pseudonym 2.25.99317648264728412 (a UID that a research peer names)\n  \
gantry pseudonym HN-4711 (a Patient ID of this house)\n\
What is printed tells who a patient is. It is in the audit trail that it was asked, and by whom."
)]
pub struct PseudonymArguments {
    /// A Study, Series or SOP Instance UID or another UID, a Patient ID, an accession number: as it is here, or as it is
    /// outside.
    #[arg(required_unless_present = "take_key")]
    pub value: Option<String>,
    /// Make pseudonyms with the key that lies in the data folder now, or with a new one where there is none. For when
    /// the old one is lost for good: patients get other pseudonyms from then on. What is known of the old ones stays. The
    /// node must not be running.
    #[arg(long, conflicts_with = "value")]
    pub take_key: bool,
    /// Who asks; default: the user at the terminal.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ReproduceArguments {
    /// SOP Instance UID (0008,0018) of a result; or a Series Instance UID (0020,000E) or Study Instance UID (0020,000D),
    /// for all results that models made of it.
    pub uid: String,
    #[command(flatten)]
    pub config: ConfigArgument,
}

/// Judges from the index what was decided, by the rules of a folder, and compares verdict by verdict with what was
/// decided at the time. Works beside a running node.
#[derive(Args)]
#[command(
    after_help = "Example: cp -r rules new-rules, edit new-rules, then: gantry backtest --rules new-rules --since 7d"
)]
pub struct BacktestArguments {
    /// The folder of rules to try; default: the one of the configuration, as it lies on disk now.
    #[arg(long, value_name = "FOLDER")]
    pub rules: Option<PathBuf>,
    /// How far back: 7d, 36h, 90m, or a local time such as 2026-01-31 or 2026-01-31T08:00.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub since: String,
    /// How many examples of each change are shown for each rule.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    pub examples: usize,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Subcommand)]
pub enum LabCommand {
    /// A PACS that is slow, silent, refuses, aborts, hangs up or loses what it took. It keeps nothing.
    Pacs(LabPacsArguments),
}

#[derive(Args)]
#[command(
    after_help = "Example: gantry lab pacs --listen 127.0.0.1:11113 --abort-at 20000 --every 10\n\
Then send to it, and look at `gantry outbox list` and `gantry status`."
)]
#[group(skip)]
pub struct LabPacsArguments {
    /// Where it listens.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:11113")]
    pub listen: String,
    /// A SOP class that it does not take; may be repeated.
    #[arg(long, value_name = "UID")]
    pub refuse: Vec<String>,
    /// Answer objects with this status, in four hexadecimal digits such as A700.
    #[arg(long, value_name = "STATUS", value_parser = status, group = "manner")]
    pub answer: Option<u16>,
    /// Answer objects after so many seconds.
    #[arg(long, value_name = "SECONDS", group = "manner")]
    pub slow: Option<f64>,
    /// Read objects and say nothing.
    #[arg(long, group = "manner")]
    pub silent: bool,
    /// Abort the association when so many bytes of an object have come.
    #[arg(long, value_name = "BYTES", group = "manner")]
    pub abort_at: Option<usize>,
    /// Close the connection when so many bytes of an object have come.
    #[arg(long, value_name = "BYTES", group = "manner")]
    pub close_at: Option<usize>,
    /// Do so with each object of this number only, and take the others.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub every: u64,
    /// Take no more associations than this at a time; others are told to come back later.
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    pub associations: usize,
    /// Take uncompressed objects only.
    #[arg(long)]
    pub uncompressed: bool,
    /// Hang up on whoever calls.
    #[arg(long)]
    pub away: bool,
    /// Tell storage commitment and C-FIND that it has nothing of what it took.
    #[arg(long)]
    pub lose: bool,
}

fn status(text: &str) -> Result<u16, String> {
    u16::from_str_radix(text, 16).map_err(|_| "write a status as in A700".into())
}

/// What the history keeps.
#[derive(Args)]
pub struct SaidArguments {
    /// Who asks; default: the user at the terminal.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub why: String,
}

impl SaidArguments {
    /// As it was said, or the user at the terminal.
    pub fn who(&self) -> String {
        self.by.clone().unwrap_or_else(user_name)
    }
}

/// Of the user at the terminal.
pub fn user_name() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let mut known = names.into_iter().filter_map(|name| std::env::var(name).ok());
    known.find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into())
}

#[derive(Args)]
pub struct RulesArguments {
    #[command(subcommand)]
    pub command: RulesCommand,
}

#[derive(Subcommand)]
pub enum RulesCommand {
    /// List every version that was in force, newest first: when, by what, its rules and decisions; and what was refused.
    History(ConfigArgument),
    /// Print the files of a version.
    Show(RulesShowArguments),
    /// Compare a version with another, or with what lies on disk, file by file and line by line.
    Diff(RulesDiffArguments),
    /// Lay the files of an earlier version down again. Nothing is deleted: what they replace goes to rules/replaced-DATE-TIME/.
    ///
    /// The earlier rules are checked first, against the models and peers of today. Without a digest: the version in force,
    /// when something else lies on disk (a broken edit, as a rule); otherwise the one that was in force before it.
    Rollback(RulesRollbackArguments),
}

#[derive(Args)]
pub struct RulesShowArguments {
    /// The first letters of its digest, as `gantry rules history` and `gantry explain` show it.
    pub digest: String,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct RulesDiffArguments {
    /// The first letters of a digest.
    pub from: String,
    /// The same of another version; without it, what lies on disk.
    pub to: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct RulesRollbackArguments {
    /// The first letters of a digest.
    pub digest: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct AssociationsArguments {
    /// Only what did not become an association.
    #[arg(long)]
    pub refused: bool,
    /// Only this calling AE title.
    #[arg(long, value_name = "AE_TITLE")]
    pub peer: Option<String>,
    /// How many, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub limit: u32,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct PeersArguments {
    /// Ask the name servers now.
    #[arg(long)]
    pub now: bool,
    /// As JSON: a list with `ae_title`, `configured`, `servers` and what is known of when and why.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct EchoArguments {
    /// The AE title of a peer that has an address or is discovered.
    pub ae_title: String,
    /// As JSON: a list with `step`, `good`, `says` and, where something is to be done, `then`.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct RetentionArguments {
    /// Only say what would go and what may not, segment by segment. Works beside a running node.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct ExportArguments {
    /// A Study, Series or SOP Instance UID, or `all`.
    pub what: String,
    /// The folder to write to; made if it is not there. Files are named by UID.
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct DemoArguments {
    /// Send the DICOM files of this folder instead of the phantom.
    #[arg(long, value_name = "FOLDER")]
    pub series: Option<PathBuf>,
    /// Deliver to this PACS instead of the demo's own.
    #[arg(long, value_name = "AET@HOST:PORT")]
    pub pacs: Option<String>,
    /// Where the received SR, SC and the picture of the overlay are laid.
    #[arg(long, value_name = "FOLDER", default_value = "gantry-demo")]
    pub to: PathBuf,
    /// The rules to decide by.
    #[arg(long, value_name = "FOLDER", default_value = "rules")]
    pub rules: PathBuf,
    /// The models to run.
    #[arg(long, value_name = "FOLDER", default_value = "models")]
    pub models: PathBuf,
    /// ONNX Runtime's library; default: ORT_DYLIB_PATH, beside the program, .onnxruntime/.
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
    /// Seconds of quiet after which the series counts as complete.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub quiet_seconds: f64,
}
