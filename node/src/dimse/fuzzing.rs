//! PDUs, command sets and whole connections of any bytes, against what PS3.7 and PS3.8 ask of the answers.

use crate::dimse::acceptor::{AcceptorOptions, Timers};
use crate::dimse::command::{COMMAND_FIELD, Command, RESPONSE, STATUS};
use crate::dimse::conversation::{Conversation, Shared};
use crate::dimse::negotiation::VERIFICATION;
use crate::dimse::negotiation::acceptance::Acceptance;
use crate::dimse::negotiation::agreement::agree;
use crate::dimse::negotiation::request::Request;
use crate::dimse::pdu::{
    self, ABORT, ASSOCIATE_AC, ASSOCIATE_RJ, ASSOCIATE_RQ, Abort, HEADER, P_DATA, RELEASE_RP,
};
use crate::dimse::places::Places;
use crate::dimse::service::{
    Caller, DataSet, Ended, Record, Refusal, Service, StoreAnswer, StoreRequest, Terms,
    UserIdentity,
};
use bytes::Bytes;
use gantry_terms::storage_classes::is_storage_class;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The first byte is the type of the PDU, the rest its body.
pub fn pdu(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    match *kind {
        ASSOCIATE_RQ => request(body),
        ASSOCIATE_AC => drop(Acceptance::read(body)),
        P_DATA => values(body),
        _ => drop(Abort::read(&body).to_string()),
    }
}

/// Whatever can be read is answered, context by context, in a PDU that can be read.
fn request(body: Bytes) {
    let mut request = Request::default();
    if request.read(body.clone()).is_err() {
        return;
    }
    let agreement = agree(&request, &Terms::default(), |class, _| is_storage_class(class));
    drop(agreement.not_taken(&request));
    let answer = agreement.acceptance(&request, 16 << 10).expect("it can be encoded");
    check_acceptance(&answer[HEADER..], &request);
    assert_eq!(answer[10..74], body[4..68], "titles and reserved bytes are repeated");
}

fn check_acceptance(body: &[u8], request: &Request) -> Acceptance {
    let acceptance = Acceptance::read(Bytes::copy_from_slice(body)).expect("it can be read");
    let answered = acceptance.contexts.iter().map(|context| context.0);
    assert!(answered.eq(request.contexts.iter().map(|context| context.id)), "all are answered");
    for ((_, result, syntax), proposal) in acceptance.contexts.iter().zip(&request.contexts) {
        assert!(*result != 0 || proposal.transfer_syntaxes.contains(syntax), "it was offered");
    }
    acceptance
}

fn values(mut body: Bytes) {
    let length = body.len();
    if pdu::adds_up(&body, |_| true) {
        let values = std::iter::from_fn(|| pdu::take_value(&mut body));
        let taken: usize = values.map(|value| HEADER + value.data.len()).sum();
        assert_eq!(taken, length, "nothing of it is lost");
    }
}

/// A command set that can be read is written as it was, and can be answered.
pub fn command(input: &[u8]) {
    let Some(command) = Command::read(input) else { return };
    assert_eq!(Command::read(&command.write()[12..]).as_ref(), Some(&command));
    for element in 0..=0x1031 {
        drop((command.number(element), command.text(element), command.uid(element)));
    }
    let answer = Command::response_to(&command, 0x0117).write();
    assert_eq!(answer.len() % 2, 0);
    let answer = Command::read(&answer).expect("ours can be read");
    assert_eq!(answer.number(STATUS), Some(0x0117));
    assert!(answer.number(COMMAND_FIELD).is_some_and(|field| field & RESPONSE != 0));
}

/// Of the first byte: an association is there already, and the rest goes into P-DATA-TF PDUs.
const FRAMED: u8 = 0x80;

/// All that a peer says from its first byte to its last, over a socket of this machine.
pub fn association(input: &[u8]) {
    let said = match input.split_first() {
        Some((choice, rest)) if choice & FRAMED != 0 => [canned_request(), framed(rest)].concat(),
        Some((_, rest)) => rest.to_vec(),
        None => return,
    };
    let heard = RUNTIME.block_on(converse(&said));
    Answers::default().check(&heard, &said);
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts")
});

