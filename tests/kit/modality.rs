//! A scanner: DCMTK's dcmsend as a stranger's implementation, and a requestor of its own that sees every answer.

use crate::instance::Instance;
use crate::node::{AE_TITLE, Node};
use dicom_ul::association::Error as AssociationError;
use dicom_ul::association::client::{ClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu, PresentationContextNegotiated};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const VERIFICATION: &str = "1.2.840.10008.1.1";
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a folder with dcmsend, as it is; what it said if anything was not stored.
pub fn dcmsend(calling: &str, called: &str, port: u16, folder: &Path) -> Result<(), String> {
    let output = Command::new("dcmsend")
        // Without it DCMTK waits for delayed acknowledgements, some 45 ms an image.
        .env("TCP_NODELAY", "1")
        .args(["--no-halt", "--decompress-never"])
        .args(["-aet", calling, "-aec", called, "--scan-directories", "127.0.0.1"])
        .arg(port.to_string())
        .arg(folder)
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// An association that a scanner holds.
pub struct Association {
    inner: ClientAssociation<TcpStream>,
    message: u16,
}

/// Why there is no association.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// The words of the A-ASSOCIATE-RJ.
    Rejected(String),
    /// Every presentation context was refused.
    NothingAccepted,
    /// Nobody there, or gone in the middle.
    Unreachable,
}

/// Status (0000,0900) and Error Comment (0000,0902) of a response.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub comment: String,
}

/// Why an instance has no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unanswered {
    /// Its class or syntax was not accepted: it cannot be sent on this association.
    NotAccepted,
    /// The connection ended: whether it was kept is unknown, so it is sent again later.
    ConnectionLost,
}

/// All of them over one association, each answered 0000.
pub fn send(calling: &str, node: &Node, instances: &[Instance]) {
    let mut association =
        Association::request(calling, AE_TITLE, node.port, instances).expect("accepted");
    for instance in instances {
        assert_eq!(association.store(instance).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();
}

impl Association {
    /// Proposes verification and every pair of class and syntax of the instances.
    pub fn request(
        calling: &str,
        called: &str,
        port: u16,
        instances: &[Instance],
    ) -> Result<Self, Refused> {
        let mut options = ClientAssociationOptions::new()
            .calling_ae_title(calling)
            .called_ae_title(called)
            .with_presentation_context(VERIFICATION, vec!["1.2.840.10008.1.2"]);
        let mut proposed = Vec::new();
        for instance in instances {
            let pair = (instance.sop_class.as_str(), instance.transfer_syntax.as_str());
            if !proposed.contains(&pair) {
                proposed.push(pair);
                options = options.with_presentation_context(pair.0, vec![pair.1]);
            }
        }
        Ok(Self { inner: request(options, port)?, message: 0 })
    }

    /// C-ECHO (PS3.7 9.1.5).
    pub fn echo(&mut self) -> Result<Answer, Unanswered> {
        let context = self.context(VERIFICATION, None).ok_or(Unanswered::NotAccepted)?;
        self.message += 1;
        let command = command_set(&[
            (0x0002, ui(VERIFICATION)),
            (0x0100, us(0x0030)),
            (0x0110, us(self.message)),
            (0x0800, us(0x0101)),
        ]);
        self.send_command(context, command)?;
        self.answer()
    }

    /// C-STORE (PS3.7 9.1.1): sends one instance and waits for the answer.
    pub fn store(&mut self, instance: &Instance) -> Result<Answer, Unanswered> {
        self.start_store(instance, &instance.data_set, true)?;
        self.answer()
    }

    /// Begins a C-STORE and ends the connection in the middle of the data set.
    pub fn store_and_vanish(mut self, instance: &Instance) -> Result<(), Unanswered> {
        self.start_store(instance, &instance.data_set[..instance.data_set.len() / 2], false)
    }

    /// Releases the association; a node that is gone is no fault of the scanner's.
    pub fn release(self) {
        let _ = self.inner.release();
    }

    fn start_store(
        &mut self,
        instance: &Instance,
        data: &[u8],
        whole: bool,
    ) -> Result<(), Unanswered> {
        let context = self
            .context(&instance.sop_class, Some(&instance.transfer_syntax))
            .ok_or(Unanswered::NotAccepted)?;
        self.message += 1;
        let command = command_set(&[
            (0x0002, ui(&instance.sop_class)),
            (0x0100, us(0x0001)),
            (0x0110, us(self.message)),
            (0x0700, us(0x0000)),
            (0x0800, us(0x0001)),
            (0x1000, ui(&instance.sop_instance)),
        ]);
        self.send_command(context, command)?;
        let mut fragments = self.inner.send_pdata(context);
        let sent = fragments.write_all(data);
        if !whole {
            fragments.abandon();
            return sent.map_err(|_| Unanswered::ConnectionLost);
        }
        sent.and_then(|()| fragments.finish()).map_err(|_| Unanswered::ConnectionLost)
    }

    fn context(&self, class: &str, syntax: Option<&str>) -> Option<u8> {
        let fits = |context: &&PresentationContextNegotiated| {
            context.abstract_syntax == class
                && syntax.is_none_or(|syntax| context.transfer_syntax == syntax)
        };
        self.inner.presentation_contexts().iter().find(fits).map(|context| context.id)
    }

    fn send_command(&mut self, context: u8, data: Vec<u8>) -> Result<(), Unanswered> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data,
        };
        let sent = self.inner.send(&Pdu::PData { data: vec![value] });
        sent.map_err(|_| Unanswered::ConnectionLost)
    }

    fn answer(&mut self) -> Result<Answer, Unanswered> {
        let mut command = Vec::new();
        loop {
            let Ok(Pdu::PData { data }) = self.inner.receive() else {
                return Err(Unanswered::ConnectionLost);
            };
            for value in data {
                command.extend_from_slice(&value.data);
                if value.is_last {
                    return Ok(read_answer(&command));
                }
            }
        }
    }
}

