//! Serves `/metrics` over HTTP/1.1, to a few clients at a time, each for a short while.

use crate::config::Config;
use gantry_store::error::StoreError;
use gantry_store::reader::Reader;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Others wait in the backlog of the system.
const MOST_CONNECTIONS: usize = 8;
const FOR_THE_REQUEST: Duration = Duration::from_secs(10);
const FOR_ALL: Duration = Duration::from_secs(60);
/// However often it is asked, the database is asked no more often.
const FRESH: Duration = Duration::from_secs(5);
/// When no connection can be taken, as without free file handles.
const AFTER_A_FAILURE: Duration = Duration::from_millis(200);

type Answer = Response<String>;

/// Whoever wants to be told the metrics.
type Asked = oneshot::Sender<Option<String>>;

/// The one that asks the database, over a connection of its own: whether clients are many, slow or gone,
/// nothing else waits for them.
struct Counter {
    store: Reader,
    config: Arc<Config>,
    /// Opened with the first question, and anew after a failure.
    reader: Option<Reader>,
    /// What was told last, and when; nothing when the database could not be asked.
    last: Option<(Instant, Option<String>)>,
}

/// Runs until told to stop; connections end with it.
pub async fn serve(
    listener: TcpListener,
    reader: Reader,
    config: Arc<Config>,
    stop: CancellationToken,
) {
    let (ask, asked) = mpsc::channel(MOST_CONNECTIONS);
    let counter = Counter { store: reader, config, reader: None, last: None };
    let mut counting = JoinSet::new();
    counting.spawn(counter.run(asked));
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let ask = ask.clone();
                connections.spawn(async move {
                    let _place = place;
                    let _ = tokio::time::timeout(FOR_ALL, converse(stream, ask)).await;
                });
            }
            Err(error) => {
                tracing::warn!(station = "metrics", %error, "a connection could not be taken");
                tokio::time::sleep(AFTER_A_FAILURE).await;
            }
        }
    }
}

/// One request on each connection. What goes wrong with it is the client's to notice.
async fn converse(stream: TcpStream, ask: mpsc::Sender<Asked>) {
    let service = service_fn(move |request| {
        let ask = ask.clone();
        async move { Ok::<_, Infallible>(respond(&request, &ask).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(FOR_THE_REQUEST).keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(station = "metrics", %error, "a connection ended badly");
    }
}

async fn respond(request: &Request<Incoming>, ask: &mpsc::Sender<Asked>) -> Answer {
    if request.uri().path() != "/metrics" {
        return answer(StatusCode::NOT_FOUND, "metrics are at /metrics\n".into());
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, "GET them\n".into());
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let (asked, told) = oneshot::channel();
    // Without anybody who counts the node is stopping.
    let _ = ask.send(asked).await;
    match told.await {
        Ok(Some(text)) => answer(StatusCode::OK, text),
        Ok(None) | Err(_) => {
            answer(StatusCode::SERVICE_UNAVAILABLE, "the database cannot be asked\n".into())
        }
    }
}

impl Counter {
    async fn run(mut self, mut asked: mpsc::Receiver<Asked>) {
        while let Some(asked) = asked.recv().await {
            // It may have gone away meanwhile.
            if !asked.is_closed() {
                let _ = asked.send(self.told().await);
            }
        }
    }

    /// Whoever waited gets what the one before was told.
    async fn told(&mut self) -> Option<String> {
        if let Some((_, text)) = self.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return text.clone();
        }
        let text = match self.count().await {
            Ok(text) => Some(text),
            Err(error) => {
                tracing::warn!(station = "metrics", %error, "the database cannot be asked");
                self.reader = None;
                None
            }
        };
        self.last = Some((Instant::now(), text.clone()));
        text
    }

    async fn count(&mut self) -> Result<String, StoreError> {
        let reader = match &self.reader {
            Some(reader) => reader,
            None => self.reader.insert(self.store.apart().await?),
        };
        super::read(reader, &self.config).await
    }
}

fn answer(status: StatusCode, text: String) -> Answer {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let mut answer = Response::new(text);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    answer
}