/// CT in Explicit VR Little Endian as context 1, verification as context 3.
fn canned_request() -> Vec<u8> {
    let item = |kind: u8, value: &[u8]| {
        [&[kind, 0][..], &(value.len() as u16).to_be_bytes(), value].concat()
    };
    let context = |id: u8, class: &str| {
        let syntax = item(0x40, b"1.2.840.10008.1.2.1");
        item(0x20, &[&[id, 0, 0, 0][..], &item(0x30, class.as_bytes()), &syntax].concat())
    };
    let body = [
        &b"\0\x01\0\0GANTRY          CT1             "[..],
        &[0; 32],
        &item(0x10, b"1.2.840.10008.3.1.1.1"),
        &context(1, "1.2.840.10008.5.1.4.1.1.2"),
        &context(3, VERIFICATION),
        &item(0x50, &item(0x51, &[0, 0, 0x40, 0])),
    ]
    .concat();
    [&[ASSOCIATE_RQ, 0][..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

/// Pieces behind a byte for their length, context and control header, one PDU each.
fn framed(mut rest: &[u8]) -> Vec<u8> {
    let mut pdus = Vec::new();
    while let [length, control, behind @ ..] = rest {
        let (data, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        pdus.extend_from_slice(&[P_DATA, 0]);
        pdus.extend_from_slice(&(data.len() as u32 + 6).to_be_bytes());
        pdus.extend_from_slice(&(data.len() as u32 + 2).to_be_bytes());
        pdus.extend_from_slice(&[1 + (control >> 2) % 2 * 2, control & 3]);
        pdus.extend_from_slice(data);
        rest = behind;
    }
    pdus
}

/// What the node says to a peer that says this and closes its side.
async fn converse(said: &[u8]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let peer = TcpStream::connect(address).await.expect("it listens");
    let (stream, address) = listener.accept().await.expect("a connection");
    let service = Arc::new(Taking::default());
    let second = Duration::from_secs(1);
    let shared = Arc::new(Shared {
        options: AcceptorOptions {
            timers: Timers { artim: second, idle: second, progress: second },
            ..AcceptorOptions::default()
        },
        service: service.clone(),
        associations: Places::new(1),
        waiting: Places::new(1),
        stop: CancellationToken::new(),
    });
    let waiting = shared.wait(address).unwrap_or_else(|_| panic!("nobody else is here"));
    let node =
        Conversation { shared: shared.clone(), address, number: 1, tls: None }.run(stream, waiting);
    let (mut reader, mut writer) = peer.into_split();
    let saying = async {
        // The node may have heard enough and closed.
        let _ = writer.write_all(said).await;
        let _ = writer.shutdown().await;
    };
    let mut heard = Vec::new();
    let hearing = async { reader.read_to_end(&mut heard).await.is_ok() };
    let (closed_well, (), ()) = tokio::join!(hearing, saying, node);
    service.check();
    let left = shared.associations.take("CT1".parse().expect("a title"), 1);
    assert!(left.is_ok(), "the place is free again");
    // Of a connection that was reset, part of the answers may be lost.
    if closed_well { heard } else { Vec::new() }
}

/// Takes every data set, and counts what it is told.
#[derive(Default)]
struct Taking {
    open: AtomicIsize,
    recorded: AtomicUsize,
}

impl Taking {
    fn check(&self) {
        assert_eq!(self.open.load(Ordering::Relaxed), 0, "what was opened is ended");
        assert!(self.recorded.load(Ordering::Relaxed) <= 1, "it is told of once");
    }
}

impl Service for Taking {
    async fn admit(&self, _: &Caller, _: Option<&UserIdentity>) -> Result<Terms, Refusal> {
        Ok(Terms::default())
    }

    async fn store(&self, _: StoreRequest, data: &mut DataSet<'_>) -> StoreAnswer {
        let mut first = None;
        while let Ok(Some(piece)) = data.chunk().await {
            first = first.or(piece.first().copied());
            // Some services do not read to the end.
            if first == Some(0xFF) {
                break;
            }
        }
        StoreAnswer { status: first.unwrap_or(0).into(), comment: Some("a\\ comment\n".into()) }
    }

    fn opened(&self, _: &Caller) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&self, _: &Caller, _: Ended) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn recorded(&self, record: Record) {
        drop(format!("{record:?}"));
        self.recorded.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was answered so far: whole PDUs, in an order that the standard knows.
#[derive(Default)]
struct Answers {
    agreed: Option<Vec<u8>>,
    command: Vec<u8>,
    over: bool,
    aborted: bool,
}

impl Answers {
    fn check(mut self, mut heard: &[u8], said: &[u8]) {
        while !heard.is_empty() {
            let (kind, body, rest) = first_pdu(heard);
            // Behind RJ and RP only an A-ABORT may follow, for what has no place there (AA-7).
            assert!(!self.aborted && (!self.over || kind == ABORT), "it has said its last word");
            match kind {
                ASSOCIATE_AC if self.agreed.is_none() => self.agreed = Some(agreed(body, said)),
                ASSOCIATE_RJ if self.agreed.is_none() => {
                    assert_eq!((body.len(), body[0]), (4, 0));
                    self.over = true;
                }
                P_DATA => self.response(Bytes::copy_from_slice(body)),
                RELEASE_RP if self.agreed.is_some() => self.over = true,
                ABORT => {
                    assert!(matches!(body, [0, 0, 0, 0] | [0, 0, 2, 0 | 1 | 2 | 6]), "{body:?}");
                    self.aborted = true;
                }
                kind => panic!("type {kind} has no place here"),
            }
            heard = rest;
        }
    }

    fn response(&mut self, mut body: Bytes) {
        let agreed = self.agreed.as_ref().expect("there is an association");
        assert!(pdu::adds_up(&body, |context| agreed.contains(&context)));
        while let Some(value) = pdu::take_value(&mut body) {
            assert!(value.is_command, "nothing but responses is sent");
            self.command.extend_from_slice(&value.data);
            if value.is_last {
                let answer = Command::read(&std::mem::take(&mut self.command));
                assert!(answer.is_some_and(|answer| answer.number(STATUS).is_some()));
            }
        }
    }
}

fn first_pdu(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (head, rest) = bytes.split_at(HEADER);
    let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
    let (body, rest) = rest.split_at(length as usize);
    (head[0], body, rest)
}

/// The contexts that were accepted of what the request asked for.
fn agreed(acceptance: &[u8], said: &[u8]) -> Vec<u8> {
    let mut request = Request::default();
    let asked = Bytes::copy_from_slice(first_pdu(said).1);
    request.read(asked).expect("what was accepted can be read");
    let contexts = check_acceptance(acceptance, &request).contexts;
    contexts.iter().filter(|context| context.1 == 0).map(|context| context.0).collect()
}
