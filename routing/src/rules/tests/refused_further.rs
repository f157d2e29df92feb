//! What is refused of sequences, facts, patterns, levels and changes on the way: message, place and help.

use super::parse;
use super::refused_lines::{check, said};

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
        "nothing is changed on the way | add deidentify, set or remove, or name the peer without braces",
    ),
    (
        r#"{ to = ["PACS"], deidentify = "trail" }"#,
        "the configuration has no [deidentification.NAME] called \"trail\" | did you mean \"trial\"?",
    ),
    (
        r#"{ to = ["STUDIES"], deidentify = "research" }"#,
        "STUDIES has the profile \"trial\", which no rule changes | leave deidentify out: \"trial\" holds for all that goes to STUDIES",
    ),
    (
        r#"{ to = ["KEEPER"], deidentify = "trial" }"#,
        "KEEPER is asked for what it took, by UIDs that it would not have | send it to a [[peer]] without commitment and find-at",
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
    (r#"{ to = ["PACS"], set = { PatientID = ["a", "b"] } }"#, "PatientID has one value"),
    (r#"{ to = ["PACS"], set = { StudyDate = [2026-01-31] } }"#, "StudyDate has one value"),
    (
        r#"{ to = ["PACS"], set = { LengthToEnd = 4 } }"#,
        "LengthToEnd says how long the data set is, which no rule sets | a rule sets texts and numbers of the outermost data set",
    ),
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
    assert!(parse(&text(&deep(24))).is_ok());
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
    assert!(parse(&rule("study", &format!("{both}{lesions}"))).is_ok());
    let facts = "[rule.require.t1]\nseries = \"most-images\"\nimages = 3\n";
    assert!(parse(&rule("study", &format!("{both}{facts}{lesions}"))).is_ok());
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
            "[rule.require]\nseries = \"all\"\n[rule.then]\nrun = \"emphysema\"\nmode = \"shadow\"\n"
                .to_string(),
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
