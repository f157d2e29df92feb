//! One object in a segment: a fixed head, what identifies it, and its Part 10 file byte for byte.

use crate::digest::{Digest, Digester};
use crate::incoming::{Identity, Origin};
use crate::seal::{self, Seal};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

/// `\x89` and the line feed show when something took the file for text.
pub(crate) const MAGIC: [u8; 8] = *b"\x89GANTRY\n";
const VERSION: u16 = 2;
pub(crate) const HEAD_BYTES: usize = 64;
/// Ten fields of at most 64 bytes with their lengths.
pub(crate) const LONGEST_META: u32 = 1024;

/// All integers are little endian:
/// magic 8, version 2, where the data set begins in the payload 2, head and meta length 4, payload
/// length 8, CRC-32 of meta and of the payload before its data set 4, CRC-32 of the head without
/// this field 4, digest of the data set 16, seal of the store 16 (zero where an earlier version
/// wrote the record).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where the payload begins, counted from the record.
    pub(crate) payload_offset: u32,
    pub(crate) payload: u64,
    /// Where the data set begins, counted from the payload.
    pub(crate) data_set: u16,
    pub(crate) checksum: u32,
    pub(crate) digest: Digest,
    pub(crate) seal: [u8; seal::BYTES],
}

impl Head {
    pub(crate) fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.data_set.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.payload.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.digest);
        bytes[48..64].copy_from_slice(&self.seal);
        let own = own_checksum(&bytes);
        bytes[28..32].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Nothing when this is no head that this version wrote.
    pub(crate) fn decode(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|n| bytes[at + n]));
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        let head = Self {
            payload_offset: u32_at(12),
            payload: u64::from(u32_at(16)) | u64::from(u32_at(20)) << 32,
            data_set: u16::from_le_bytes([bytes[10], bytes[11]]),
            checksum: u32_at(24),
            digest: bytes[32..48].try_into().ok()?,
            seal: bytes[48..64].try_into().ok()?,
        };
        let meta = head.payload_offset.checked_sub(HEAD_BYTES as u32)?;
        let good = bytes[..8] == MAGIC
            && version == VERSION
            && u32_at(28) == own_checksum(bytes)
            && meta <= LONGEST_META
            && head.payload < 1 << 48
            && u64::from(head.data_set) <= head.payload;
        good.then_some(head)
    }

    /// Of the whole record.
    pub(crate) fn length(&self) -> u64 {
        u64::from(self.payload_offset) + self.payload
    }

    pub(crate) fn meta_bytes(&self) -> usize {
        self.payload_offset as usize - HEAD_BYTES
    }
}

fn own_checksum(bytes: &[u8; HEAD_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..28]);
    hasher.update(&bytes[32..]);
    hasher.finalize()
}

/// Each field behind its length in two bytes.
pub(crate) fn encode_meta(identity: &Identity, keeps_earlier: bool) -> Vec<u8> {
    let mut meta = Vec::with_capacity(400);
    let arrival = identity.arrival.0.to_le_bytes();
    let origin = [match identity.origin {
        Origin::Received => 0,
        Origin::Made => 1,
    }];
    let fields: [&[u8]; 10] = [
        identity.sop_class.as_str().as_bytes(),
        identity.sop_instance.as_str().as_bytes(),
        identity.series.as_str().as_bytes(),
        identity.study.as_str().as_bytes(),
        identity.transfer_syntax.as_str().as_bytes(),
        identity.calling_ae.as_str().as_bytes(),
        identity.called_ae.as_str().as_bytes(),
        &arrival,
        &origin,
        &[keeps_earlier.into()],
    ];
    for field in fields {
        // UIDs and titles are at most 64 characters by their types.
        meta.extend_from_slice(&(field.len() as u16).to_le_bytes());
        meta.extend_from_slice(field);
    }
    meta
}

/// What a record says beside its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) identity: Identity,
    /// The record of the instance that was there before stays as an earlier version.
    pub(crate) keeps_earlier: bool,
}

/// Nothing when a field is missing or is not what its type allows. The last came later than the
/// others; more may follow, of a later version.
pub(crate) fn decode_meta(meta: &[u8]) -> Option<Meta> {
    let mut rest = meta;
    let mut field = || {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (field, behind) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
        rest = behind;
        Some(field)
    };
    let uid = |field: &[u8]| Uid::parse(std::str::from_utf8(field).ok()?).ok();
    let title = |field: &[u8]| AeTitle::parse(std::str::from_utf8(field).ok()?).ok();
    let identity = Identity {
        sop_class: uid(field()?)?,
        sop_instance: uid(field()?)?,
        series: uid(field()?)?,
        study: uid(field()?)?,
        transfer_syntax: uid(field()?)?,
        calling_ae: title(field()?)?,
        called_ae: title(field()?)?,
        arrival: Moment(i64::from_le_bytes(field()?.try_into().ok()?)),
        origin: match field()? {
            [0] => Origin::Received,
            [1] => Origin::Made,
            _ => return None,
        },
    };
    let keeps_earlier = match field() {
        None | Some([0]) => false,
        Some([1]) => true,
        Some(_) => return None,
    };
    Some(Meta { identity, keeps_earlier })
}

