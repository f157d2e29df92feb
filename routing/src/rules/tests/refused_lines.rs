//! What is refused in a single line of each table: message, place and help.

use super::super::rule_set::RuleSet;
use super::{file, world};

/// What is said of a file, each problem as `line:column message | help`.
pub(super) fn said(text: &str) -> String {
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
pub(super) fn check(table: &str, lines: &[(&str, &str)]) {
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
    (
        r#"run = "zzz""#,
        r#"4:7 there is no model "zzz" | known: emphysema, lung-nodules, nodules-and-pictures, lesions, denoiser"#,
    ),
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
        r#"run = "emphysema"
send = { to = ["PACS"], as = ["structured-report"], regions = "patient" }"#,
        r#"5:53 model "emphysema" finds nothing at a place in a volume, and only there a region is in the patient | leave `regions` out"#,
    ),
    (
        r#"run = "lung-nodules"
send = { to = ["PACS"], as = ["structured-report"], regions = "patients" }"#,
        r#"5:63 there is no regions "patients" | did you mean "patient"?"#,
    ),
    (
        r#"run = "nodules-and-pictures"
send = { to = ["PACS"], as = ["secondary-capture"], regions = "patient" }"#,
        r#"5:53 `regions` says how the report tells where a finding is, and no report is sent | add "structured-report" to `as`, or leave `regions` out"#,
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
