//! The program `gantry`: arguments, logging, the command, and its exit status.

use clap::Parser;
use gantry::cli::{Cli, Command};
use gantry::{
    associations, backtest, check, demo, doctor, echo, explain, lab, maintenance, metrics, models,
    outbox, peers, pseudonym, reproduce, retain, rules, serve, show, status,
};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Headers are thousands of small pieces that one thread makes and another frees: half the time of
/// the C library's allocator, and memory that goes back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.command);
    if matches!(cli.command, Command::Worker) {
        return work();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("gantry: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli.command));
    // A look-up of a name that nobody waits for any more may take the name server's time.
    runtime.shutdown_timeout(LAST_WAIT);
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gantry: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments.config).await,
        Command::Check(arguments) => check::run(&arguments).await,
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Status(it) if it.metrics => metrics::print(&it.config.config).await,
        Command::Status(it) => status::run(&it.config.config).await,
        Command::Models(arguments) => models::run(&arguments.command).await,
        Command::Rules(arguments) => rules::run(&arguments.command).await,
        Command::Explain(arguments) => explain::run(&arguments).await,
        Command::Show(arguments) => show::run(&arguments).await,
        Command::Reproduce(arguments) => reproduce::run(&arguments).await,
        Command::Backtest(arguments) => backtest::run(&arguments).await,
        Command::Outbox(arguments) => outbox::run(&arguments.command).await,
        Command::Associations(arguments) => associations::run(&arguments).await,
        Command::Peers(arguments) => peers::run(&arguments).await,
        Command::Echo(arguments) => echo::run(&arguments).await,
        Command::Pseudonym(arguments) => pseudonym::run(&arguments).await,
        Command::Export(arguments) => maintenance::export(&arguments).await,
        Command::Reindex(arguments) => maintenance::reindex(&arguments.config).await,
        Command::Verify(arguments) => maintenance::verify(&arguments.config).await,
        Command::Retention(arguments) => retain::command(&arguments).await,
        Command::Lab(command) => lab::run(&command).await,
        Command::Demo(arguments) => demo::run(&arguments).await,
        // Served before there was a runtime.
        Command::Worker => Ok(ExitCode::FAILURE),
    }
}

/// For the node at the other end of standard input.
fn work() -> ExitCode {
    match gantry_inference::worker::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry worker: {error}; a node starts this, nobody else");
            ExitCode::FAILURE
        }
    }
}

/// The node's log goes to standard error; `GANTRY_LOG` filters it (as in `info,gantry=debug`).
fn log(command: &Command) {
    let quiet = !matches!(command, Command::Serve(_));
    let default = if quiet { "error" } else { "info,jpeg2k=warn,sqlx=warn,ort=warn" };
    let filter = EnvFilter::try_from_env("GANTRY_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
