//! A PACS that misbehaves on purpose: it refuses classes, answers what it is told or never, aborts in the middle of a PDU, hangs up, loses what it took.

use super::command::{
    AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, C_ECHO_RQ, C_FIND_RQ, C_STORE_RQ,
    COMMAND_FIELD, Command, MESSAGE_ID, N_ACTION_RQ, N_EVENT_REPORT_RQ, RESPONSE,
};
use super::commitment::{COMMITMENT, NO_SUCH_INSTANCE, Report, Request};
use super::find::{self, ImageQuery, PENDING};
use super::pdu::{ABORT as ABORTED, ASSOCIATE_RQ, HEADER, P_DATA, Values, encoded, take_value};
use super::status;
use bytes::Bytes;
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextResult, PresentationContextResultReason,
    UserVariableItem, read_pdu,
};
use gantry_terms::transfer_syntaxes::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use gantry_terms::uid::Uid;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longer PDUs are not read: this takes no more memory than it is worth.
const LONGEST: usize = 1 << 20;
const RELEASE_RQ: u8 = 5;
const RELEASED: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A-ABORT by the service user (PS3.8 9.3.8).
const ABORT: [u8; 10] = [ABORTED, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A-ASSOCIATE-RJ 2/3/2: for now, a local limit is exceeded (PS3.8 9.3.4).
const TOO_MANY: [u8; 10] = [3, 0, 0, 0, 0, 4, 0, 2, 3, 2];

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
    /// The data sets of these, where they are kept.
    pub data_sets: HashMap<String, Vec<u8>>,
    /// Requests for storage commitment.
    pub asked: usize,
    /// The SOP Instance UIDs of each C-FIND.
    pub sought: Vec<Vec<String>>,
}

/// What it does with a C-FIND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finds {
    /// Tells what it has, whether it was asked for one or for a list.
    All,
    /// Has nothing for who asks for a list.
    OnlySingles,
    /// Tells what it has, and ends with this status.
    ThenFails(u16),
    /// Tells what it has, and aborts.
    ThenAborts,
}

