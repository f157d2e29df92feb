//! Pixels come out of every transfer syntax that is listed as decodable, exactly; the rest is refused by name.

mod kit;

use gantry_inference::decode::{Pixels, decode};
use std::collections::BTreeMap;

/// SHA-256 of the pixels as an independent decoder wrote them: little endian, as wide as allocated.
fn pixel_digest(pixels: &Pixels) -> String {
    let width = usize::from(pixels.bits_allocated / 8);
    let bytes = pixels.values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width));
    kit::sha256(&bytes.collect::<Vec<u8>>())
}

#[test]
fn every_grey_image_of_a_decodable_syntax_has_the_pixels_of_an_independent_decoder() {
    let Some(list) = kit::real("MANIFEST.tsv") else { return };
    let list = std::fs::read_to_string(list).unwrap();
    let mut exact: BTreeMap<String, usize> = BTreeMap::new();
    let mut refused = Vec::new();
    for row in list.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let (path, syntax, digest) = (fields[0], fields[4], fields[6]);
        let of_interest = ["ct_", "mr_", "ts/", "odd/", "cxr/", "seg_sr/ct"];
        if digest.is_empty() || !of_interest.iter().any(|start| path.starts_with(start)) {
            continue;
        }
        let Some(file) = kit::real(path) else { continue };
        match decode(&std::fs::read(file).unwrap()) {
            Ok(pixels) if pixel_digest(&pixels) == digest => {
                *exact.entry(syntax.to_string()).or_default() += 1;
            }
            Ok(_) => panic!("{path} ({syntax}) has other pixels"),
            Err(error) => refused.push(format!("{path} ({syntax}) {error}")),
        }
    }
    exact.iter().for_each(|(syntax, count)| println!("{count} exact: {syntax}"));
    refused.iter().for_each(|line| println!("refused: {line}"));
    let must = ["", ".1", ".2", ".1.99", ".5", ".4.70", ".4.80", ".4.90"];
    for end in must {
        let syntax = format!("1.2.840.10008.1.2{end}");
        assert!(exact.contains_key(&syntax), "{syntax} is listed as decodable");
    }
    assert!(exact["1.2.840.10008.1.2.4.80"] >= 30, "the whole JPEG-LS series");
}

/// Two decoders of a lossy DCT or wavelet may round differently by one; JPEG-LS may not.
#[test]
fn lossy_images_have_the_pixels_of_pydicom_but_for_rounding() {
    let Some(python) = kit::python() else { return };
    let script = "
import pydicom, sys
for value in pydicom.dcmread(sys.argv[1]).pixel_array.flatten().tolist(): print(value)
";
    let check = |path: &str, most: i32| {
        let Some(file) = kit::real(path) else { return };
        let pixels = decode(&std::fs::read(&file).unwrap()).unwrap();
        let expected = kit::run_python(&python, script, &[&file]);
        let expected: Vec<i32> = expected.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(pixels.values.len(), expected.len());
        let differences = pixels.values.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let greatest = differences.max().unwrap();
        println!("{path}: greatest difference {greatest}");
        assert!(greatest <= most, "{path}: {greatest}");
    };
    check("ts/wg04_ct2/CT2_JLSN", 0);
    check("ts/pydicom/JPEGLSNearLossless_16.dcm", 0);
    check("ts/wg04_ct2/CT2_J2KI", 1);
}
