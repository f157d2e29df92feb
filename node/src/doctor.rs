//! `gantry doctor`: looks at all that a node needs of its machine, and says line by line what is good, what is missing, and who must act.

mod machine;
mod models;

use crate::cli::DoctorArguments;
use crate::config::Config;
use crate::output::line;
use serde::Serialize;
use std::process::ExitCode;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub what: &'static str,
    pub state: State,
    pub says: String,
    /// What is to be done, and by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    /// Missing, and the node runs without.
    Note,
    /// The node does not start, or not as it was asked to.
    Bad,
}

impl Line {
    fn good(what: &'static str, says: impl Into<String>) -> Self {
        Self { what, state: State::Good, says: says.into(), then: None }
    }

    fn note(what: &'static str, says: impl Into<String>, then: impl Into<String>) -> Self {
        Self { what, state: State::Note, says: says.into(), then: Some(then.into()) }
    }

    fn bad(what: &'static str, says: impl Into<String>, then: impl Into<String>) -> Self {
        Self { what, state: State::Bad, says: says.into(), then: Some(then.into()) }
    }
}

/// Exit status 0 when a node would start, and do all that its configuration asks for.
pub fn run(arguments: &DoctorArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let lines = look(arguments);
    if arguments.json {
        line!("{}", serde_json::to_string_pretty(&lines)?);
    } else {
        lines.iter().for_each(tell);
    }
    let bad = lines.iter().filter(|line| line.state == State::Bad).count();
    if bad == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.json {
        line!("{bad} to be mended before `gantry serve`");
    }
    Ok(ExitCode::FAILURE)
}

/// All lines. What needs a configuration is left out where there is none that can be read.
pub fn look(arguments: &DoctorArguments) -> Vec<Line> {
    let file = &arguments.config.config;
    let mut lines = Vec::new();
    let config = match Config::load(file) {
        Ok(config) => {
            let peers = config.peers.len();
            lines.push(Line::good("configuration", format!("{}: {peers} peers", file.display())));
            Some(config)
        }
        Err(problems) => {
            let then = "the admin mends the file; node.example.toml explains every key";
            lines.push(Line::bad("configuration", problems.to_string(), then));
            None
        }
    };
    let inference = config.as_ref().map(|config| config.inference.clone()).unwrap_or_default();
    let library = config.as_ref().and_then(|config| config.onnxruntime.as_deref());
    let found = models::Found::look(library, &inference);
    lines.extend(found.lines());
    if let Some(config) = &config {
        lines.extend(found.models(config));
        lines.extend(machine::look(config));
    }
    lines.push(machine::clock(config.as_ref()));
    lines
}

fn tell(line: &Line) {
    let Line { what, state, says, then } = line;
    let state = match state {
        State::Good => "good",
        State::Note => "note",
        State::Bad => "BAD",
    };
    // What has several lines stays together.
    let says = says.replace('\n', "\n                          ");
    line!("{state:<5} {what:<18}  {says}");
    if let Some(then) = then {
        line!("                          -> {then}");
    }
}