/// What a record begins with, up to the data set. Nothing when the Part 10 head is none.
pub(crate) fn front(
    identity: &Identity,
    keeps_earlier: bool,
    part10_head: &[u8],
    data_set: u64,
    digest: Digest,
) -> Option<(Head, Vec<u8>)> {
    front_of(0, identity, keeps_earlier, part10_head, data_set, digest)
}

/// The same, with zeros behind the meta that make it at least so long.
pub(crate) fn front_of(
    length: usize,
    identity: &Identity,
    keeps_earlier: bool,
    part10_head: &[u8],
    data_set: u64,
    digest: Digest,
) -> Option<(Head, Vec<u8>)> {
    let mut meta = encode_meta(identity, keeps_earlier);
    let zeros = length.saturating_sub(HEAD_BYTES + meta.len() + part10_head.len());
    meta.resize(meta.len() + zeros, 0);
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&meta);
    checksum.update(part10_head);
    let head = Head {
        payload_offset: (HEAD_BYTES + meta.len()) as u32,
        payload: part10_head.len() as u64 + data_set,
        data_set: u16::try_from(part10_head.len()).ok()?,
        checksum: checksum.finalize(),
        digest,
        seal: [0; seal::BYTES],
    };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + meta.len() + part10_head.len());
    bytes.extend_from_slice(&head.encode());
    bytes.extend_from_slice(&meta);
    bytes.extend_from_slice(part10_head);
    Some((head, bytes))
}

/// Says in the front that the record is one of this store.
pub(crate) fn seal_front(head: &mut Head, front: &mut [u8], seal: &Seal) {
    head.seal = seal.bytes;
    front[..HEAD_BYTES].copy_from_slice(&head.encode());
}

/// Sums up a record that is read piece by piece, from its meta on.
pub(crate) struct Sums {
    head: Head,
    /// What is still to come before the data set.
    before: u64,
    checksum: crc32fast::Hasher,
    digest: Digester,
}

impl Sums {
    pub(crate) fn of(head: Head) -> Self {
        let before = head.meta_bytes() as u64 + u64::from(head.data_set);
        Self { head, before, checksum: crc32fast::Hasher::new(), digest: Digester::default() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let before = self.before.min(bytes.len() as u64);
        let (front, data_set) = bytes.split_at(before as usize);
        self.before -= before;
        self.checksum.update(front);
        self.digest.update(data_set);
    }

    pub(crate) fn hold(self) -> bool {
        self.checksum.finalize() == self.head.checksum && self.digest.digest() == self.head.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part10::part10_head;
    use crate::testing;

    fn encoded(identity: &Identity, data_set: &[u8]) -> (Head, Vec<u8>) {
        let digest = Digester::of(data_set);
        let (part10_head, length) = (part10_head(identity), data_set.len() as u64);
        let front = front(identity, true, &part10_head, length, digest);
        front.expect("a Part 10 head")
    }

    #[test]
    fn a_record_tells_who_its_object_is_and_notices_every_changed_bit() {
        let identity = testing::identity("1.2.3.4");
        let data_set = b"\x08\0\x60\0CS\x02\0CT";
        let (head, bytes) = encoded(&identity, data_set);
        let record = [&bytes[..], data_set].concat();
        let (front, rest) = record.split_first_chunk::<HEAD_BYTES>().expect("a head");
        assert_eq!(Head::decode(front), Some(head));
        let meta = &rest[..head.meta_bytes()];
        assert_eq!(decode_meta(meta), Some(Meta { identity, keeps_earlier: true }));
        assert_eq!(head.length(), record.len() as u64);
        for bit in 0..HEAD_BYTES * 8 {
            let mut changed = *front;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&changed), None, "bit {bit}");
        }
        // Records of the first version end before the last field.
        let first = meta.len() - 3;
        for cut in 0..first {
            assert_eq!(decode_meta(&meta[..cut]), None, "{cut}");
        }
        let earlier = decode_meta(&meta[..first]).map(|meta| meta.keeps_earlier);
        assert_eq!(earlier, Some(false));
        let holds = |bytes: &[u8]| {
            let mut sums = Sums::of(head);
            bytes.chunks(7).for_each(|piece| sums.update(piece));
            sums.hold()
        };
        assert!(holds(rest));
        for bit in 0..rest.len() * 8 {
            let mut changed = rest.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds(&changed), "bit {bit}");
        }
    }

    #[test]
    fn two_files_of_one_data_set_have_one_digest() {
        let (mut identity, data_set) = (testing::identity("1.2.3.4"), b"\x08\0\x60\0CS\x02\0CT");
        let first = encoded(&identity, data_set).0;
        identity.calling_ae = AeTitle::parse("OTHER").expect("a title");
        let second = encoded(&identity, data_set).0;
        assert_eq!(first.digest, second.digest);
        assert_ne!(first.checksum, second.checksum);
    }
}
