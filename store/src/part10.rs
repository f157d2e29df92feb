//! The Part 10 head in front of a data set (PS3.10 7.1): written, and found the end of.

use crate::header::HeaderError;
use crate::incoming::Identity;
use gantry_terms::header::Tag;
use gantry_terms::uid::Uid;

/// Of this implementation: derived from its name, so that it needs no registered root.
const IMPLEMENTATION_VERSION: &str = "GANTRY_01";

/// A head that goes on for longer than this is no head.
pub(crate) const LONGEST_HEAD: usize = 64 << 10;

/// Implementation Class UID (0002,0012) of this node.
pub fn implementation_class() -> Uid {
    Uid::derived(&["gantry", "implementation class"])
}

/// A whole Part 10 file. The data set follows the head bit for bit.
pub fn part10(identity: &Identity, data_set: &[u8]) -> Vec<u8> {
    let mut file = part10_head(identity);
    file.reserve_exact(data_set.len());
    file.extend_from_slice(data_set);
    file
}

/// Preamble, `DICM` and File Meta Information, for an object whose data set follows.
pub fn part10_head(identity: &Identity) -> Vec<u8> {
    let mut group = Vec::with_capacity(320);
    // File Meta Information Version, OB: two reserved bytes and a length of 32 bits.
    group.extend_from_slice(b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01");
    short_element(&mut group, 0x0002, "UI", identity.sop_class.as_str());
    short_element(&mut group, 0x0003, "UI", identity.sop_instance.as_str());
    short_element(&mut group, 0x0010, "UI", identity.transfer_syntax.as_str());
    short_element(&mut group, 0x0012, "UI", implementation_class().as_str());
    short_element(&mut group, 0x0013, "SH", IMPLEMENTATION_VERSION);
    short_element(&mut group, 0x0016, "AE", identity.calling_ae.as_str());
    let mut head = vec![0; 128];
    head.extend_from_slice(b"DICM\x02\0\0\0UL\x04\0");
    head.extend_from_slice(&(group.len() as u32).to_le_bytes());
    head.append(&mut group);
    head
}

/// An element of group 0002 in Explicit VR Little Endian with a length of 16 bits, padded to even.
fn short_element(group: &mut Vec<u8>, element: u16, vr: &str, value: &str) {
    let odd = value.len() % 2;
    group.extend_from_slice(&[0x02, 0]);
    group.extend_from_slice(&element.to_le_bytes());
    group.extend_from_slice(vr.as_bytes());
    // UIDs and AE titles are at most 64 characters long by their types.
    group.extend_from_slice(&((value.len() + odd) as u16).to_le_bytes());
    group.extend_from_slice(value.as_bytes());
    group.extend(std::iter::repeat_n(if vr == "UI" { 0 } else { b' ' }, odd));
}

/// What a head says, and where the data set begins.
pub(crate) struct Head {
    pub(crate) transfer_syntax: Option<Uid>,
    pub(crate) data_set: usize,
}

/// Goes by the elements of group 0002, because the group length is missing or wrong at times. Where
/// it is right, what follows is data set, even if it claims to be of group 0002, too.
pub(crate) fn read_head(part10: &[u8]) -> Result<Head, HeaderError> {
    const GROUP: Tag = 0x0002_0000;
    if part10.len() < 132 {
        return Err(HeaderError::Truncated(GROUP));
    }
    if &part10[128..132] != b"DICM" {
        return Err(HeaderError::Malformed { tag: GROUP, what: "there is no DICM at byte 128" });
    }
    let mut head = Head { transfer_syntax: None, data_set: 132 };
    let declared = declared_end(part10);
    while let Some(start) = part10.get(head.data_set..head.data_set + 8) {
        let element = u16::from_le_bytes([start[2], start[3]]);
        let tag = GROUP | Tag::from(element);
        if start[..2] != [2, 0] {
            return match head.data_set {
                132 => Err(HeaderError::Malformed { tag: GROUP, what: "it has no elements" }),
                _ => Ok(head),
            };
        }
        let long = matches!(&start[4..6], b"OB" | b"OW" | b"UN" | b"UT" | b"UC" | b"UR" | b"SQ");
        let (begin, length) = if long {
            let length = part10.get(head.data_set + 8..head.data_set + 12);
            let length = length.ok_or(HeaderError::Truncated(tag))?;
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            (head.data_set + 12, length as usize)
        } else {
            (head.data_set + 8, usize::from(u16::from_le_bytes([start[6], start[7]])))
        };
        if begin + length > LONGEST_HEAD {
            return Err(HeaderError::Malformed { tag, what: "the head is too long" });
        }
        let value = part10.get(begin..begin + length).ok_or(HeaderError::Truncated(tag))?;
        if element == 0x0010 {
            let text = String::from_utf8_lossy(value);
            let uid = Uid::parse(text.trim_end_matches(['\0', ' ']));
            head.transfer_syntax =
                Some(uid.map_err(|_| HeaderError::Malformed { tag, what: "it is not a UID" })?);
        }
        head.data_set = begin + length;
        if Some(head.data_set) == declared && head.transfer_syntax.is_some() {
            return Ok(head);
        }
    }
    match head.data_set {
        132 => Err(HeaderError::Truncated(GROUP)),
        end if end == part10.len() => Ok(head),
        _ => Err(HeaderError::Truncated(GROUP)),
    }
}

/// Where the group length, if it comes first, says that the head ends.
fn declared_end(part10: &[u8]) -> Option<usize> {
    let length = part10.get(132..144)?.strip_prefix(b"\x02\0\0\0UL\x04\0")?;
    144usize.checked_add(u32::from_le_bytes(length.try_into().ok()?) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_head_ends_where_its_data_set_begins_and_names_the_syntax() {
        let identity = testing::identity("1.2.3");
        let head = part10_head(&identity);
        let length = u32::from_le_bytes([head[140], head[141], head[142], head[143]]);
        assert_eq!(head.len(), 144 + length as usize, "the group length counts what follows");
        assert_eq!(head.len() % 2, 0);
        let file = part10(&identity, b"\x08\0\x05\0CS\0\0");
        let read = read_head(&file).expect("our own head");
        assert_eq!(read.data_set, head.len());
        assert_eq!(read.transfer_syntax, Some(identity.transfer_syntax));
        for cut in 0..head.len() {
            let read = read_head(&file[..cut]);
            assert!(read.is_err() || cut >= 144, "{cut}");
        }
    }

    #[test]
    fn a_data_set_that_begins_like_a_head_is_no_part_of_the_head() {
        let identity = testing::identity("1.2.3");
        let file = part10(&identity, b"\x02\0\x10\0UI\x06\x001.2.3\0\x08\0\x05\0CS\0\0");
        let read = read_head(&file).expect("our own head");
        assert_eq!(read.data_set, part10_head(&identity).len());
        assert_eq!(read.transfer_syntax, Some(identity.transfer_syntax));
        let short = [&file[..140], &[14, 0, 0, 0], &file[144..]].concat();
        let read = read_head(&short).expect("its length is wrong, but it ends");
        assert_eq!(read.transfer_syntax.map(String::from), Some("1.2.3".into()));
    }
}
