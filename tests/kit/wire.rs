//! A scanner that is as fast as its wire: it encodes its P-DATA itself, from any source of bytes, and hears every answer.

use crate::modality::{Refused, Unanswered, command_set, read_answer, request, ui, us};
use crate::node::AE_TITLE;
use dicom_ul::association::client::{ClientAssociation, ClientAssociationOptions};
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
use std::io::{Read, Write};
use std::net::TcpStream;

const P_DATA: u8 = 4;
/// In front of each fragment: item length, presentation context, message control header (PS3.8 9.3.5).
const PDV_HEAD: usize = 6;
/// What is encoded before it is written.
const GATHERED: usize = 1 << 20;

/// An association with the node for one SOP class in one transfer syntax.
pub struct Wire {
    inner: ClientAssociation<TcpStream>,
    context: u8,
    sop_class: String,
    /// The longest PDU that the node takes.
    longest: usize,
    message: u16,
    buffer: Vec<u8>,
}

impl Wire {
    /// In Explicit VR Little Endian.
    pub fn request(calling: &str, port: u16, sop_class: &str) -> Result<Self, Refused> {
        Self::request_in(calling, port, sop_class, EXPLICIT_VR_LITTLE_ENDIAN)
    }

    pub fn request_in(
        calling: &str,
        port: u16,
        sop_class: &str,
        transfer_syntax: &str,
    ) -> Result<Self, Refused> {
        let options = ClientAssociationOptions::new()
            .calling_ae_title(calling)
            .called_ae_title(AE_TITLE)
            .with_presentation_context(sop_class, vec![transfer_syntax]);
        let inner = request(options, port)?;
        let longest = match inner.acceptor_max_pdu_length() {
            0 => 131_072,
            length => (length as usize).min(131_072),
        };
        let context = inner.presentation_contexts().first().ok_or(Refused::NothingAccepted)?.id;
        let sop_class = sop_class.into();
        Ok(Self { inner, context, sop_class, longest, message: 0, buffer: Vec::new() })
    }

    /// C-STORE of a data set in memory; the status of the answer.
    pub fn store(&mut self, sop_instance: &str, data_set: &[u8]) -> Result<u16, Unanswered> {
        self.store_from(sop_instance, data_set.len() as u64, &mut { data_set })
    }

    /// C-STORE of as many bytes as the source is told to give. Memory does not grow with them.
    pub fn store_from(
        &mut self,
        sop_instance: &str,
        length: u64,
        source: &mut impl Read,
    ) -> Result<u16, Unanswered> {
        self.command(sop_instance);
        let mut left = length;
        while left > 0 {
            let next = left.min((self.longest - PDV_HEAD) as u64);
            left -= next;
            self.fragment(false, left == 0, next as usize, source);
            if self.buffer.len() >= GATHERED || left == 0 {
                self.write()?;
            }
        }
        self.answer()
    }

    /// The whole message of a C-STORE, to be sent by [`Wire::store_encoded`] on this or on another
    /// association of the same kind.
    pub fn encode(&mut self, sop_instance: &str, data_set: &[u8]) -> Vec<u8> {
        self.command(sop_instance);
        let mut rest = data_set;
        while !rest.is_empty() {
            let length = rest.len().min(self.longest - PDV_HEAD);
            let last = length == rest.len();
            self.fragment(false, last, length, &mut rest);
        }
        std::mem::take(&mut self.buffer)
    }

    /// Sends what was encoded before, so that the sender costs no more than the copy into the network.
    pub fn store_encoded(&mut self, message: &[u8]) -> Result<u16, Unanswered> {
        let sent = self.inner.inner_stream().write_all(message);
        sent.map_err(|_| Unanswered::ConnectionLost)?;
        self.answer()
    }

    /// Releases the association; a node that is gone is no fault of the scanner's.
    pub fn release(self) {
        let _ = self.inner.release();
    }

    /// The command of a C-STORE.
    fn command(&mut self, sop_instance: &str) {
        self.message = self.message.wrapping_add(1);
        let command = command_set(&[
            (0x0002, ui(&self.sop_class)),
            (0x0100, us(0x0001)),
            (0x0110, us(self.message)),
            (0x0700, us(0x0000)),
            (0x0800, us(0x0001)),
            (0x1000, ui(sop_instance)),
        ]);
        self.fragment(true, true, command.len(), &mut command.as_slice());
    }

    /// One PDU with one fragment.
    fn fragment(&mut self, command: bool, last: bool, length: usize, source: &mut impl Read) {
        let buffer = &mut self.buffer;
        buffer.extend_from_slice(&[P_DATA, 0]);
        buffer.extend_from_slice(&((length + PDV_HEAD) as u32).to_be_bytes());
        buffer.extend_from_slice(&((length + 2) as u32).to_be_bytes());
        buffer.extend_from_slice(&[self.context, u8::from(command) | u8::from(last) << 1]);
        let begin = buffer.len();
        buffer.resize(begin + length, 0);
        source.read_exact(&mut buffer[begin..]).expect("the source has what it promised");
    }

    fn write(&mut self) -> Result<(), Unanswered> {
        let written = self.inner.inner_stream().write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|_| Unanswered::ConnectionLost)
    }

    fn answer(&mut self) -> Result<u16, Unanswered> {
        let mut head = [0; 6 + PDV_HEAD];
        let stream = self.inner.inner_stream();
        let mut command = Vec::new();
        loop {
            stream.read_exact(&mut head).map_err(|_| Unanswered::ConnectionLost)?;
            let length = u32::from_be_bytes([head[6], head[7], head[8], head[9]]) as usize;
            if head[0] != P_DATA || !(2..1 << 20).contains(&length) {
                return Err(Unanswered::ConnectionLost);
            }
            let mut part = vec![0; length - 2];
            stream.read_exact(&mut part).map_err(|_| Unanswered::ConnectionLost)?;
            command.extend(part);
            if head[11] & 2 != 0 {
                return Ok(read_answer(&command).status);
            }
        }
    }
}
