//! The demo's PACS: a small Storage SCP of its own that keeps what it receives in memory, or the address of a real one.

use crate::dimse::acceptor::{
    self, AcceptorOptions, Caller, DataSet, Refusal, Service, StoreAnswer, StoreRequest, Terms,
    UserIdentity,
};
use crate::dimse::record::{End, Record};
use crate::dimse::status;
use crate::ledger;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where results go.
pub enum Pacs {
    Own {
        ae_title: AeTitle,
        address: String,
        archive: Arc<Archive>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    },
    Elsewhere {
        ae_title: AeTitle,
        address: String,
    },
}

/// What the demo's own PACS received.
#[derive(Default)]
pub struct Archive {
    received: Mutex<Vec<Received>>,
}

#[derive(Clone)]
pub struct Received {
    pub sop_instance: Uid,
    pub at: Moment,
    pub data_set: Vec<u8>,
}

impl Pacs {
    pub async fn start(ae_title: AeTitle) -> Result<Self, Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let archive = Arc::new(Archive::default());
        let stop = CancellationToken::new();
        let options = AcceptorOptions { maximum_associations: 8, ..AcceptorOptions::default() };
        let task = tokio::spawn(acceptor::serve(listener, options, archive.clone(), stop.clone()));
        Ok(Self::Own { ae_title, address, archive, stop, task })
    }

    /// `AET@HOST:PORT`.
    pub fn elsewhere(written: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let help =
            || format!("--pacs {written:?}: write it as AET@HOST:PORT, as in PACS@10.0.0.5:104");
        let (title, address) = written.split_once('@').ok_or_else(help)?;
        let port = address.rsplit_once(':').map(|(_, port)| port).ok_or_else(help)?;
        port.parse::<u16>().map_err(|_| help())?;
        Ok(Self::Elsewhere { ae_title: AeTitle::parse(title)?, address: address.into() })
    }

    pub fn ae_title(&self) -> &AeTitle {
        match self {
            Self::Own { ae_title, .. } | Self::Elsewhere { ae_title, .. } => ae_title,
        }
    }

    pub fn address(&self) -> &str {
        match self {
            Self::Own { address, .. } | Self::Elsewhere { address, .. } => address,
        }
    }

    pub fn described(&self) -> String {
        let whose = match self {
            Self::Own { .. } => "the demo's own",
            Self::Elsewhere { .. } => "a real one",
        };
        format!("{} on {}, {whose}", self.ae_title(), self.address())
    }

    /// What the demo's own PACS has; nothing is known of a real one but its answers.
    pub fn received(&self) -> Vec<Received> {
        match self {
            Self::Own { archive, .. } => archive.received(),
            Self::Elsewhere { .. } => Vec::new(),
        }
    }

    pub async fn stop(self) {
        if let Self::Own { stop, task, .. } = self {
            stop.cancel();
            let _ = task.await;
        }
    }
}

impl Archive {
    fn received(&self) -> Vec<Received> {
        self.received.lock().map(|received| received.clone()).unwrap_or_default()
    }
}

impl Service for Archive {
    async fn admit(&self, _: &Caller, _: Option<&UserIdentity>) -> Result<Terms, Refusal> {
        Ok(Terms::default())
    }

    async fn store(&self, request: StoreRequest, data: &mut DataSet<'_>) -> StoreAnswer {
        let mut data_set = Vec::new();
        loop {
            match data.chunk().await {
                Ok(Some(chunk)) => data_set.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => return StoreAnswer { status: status::CANNOT_UNDERSTAND, comment: None },
            }
        }
        let received = Received { sop_instance: request.sop_instance, at: Moment::now(), data_set };
        if let Ok(mut all) = self.received.lock() {
            all.push(received);
        }
        StoreAnswer { status: status::SUCCESS, comment: None }
    }

    fn recorded(&self, record: Record) {
        if !matches!(record.end, End::Released) {
            let how = ledger::explanation(&record.end);
            tracing::warn!(how, "an association with the demo's PACS did not end well");
        }
    }
}
