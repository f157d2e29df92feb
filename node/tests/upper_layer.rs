//! What a peer may put on the wire, and what the acceptor answers (PS3.8 9.2, 9.3).

mod shelf;

use shelf::{CALLED, CALLING};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const APPLICATION: &[u8] = b"1.2.840.10008.3.1.1.1";
const VERIFICATION: &[u8] = b"1.2.840.10008.1.1";
const CT: &[u8] = b"1.2.840.10008.5.1.4.1.1.2";
const IMPLICIT: &[u8] = b"1.2.840.10008.1.2";
const EXPLICIT: &[u8] = b"1.2.840.10008.1.2.1";
const BIG_ENDIAN: &[u8] = b"1.2.840.10008.1.2.2";

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], (body.len() as u16).to_be_bytes().as_slice(), body].concat()
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], (body.len() as u32).to_be_bytes().as_slice(), body].concat()
}

fn context(id: u8, abstract_syntax: &[u8], syntaxes: &[&[u8]]) -> Vec<u8> {
    let syntaxes: Vec<u8> = syntaxes.iter().flat_map(|syntax| item(0x40, syntax)).collect();
    item(0x20, &[&[id, 0, 0, 0], item(0x30, abstract_syntax).as_slice(), &syntaxes].concat())
}

/// An A-ASSOCIATE-RQ of which each part can be made wrong.
struct Rq {
    called: &'static str,
    calling: &'static str,
    version: u16,
    application: &'static [u8],
    contexts: Vec<Vec<u8>>,
    user: Vec<u8>,
}

impl Rq {
    fn good() -> Self {
        Self {
            called: CALLED,
            calling: CALLING,
            version: 1,
            application: APPLICATION,
            contexts: vec![context(1, VERIFICATION, &[IMPLICIT])],
            user: item(0x50, &item(0x51, &16384u32.to_be_bytes())),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let title = |text: &str| format!("{text:<16}").into_bytes();
        let mut body = [self.version.to_be_bytes(), [0, 0]].concat();
        body.extend(title(self.called));
        body.extend(title(self.calling));
        body.extend([0; 32]);
        body.extend(item(0x10, self.application));
        body.extend(self.contexts.concat());
        body.extend(&self.user);
        pdu(1, &body)
    }
}

fn element(number: u16, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u32).to_le_bytes();
    [&[0, 0], number.to_le_bytes().as_slice(), &length, value].concat()
}

fn command(field: u16) -> Vec<u8> {
    [
        element(0x0002, &[VERIFICATION, b"\0"].concat()),
        element(0x0100, &field.to_le_bytes()),
        element(0x0110, &7u16.to_le_bytes()),
        element(0x0800, &0x0101u16.to_le_bytes()),
    ]
    .concat()
}

fn value(context: u8, control: u8, data: &[u8]) -> Vec<u8> {
    [(data.len() as u32 + 2).to_be_bytes().as_slice(), &[context, control], data].concat()
}

fn message(field: u16) -> Vec<u8> {
    pdu(4, &value(1, 3, &command(field)))
}

/// What comes back, in a few words.
fn answer(stream: &mut TcpStream) -> String {
    let mut head = [0; 6];
    if stream.read_exact(&mut head).is_err() {
        return "closed".into();
    }
    let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return "cut".into();
    }
    match head[0] {
        2 => format!("AC {}", contexts_of(&body)),
        3 => format!("RJ {}/{}/{}", body[1], body[2], body[3]),
        4 => {
            let status = body.windows(8).position(|w| w == b"\0\0\0\x09\x02\0\0\0");
            let status = status.map(|at| u16::from_le_bytes([body[at + 8], body[at + 9]]));
            format!("status {:04X}", status.unwrap_or(0xFFFF))
        }
        6 => "RP".into(),
        7 => format!("ABORT {}/{}", body[2], body[3]),
        kind => format!("PDU {kind:02X}"),
    }
}

/// Each context of an A-ASSOCIATE-AC: its result, and its syntax when it was accepted.
fn contexts_of(body: &[u8]) -> String {
    let (mut at, mut told) = (68, Vec::new());
    while at + 4 <= body.len() {
        let length = usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
        let item = &body[at + 4..at + 4 + length];
        if body[at] == 0x21 {
            let syntax = if item[2] == 0 { String::from_utf8_lossy(&item[8..]) } else { "".into() };
            told.push(format!("{}={}{}", item[0], item[2], syntax.replace("1.2.840.10008", ":")));
        }
        at += 4 + length;
    }
    told.join(" ")
}

