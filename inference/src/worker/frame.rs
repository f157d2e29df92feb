//! What the node and a worker say to each other: a head as JSON, and the voxels that belong to it as they lie in memory.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};

/// A head is a few numbers for each slice; whoever announces more has lost its place.
const LONGEST_HEAD: u64 = 64 << 20;

/// Writes the head. What belongs to it follows by [`Write::write_all`].
pub fn write_head<T: Serialize>(to: &mut impl Write, head: &T) -> io::Result<()> {
    let text = serde_json::to_vec(head)?;
    to.write_all(&(text.len() as u64).to_le_bytes())?;
    to.write_all(&text)
}

pub fn read_head<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEAD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a head is far too long"));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_one_that_is_cut_or_too_long_is_an_error() {
        let mut bytes = Vec::new();
        write_head(&mut bytes, &("lung", 3.25)).unwrap();
        let read = |bytes: &[u8]| read_head::<(String, f64)>(&mut &bytes[..]);
        assert_eq!(read(&bytes).unwrap(), ("lung".to_string(), 3.25));
        (0..bytes.len()).for_each(|end| assert!(read(&bytes[..end]).is_err(), "{end}"));
        assert!(read(&u64::MAX.to_le_bytes()).is_err());
    }
}
