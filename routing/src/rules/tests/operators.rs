//! Each operator with values that fit, values that do not, and no value at all.

use super::verdict;

/// Whether an image with these attributes is selected by this condition.
fn check(condition: &str, attributes: &str, selected: bool) {
    let said = verdict(condition, "", &format!("{{ {attributes} }}"));
    assert_eq!(said.starts_with("runs: "), selected, "{condition} on {attributes}: {said}");
}

#[test]
fn an_absent_or_empty_attribute_matches_nothing_but_absent() {
    for condition in [
        "BodyPartExamined = \"CHEST\"",
        "BodyPartExamined = [\"CHEST\", \"THORAX\"]",
        "BodyPartExamined = { like = \"*\" }",
        "BodyPartExamined = { regex = \"\\\\A\" }",
        "BodyPartExamined = { has = \"CHEST\" }",
        "BodyPartExamined = { lacks = \"CHEST\" }",
        "BodyPartExamined = { not = \"CHEST\" }",
        "BodyPartExamined = { present = true }",
        "SliceThickness = 1",
        "SliceThickness = { min = 0 }",
        "SliceThickness = { max = 1000 }",
        "SliceThickness = { not = 1 }",
        "StudyDate = { min = 1900-01-01 }",
        "PatientAge = { max = \"120Y\" }",
        "ReferencedImageSequence = { present = true }",
        "\"(0019,xx0C) SIEMENS MR HEADER\" = { not = \"a\" }",
    ] {
        check(condition, "Modality = \"CT\"", false);
        let key = condition.split(" = ").next().unwrap_or_default();
        if !key.starts_with("Ref") {
            check(condition, &format!("{key} = []"), false);
        }
    }
    check("BodyPartExamined = { absent = true }", "Modality = \"CT\"", true);
    check("BodyPartExamined = { absent = true }", "BodyPartExamined = \"\"", true);
    check("BodyPartExamined = { absent = true }", "BodyPartExamined = \"CHEST\"", false);
    check("ReferencedImageSequence = { absent = true }", "Modality = \"CT\"", true);
}

#[test]
fn texts_are_equal_letter_by_letter_without_their_padding() {
    check("Modality = \"CT\"", "Modality = \"CT \"", true);
    check("Modality = \"CT\"", "Modality = \"ct\"", false);
    check("Modality = \"CT\"", "Modality = \"CTA\"", false);
    check("Modality = [\"CT\", \"MR\"]", "Modality = \"MR\"", true);
    check("Modality = [\"CT\", \"MR\"]", "Modality = \"DX\"", false);
    check("Modality = { not = \"CT\" }", "Modality = \"MR\"", true);
    check("Modality = { not = [\"CT\", \"MR\"] }", "Modality = \"MR\"", false);
}

#[test]
fn numbers_compare_as_numbers_however_they_are_written() {
    check("SliceThickness = 2.5", "SliceThickness = 2.50", true);
    check("SliceThickness = 2", "SliceThickness = 2.0", true);
    check("SliceThickness = { max = 2.5 }", "SliceThickness = 2.5", true);
    check("SliceThickness = { max = 2.5 }", "SliceThickness = 10", false);
    check("SliceThickness = { min = 1, max = 3 }", "SliceThickness = 2", true);
    check("SliceThickness = { min = 1, max = 3 }", "SliceThickness = 0.5", false);
    check("SliceThickness = { not = 5 }", "SliceThickness = 4", true);
    check("SliceThickness = [1, 2]", "SliceThickness = 2", true);
    check("Rows = 512", "Rows = 512", true);
    check("Rows = { min = 513 }", "Rows = 512", false);
    check("InstanceNumber = { max = 10 }", "InstanceNumber = 9", true);
    check("DiffusionBValue = { min = 800 }", "DiffusionBValue = 1000.0", true);
    check(
        "RecommendedDisplayFrameRateInFloat = 0.7",
        "RecommendedDisplayFrameRateInFloat = 0.7",
        true,
    );
    // Both values of a spacing must lie in the range; one that is listed is enough for `has`.
    check("PixelSpacing = { max = 0.8 }", "PixelSpacing = [0.7, 0.7]", true);
    check("PixelSpacing = { max = 0.8 }", "PixelSpacing = [0.7, 0.9]", false);
    check("PixelSpacing = { has = 0.9 }", "PixelSpacing = [0.7, 0.9]", true);
}

#[test]
fn a_glob_covers_the_whole_value_in_any_case_and_a_regular_expression_a_part() {
    check(
        "SeriesDescription = { like = \"*lung*\" }",
        "SeriesDescription = \"Low dose LUNG\"",
        true,
    );
    check(
        "SeriesDescription = { like = \"lung\" }",
        "SeriesDescription = \"Low dose LUNG\"",
        false,
    );
    check("SeriesDescription = { like = \"l?ng\" }", "SeriesDescription = \"Lung\"", true);
    check("SeriesDescription = { like = [\"a*\", \"b*\"] }", "SeriesDescription = \"Bone\"", true);
    check("SeriesDescription = { like = \"a.c\" }", "SeriesDescription = \"abc\"", false);
    check("SeriesDescription = { like = \"*thör*\" }", "SeriesDescription = \"THÖRAX\"", true);
    check("SeriesDescription = { regex = \"^T[12]\" }", "SeriesDescription = \"T2 axial\"", true);
    check("SeriesDescription = { regex = \"t2\" }", "SeriesDescription = \"T2 axial\"", false);
    check("SeriesDescription = { regex = \"(?i)t2\" }", "SeriesDescription = \"T2 axial\"", true);
}

