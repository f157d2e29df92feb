//! `gantry pseudonym`: what left here without its patient under which name, in both directions; and another key where the old one is lost.

use crate::audit::{self, events};
use crate::cli::{PseudonymArguments, user_name};
use crate::config::Config;
use crate::deidentify;
use crate::explain::when;
use crate::output::{line, say};
use crate::serve::store_options;
use gantry_store::pseudonyms::PseudonymRow;
use gantry_store::store::Store;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

pub async fn run(arguments: &PseudonymArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let by = arguments.by.clone().unwrap_or_else(user_name);
    match &arguments.value {
        Some(value) => tell(&config, value.trim(), &by).await,
        None => take_key(&config, &by).await,
    }
}

async fn tell(config: &Config, value: &str, by: &str) -> Result<ExitCode, Failure> {
    let reader = Store::open_reader(&config.data).await?;
    let rows = reader.pseudonyms(value).await?;
    // By the names that things have outside: the trail does not say whose they are.
    let names: Vec<&str> = rows.iter().map(|row| row.name.pseudonym.as_str()).collect();
    let asked = match names.is_empty() {
        true => "a name that nothing has".to_owned(),
        false => format!("what is called {}", names.join(", ")),
    };
    audit::record(config, |this| {
        vec![events::restricted(this, by, "pseudonyms", &format!("looked up {asked}"))]
    })?;
    if rows.is_empty() {
        line!(
            "nothing left here under this name, and nothing of this name left\n  help: names are compared as a whole; \
             where uids = \"kept\" UIDs are outside what they are here"
        );
        return Ok(ExitCode::FAILURE);
    }
    say(&rows.iter().map(told).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

fn told(row: &PseudonymRow) -> String {
    format!(
        "{} {}\n  is outside {} (profile {})\n  left first at {}, last within a day of {}\n",
        row.name.kind,
        row.name.original,
        row.name.pseudonym,
        row.profile,
        when(row.first_at),
        when(row.last_at)
    )
}

async fn take_key(config: &Config, by: &str) -> Result<ExitCode, Failure> {
    let store = Store::open(store_options(config)).await?;
    let taken = taken(config, &store, by).await;
    store.close().await;
    line!("{}", taken?);
    Ok(ExitCode::SUCCESS)
}

async fn taken(config: &Config, store: &Store, by: &str) -> Result<String, Failure> {
    let file = config.data.join(deidentify::KEY_FILE).display().to_string();
    let key = deidentify::key(&config.data).map_err(|error| format!("{file}: {error}"))?;
    let known = store.reader().key_fingerprint().await?;
    if known.as_deref() == Some(&key.fingerprint()) {
        return Ok(format!("{file} is the key that pseudonyms are made with: nothing changed"));
    }
    audit::record(config, |this| {
        vec![events::restricted(this, by, "pseudonyms", "another key makes them from now on")]
    })?;
    store.know_key(&key.fingerprint(), Some(by)).await?;
    Ok(format!("pseudonyms are made with {file} from now on; keep a copy of it in another place"))
}