/// One that is up until the process ends.
pub struct LabPacs {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// What it is told that happens.
pub type Told = Box<dyn Fn(&str) + Send + Sync>;

struct Shared {
    seen: Mutex<Seen>,
    /// Hangs up on whoever calls.
    is_away: AtomicBool,
    /// Associations that it takes at a time; more are told to come back later.
    most: AtomicUsize,
    takes_only_uncompressed: AtomicBool,
    /// Says of all that it took that it has nothing of it.
    has_lost: AtomicBool,
    finds: Mutex<Finds>,
    keeps_data: bool,
    refuses: Vec<String>,
    manner: Box<dyn Fn(&str) -> Manner + Send + Sync>,
    told: Told,
}

impl LabPacs {
    /// One that does with each SOP instance what it is told, refuses these SOP classes, and keeps the data sets in memory
    /// if it is to.
    pub fn up(
        listen: impl ToSocketAddrs,
        refuses: &[&str],
        keeps_data: bool,
        manner: impl Fn(&str) -> Manner + Send + Sync + 'static,
        told: Told,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            is_away: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
            takes_only_uncompressed: AtomicBool::new(false),
            has_lost: AtomicBool::new(false),
            finds: Mutex::new(Finds::All),
            keeps_data,
            refuses: refuses.iter().map(|class| class.to_string()).collect(),
            manner: Box::new(manner),
            told,
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = serving.clone();
                thread::spawn(move || shared.serve(stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// From now on it does this with each C-FIND.
    pub fn set_finds(&self, finds: Finds) {
        *self.shared.finds.lock().unwrap_or_else(PoisonError::into_inner) = finds;
    }

    /// From now on it tells storage commitment and C-FIND that it has nothing, or no longer so.
    pub fn set_lost(&self, has_lost: bool) {
        self.shared.has_lost.store(has_lost, Ordering::SeqCst);
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

/// The message in hand.
struct Message {
    command: Command,
    instance: String,
    manner: Manner,
    data_set: Vec<u8>,
}

/// What was agreed on, and what is under way.
#[derive(Default)]
struct Conversation {
    /// Transfer syntaxes by context.
    syntaxes: HashMap<u8, Uid>,
    is_open: bool,
    command: Vec<u8>,
    message: Option<Message>,
}

impl Shared {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Until either side has enough of it.
    fn serve(&self, mut stream: TcpStream) {
        self.note(|seen| seen.calls += 1);
        if self.is_away.load(Ordering::SeqCst) {
            return (self.told)("somebody calls, and is hung up on");
        }
        let _ = stream.set_nodelay(true);
        let mut conversation = Conversation::default();
        let ended = self.converse(&mut stream, &mut conversation);
        if conversation.is_open {
            self.note(|seen| seen.open -= 1);
        }
        match ended {
            Ok(()) => (self.told)("the connection ends"),
            Err(error) => (self.told)(&format!("the connection ends: {error}")),
        }
    }

    fn converse(&self, stream: &mut TcpStream, at: &mut Conversation) -> io::Result<()> {
        loop {
            let (kind, pdu) = read(stream)?;
            match kind {
                ASSOCIATE_RQ => {
                    let most = self.most.load(Ordering::SeqCst);
                    self.note(|seen| {
                        at.is_open = seen.open < most;
                        seen.open += usize::from(at.is_open);
                        seen.most_open = seen.most_open.max(seen.open);
                    });
                    if !at.is_open {
                        (self.told)("an association is rejected for now (2/3/2)");
                        return stream.write_all(&TOO_MANY);
                    }
                    self.accept(stream, &pdu, at)?;
                }
                P_DATA => self.values(stream, pdu, at)?,
                RELEASE_RQ => return stream.write_all(&RELEASED),
                _ => return Ok(()),
            }
        }
    }

    fn values(
        &self,
        stream: &mut TcpStream,
        pdu: Vec<u8>,
        at: &mut Conversation,
    ) -> io::Result<()> {
        let mut body = Bytes::from(pdu).slice(HEADER..);
        while let Some(value) = take_value(&mut body) {
            if value.is_command {
                at.command.extend_from_slice(&value.data);
                if value.is_last {
                    let command = Command::read(&std::mem::take(&mut at.command));
                    let command = command.ok_or(io::ErrorKind::InvalidData)?;
                    at.message = self.begin(stream, value.context, command)?;
                }
            } else if let Some(message) = &mut at.message {
                message.data_set.extend_from_slice(&value.data);
                message.break_off(stream)?;
                if value.is_last
                    && let Some(message) = at.message.take()
                {
                    self.end(stream, value.context, message, at)?;
                }
            }
        }
        Ok(())
    }

    fn accept(&self, stream: &mut TcpStream, pdu: &[u8], at: &mut Conversation) -> io::Result<()> {
        let Ok(Some(Pdu::AssociationRQ(asked))) = read_pdu(pdu, 131_072, false) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let AssociationRQ { calling_ae_title, called_ae_title, application_context_name, .. } =
            asked.clone();
        (self.told)(&format!("{calling_ae_title:?} gets an association"));
        let contexts = asked.presentation_contexts.iter().map(|context| {
            let first = context.transfer_syntaxes.first().cloned().unwrap_or_default();
            at.syntaxes.extend(Uid::parse(&first).map(|syntax| (context.id, syntax)));
            let is_refused = self.refuses.contains(&context.abstract_syntax);
            let only_uncompressed = self.takes_only_uncompressed.load(Ordering::SeqCst);
            let syntax = &first;
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
        let bytes = encoded(&accepted)?;
        self.note(|seen| seen.associations += 1);
        stream.write_all(&bytes)
    }

    fn begin(
        &self,
        stream: &mut TcpStream,
        context: u8,
        command: Command,
    ) -> io::Result<Option<Message>> {
        let field = command.number(COMMAND_FIELD).unwrap_or_default();
        if field == C_ECHO_RQ {
            let response = Command::response_to(&command, status::SUCCESS);
            return say(stream, context, &response, None).map(|()| None);
        }
        if field & RESPONSE != 0 {
            return Ok(None);
        }
        let instance = command.text(AFFECTED_SOP_INSTANCE_UID).unwrap_or_default();
        let manner = match field {
            C_STORE_RQ => {
                self.note(|seen| seen.begun.push(instance.clone()));
                (self.manner)(&instance)
            }
            _ => Manner::Takes,
        };
        Ok(Some(Message { command, instance, manner, data_set: Vec::new() }))
    }

    fn end(
        &self,
        stream: &mut TcpStream,
        context: u8,
        message: Message,
        at: &Conversation,
    ) -> io::Result<()> {
        match message.command.number(COMMAND_FIELD) {
            Some(C_STORE_RQ) => self.stored(stream, context, message),
            Some(N_ACTION_RQ) => self.asked(stream, context, &message, at),
            Some(C_FIND_RQ) => self.sought(stream, context, &message, at),
            _ => {
                let status = status::UNRECOGNIZED_OPERATION;
                say(stream, context, &Command::response_to(&message.command, status), None)
            }
        }
    }

    fn stored(&self, stream: &mut TcpStream, context: u8, message: Message) -> io::Result<()> {
        let status = match message.manner {
            Manner::Answers(status) => status,
            Manner::IsSilent => {
                (self.told)(&format!("{} is read, and not answered", message.instance));
                return Ok(());
            }
            Manner::Slowly(pause) => {
                thread::sleep(pause);
                status::SUCCESS
            }
            Manner::Takes | Manner::AbortsAt(_) | Manner::ClosesAt(_) => status::SUCCESS,
        };
        let Message { command, instance, data_set, .. } = message;
        (self.told)(&format!("{instance} is answered {status:04X}"));
        if status == status::SUCCESS {
            self.note(|seen| {
                seen.taken.push(instance.clone());
                if self.keeps_data {
                    seen.data_sets.insert(instance, data_set);
                }
            });
        }
        say(stream, context, &Command::response_to(&command, status), None)
    }

    /// Reports on the association that asked, as some archives do.
    fn asked(
        &self,
        stream: &mut TcpStream,
        context: u8,
        message: &Message,
        at: &Conversation,
    ) -> io::Result<()> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let syntax = at.syntaxes.get(&context).ok_or_else(broken)?;
        let request = Request::read_from(&message.data_set, syntax).ok_or_else(broken)?;
        say(stream, context, &Command::response_to(&message.command, status::SUCCESS), None)?;
        let taken = self.note_asked();
        let has_lost = self.has_lost.load(Ordering::SeqCst);
        let (committed, failed): (Vec<_>, Vec<_>) = request
            .references
            .into_iter()
            .partition(|one| !has_lost && taken.iter().any(|uid| uid == one.sop_instance.as_str()));
        let failed = failed.into_iter().map(|one| (one, NO_SUCH_INSTANCE)).collect();
        let report = Report { transaction: request.transaction, committed, failed };
        (self.told)(&format!(
            "asked to commit: {} are kept, {} are not",
            report.committed.len(),
            report.failed.len()
        ));
        let command = Command::default()
            .with_number(COMMAND_FIELD, N_EVENT_REPORT_RQ)
            .with_number(MESSAGE_ID, 1)
            .with_text(AFFECTED_SOP_CLASS_UID, COMMITMENT);
        let data_set = report.data_set(syntax).ok_or_else(broken)?;
        say(stream, context, &report.command(command), Some(&data_set))
    }

    fn sought(
        &self,
        stream: &mut TcpStream,
        context: u8,
        message: &Message,
        at: &Conversation,
    ) -> io::Result<()> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let syntax = at.syntaxes.get(&context).ok_or_else(broken)?;
        let asked = find::asked_for(&message.data_set, syntax);
        let finds = *self.finds.lock().unwrap_or_else(PoisonError::into_inner);
        let has_lost = self.has_lost.load(Ordering::SeqCst);
        let mut held = Vec::new();
        self.note(|seen| {
            held.extend(asked.iter().filter(|uid| seen.taken.contains(uid)).cloned());
            seen.sought.push(asked.clone());
        });
        if has_lost || (finds == Finds::OnlySingles && asked.len() > 1) {
            held.clear();
        }
        (self.told)(&format!("sought: {} of {} are found", held.len(), asked.len()));
        for uid in held {
            let uid = Uid::parse(&uid).map_err(|_| broken())?;
            let one =
                ImageQuery { study: &uid, series: &uid, instances: std::slice::from_ref(&uid) };
            let identifier = one.identifier(syntax).ok_or_else(broken)?;
            let pending = Command::response_to(&message.command, PENDING).with_data_set(true);
            say(stream, context, &pending, Some(&identifier))?;
        }
        let status = match finds {
            Finds::All | Finds::OnlySingles => status::SUCCESS,
            Finds::ThenFails(status) => status,
            Finds::ThenAborts => {
                stream.write_all(&ABORT)?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        };
        say(stream, context, &Command::response_to(&message.command, status), None)
    }

    fn note_asked(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.asked += 1;
        seen.taken.clone()
    }
}

impl Message {
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
    let mut pdu = vec![0; HEADER];
    stream.read_exact(&mut pdu)?;
    let length = u32::from_be_bytes([pdu[2], pdu[3], pdu[4], pdu[5]]) as usize;
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    pdu.resize(HEADER + length, 0);
    stream.read_exact(&mut pdu[HEADER..])?;
    Ok((pdu[0], pdu))
}

fn say(
    stream: &mut TcpStream,
    context: u8,
    command: &Command,
    data_set: Option<&[u8]>,
) -> io::Result<()> {
    let values = Values { context, is_command: true, peer_maximum: 16_384 };
    let mut bytes = Vec::new();
    values.put(&mut bytes, &command.write(), true);
    if let Some(data_set) = data_set {
        Values { is_command: false, ..values }.put(&mut bytes, data_set, true);
    }
    stream.write_all(&bytes)
}
