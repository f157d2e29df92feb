//! `gantry echo`: calls a peer as the node would, and says at which step it fails and who must act.

use crate::cli::EchoArguments;
use crate::config::{Config, Login, Peer};
use crate::dimse::connect::connect;
use crate::dimse::requestor::{Association, Proposed, RequestError, RequestTimers, Target};
use crate::dimse::service::Security;
use crate::dimse::status;
use crate::output::line;
use crate::resolve::{Found, ResolveError, Resolver, Server};
use crate::tls::Tls;
use crate::transcode;
use dicom_dictionary_std::uids;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use serde::Serialize;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// One step on the way to the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: &'static str,
    pub good: bool,
    pub says: String,
    /// What is to be done, and by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

/// Somebody waits at the terminal.
const TIMERS: RequestTimers = RequestTimers {
    connect: Duration::from_secs(10),
    acse: Duration::from_secs(10),
    dimse: Duration::from_secs(10),
};

pub async fn run(arguments: &EchoArguments) -> Result<ExitCode, Box<dyn Error>> {
    let config = Arc::new(Config::load(&arguments.config.config)?);
    let peer = known(&config, &arguments.ae_title)?;
    let steps = call(&config, peer).await;
    match arguments.json {
        true => line!("{}", serde_json::to_string_pretty(&steps)?),
        false => steps.iter().for_each(tell),
    }
    Ok(if steps.iter().all(|step| step.good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn known<'c>(config: &'c Config, title: &str) -> Result<&'c Peer, String> {
    let known = AeTitle::parse(title).ok().and_then(|title| config.peers.get(&title));
    known.ok_or_else(|| {
        let receivers = config.receivers();
        let receivers = if receivers.is_empty() { "none".into() } else { receivers.join(", ") };
        format!("no [[peer]] is called {title:?}; those that receive: {receivers}")
    })
}

fn tell(step: &Step) {
    let word = if step.good { "good" } else { "FAILED" };
    line!("{:<12} {word:<7} {}", step.step, step.says);
    if let Some(then) = &step.then {
        line!("{:<12} {:<7} {then}", "", "then");
    }
}

/// All steps to the first that fails.
pub async fn call(config: &Arc<Config>, peer: &Peer) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Err(failed) = go(config, peer, &mut steps).await {
        steps.push(failed);
    }
    steps
}

async fn go(config: &Arc<Config>, peer: &Peer, steps: &mut Vec<Step>) -> Result<(), Step> {
    let found = Resolver::new(&config.dns).find(peer).await.map_err(|why| unfound(&why))?;
    steps.push(good("DNS", found_at(&found)));
    let tls = Tls::open(config).map_err(|why| {
        bad("TLS", why.to_string(), Some("you: mend [tls], as `gantry check` says"))
    })?;
    let identity = peer.login.as_ref().map(Login::identity).transpose();
    let identity = identity.map_err(|why| bad("login", why, Some("you: login of the peer")))?;
    let target = Target {
        identity,
        servers: found.addresses(),
        secured: tls.and_then(|tls| tls.secured(peer)),
        reports: false,
        called: peer.ae_title.clone(),
        calling: config.ae_title.clone(),
        timers: TIMERS,
        maximum_pdu: 131_072,
    };
    let stream = connect(&target.servers, TIMERS.connect).await;
    let stream = stream.map_err(|why| unreached(&RequestError::from(why)))?;
    let reached = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    steps.push(good("TCP", format!("{reached} takes connections")));

    let verification = Uid::parse(uids::VERIFICATION);
    let verification = verification.map_err(|why| bad("context", why.to_string(), None))?;
    let proposed =
        Proposed { sop_class: verification.clone(), transfer_syntaxes: transcode::uncompressed() };
    let association = Association::over(stream, &target, &[proposed]).await;
    if let Err(RequestError::Tls { why, .. }) = &association {
        return Err(bad(
            "TLS",
            why.clone(),
            Some("whom these words name: you, or the peer's admin"),
        ));
    }
    let mut association = association.map_err(|why| unassociated(&why))?;
    if let Security::Tls { version, .. } = association.security() {
        steps.push(good(
            "TLS",
            format!("{version}; its certificate is good, and it took this node's"),
        ));
    }
    let titles = format!("{} took {}'s association", peer.ae_title, config.ae_title);
    steps.push(good("association", titles));

    let echoed = echo(&mut association, &verification, steps).await;
    association.release().await;
    echoed
}

