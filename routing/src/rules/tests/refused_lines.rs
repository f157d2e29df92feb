//! What is refused in a single line of each table: message, place and help.

use super::super::rule_set::RuleSet;
use super::{file, world};

/// What is said of a file, each problem as `line:column message | help`.
fn said(text: &str) -> String {
    let problems = match RuleSet::parse(vec![file("a.toml", text)], &world()) {
        Ok(_) => panic!("it is not refused:\n{text}"),
        Err(problems) => problems,
    };
    let said = problems.iter().map(|problem| {
        let help = problem.help.as_deref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{}:{} {}{help}", problem.line, problem.column, problem.message)
    });
    said.collect::<Vec<_>>().join("\n")
}

/// Lines of `[rule.TABLE]` and what is said of each.
fn check(table: &str, lines: &[(&str, &str)]) {
    let acts = if table == "then" { "" } else { "[rule.then]\nforward = [\"PACS\"]\n" };
    for (line, expected) in lines {
        let text = format!("[[rule]]\nname = \"r\"\n[rule.{table}]\n{line}\n{acts}");
        assert_eq!(said(&text), *expected, "{line}");
    }
}

#[test]
fn a_condition_that_cannot_be_meant_so_is_refused() {
    check("select", CONDITIONS);
}

#[test]
fn a_fact_of_the_selection_that_cannot_be_meant_so_is_refused() {
    check("require", FACTS);
}

#[test]
fn an_action_that_cannot_be_meant_so_is_refused() {
    check("then", ACTIONS);
}

#[test]
fn an_image_of_a_case_that_cannot_be_meant_so_is_refused() {
    for (image, expected) in IMAGES {
        let said = said(&super::rule("", "", &format!("{{ {image} }}"), "runs"));
        let (_, message) = said.split_once(' ').unwrap_or_default();
        assert_eq!(message, *expected, "{image}");
    }
}

const IMAGES: &[(&str, &str)] = &[
    ("peer = \"CT2\"", "there is no [[peer]] \"CT2\" | did you mean \"CT1\"?"),
    (
        "peer = \"CT1\", calling-ae = \"MR1\"",
        "`peer` and `calling-ae` are two senders | a peer is known by its calling-ae; leave one of them out",
    ),
    ("arrival-day = \"sonday\"", "there is no day \"sonday\" | did you mean \"sunday\"?"),
    ("arrival-time = 3", "`arrival-time` wants a time such as 07:30:00 or \"073000\", not 3"),
    (
        "orientation = \"axial\"",
        "`orientation` is not given: it follows from other things | it follows from ImageOrientationPatient",
    ),
    ("made-here = 1", "`made-here` must be true or false, not 1"),
    ("series = \"\"", "`series` is empty"),
    (
        "ProcedureCodeSequence = [{ CodeValu = \"X\" }]",
        "\"CodeValu\" is not a DICOM keyword | did you mean \"CodeValue\"?",
    ),
    (
        "FrameIncrementPointer = \"FrameTim\"",
        "\"FrameTim\" is no value of FrameIncrementPointer | write a keyword or a tag such as \"(0018,0050)\"",
    ),
    ("Modalty = \"MR\"", "\"Modalty\" is not a DICOM keyword | did you mean \"Modality\"?"),
    ("Rows = 5.5", "5.5 is no value of Rows | write a whole number"),
    ("PatientAge = \"18\"", "\"18\" is no value of PatientAge | write an age such as \"018Y\""),
    ("count = 0", "`count` must be a whole number, 1 or more, not 0"),
    ("count = 5001", "a case has at most 5000 images"),
    ("start = 1", "`start` has no effect without `spacing`"),
    (
        "spacing = 1, ImagePositionPatient = [0, 0, 0]",
        "`spacing` makes ImagePositionPatient; leave one of them out",
    ),
    ("calling-ae = \"SEVENTEEN_LETTERS\"", "`calling-ae`: an AE title has at most 16 characters"),
    ("sop-class = \"CT\"", "`sop-class`: not a UID: it holds something other than digits and dots"),
    (
        "ImageType = \"A\\\\B\"",
        "\"A\\\\B\" is no value of ImageType | write a text in quotes; several values are a list, \
         not parted by a backslash",
    ),
];

