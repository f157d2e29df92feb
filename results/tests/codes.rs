//! The catalogue of codes against the lists that pydicom has of PS3.16.

mod kit;

use kit::validators;
use std::path::Path;

/// Each code that the catalogue writes down, against the meanings that pydicom knows of it; last how many it knows.
const MEANINGS: &str = r#"
import re, sys
from pydicom.sr._concepts_dict import concepts
text = open(sys.argv[1]).read()
schemes = {'dcm': 'DCM', 'sct': 'SCT', 'ucum': 'UCUM'}
written = [(value, schemes[scheme], meaning) for scheme, value, meaning in re.findall(r'\b(dcm|sct|ucum)\("([^"]*)",\s*"([^"]*)"', text)]
written += re.findall(r'Concept\(\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"', text)
known = {}
for scheme, names in concepts.items():
    for codes in names.values():
        for value, (meaning, _) in codes.items():
            known.setdefault((scheme, value), set()).add(meaning)
for value, scheme, meaning in written:
    meanings = known.get((scheme, value))
    if meanings is None:
        print(f'unknown: ({value}, {scheme}, {meaning})')
    elif meaning not in meanings:
        print(f'({value}, {scheme}) is {meanings}, not {meaning}')
print(len(written) > 100)
"#;

/// No list of pydicom has these: languages, UMLS, annotations of UCUM, and an answer of CID 240.
const UNKNOWN: [&str; 5] = [
    "unknown: (2667000, SCT, Absent)",
    "unknown: ({pixels}, UCUM, Pixels)",
    "unknown: ({-1:1}, UCUM, {-1:1})",
    "unknown: (en, RFC5646, English)",
    "unknown: (C0034375, UMLS, Qualitative Evaluations)",
];

#[test]
fn each_code_has_the_meaning_that_an_independent_list_has() {
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/codes.rs");
    let Some(told) = validators::python_says(MEANINGS, &catalogue) else { return };
    let (sound, told) = told.split_last().expect("lines");
    assert_eq!((told, sound.as_str()), (&UNKNOWN.map(String::from)[..], "True"));
}