async fn echo(
    association: &mut Association,
    verification: &Uid,
    steps: &mut Vec<Step>,
) -> Result<(), Step> {
    let Some(syntax) = association.accepted(verification).next() else {
        let why = association.refusal(verification).unwrap_or("refused");
        let then = "the peer's admin: allow Verification (1.2.840.10008.1.1) for our AE title; it may take images all the same";
        return Err(bad("context", format!("it does not take Verification: {why}"), Some(then)));
    };
    steps.push(good("context", format!("Verification in {syntax}")));
    let then = Some("the peer's admin: look into its log");
    match association.echo().await {
        Ok(status::SUCCESS) => {
            steps.push(good("C-ECHO", "answered 0000"));
            Ok(())
        }
        Ok(code) => {
            Err(bad("C-ECHO", format!("answered {code:04X}: {}", status::meaning(code)), then))
        }
        Err(why) => Err(bad("C-ECHO", why.to_string(), then)),
    }
}

fn found_at(found: &Found) -> String {
    let told = |server: &Server| {
        let addresses: Vec<String> = server.addresses.iter().map(ToString::to_string).collect();
        addresses.join(", ")
    };
    let servers: Vec<String> = found.servers.iter().map(told).collect();
    format!("{} by {}", servers.join("; "), found.source)
}

fn unfound(why: &ResolveError) -> Step {
    let then = match why {
        ResolveError::Unanswered { .. } => Some(
            "the network team: are the name servers up, and does [dns] servers name the right ones?",
        ),
        ResolveError::NotThere(_) | ResolveError::NoHost(_) => {
            Some("you: is the AE title or host name written as in the zone, and dns.domains right?")
        }
        _ => None,
    };
    bad("DNS", why.to_string(), then)
}

fn unreached(why: &RequestError) -> Step {
    let then = match why {
        RequestError::ConnectTimeout(_) => {
            "the network team: is the host up, and does a firewall drop what goes there?"
        }
        _ => "the peer's admin: is its DICOM service running, and on that port?",
    };
    bad("TCP", why.to_string(), Some(then))
}

/// What a rejection wants done stands in its own words.
fn unassociated(why: &RequestError) -> Step {
    let then = match why {
        _ if why.is_of_tls() => {
            return bad(
                "TLS",
                "it speaks TLS on that port, and is called without",
                Some(
                    "you: set tls = true of the peer, and [tls]; or its admin: which port takes DICOM without TLS?",
                ),
            );
        }
        RequestError::RejectedPermanent(_) => {
            Some("the peer's admin, or you where a title is wrong")
        }
        RequestError::RejectedTransient(_) => Some("nobody: try again later"),
        RequestError::NoAnswer(_) | RequestError::Protocol(_) | RequestError::Unexpected(_) => {
            Some("the peer's admin: does DICOM listen on that port, and without TLS?")
        }
        RequestError::Unconfirmed => Some("the peer's admin, or you"),
        RequestError::Aborted(_) => Some("the peer's admin: look into its log"),
        _ => None,
    };
    bad("association", why.to_string(), then)
}

fn good(step: &'static str, says: impl Into<String>) -> Step {
    Step { step, good: true, says: says.into(), then: None }
}

fn bad(step: &'static str, says: impl Into<String>, then: Option<&str>) -> Step {
    Step { step, good: false, says: says.into(), then: then.map(String::from) }
}
