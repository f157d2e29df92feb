//! Pixels come out of every transfer syntax that is listed as decodable, exactly; the rest is refused by name.

mod kit;

use gantry_inference::decode::{DecodeError, Pixels, decode};
use kit::modality::Scan;
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
    let must = ["", ".1", ".2", ".1.99", ".5", ".4.70", ".4.90"];
    for end in must {
        let syntax = format!("1.2.840.10008.1.2{end}");
        assert!(exact.contains_key(&syntax), "{syntax} is listed as decodable");
    }
    #[cfg(feature = "jpeg-ls")]
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
    if cfg!(feature = "jpeg-ls") {
        check("ts/wg04_ct2/CT2_JLSN", 0);
        check("ts/pydicom/JPEGLSNearLossless_16.dcm", 0);
    }
    check("ts/wg04_ct2/CT2_J2KI", 1);
}

/// 64 rows of 48 values `(61 row + 17 column) mod 4096`, compressed by OpenJPH 0.26.3.
const GRADIENT: &[u8] = include_bytes!("data/gradient_64x48.htj2k");

fn gradient() -> Scan {
    Scan {
        transfer_syntax: "1.2.840.10008.1.2.4.201",
        rows: 64,
        columns: 48,
        codestream: Some(GRADIENT.to_vec()),
        bits_stored: 16,
        ..Scan::default()
    }
}

#[test]
fn high_throughput_jpeg_2000_is_exact() {
    let expected = (0..64).flat_map(|row| (0..48).map(move |column| row * 61 + column * 17));
    let expected: Vec<i32> = expected.map(|value| value % 4096).collect();
    assert_eq!(decode(&gradient().file()).unwrap().values, expected);
}

#[test]
fn a_picture_that_is_not_what_its_header_says_is_refused_before_it_is_decompressed() {
    let check = |change: fn(&mut Scan), expected: DecodeError| {
        let mut scan = gradient();
        change(&mut scan);
        assert_eq!(decode(&scan.file()), Err(expected));
    };
    check(|s| s.rows = 63, DecodeError::CodestreamDiffers(64, 48, 1));
    check(|s| s.transfer_syntax = "1.2.840.10008.1.2.4.70", DecodeError::NoCodestream);
    check(|s| s.transfer_syntax = "1.2.840.10008.1.2.5", DecodeError::Damaged);
    let vast = |s: &mut Scan| {
        let codestream = s.codestream.as_mut().unwrap();
        codestream[8..16].fill(0x7F); // width and height of the picture in its SIZ segment
    };
    check(vast, DecodeError::CodestreamDiffers(0x7F7F_7F7F, 0x7F7F_7F7F, 1));
    check(|s| s.codestream.as_mut().unwrap().truncate(60), DecodeError::Damaged);
    let unknown = "1.2.840.10008.1.2.4.51";
    check(
        |s| s.transfer_syntax = "1.2.840.10008.1.2.4.51",
        DecodeError::TransferSyntax(unknown.into()),
    );
}

/// Its data end without a marker, and CharLS would count bits behind them for 15 s.
#[cfg(feature = "jpeg-ls")]
#[test]
fn a_damaged_jpeg_ls_picture_is_refused_at_once() {
    const DAMAGED: &str = "ffd8fff7000b100032000a01011100fff8000d01ffff0018004d01220040ffda00080101\
        00020000402010101020408208201fff7000000000000733182082108421080ff0665a1084210844407e04cca22\
        222222207c14ca88888888881f044ca2222224903e084a8040404081020824d07c1025008080810204104100f8\
        200a010101020408208201f040041aa10842108407cff12feffdde00000000a";
    let bytes = DAMAGED.as_bytes().chunks(2);
    let bytes = bytes.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
    let scan = Scan {
        transfer_syntax: "1.2.840.10008.1.2.4.81",
        rows: 50,
        columns: 10,
        bits_stored: 16,
        codestream: Some(bytes.collect()),
        ..Scan::default()
    };
    let started = std::time::Instant::now();
    assert_eq!(decode(&scan.file()), Err(DecodeError::Damaged));
    assert!(started.elapsed() < std::time::Duration::from_secs(3));
}

#[cfg(not(feature = "jpeg-ls"))]
#[test]
fn without_jpeg_ls_such_an_image_is_refused_by_the_name_of_its_syntax() {
    let scan = Scan { transfer_syntax: "1.2.840.10008.1.2.4.80", ..gradient() };
    let expected = DecodeError::TransferSyntax("1.2.840.10008.1.2.4.80".into());
    assert_eq!(decode(&scan.file()), Err(expected));
}
