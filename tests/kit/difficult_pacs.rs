//! A PACS that misbehaves on purpose: it refuses classes, answers what it is told or never, aborts in the middle of a PDU, hangs up.

use crate::modality::{command_set, ui, us};
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextResult, PresentationContextResultReason,
    UserVariableItem, read_pdu, write_pdu,
};
use gantry_terms::transfer_syntaxes::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const ASSOCIATE_RQ: u8 = 1;
const P_DATA: u8 = 4;
const RELEASE_RQ: u8 = 5;
/// A-ABORT by the service user (PS3.8 9.3.8).
const ABORT: [u8; 10] = [7, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A-ASSOCIATE-RJ 2/3/2: for now, a local limit is exceeded (PS3.8 9.3.4).
const TOO_MANY: [u8; 10] = [3, 0, 0, 0, 0, 4, 0, 2, 3, 2];
const VERIFICATION: &str = "1.2.840.10008.1.1";

/// What it does with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Takes,
    Answers(u16),
    /// Takes it, but thinks for so long.
    Slowly(Duration),
    /// Reads it and never says anything.
    IsSilent,
    /// Sends an A-ABORT when so many bytes of it have come.
    AbortsAt(usize),
    /// Closes the connection when so many bytes of it have come.
    ClosesAt(usize),
}

/// What it saw so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Connections, whatever became of them.
    pub calls: usize,
    /// Associations that it accepted.
    pub associations: usize,
    /// Of these, those that are open now, and the most that were at a time.
    pub open: usize,
    pub most_open: usize,
    /// SOP Instance UIDs for which a C-STORE began, in order.
    pub begun: Vec<String>,
    /// Those that it took, in order.
    pub taken: Vec<String>,
    /// The data sets of these.
    pub data_sets: HashMap<String, Vec<u8>>,
}

pub struct DifficultPacs {
    pub ae_title: String,
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Seen>,
    /// Hangs up on whoever calls.
    is_away: AtomicBool,
    /// Associations that it takes at a time; more are told to come back later.
    most: AtomicUsize,
    takes_only_uncompressed: AtomicBool,
    refuses: Vec<String>,
    manner: Box<dyn Fn(&str) -> Manner + Send + Sync>,
}

impl DifficultPacs {
    /// One that does with each SOP instance what it is told, and refuses these SOP classes.
    pub fn up(
        ae_title: &str,
        refuses: &[&str],
        manner: impl Fn(&str) -> Manner + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            is_away: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
            takes_only_uncompressed: AtomicBool::new(false),
            refuses: refuses.iter().map(|class| class.to_string()).collect(),
            manner: Box::new(manner),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = serving.clone();
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { ae_title: ae_title.into(), port, shared }
    }

    /// From now on it hangs up on whoever calls, or no longer.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::SeqCst);
    }

    pub fn takes_associations(&self, most: usize) {
        self.shared.most.store(most, Ordering::SeqCst);
    }

    pub fn takes_only_uncompressed(&self) {
        self.shared.takes_only_uncompressed.store(true, Ordering::SeqCst);
    }

    pub fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One PDV (PS3.8 9.3.5.1).
struct Pdv<'a> {
    context: u8,
    is_command: bool,
    is_last: bool,
    data: &'a [u8],
}

/// The C-STORE in hand.
struct Storing {
    class: String,
    instance: String,
    message: u16,
    manner: Manner,
    data_set: Vec<u8>,
}

impl Shared {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Until either side has enough of it.
    fn serve(&self, mut stream: TcpStream) {
        self.note(|seen| seen.calls += 1);
        if self.is_away.load(Ordering::SeqCst) {
            return;
        }
        let _ = stream.set_nodelay(true);
        let mut is_open = false;
        let _ = self.converse(&mut stream, &mut is_open);
        if is_open {
            self.note(|seen| seen.open -= 1);
        }
    }