fn check(address: SocketAddr, what: &str, sent: &[Vec<u8>], expected: &[&str]) {
    let mut stream = TcpStream::connect(address).expect("the acceptor listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out can be set");
    let mut answers = Vec::new();
    for bytes in sent {
        stream.write_all(bytes).expect("the acceptor reads");
        answers.push(answer(&mut stream));
    }
    assert_eq!(answers, expected, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_break_the_protocol_has_its_answer() {
    let (_, address, _) = shelf::start(8).await;
    let good = || Rq::good().bytes();
    let with = |change: fn(&mut Rq)| {
        let mut rq = Rq::good();
        change(&mut rq);
        rq.bytes()
    };
    let echo = message(0x0030);
    let release = pdu(5, &[0; 4]);
    tokio::task::spawn_blocking(move || {
        let accepted = "AC 1=0:.1.2";
        let check =
            |what: &str, sent: &[Vec<u8>], expected: &[&str]| check(address, what, sent, expected);
        check(
            "echo and release",
            &[good(), echo.clone(), release],
            &[accepted, "status 0000", "RP"],
        );
        check("called title", &[with(|rq| rq.called = "OTHER")], &["RJ 1/1/7"]);
        check("calling title", &[with(|rq| rq.calling = "STRANGER")], &["RJ 1/1/3"]);
        check("titles of spaces", &[with(|rq| rq.called = "")], &["RJ 1/1/7"]);
        check("application context", &[with(|rq| rq.application = b"1.2.3")], &["RJ 1/1/2"]);
        check("version 2 only", &[with(|rq| rq.version = 2)], &["RJ 1/2/2"]);
        check("versions 1 and 2", &[with(|rq| rq.version = 3)], &[accepted]);
        check("no context", &[with(|rq| rq.contexts.clear())], &["RJ 1/1/1"]);
        check("no user information", &[with(|rq| rq.user.clear())], &[accepted]);
        check(
            "an unknown user item",
            &[with(|rq| rq.user = item(0x50, &item(0x7F, b"what is this")))],
            &[accepted],
        );
        check(
            "every context is answered",
            &[with(|rq| {
                rq.contexts = vec![
                    context(1, b"1.2.3.4", &[IMPLICIT]),
                    context(3, CT, &[b"1.2.3.4"]),
                    context(5, CT, &[BIG_ENDIAN, IMPLICIT, EXPLICIT]),
                ]
            })],
            &["AC 1=3 3=4 5=0:.1.2.1"],
        );
        let even = with(|rq| rq.contexts = vec![context(2, VERIFICATION, &[IMPLICIT])]);
        check("an even context id", &[even], &["ABORT 2/6"]);
        let twice = with(|rq| rq.contexts = vec![context(1, VERIFICATION, &[IMPLICIT]); 2]);
        check("a context id twice", &[twice], &["ABORT 2/6"]);
        check("data first", &[echo.clone()], &["ABORT 0/0"]);
        check("a PDU of an unknown type", &[good(), pdu(0x20, &[0; 4])], &[accepted, "ABORT 2/1"]);
        check("a second request", &[good(), good()], &[accepted, "ABORT 2/2"]);
        check("a request of 4 GiB", &[b"\x01\0\xFF\xFF\xFF\xFF".to_vec()], &["ABORT 2/6"]);
        let huge = b"\x04\0\x20\0\0\0".to_vec();
        check("data of 512 MiB", &[good(), huge], &[accepted, "ABORT 2/6"]);
        let long = pdu(4, b"\0\0\0\xFF\x01\x03ab");
        check("a value longer than its PDU", &[good(), long], &[accepted, "ABORT 2/6"]);
        let foreign = pdu(4, &value(9, 3, &command(0x0030)));
        check("a foreign context", &[good(), foreign], &[accepted, "ABORT 2/6"]);
        check("an unknown command", &[good(), message(0x0999)], &[accepted, "status 0211"]);
        check("an answer to nothing", &[good(), message(0x8030)], &[accepted, "ABORT 2/6"]);
        check("HTTP", &[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()], &["ABORT 0/0"]);
        check("half a request, then silence", &[good()[..40].to_vec()], &["closed"]);
        let half = message(0x0030);
        check(
            "half a message, then silence",
            &[good(), half[..20].to_vec()],
            &[accepted, "ABORT 2/0"],
        );
        check("and still it answers", &[good(), echo], &[accepted, "status 0000"]);
    })
    .await
    .expect("the table holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_association_too_many_is_told_to_come_back() {
    let (shelf, address, _) = shelf::start(1).await;
    tokio::task::spawn_blocking(move || {
        let mut first = TcpStream::connect(address).expect("the acceptor listens");
        first.write_all(&Rq::good().bytes()).expect("the acceptor reads");
        assert_eq!(answer(&mut first), "AC 1=0:.1.2");
        check(address, "the second", &[Rq::good().bytes()], &["RJ 2/3/2"]);
        first.write_all(&message(0x0030)).expect("the first goes on");
        assert_eq!(answer(&mut first), "status 0000");
    })
    .await
    .expect("the first is served");
    let refused = shelf.refused.lock().expect("no panic").clone();
    assert!(refused.iter().any(|why| why.contains("2/3/2")), "{refused:?}");
}
