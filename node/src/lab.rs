//! `gantry lab`: peers that misbehave on purpose, to see what a node, its queues and its admin make of them.

use crate::cli::{LabCommand, LabPacsArguments};
use crate::dimse::lab::{LabPacs, Manner};
use crate::output::line;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub async fn run(command: &LabCommand) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        LabCommand::Pacs(arguments) => pacs(arguments).await,
    }
}

/// Until Ctrl-C or SIGTERM.
async fn pacs(arguments: &LabPacsArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (manner, every) = (manner(arguments), arguments.every.max(1));
    let count = AtomicU64::new(0);
    let of_each = move |_: &str| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        if number.is_multiple_of(every) { manner } else { Manner::Takes }
    };
    let refuses: Vec<&str> = arguments.refuse.iter().map(String::as_str).collect();
    let told = Box::new(|what: &str| tracing::info!("{what}"));
    let pacs = LabPacs::up(&arguments.listen, &refuses, false, of_each, told)
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    pacs.set_away(arguments.away);
    pacs.set_lost(arguments.lose);
    if arguments.uncompressed {
        pacs.takes_only_uncompressed();
    }
    pacs.takes_associations(arguments.associations);
    line!("a PACS listens on {} under any AE title; {}", pacs.address, described(manner, every));
    line!("it keeps nothing. Ctrl-C ends it");
    crate::serve::wait_for_signal().await?;
    let seen = pacs.seen();
    line!(
        "{} calls, {} associations, {} objects begun, {} taken, {} requests to commit",
        seen.calls,
        seen.associations,
        seen.begun.len(),
        seen.taken.len(),
        seen.asked
    );
    Ok(ExitCode::SUCCESS)
}

/// The command line lets one of them through at the most.
fn manner(arguments: &LabPacsArguments) -> Manner {
    let LabPacsArguments { answer, slow, silent, abort_at, close_at, .. } = arguments;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    match (answer, slow, silent, abort_at, close_at) {
        (Some(status), ..) => Manner::Answers(*status),
        (_, Some(slow), ..) => Manner::Slowly(seconds(*slow)),
        (_, _, true, ..) => Manner::IsSilent,
        (.., Some(bytes), _) => Manner::AbortsAt(*bytes),
        (.., Some(bytes)) => Manner::ClosesAt(*bytes),
        _ => Manner::Takes,
    }
}

fn described(manner: Manner, every: u64) -> String {
    let which = if every == 1 { "each object".into() } else { format!("one object in {every}") };
    match manner {
        Manner::Takes => "it takes each object".into(),
        Manner::Answers(status) => format!("{which} is answered {status:04X}"),
        Manner::Slowly(pause) => format!("{which} is answered after {pause:?}"),
        Manner::IsSilent => format!("{which} is read and never answered"),
        Manner::AbortsAt(bytes) => format!("{which} is aborted at {bytes} bytes"),
        Manner::ClosesAt(bytes) => format!("{which} is hung up on at {bytes} bytes"),
    }
}
