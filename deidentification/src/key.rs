//! The secret of a node, and the pseudonyms that it makes: the same for the same value at all times, and told back by nobody without it.

use sha2::{Digest, Sha256};
use std::fmt;

/// In bytes.
pub const LENGTH: usize = 32;
const BLOCK: usize = 64;
/// Crockford's, in which no two letters look alike.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 75 bits: with the letter in front of them they fill an SH.
const LETTERS_OF_A_PSEUDONYM: usize = 15;

/// Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; LENGTH]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
}

impl Key {
    pub fn new(secret: [u8; LENGTH]) -> Self {
        Self(secret)
    }

    /// The key of one profile: what two peers with different profiles got cannot be put together by them.
    pub fn of_profile(&self, name: &str) -> Self {
        Self(hmac(&self.0, &[b"profile", name.as_bytes()]))
    }

    /// By which the key is known again, and from which nobody gets it.
    pub fn fingerprint(&self) -> String {
        hmac(&self.0, &[b"fingerprint"]).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `2.25.` and the decimal of a UUID version 8 (PS3.5 B.2).
    pub(crate) fn uid(&self, of: &str) -> String {
        let mut half = [0; 16];
        half.copy_from_slice(&hmac(&self.0, &[b"uid", of.as_bytes()])[..16]);
        half[6] = (half[6] & 0x0F) | 0x80;
        half[8] = (half[8] & 0x3F) | 0x80;
        format!("2.25.{}", u128::from_be_bytes(half))
    }

    /// The letter and 15 others.
    pub(crate) fn pseudonym(&self, letter: char, parts: &[&str]) -> String {
        let mut all: Vec<&[u8]> = vec![b"pseudonym"];
        all.extend(parts.iter().map(|part| part.as_bytes()));
        let digest = hmac(&self.0, &all);
        let mut bits = u128::from_be_bytes(digest[..16].try_into().unwrap_or_default());
        let mut text = String::from(letter);
        for _ in 0..LETTERS_OF_A_PSEUDONYM {
            text.push(char::from(LETTERS[(bits & 31) as usize]));
            bits >>= 5;
        }
        text
    }

    /// A number of days that belongs to the patient: dates go back by it.
    pub(crate) fn days(&self, patient: &str) -> i64 {
        let digest = hmac(&self.0, &[b"days", patient.as_bytes()]);
        let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        31 + i64::from(number % 3622)
    }
}

/// Whether a text could be a pseudonym of a patient, an accession number or a specimen.
pub(crate) fn is_pseudonym(text: &str) -> bool {
    let rest = text.strip_prefix(['P', 'A', 'S']).unwrap_or_default();
    rest.len() == LETTERS_OF_A_PSEUDONYM && rest.bytes().all(|byte| LETTERS.contains(&byte))
}

/// HMAC-SHA-256 (RFC 2104) of the parts, each behind its length, so that no two lists are the same message.
fn hmac(key: &[u8; LENGTH], parts: &[&[u8]]) -> [u8; 32] {
    let message: Vec<u8> = parts
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat())
        .collect();
    hmac_of(key, &message)
}

fn hmac_of(key: &[u8; LENGTH], message: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5C)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 1, whose key of 20 bytes counts as one with zeros behind it.
    #[test]
    fn the_code_is_that_of_the_rfc() {
        let mut key = [0; LENGTH];
        key[..20].fill(0x0B);
        let code: String = hmac_of(&key, b"Hi There").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(code, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn pseudonyms_differ_by_key_by_profile_and_by_how_parts_are_cut() {
        let one = Key::new([1; LENGTH]).of_profile("a");
        assert_eq!(one, Key::new([1; LENGTH]).of_profile("a"));
        for other in [Key::new([1; LENGTH]).of_profile("b"), Key::new([2; LENGTH]).of_profile("a")]
        {
            assert_ne!(one.uid("1.2"), other.uid("1.2"));
            assert_ne!(one.pseudonym('P', &["1"]), other.pseudonym('P', &["1"]));
        }
        assert_ne!(one.pseudonym('P', &["12", "3"]), one.pseudonym('P', &["1", "23"]));
        assert_eq!(one.pseudonym('P', &["1"]).len(), 16);
        assert!(one.uid("1.2").len() <= 64 && one.uid("1.2").starts_with("2.25."));
        assert!(["1", "2", "3"].iter().all(|patient| (31..=3652).contains(&one.days(patient))));
        assert_eq!(format!("{one:?}"), "a key");
    }
}