    fn converse(&self, stream: &mut TcpStream, is_open: &mut bool) -> io::Result<()> {
        let mut storing: Option<Storing> = None;
        let mut command = Vec::new();
        loop {
            let (kind, pdu) = read(stream)?;
            match kind {
                ASSOCIATE_RQ => {
                    let most = self.most.load(Ordering::SeqCst);
                    self.note(|seen| {
                        *is_open = seen.open < most;
                        seen.open += usize::from(*is_open);
                        seen.most_open = seen.most_open.max(seen.open);
                    });
                    if !*is_open {
                        return stream.write_all(&TOO_MANY);
                    }
                    self.accept(stream, &pdu)?;
                }
                P_DATA => {
                    for pdv in pdvs(&pdu) {
                        if pdv.is_command {
                            command.extend(pdv.data);
                            if pdv.is_last {
                                storing = self.begin(stream, pdv.context, &command)?;
                                command.clear();
                            }
                        } else if let Some(object) = &mut storing {
                            object.data_set.extend(pdv.data);
                            object.break_off(stream)?;
                            if pdv.is_last
                                && let Some(object) = storing.take()
                            {
                                self.end(stream, pdv.context, object)?;
                            }
                        }
                    }
                }
                RELEASE_RQ => return stream.write_all(&[6, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
                _ => return Ok(()),
            }
        }
    }

    fn accept(&self, stream: &mut TcpStream, pdu: &[u8]) -> io::Result<()> {
        let Ok(Some(Pdu::AssociationRQ(asked))) = read_pdu(pdu, 131_072, false) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let AssociationRQ { calling_ae_title, called_ae_title, application_context_name, .. } =
            asked.clone();
        let contexts = asked.presentation_contexts.iter().map(|context| {
            let is_refused = self.refuses.contains(&context.abstract_syntax);
            let only_uncompressed = self.takes_only_uncompressed.load(Ordering::SeqCst);
            let syntax = &context.transfer_syntaxes[0];
            let is_compressed = ![IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]
                .contains(&syntax.trim_end_matches('\0'));
            PresentationContextResult {
                id: context.id,
                reason: match is_refused {
                    true => PresentationContextResultReason::AbstractSyntaxNotSupported,
                    false if only_uncompressed && is_compressed => {
                        PresentationContextResultReason::TransferSyntaxesNotSupported
                    }
                    false => PresentationContextResultReason::Acceptance,
                },
                transfer_syntax: syntax.clone(),
            }
        });
        let accepted = Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title,
            called_ae_title,
            application_context_name,
            presentation_contexts: contexts.collect(),
            user_variables: vec![
                UserVariableItem::MaxLength(16_384),
                UserVariableItem::ImplementationClassUID("1.2.826.0.1.3680043.9.99".into()),
            ],
        });
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, &accepted).map_err(io::Error::other)?;
        self.note(|seen| seen.associations += 1);
        stream.write_all(&bytes)
    }

    fn begin(
        &self,
        stream: &mut TcpStream,
        context: u8,
        command: &[u8],
    ) -> io::Result<Option<Storing>> {
        let number = |element| {
            let value = value(command, element)?;
            Some(u16::from_le_bytes(value.get(..2)?.try_into().ok()?))
        };
        let text = |element| {
            let value = String::from_utf8_lossy(value(command, element).unwrap_or_default());
            value.trim_end_matches('\0').to_string()
        };
        let message = number(0x0110).unwrap_or_default();
        if number(0x0100) == Some(0x0030) {
            answer(stream, context, 0x8030, VERIFICATION, None, message, 0)?;
            return Ok(None);
        }
        let (class, instance) = (text(0x0002), text(0x1000));
        let manner = (self.manner)(&instance);
        self.note(|seen| seen.begun.push(instance.clone()));
        Ok(Some(Storing { class, instance, message, manner, data_set: Vec::new() }))
    }

    fn end(&self, stream: &mut TcpStream, context: u8, object: Storing) -> io::Result<()> {
        let status = match object.manner {
            Manner::Answers(status) => status,
            Manner::IsSilent => return Ok(()),
            Manner::Slowly(pause) => {
                thread::sleep(pause);
                0
            }
            _ => 0,
        };
        let Storing { class, instance, message, data_set, .. } = object;
        if status == 0 {
            self.note(|seen| {
                seen.taken.push(instance.clone());
                seen.data_sets.insert(instance.clone(), data_set);
            });
        }
        answer(stream, context, 0x8001, &class, Some(&instance), message, status)
    }
}

impl Storing {
    /// An error when the connection is to end here.
    fn break_off(&self, stream: &mut TcpStream) -> io::Result<()> {
        match self.manner {
            Manner::AbortsAt(bytes) if self.data_set.len() >= bytes => {
                stream.write_all(&ABORT)?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Manner::ClosesAt(bytes) if self.data_set.len() >= bytes => {
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Ok(()),
        }
    }
}

/// Type and bytes of the next PDU (PS3.8 9.3.1).
fn read(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut pdu = vec![0; 6];
    stream.read_exact(&mut pdu)?;
    let length = u32::from_be_bytes([pdu[2], pdu[3], pdu[4], pdu[5]]) as usize;
    pdu.resize(6 + length, 0);
    stream.read_exact(&mut pdu[6..])?;
    Ok((pdu[0], pdu))
}

fn pdvs(pdu: &[u8]) -> Vec<Pdv<'_>> {
    let (mut found, mut rest) = (Vec::new(), &pdu[6..]);
    while let Some((head, behind)) = rest.split_at_checked(6) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((data, behind)) = behind.split_at_checked(length.saturating_sub(2)) else { break };
        let (is_command, is_last) = (head[5] & 1 == 1, head[5] & 2 == 2);
        found.push(Pdv { context: head[4], is_command, is_last, data });
        rest = behind;
    }
    found
}

/// Of group 0000, in Implicit VR Little Endian (PS3.7 6.3.1).
fn value(mut command: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some((head, rest)) = command.split_at_checked(8) {
        let element = u16::from_le_bytes([head[2], head[3]]);
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (value, behind) = rest.split_at_checked(length)?;
        if element == wanted {
            return Some(value);
        }
        command = behind;
    }
    None
}

fn answer(
    stream: &mut TcpStream,
    context: u8,
    field: u16,
    class: &str,
    instance: Option<&str>,
    message: u16,
    status: u16,
) -> io::Result<()> {
    let mut elements = vec![
        (0x0002, ui(class)),
        (0x0100, us(field)),
        (0x0120, us(message)),
        (0x0800, us(0x0101)),
        (0x0900, us(status)),
    ];
    elements.extend(instance.map(|instance| (0x1000, ui(instance))));
    let command = command_set(&elements);
    let mut pdu = vec![P_DATA, 0];
    pdu.extend((command.len() as u32 + 6).to_be_bytes());
    pdu.extend((command.len() as u32 + 2).to_be_bytes());
    pdu.extend([context, 3]);
    pdu.extend(command);
    stream.write_all(&pdu)
}
