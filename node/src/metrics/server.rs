//! Serves `/metrics` over HTTP/1.1, to a few clients at a time, each for a short while.

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
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Others wait in the backlog of the system.
const MOST_CONNECTIONS: usize = 8;
const FOR_THE_REQUEST: Duration = Duration::from_secs(10);
const FOR_ALL: Duration = Duration::from_secs(60);
/// However often it is asked, the database is asked no more often.
const FRESH: Duration = Duration::from_secs(1);
/// When no connection can be taken, as without free file handles.
const AFTER_A_FAILURE: Duration = Duration::from_millis(200);

type Answer = Response<String>;

struct Metrics {
    reader: Reader,
    /// What was told last, and when.
    last: Mutex<Option<(Instant, String)>>,
}

/// Runs until told to stop; connections end with it.
pub async fn serve(listener: TcpListener, reader: Reader, stop: CancellationToken) {
    let metrics = Arc::new(Metrics { reader, last: Mutex::new(None) });
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
                let metrics = metrics.clone();
                connections.spawn(async move {
                    let _place = place;
                    let _ = tokio::time::timeout(FOR_ALL, converse(stream, metrics)).await;
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
async fn converse(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(move |request| {
        let metrics = metrics.clone();
        async move { Ok::<_, Infallible>(metrics.answer(&request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(FOR_THE_REQUEST).keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(station = "metrics", %error, "a connection ended badly");
    }
}

impl Metrics {
    async fn answer(&self, request: &Request<Incoming>) -> Answer {
        if request.uri().path() != "/metrics" {
            return answer(StatusCode::NOT_FOUND, "metrics are at /metrics\n".into());
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, "GET them\n".into());
            refused
                .headers_mut()
                .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        // Asked one at a time: whoever waited gets what the one before was told.
        let mut last = self.last.lock().await;
        if let Some((_, text)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return answer(StatusCode::OK, text.clone());
        }
        match super::read(&self.reader).await {
            Ok(text) => {
                *last = Some((Instant::now(), text.clone()));
                answer(StatusCode::OK, text)
            }
            Err(error) => {
                tracing::warn!(station = "metrics", %error, "the database cannot be asked");
                answer(StatusCode::SERVICE_UNAVAILABLE, "the database cannot be asked\n".into())
            }
        }
    }
}

fn answer(status: StatusCode, text: String) -> Answer {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let mut answer = Response::new(text);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    answer
}
