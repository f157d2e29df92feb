//! Values that say nothing, one for each value representation (PS3.5 6.2).

/// What stands in the place of a value that is not empty, padded; None for bulk data, which goes.
pub(crate) fn value(vr: [u8; 2], length: usize) -> Option<Vec<u8>> {
    Some(match &vr {
        b"DA" => b"19000101".to_vec(),
        b"TM" => b"000000".to_vec(),
        b"DT" => b"19000101000000".to_vec(),
        b"AS" => b"000D".to_vec(),
        b"DS" | b"IS" => b"0 ".to_vec(),
        b"UR" => b"urn:removed ".to_vec(),
        b"PN" => b"REMOVED^".to_vec(),
        b"LO" | b"SH" | b"ST" | b"LT" | b"UT" | b"UC" | b"CS" | b"AE" => b"REMOVED ".to_vec(),
        b"US" | b"SS" | b"UL" | b"SL" | b"FL" | b"FD" | b"SV" | b"UV" | b"AT" => vec![0; length],
        b"OB" | b"OW" | b"UN" => vec![0; 2],
        b"OL" | b"OF" => vec![0; 4],
        b"OD" | b"OV" => vec![0; 8],
        _ => return None,
    })
}