/// An association on loopback, with patience and without delayed acknowledgements.
pub(crate) fn request(
    options: ClientAssociationOptions<'_>,
    port: u16,
) -> Result<ClientAssociation<TcpStream>, Refused> {
    let options = options
        .max_pdu_length(131_072)
        .connection_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .write_timeout(PATIENCE);
    match options.establish(("127.0.0.1", port)) {
        Ok(mut inner) => {
            inner.inner_stream().set_nodelay(true).map_err(|_| Refused::Unreachable)?;
            Ok(inner)
        }
        Err(AssociationError::Rejected { association_rj, .. }) => Err(Refused::Rejected(format!(
            "{:?} {:?}",
            association_rj.result, association_rj.source
        ))),
        Err(AssociationError::NoAcceptedPresentationContexts { .. }) => {
            Err(Refused::NothingAccepted)
        }
        Err(_) => Err(Refused::Unreachable),
    }
}

/// A command set in Implicit VR Little Endian (PS3.7 6.3.1), behind its group length.
pub(crate) fn command_set(elements: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> =
        elements.iter().flat_map(|(element, value)| encode(*element, value)).collect();
    let mut set = encode(0x0000, &(body.len() as u32).to_le_bytes());
    set.extend(body);
    set
}

fn encode(element: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(element.to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(value);
    bytes
}

pub(crate) fn us(value: u16) -> Vec<u8> {
    value.to_le_bytes().into()
}

pub(crate) fn ui(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

pub(crate) fn read_answer(mut command: &[u8]) -> Answer {
    let mut answer = Answer { status: 0xFFFF, comment: String::new() };
    while let Some((head, rest)) = command.split_at_checked(8) {
        let element = u16::from_le_bytes([head[2], head[3]]);
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let value = rest.get(..length).expect("the node sends whole command sets");
        match element {
            0x0900 => answer.status = u16::from_le_bytes([value[0], value[1]]),
            0x0902 => answer.comment = String::from_utf8_lossy(value).trim_end().into(),
            _ => {}
        }
        command = &rest[length..];
    }
    answer
}
