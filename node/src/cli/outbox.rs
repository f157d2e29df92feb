//! `gantry outbox`: what waits for peers, and what an admin does about it.

use super::{ConfigArgument, SaidArguments};
use clap::{Args, Subcommand};

#[derive(Args)]
pub struct OutboxArguments {
    #[command(subcommand)]
    pub command: OutboxCommand,
}

#[derive(Subcommand)]
pub enum OutboxCommand {
    /// List what is queued and parked, peer by peer, in the order in which it goes.
    List(OutboxListArguments),
    /// Try again at once what is parked or waits for its next try; a peer that was away is called at once.
    ///
    /// What was dropped is only queued again when it is named by its number.
    Retry(OutboxRetryArguments),
    /// Take deliveries out of the queue. They stay in the history, with who dropped them and why; `--why` is asked for.
    Drop(OutboxMeantArguments),
    /// Send nothing to a peer until it is resumed, over restarts too. What is on its way this very moment still goes.
    Pause(OutboxPeerArguments),
    /// Go on with a peer that was paused, and call one at once that could not be reached.
    Resume(OutboxPeerArguments),
}

#[derive(Args)]
pub struct OutboxListArguments {
    /// Only this peer.
    #[arg(long, value_name = "AE_TITLE")]
    pub peer: Option<String>,
    /// Only what is parked: it failed for good, and an admin must act.
    #[arg(long)]
    pub parked: bool,
    /// Only what was dropped, with who dropped it and why.
    #[arg(long)]
    pub dropped: bool,
    /// How many of each peer and state.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub limit: u32,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct OutboxRetryArguments {
    /// Whatever the peer says of the study: that it is not there any more, or is another patient's. `--why` is asked for.
    #[arg(long)]
    pub as_it_is: bool,
    #[command(flatten)]
    pub meant: OutboxMeantArguments,
}

#[derive(Args)]
pub struct OutboxMeantArguments {
    /// The number of a delivery, as `gantry outbox list` shows it; a Study, Series or SOP Instance UID, with the results
    /// that were made of it; or `all`.
    pub what: String,
    /// Only deliveries to this peer.
    #[arg(long, value_name = "AE_TITLE")]
    pub peer: Option<String>,
    #[command(flatten)]
    pub said: SaidArguments,
    #[command(flatten)]
    pub config: ConfigArgument,
}

#[derive(Args)]
pub struct OutboxPeerArguments {
    /// The AE title of the peer.
    pub peer: String,
    #[command(flatten)]
    pub said: SaidArguments,
    #[command(flatten)]
    pub config: ConfigArgument,
}