#[test]
fn several_values_are_asked_by_has_and_lacks() {
    let axial = "ImageType = [\"ORIGINAL\", \"PRIMARY\", \"AXIAL\"]";
    check("ImageType = { has = \"AXIAL\" }", axial, true);
    check("ImageType = { has = \"LOCALIZER\" }", axial, false);
    check("ImageType = { has = [\"AXIAL\", \"HELIX\"] }", axial, true);
    check("ImageType = { lacks = \"LOCALIZER\" }", axial, true);
    check("ImageType = { lacks = [\"LOCALIZER\", \"AXIAL\"] }", axial, false);
    check("ImageType = { has = \"PRIMARY\", lacks = \"DERIVED\" }", axial, true);
    check("ImageType = \"AXIAL\"", axial, true);
    check("ImageType = { not = \"AXIAL\" }", axial, false);
}

#[test]
fn dates_times_and_ages_have_an_order() {
    check("StudyDate = { min = 2026-01-01 }", "StudyDate = 2026-03-01", true);
    check("StudyDate = { min = \"20260101\" }", "StudyDate = \"20251231\"", false);
    check("StudyDate = 2026-03-01", "StudyDate = \"20260301\"", true);
    check("StudyTime = { max = 07:30:00 }", "StudyTime = \"0715\"", true);
    check("StudyTime = { min = 07:30:00 }", "StudyTime = \"071559.5\"", false);
    check("PatientAge = { min = \"018Y\" }", "PatientAge = \"216M\"", true);
    check("PatientAge = { min = \"018Y\" }", "PatientAge = \"200M\"", false);
    check("PatientAge = { max = \"004W\" }", "PatientAge = \"028D\"", true);
}

#[test]
fn a_value_that_breaks_its_kind_is_present_and_matches_nothing_else() {
    // A private attribute keeps whatever text a scanner put there.
    let broken = "\"(0019,xx0C) MAKER\" = \"about 5\"";
    check("\"(0019,xx0C) MAKER\" = { present = true }", broken, true);
    for condition in ["5", "{ min = 0 }", "{ max = 9 }", "{ not = 5 }"] {
        check(&format!("\"(0019,xx0C) MAKER\" = {condition}"), broken, false);
    }
}

#[test]
fn a_private_attribute_is_found_in_the_block_of_its_creator() {
    let image = "\"(0019,xx0C) OTHER\" = 5, \"(0019,xx0C) SIEMENS MR HEADER\" = 1000";
    check("\"(0019,xx0C) SIEMENS MR HEADER\" = { min = 800 }", image, true);
    check("\"(0019,xx0C) OTHER\" = { min = 800 }", image, false);
    check("\"(0019,xx0D) OTHER\" = { present = true }", image, false);
}

#[test]
fn a_sequence_is_only_there_or_not() {
    let image = "ReferencedImageSequence = [{ ReferencedSOPInstanceUID = \"1.2\" }]";
    check("ReferencedImageSequence = { present = true }", image, true);
    check("ReferencedImageSequence = { absent = true }", image, false);
}

#[test]
fn facts_tell_how_an_image_came() {
    let image = "calling-ae = \"CT-EAST\", called-ae = \"GANTRY\", transfer-syntax = \"1.2.840.10008.1.2.4.80\"";
    check("calling-ae = \"CT*\"", image, true);
    check("calling-ae = \"ct*\"", image, false);
    check("calling-ae = { not = \"CT*\" }", image, false);
    check("calling-ae = [\"MR*\", \"CT-EAST\"]", image, true);
    check("calling-ae = { like = \"ct*\" }", image, true);
    check("called-ae = \"GANTRY\"", image, true);
    check("sop-class = \"1.2.840.10008.5.1.4.1.1.2\"", image, true);
    check("sop-class = { like = \"*.1.4\" }", image, false);
    check(
        "sop-class = \"1.2.840.10008.5.1.4.1.1.4\"",
        "SOPClassUID = \"1.2.840.10008.5.1.4.1.1.4\"",
        true,
    );
    check(
        "SOPClassUID = \"1.2.840.10008.5.1.4.1.1.4\"",
        "sop-class = \"1.2.840.10008.5.1.4.1.1.4\"",
        true,
    );
    check("transfer-syntax = { like = \"1.2.840.10008.1.2.4.*\" }", image, true);
}

#[test]
fn any_all_and_none_combine_conditions_and_may_nest() {
    let ct = "Modality = \"CT\", BodyPartExamined = \"CHEST\"";
    let any = "any = [{ Modality = \"MR\" }, { Modality = \"CT\", BodyPartExamined = \"CHEST\" }]";
    check(any, ct, true);
    check(any, "Modality = \"CT\"", false);
    check("none = [{ Modality = \"MR\" }, { BodyPartExamined = \"HEAD\" }]", ct, true);
    check("none = [{ Modality = \"MR\" }, { BodyPartExamined = \"CHEST\" }]", ct, false);
    // An absent attribute fits nothing, so `none` of it holds where `not` would not.
    check("none = [{ ProtocolName = \"x\" }]", ct, true);
    check(
        "all = [{ any = [{ Modality = \"CT\" }] }, { none = [{ Modality = \"MR\" }] }]",
        ct,
        true,
    );
    check("all = [{ Modality = \"CT\" }, { BodyPartExamined = \"HEAD\" }]", ct, false);
    check(
        "[[rule.select.any]]\nModality = \"CT\"\n[[rule.select.any]]\nModality = \"MR\"",
        ct,
        true,
    );
}