const CONDITIONS: &[(&str, &str)] = &[
    (r#"Modalty = "CT""#, r#"4:1 "Modalty" is not a DICOM keyword | did you mean "Modality"?"#),
    (
        r#"modality = "CT""#,
        r#"4:1 "modality" is neither a DICOM keyword nor a fact of an image | did you mean "Modality"?"#,
    ),
    (
        r#"Slice_Thickness = 3"#,
        r#"4:1 "Slice_Thickness" is not a DICOM keyword | did you mean "SliceThickness"?"#,
    ),
    (r#"Xyzzyx = 1"#, r#"4:1 "Xyzzyx" is not a DICOM keyword"#),
    (
        r#"calling-aet = "X""#,
        r#"4:1 "calling-aet" is neither a DICOM keyword nor a fact of an image | did you mean "calling-ae"?"#,
    ),
    (
        r#"images = { min = 3 }"#,
        r#"4:1 `images` is a fact of the selection, not of one image | write `images` in [rule.require]"#,
    ),
    (
        r#"PixelData = { present = true }"#,
        r#"4:1 PixelData holds bulk data, which rules do not see"#,
    ),
    (
        r#"TransferSyntaxUID = "1.2""#,
        r#"4:1 TransferSyntaxUID belongs to the file header, not to the data set | the fact `transfer-syntax` says how the image came"#,
    ),
    (r#"OverlayRows = 1"#, r#"4:1 OverlayRows stands for a whole range of tags"#),
    (
        r#""(0018,0050)" = 1"#,
        r#"4:1 "(0018,0050)" names its attribute by number | write its keyword: SliceThickness"#,
    ),
    (
        r#""(0019,100C) X" = 1"#,
        r#"4:1 "(0019,100C) X" names its attribute by number | write a private attribute as "(0019,xx0C) SIEMENS MR HEADER": an odd group, xx, two digits, and the name of its creator"#,
    ),
    (
        r#""(0018,xx50) X" = 1"#,
        r#"4:1 "(0018,xx50) X" is not a private attribute | write a private attribute as "(0019,xx0C) SIEMENS MR HEADER": an odd group, xx, two digits, and the name of its creator"#,
    ),
    (
        r#""(0019,xx0C)" = 1"#,
        r#"4:1 "(0019,xx0C)" is not a private attribute | write a private attribute as "(0019,xx0C) SIEMENS MR HEADER": an odd group, xx, two digits, and the name of its creator"#,
    ),
    (
        r#""(0019" = 1"#,
        r#"4:1 "(0019" is not a tag | write a private attribute as "(0019,xx0C) SIEMENS MR HEADER": an odd group, xx, two digits, and the name of its creator"#,
    ),
    (
        r#"SliceThickness = "2.5""#,
        r#"4:18 `SliceThickness` wants a number, not "2.5" | write it without quotes: 2.5"#,
    ),
    (
        r#"SliceThickness = { max = "2.5" }"#,
        r#"4:26 `max` wants a number, not "2.5" | write it without quotes: 2.5"#,
    ),
    (
        r#"SliceThickness = { maks = 2.5 }"#,
        r#"4:20 unknown operator "maks" | did you mean "lacks"?"#,
    ),
    (
        r#"SliceThickness = { like = "2*" }"#,
        r#"4:20 `like` does not fit SliceThickness, which holds numbers | use a number, a list of numbers, min, max, not, has, lacks"#,
    ),
    (
        r#"SliceThickness = { min = 3, max = 2 }"#,
        r#"4:18 `min` of SliceThickness is above its `max` | nothing lies between them"#,
    ),
    (r#"SliceThickness = {}"#, r#"4:18 `SliceThickness` says nothing"#),
    (r#"SliceThickness = inf"#, r#"4:18 `SliceThickness` wants a number, not inf"#),
    (r#"SliceThickness = true"#, r#"4:18 `SliceThickness` wants a number, not true"#),
    (r#"Modality = 3"#, r#"4:12 `Modality` wants a text, not 3 | write it in quotes: "3""#),
    (r#"Modality = []"#, r#"4:12 `Modality` is an empty list"#),
    (
        r#"Modality = """#,
        r#"4:12 no value of Modality is empty | an attribute without a value counts as absent: { absent = true }"#,
    ),
    (
        r#"Modality = { max = "CT" }"#,
        r#"4:14 `max` does not fit Modality, which holds text | use a text, a list of texts, like, regex, has, lacks, not"#,
    ),
    (
        r#"ImageType = "ORIGINAL\\PRIMARY""#,
        r#"4:13 no value of ImageType holds a backslash | a backslash parts the values of an attribute; ask for one: { has = ".." }"#,
    ),
    (r#"SeriesDescription = { regex = "(" }"#, r#"4:31 not a regular expression: unclosed group"#),
    (
        r#"SeriesDescription = { regex = "a{1000}{1000}" }"#,
        r#"4:31 the pattern is too large: it needs more than 1048576 bytes"#,
    ),
    (r#"SeriesDescription = { like = [] }"#, r#"4:30 `like` is an empty list"#),
    (
        r#"SeriesDescription = { absent = false }"#,
        r#"4:32 `absent = false` is not a condition | write { present = true }"#,
    ),
    (
        r#"SeriesDescription = { present = false }"#,
        r#"4:33 `present = false` is not a condition | write { absent = true }"#,
    ),
    (
        r#"SeriesDescription = { absent = true, like = "*" }"#,
        r#"4:21 SeriesDescription can never be absent and have a value"#,
    ),
    (r#"SeriesDescription = { absent = 1 }"#, r#"4:32 `absent` must be true or false, not 1"#),
    (
        r#"StudyDate = "2026""#,
        r#"4:13 `StudyDate` wants a date such as 2026-01-31 or "20260131", not "2026""#,
    ),
    (
        r#"StudyDate = 2026-13-01"#,
        r#"4:13 this is not TOML: invalid date, expected month between 01 and 12"#,
    ),
    (
        r#"StudyDate = { like = "2026*" }"#,
        r#"4:15 `like` does not fit StudyDate, which holds dates | use a date such as 2026-01-31, a list of dates, min, max, not"#,
    ),
    (
        r#"StudyTime = { min = 22:00:00, max = 06:00:00 }"#,
        r#"4:13 `min` of StudyTime is above its `max` | nothing lies between them"#,
    ),
    (
        r#"PatientAge = { min = 18 }"#,
        r#"4:22 `min` wants an age such as "018Y" (Y, M, W or D), not 18"#,
    ),
    (
        r#"ReferencedImageSequence = "x""#,
        r#"4:27 ReferencedImageSequence is a sequence and has no value | ask { present = true }, { absent = true }, or what one item holds: { CodeValue = ".." }"#,
    ),
    (
        r#"ReferencedImageSequence = { has = "x" }"#,
        r#"4:29 `has` does not fit ReferencedImageSequence, which holds a sequence | ask { present = true }, { absent = true }, or what one item holds: { CodeValue = ".." }"#,
    ),
    (
        r#"SOPClassUID = "CT Image Storage""#,
        r#"4:15 "CT Image Storage" is not a UID | a UID is digits and dots; for a part of it use { like = "1.2.840.*" }"#,
    ),
    (
        r#"calling-ae = { absent = true }"#,
        r#"4:16 `absent` does not fit calling-ae, which holds one AE title | use a text, a list of texts, like, regex, not"#,
    ),
    (
        r#"calling-ae = { has = "x" }"#,
        r#"4:16 `has` does not fit calling-ae, which holds one AE title | use a text, a list of texts, like, regex, not"#,
    ),
    (r#"any = []"#, r#"4:7 `any` is an empty list"#),
    (r#"any = [{}]"#, r#"4:8 an empty table in `any` fits every image"#),
    (
        r#"any = { Modality = "CT" }"#,
        r#"4:7 `any` must be a list of tables | write any = [ { .. }, { .. } ]"#,
    ),
    (r#"any = ["CT"]"#, r#"4:8 `any` must be a table, not "CT""#),
    (
        r#"none = [{ Modalty = "CT" }]"#,
        r#"4:11 "Modalty" is not a DICOM keyword | did you mean "Modality"?"#,
    ),
    (
        r#"flair = { Modality = "MR" }"#,
        r#"4:1 a selection with a name ("flair") is for rules on = "study" | put the conditions under [rule.select], or write on = "study""#,
    ),
];

/// Facts of an image, sequences, patterns and date-times.
const FURTHER_CONDITIONS: &[(&str, &str)] = &[
    (
        r#"RequestAttributesSequence.ScheduledProtocolCodeSequenc.CodeValue = "X""#,
        r#"4:27 "ScheduledProtocolCodeSequenc" is not a DICOM keyword | did you mean "ScheduledProtocolCodeSequence"?"#,
    ),
    (
        r#""RequestAttributesSequence.CodeValu" = "X""#,
        r#"4:28 "CodeValu" is not a DICOM keyword | did you mean "CodeValue"?"#,
    ),
    (
        r#"ProcedureCode.CodeValue = "X""#,
        r#"4:1 "ProcedureCode" is not a DICOM keyword | did you mean "ProcedureCodeSequence"?"#,
    ),
    (
        r#"StudyDescription.CodeValue = "X""#,
        r#"4:1 StudyDescription is no sequence: nothing stands inside it"#,
    ),
    (
        r#"ProcedureCodeSequence.calling-ae = "X""#,
        r#"4:23 unknown operator "calling-ae" | known: min, max, like, regex, has, lacks, absent, present, not"#,
    ),
    (
        r#"ProcedureCodeSequence = { CodeValue = "X", calling-ae = "Y" }"#,
        r#"4:44 "calling-ae" is not a DICOM keyword | `calling-ae` is a fact of the image and stands outside of sequences"#,
    ),
    (
        r#"ProcedureCodeSequence = { CodeValue = 3 }"#,
        r#"4:39 `CodeValue` wants a text, not 3 | write it in quotes: "3""#,
    ),
    (
        r#"ProcedureCodeSequence = { CodeValue = "X", present = true }"#,
        r#"4:44 `present` stands beside what an item must hold | an item that holds something is there; leave one of them out"#,
    ),
    (
        r#"ProcedureCodeSequence.CodeValue = { min = 3 }"#,
        r#"4:37 `min` does not fit ProcedureCodeSequence.CodeValue, which holds text | use a text, a list of texts, like, regex, has, lacks, not"#,
    ),
    (
        r#"AcquisitionDateTime = "2026-01""#,
        r#"4:23 `AcquisitionDateTime` wants a date-time such as 2026-01-31T07:30:00 or "20260131073000" (or its beginning, "202601"), not "2026-01""#,
    ),
    (
        r#"AcquisitionDateTime = { min = "2027", max = "202612" }"#,
        r#"4:23 `min` of AcquisitionDateTime is above its `max` | nothing lies between them"#,
    ),
    (
        r#"AcquisitionDateTime = { like = "2026*" }"#,
        r#"4:25 `like` does not fit AcquisitionDateTime, which holds date-times | use a date-time such as 2026-01-31T07:30:00, a list, min, max, not"#,
    ),
    (
        r#"FrameIncrementPointer = "FrameTim""#,
        r#"4:25 "FrameTim" is neither a DICOM keyword nor a tag | did you mean "FrameTime"?"#,
    ),
    (r#"peer = "CT2""#, r#"4:8 there is no [[peer]] "CT2" | did you mean "CT1"?"#),
    (r#"peer = "CT*""#, r#"4:8 there is no [[peer]] "CT*" | for a pattern write { like = "CT*" }"#),
    (
        r#"arrival-time = "late""#,
        r#"4:16 `arrival-time` wants a time such as 07:30:00 or "073000", not "late""#,
    ),
    (
        r#"arrival-time = { absent = true }"#,
        r#"4:18 `absent` does not fit arrival-time, which holds one time of day | use min and max, such as { min = 18:00:00 }"#,
    ),
    (
        r#"arrival-day = "munday""#,
        r#"4:15 `arrival-day` is never "munday" | did you mean "monday"?"#,
    ),
    (
        r#"arrival-order = "1""#,
        r#"4:17 `arrival-order` wants a number, not "1" | write it without quotes: 1"#,
    ),
    (
        r#"arrival-order = { min = 3, max = 2 }"#,
        r#"4:17 `min` of arrival-order is above its `max` | nothing lies between them"#,
    ),
    (r#"orientation = "axal""#, r#"4:15 `orientation` is never "axal" | did you mean "axial"?"#),
    (r#"lossy = "no""#, r#"4:9 `lossy` must be true or false, not "no""#),
    (
        r#"lossy = { present = true }"#,
        r#"4:11 `present` does not fit lossy, which holds true or false | use true or false"#,
    ),
    (
        r#"frames = { absent = true }"#,
        r#"4:12 `absent` does not fit frames, which holds one number | use a number, a list of numbers, min, max, not"#,
    ),
    (
        r#"t1 = { Modality = "MR" }"#,
        r#"4:1 a selection with a name ("t1") is for rules on = "study" | put the conditions under [rule.select], or write on = "study""#,
    ),
];

/// Changes on the way, and what no rule may change.
const CHANGES: &[(&str, &str)] = &[
    (
        r#"{ set = { InstitutionName = "X" } }"#,
        "`forward` lacks `to` | forward = [{ to = [\"ARCHIVE\"], remove = [\"PatientComments\"] }]",
    ),
    (
        r#"{ to = ["PACS"] }"#,
        "nothing is changed on the way | add set or remove, or name the peer without braces",
    ),
    (
        r#"{ to = ["PACS"], sets = {} }"#,
        "unknown key \"sets\" in `forward` | did you mean \"set\"?",
    ),
    (r#"{ to = ["PACS"], set = {} }"#, "`set` says nothing"),
    (r#"{ to = ["PACS"], remove = [] }"#, "`remove` is an empty list"),
    (
        r#""PACS", { to = ["PACS"], remove = ["PatientComments"] }"#,
        "\"PACS\" is in `forward` twice",
    ),
    (
        r#"{ to = ["PAX"], remove = ["PatientComments"] }"#,
        "there is no peer \"PAX\" | did you mean \"PACS\"?",
    ),
    (
        r#"{ to = ["PACS"], remove = ["PatientComents"] }"#,
        "PatientComents is not a DICOM keyword | did you mean \"PatientComments\"?",
    ),
    (
        r#"{ to = ["PACS"], remove = ["PatientComments", "PatientComments"] }"#,
        "\"PatientComments\" is in `remove` twice",
    ),
    (
        r#"{ to = ["PACS"], set = { PatientComments = "x" }, remove = ["PatientComments"] }"#,
        "PatientComments is in `set` and in `remove` | leave one of them out",
    ),
    (
        r#"{ to = ["PACS"], remove = ["Modality"] }"#,
        "Modality cannot be removed | DICOM wants a value in every object (Type 1)",
    ),
    (
        r#"{ to = ["PACS"], set = { Modality = "" } }"#,
        "Modality cannot be empty | DICOM wants a value in every object (Type 1)",
    ),
    (
        r#"{ to = ["PACS"], remove = ["StudyInstanceUID"] }"#,
        "StudyInstanceUID is a UID, which no rule changes | UIDs name objects, and others refer to them by it",
    ),
    (
        r#"{ to = ["PACS"], set = { Rows = 3 } }"#,
        "Rows belongs to the pixels, which no rule changes",
    ),
    (
        r#"{ to = ["PACS"], remove = ["PixelData"] }"#,
        "PixelData holds bulk data, which no rule changes",
    ),
    (
        r#"{ to = ["PACS"], remove = ["TransferSyntaxUID"] }"#,
        "TransferSyntaxUID belongs to the file header, not to the data set",
    ),
    (
        r#"{ to = ["PACS"], set = { SpecificCharacterSet = "ISO_IR 100" } }"#,
        "SpecificCharacterSet says how the texts are written; the node keeps it right",
    ),
    (
        r#"{ to = ["PACS"], remove = ["(0019,xx0C) MAKER"] }"#,
        "(0019,xx0C) MAKER is a private attribute, or written as a tag | only attributes that have a keyword can be changed",
    ),
    (
        r#"{ to = ["PACS"], set = { ProcedureCodeSequence = "x" } }"#,
        "ProcedureCodeSequence is a sequence, which no rule sets | a rule sets texts and numbers of the outermost data set",
    ),
    (
        r#"{ to = ["PACS"], remove = ["RequestAttributesSequence.ScheduledProcedureStepID"] }"#,
        "RequestAttributesSequence.ScheduledProcedureStepID stands inside a sequence | a rule changes the outermost data set; a whole sequence can be removed",
    ),
    (
        r#"{ to = ["PACS"], set = { BodyPartExamined = "chest" } }"#,
        "\"chest\" is no value of BodyPartExamined (CS): only upper case letters, digits, spaces and underscores fit",
    ),
    (
        r#"{ to = ["PACS"], set = { BodyPartExamined = "ABCDEFGHIJKLMNOPQ" } }"#,
        "\"ABCDEFGHIJKLMNOPQ\" is no value of BodyPartExamined (CS): it has 17 characters, at most 16 fit",
    ),
    (
        r#"{ to = ["PACS"], set = { StudyDate = "2026.01.31" } }"#,
        "\"2026.01.31\" is no value of StudyDate (DA): write a date such as 2026-01-31 or \"20260131\"",
    ),
    (
        r#"{ to = ["PACS"], set = { SeriesNumber = 2147483648 } }"#,
        "2147483648 is no value of SeriesNumber (IS): write a whole number from -2147483648 to 2147483647, without quotes",
    ),
    (
        r#"{ to = ["PACS"], set = { SliceThickness = 0.1234567890123456 } }"#,
        "0.1234567890123456 is no value of SliceThickness (DS): it has more than 16 characters; round it",
    ),
    (
        r#"{ to = ["PACS"], set = { ImageType = "A\\B" } }"#,
        "\"A\\\\B\" is no value of ImageType (CS): a backslash parts values; write a list",
    ),
    (
        r#"{ to = ["PACS"], set = { PatientName = "a^b^c^d^e^f" } }"#,
        "\"a^b^c^d^e^f\" is no value of PatientName (PN): a name has at most 3 groups (=) of 5 components (^)",
    ),
    (r#"{ to = ["PACS"], set = { ImageComments = ["a", "b"] } }"#, "ImageComments has one value"),
];

#[test]
fn a_condition_on_sequences_facts_and_moments_that_cannot_be_meant_so_is_refused() {
    check("select", FURTHER_CONDITIONS);
}

#[test]
fn a_change_on_the_way_that_would_break_an_object_is_refused() {
    for (forward, expected) in CHANGES {
        let text = format!("[[rule]]\nname = \"r\"\n[rule.then]\nforward = [{forward}]\n");
        let said = said(&text);
        let (place, message) = said.split_once(' ').unwrap_or_default();
        assert_eq!(message, *expected, "{forward}");
        assert!(place.starts_with("4:"), "{said}");
    }
}

#[test]
fn a_pattern_has_a_length_and_a_list_of_patterns_an_end() {
    let long = "a".repeat(4097);
    let many = vec!["\"a\""; 1001].join(", ");
    check(
        "select",
        &[
            (
                &format!("StudyDescription = {{ regex = \"{long}\" }}"),
                "4:30 the pattern is longer than 4096 bytes",
            ),
            (
                &format!("StudyDescription = {{ like = \"{long}\" }}"),
                "4:29 the pattern is longer than 4096 bytes",
            ),
            (
                &format!("StudyDescription = {{ like = [{many}] }}"),
                "4:29 `like` has 1001 patterns, at most 1000 are looked at",
            ),
        ],
    );
}

#[test]
fn a_path_ends_with_the_depth_to_which_headers_are_kept() {
    let deep =
        |sequences: usize| format!("\"{}Modality\" = \"CT\"", "ContentSequence.".repeat(sequences));
    let text = |line: &str| {
        format!("[[rule]]\nname = \"r\"\n[rule.select]\n{line}\n[rule.then]\nstop = true\n")
    };
    assert!(super::parse(&text(&deep(24))).is_ok());
    assert!(said(&text(&deep(25))).contains("the path goes through more than 24 sequences"));
    let nested =
        format!("{}CodeValue = \"X\"{}", "ContentSequence = { ".repeat(25), " }".repeat(25));
    assert!(said(&text(&nested)).contains("it lies in more than 24 sequences"));
}

/// Rules on studies and instances, as a whole.
#[test]
fn selections_with_names_fit_their_model_and_have_their_own_facts() {
    let rule = |on: &str, rest: &str| format!("[[rule]]\nname = \"r\"\non = \"{on}\"\n{rest}");
    let study = |rest: &str| said(&rule("study", rest));
    let then = "[rule.then]\nforward = [\"PACS\"]\n";
    let both = "[rule.select.t1]\nModality = \"MR\"\n[rule.select.flair]\nModality = \"MR\"\n";
    let lesions = "[rule.then]\nrun = \"lesions\"\nmode = \"shadow\"\n";
    assert!(super::parse(&rule("study", &format!("{both}{lesions}"))).is_ok());
    let facts = "[rule.require.t1]\nseries = \"most-images\"\nimages = 3\n";
    assert!(super::parse(&rule("study", &format!("{both}{facts}{lesions}"))).is_ok());
    for (rest, expected) in [
        (
            format!("[rule.select]\nModality = \"MR\"\n{lesions}"),
            "7:7 the model \"lesions\" has 2 inputs; the rule has one selection | write [rule.select.t1] and [rule.select.flair]",
        ),
        (
            format!(
                "[rule.select.t1]\nModality = \"MR\"\n[rule.select.flare]\nModality = \"MR\"\n{lesions}"
            ),
            "6:14 the model \"lesions\" has no input \"flare\" | did you mean \"flair\"?\n\
             9:7 the input \"flair\" of the model \"lesions\" has no selection | add [rule.select.flair]",
        ),
        (
            format!("[rule.select.T1]\nModality = \"MR\"\n{then}"),
            "4:14 a selection cannot be called \"T1\" | names are small letters, digits and dashes: t1, late-phase",
        ),
        (
            format!("[rule.select.frames]\nModality = \"MR\"\n{then}"),
            "4:14 a selection cannot be called \"frames\": that is a fact | choose another name",
        ),
        (
            format!("[rule.select]\nModality = \"MR\"\nt1 = {{ EchoTime = 3 }}\n{then}"),
            "5:1 `Modality` stands beside selections that have a name | write it in each selection it is meant for: [rule.select.t1]",
        ),
        (
            format!("{both}[rule.require.t2]\nimages = 3\n{then}"),
            "8:15 there is no selection \"t2\" | known: t1, flair",
        ),
        (
            format!("{both}[rule.require]\nimages = 3\n{then}"),
            "9:1 it is not said of which selection `images` is | write it in [rule.require.t1] or [rule.require.flair]",
        ),
        (
            format!("[rule.require.t1]\nimages = 3\n{then}"),
            "4:15 there is no selection \"t1\" | add [rule.select.t1]",
        ),
        (
            format!(
                "[rule.require]\nseries = \"all\"\n[rule.then]\nrun = \"emphysema\"\nmode = \"shadow\"\n"
            ),
            "5:10 a model analyses the images of one series | write \"only\", \"first\", \"last\" or \"most-images\"",
        ),
        (
            format!("[rule.require]\nseries = \"latest\"\n{then}"),
            "5:10 `series` is never \"latest\" | did you mean \"last\"?",
        ),
    ] {
        assert_eq!(study(&rest), expected, "{rest}");
    }
    assert_eq!(
        said(&rule("series", &format!("[rule.require]\nseries = \"only\"\n{then}"))),
        "5:1 `series` chooses among the series of a study; this rule looks at one series | write on = \"study\", or leave it out",
    );
    assert_eq!(
        said(&rule("instance", &format!("[rule.require]\nimages = 1\n{then}"))),
        "4:7 a rule on = \"instance\" looks at each image by itself: there is no selection that could have facts \
         | ask the image in [rule.select], or write on = \"series\"",
    );
    assert_eq!(
        said(&rule("series", &format!("[rule.select]\nModality = \"MR\"\n{lesions}"))),
        "7:7 the model \"lesions\" has 2 inputs; the rule has one selection | write on = \"study\" and [rule.select.t1] and [rule.select.flair]",
    );
}

const FACTS: &[(&str, &str)] = &[
    (r#"gaps = -1"#, r#"4:8 `gaps` must be a whole number, 0 or more, not -1"#),
    (
        r#"gaps = { min = 2, max = 1 }"#,
        r#"4:8 `min` of gaps is above its `max` | nothing lies between them"#,
    ),
    (
        r#"gaps = "none""#,
        r#"4:8 `gaps` must be a table, not "none" | write gaps = { min = .., max = .. }"#,
    ),
    (r#"frames = 0"#, r#"4:10 `frames` must be a whole number, 1 or more, not 0"#),
    (r#"orientation = [3]"#, r#"4:16 `orientation` must be a text in quotes, not 3"#),
    (
        r#"images = { min = 3, max = 2 }"#,
        r#"4:10 `min` of images is above its `max` | nothing lies between them"#,
    ),
    (r#"images = { min = 0 }"#, r#"4:18 `min` must be a whole number, 1 or more, not 0"#),
    (r#"images = {}"#, r#"4:10 `images` says nothing"#),
    (
        r#"images = "many""#,
        r#"4:10 `images` must be a table, not "many" | write images = { min = .., max = .. }"#,
    ),
    (r#"images = 0"#, r#"4:10 `images` must be a whole number, 1 or more, not 0"#),
    (r#"images = { least = 3 }"#, r#"4:12 unknown key "least" in `images` | known: min, max"#),
    (
        r#"spacing = "evn""#,
        r#"4:11 unknown spacing "evn" | write spacing = "even"; for millimetres spacing-mm = { max = 2.5 }"#,
    ),
    (r#"spacing = 3"#, r#"4:11 `spacing` must be a text in quotes, not 3"#),
    (r#"spacing-mm = { max = 0 }"#, r#"4:14 no step is 0 mm or less"#),
    (
        r#"spacings = "even""#,
        r#"4:1 unknown key "spacings" in [rule.require] | did you mean "spacing"?"#,
    ),
    (
        r#"Modality = "CT""#,
        r#"4:1 `Modality` is of one image, not of the selection | write `Modality` in [rule.select]"#,
    ),
    (
        r#"spacing-mm = 3"#,
        r#"4:14 `spacing-mm` must be a table, not 3 | write spacing-mm = { min = .., max = .. }"#,
    ),
    (
        r#"orientation = "single""#,
        r#"4:15 `orientation` is never "single" | known: axial, coronal, sagittal, oblique"#,
    ),
];

const ACTIONS: &[(&str, &str)] = &[
    (
        "forward = [\"PACS\"]\nstop = true\nmode = \"shadow\"",
        "3:7 `stop` would stop other rules for a rule in shadow | a rule in shadow changes nothing; \
         stop in a rule of its own",
    ),
    (r#""#, r#"3:7 the rule does nothing | name a model (run), peers (forward) or stop = true"#),
    (r#"run = "emphysem""#, r#"4:7 there is no model "emphysem" | did you mean "emphysema"?"#),
    (r#"run = "zzz""#, r#"4:7 there is no model "zzz" | known: emphysema, lung-nodules, lesions"#),
    (r#"run = ["emphysema"]"#, r#"4:7 `run` must be a text in quotes, not a list"#),
    (
        r#"run = "emphysema"
send = { to = ["PAX"], as = ["structured-reports"] }"#,
        r#"5:16 there is no peer "PAX" | did you mean "PACS"?
5:30 model "emphysema" does not make "structured-reports" | did you mean "structured-report"?"#,
    ),
    (
        r#"run = "lung-nodules"
send = { to = ["PACS"], as = ["secondary-capture"] }"#,
        r#"5:31 model "lung-nodules" does not make "secondary-capture" | known: structured-report"#,
    ),
    (
        r#"run = "emphysema"
send = { to = ["PACS"] }"#,
        r#"5:8 `send` lacks `as` | send = { to = ["PACS"], as = ["structured-report"] }"#,
    ),
    (
        r#"run = "emphysema"
send = { to = "PACS", as = ["structured-report"] }"#,
        r#"5:15 `to` must be a list in brackets, not "PACS" | write ["PACS"]"#,
    ),
    (
        r#"send = { to = ["PACS"], as = ["structured-report"] }"#,
        r#"4:1 `send` sends what a model makes, but nothing runs | the originals go by forward = [..]"#,
    ),
    (r#"forward = ["PACS", "PACS"]"#, r#"4:20 "PACS" is in `forward` twice"#),
    (r#"forward = []"#, r#"4:11 `forward` is an empty list"#),
    (
        r#"forward = ["PACS"]
priority = "stat""#,
        r#"5:1 `priority` has no effect without `run`"#,
    ),
    (
        r#"run = "emphysema"
priority = "urgent""#,
        r#"5:12 there is no priority "urgent" | known: routine, stat"#,
    ),
    (
        r#"stop = true
mode = "shadow""#,
        r#"5:1 `mode` has no effect without `run` or `forward`"#,
    ),
    (r#"stop = "yes""#, r#"4:8 `stop` must be true or false, not "yes""#),
    (
        r#"run = "emphysema"
mode = "shadw""#,
        r#"5:8 there is no mode "shadw" | did you mean "shadow"?"#,
    ),
    (r#"runs = "emphysema""#, r#"4:1 unknown key "runs" in [rule.then] | did you mean "run"?"#),
    (
        r#"stop = false"#,
        r#"3:7 the rule does nothing | name a model (run), peers (forward) or stop = true"#,
    ),
    (r#"forward = ["ARCHIV"]"#, r#"4:12 there is no peer "ARCHIV" | did you mean "ARCHIVE"?"#),
];
