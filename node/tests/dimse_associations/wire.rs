//! A peer that sends whatever bytes a test wants, and says in short words what comes back.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub struct Wire {
    pub stream: TcpStream,
}

impl Wire {
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream }
    }

    /// From an address of our own on the loopback, which is a whole network.
    pub async fn connect_from(address: [u8; 4], port: u16) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((address, 0).into()).expect("an address of the loopback");
        let to = ([127, 0, 0, 1], port).into();
        Self { stream: socket.connect(to).await.expect("it listens") }
    }

    /// The peer may be gone already: what it said is read afterwards.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// `AC`, `RJ 1/1/7`, `ABORT 2/6`, `0000` (a status), `RQ`, `RP`, `P-DATA`, `closed`, `silence`.
    pub async fn heard(&mut self) -> String {
        match timeout(Duration::from_secs(10), self.pdu()).await {
            Err(_) => "silence".into(),
            Ok(None) => "closed".into(),
            Ok(Some((kind, body))) => in_words(kind, &body),
        }
    }

    /// Type and body, nothing when the connection is closed.
    pub async fn pdu(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 6];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((head[0], body))
    }
}

fn in_words(kind: u8, body: &[u8]) -> String {
    match kind {
        1 => "A-ASSOCIATE-RQ".into(),
        2 => "AC".into(),
        3 => format!("RJ {}/{}/{}", body[1], body[2], body[3]),
        4 => status(body).map_or("P-DATA".into(), |status| format!("{status:04X}")),
        5 => "RQ".into(),
        6 => "RP".into(),
        7 => format!("ABORT {}/{}", body[2], body[3]),
        other => format!("type {other:02X}"),
    }
}

fn status(body: &[u8]) -> Option<u16> {
    let head = [0, 0, 0, 9, 2, 0, 0, 0];
    let at = body.windows(8).position(|window| window == head)?;
    Some(u16::from_le_bytes([body[at + 8], body[at + 9]]))
}

pub fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], &(body.len() as u32).to_be_bytes()[..], body].concat()
}

pub fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], &(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// A proposed presentation context.
pub fn context(id: u8, class: &str, syntaxes: &[&str]) -> Vec<u8> {
    let mut body = vec![id, 0, 0, 0];
    body.extend(item(0x30, class.as_bytes()));
    body.extend(syntaxes.iter().flat_map(|syntax| item(0x40, syntax.as_bytes())));
    item(0x20, &body)
}

pub fn user_information(maximum: u32, further: &[u8]) -> Vec<u8> {
    let length = item(0x51, &maximum.to_be_bytes());
    item(0x50, &[&length, &item(0x52, b"1.2.3.4")[..], further].concat())
}

/// An A-ASSOCIATE-RQ, by the book unless a test changes it.
pub struct Asked {
    pub version: u16,
    pub called: &'static [u8; 16],
    pub calling: &'static [u8; 16],
    pub application_context: &'static str,
    pub contexts: Vec<Vec<u8>>,
    pub user: Vec<u8>,
}

impl Asked {
    pub fn new(contexts: Vec<Vec<u8>>) -> Self {
        Self {
            version: 1,
            called: b"NODE            ",
            calling: b"PROBE           ",
            application_context: "1.2.840.10008.3.1.1.1",
            contexts,
            user: user_information(16_384, &[]),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([0, 0]);
        body.extend(self.called);
        body.extend(self.calling);
        body.extend(1..=32);
        body.extend(item(0x10, self.application_context.as_bytes()));
        body.extend(self.contexts.concat());
        body.extend(&self.user);
        pdu(1, &body)
    }
}

/// A presentation data value; `control` has bit 0 for a command, bit 1 for the last.
pub fn value(context: u8, control: u8, data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32 + 2).to_be_bytes()[..], &[context, control], data].concat()
}

pub fn p_data(values: &[Vec<u8>]) -> Vec<u8> {
    pdu(4, &values.concat())
}

pub fn element(number: u16, value: &[u8]) -> Vec<u8> {
    let [low, high] = number.to_le_bytes();
    [&[0, 0, low, high], &(value.len() as u32).to_le_bytes()[..], value].concat()
}

/// A command set of elements that are given or left out one by one.
pub struct Told {
    pub field: u16,
    pub message: Option<u16>,
    pub class: Option<&'static str>,
    pub instance: Option<&'static str>,
    pub data_set_type: u16,
}

impl Told {
    pub fn echo() -> Self {
        Self {
            field: 0x0030,
            message: Some(7),
            class: Some("1.2.840.10008.1.1"),
            instance: None,
            data_set_type: 0x0101,
        }
    }

    pub fn store(class: &'static str, instance: &'static str) -> Self {
        Self {
            field: 0x0001,
            message: Some(9),
            class: Some(class),
            instance: Some(instance),
            data_set_type: 0,
        }
    }

    /// The command set, in one value.
    pub fn value(&self, context: u8) -> Vec<u8> {
        value(context, 3, &self.bytes())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let padded = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            bytes
        };
        let mut elements = Vec::new();
        if let Some(class) = self.class {
            elements.extend(element(0x0002, &padded(class)));
        }
        elements.extend(element(0x0100, &self.field.to_le_bytes()));
        if let Some(message) = self.message {
            elements.extend(element(0x0110, &message.to_le_bytes()));
        }
        elements.extend(element(0x0800, &self.data_set_type.to_le_bytes()));
        if let Some(instance) = self.instance {
            elements.extend(element(0x1000, &padded(instance)));
        }
        let mut bytes = element(0, &(elements.len() as u32).to_le_bytes());
        bytes.extend(elements);
        bytes
    }
}

pub fn release() -> Vec<u8> {
    pdu(5, &[0; 4])
}
