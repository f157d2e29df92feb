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

#[test]
fn a_path_gathers_the_values_of_all_items_and_a_table_wants_one_item_that_fits() {
    let image = "ProcedureCodeSequence = [\
        { CodeValue = \"1\", CodingSchemeDesignator = \"L\" }, \
        { CodeValue = \"2\", CodingSchemeDesignator = \"M\" }]";
    check("ProcedureCodeSequence.CodeValue = \"2\"", image, true);
    check("\"ProcedureCodeSequence.CodeValue\" = \"3\"", image, false);
    check("ProcedureCodeSequence.CodeValue = { not = \"2\" }", image, false);
    check("ProcedureCodeSequence.CodeValue = { lacks = \"3\" }", image, true);
    check("ProcedureCodeSequence.CodeMeaning = { absent = true }", image, true);
    check("ProcedureCodeSequence.CodeMeaning = { present = true }", image, false);
    check(
        "ProcedureCodeSequence.CodeValue = \"1\"\nProcedureCodeSequence.CodingSchemeDesignator = \"M\"",
        image,
        true,
    );
    let one = |value: &str, scheme: &str| {
        format!(
            "ProcedureCodeSequence = {{ CodeValue = \"{value}\", CodingSchemeDesignator = \"{scheme}\" }}"
        )
    };
    check(&one("1", "L"), image, true);
    check(&one("1", "M"), image, false);
    check("ProcedureCodeSequence = { CodeValue = { not = \"1\" } }", image, true);
    check("[rule.select.ProcedureCodeSequence]\nCodeValue = \"2\"", image, true);
    check("none = [{ ProcedureCodeSequence = { CodeValue = \"2\" } }]", image, false);
    check(
        "ProcedureCodeSequence = { any = [{ CodeValue = \"9\" }, { CodingSchemeDesignator = \"L\" }] }",
        image,
        true,
    );
    check("ProcedureCodeSequence = { CodeValue = \"1\" }", "Modality = \"CT\"", false);
    check("ProcedureCodeSequence.CodeValue = { absent = true }", "Modality = \"CT\"", true);
}

#[test]
fn sequences_stand_in_sequences_and_private_ones_too() {
    let image = "RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue = \"X\", \
        \"RequestAttributesSequence.(0019,xx0C) MAKER 1.2\" = 5, \
        \"(0029,xx10) MAKER.(0029,xx11) MAKER\" = 7";
    check("RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue = \"X\"", image, true);
    check(
        "RequestAttributesSequence.ScheduledProtocolCodeSequence = { CodeValue = \"X\" }",
        image,
        true,
    );
    check(
        "RequestAttributesSequence = { ScheduledProtocolCodeSequence = { CodeValue = \"Y\" } }",
        image,
        false,
    );
    check("\"RequestAttributesSequence.(0019,xx0C) MAKER 1.2\" = { min = 5 }", image, true);
    check("RequestAttributesSequence.\"(0019,xx0C) MAKER 1.2\" = { min = 6 }", image, false);
    check("\"(0029,xx10) MAKER.(0029,xx11) MAKER\" = 7", image, true);
    check("\"(0029,xx10) OTHER.(0029,xx11) MAKER\" = 7", image, false);
}

#[test]
fn a_date_time_is_compared_as_far_as_it_is_written() {
    let at = |text: &str| format!("AcquisitionDateTime = \"{text}\"");
    check("AcquisitionDateTime = \"202601\"", &at("20260131073000.5"), true);
    check("AcquisitionDateTime = 2026-01-31", &at("20260131073000.5"), true);
    check("AcquisitionDateTime = 2026-01-31", &at("202601"), false);
    check("AcquisitionDateTime = { not = 2026-01-31 }", &at("202601"), false);
    check("AcquisitionDateTime = { not = 2026-02-01 }", &at("202601"), true);
    check("AcquisitionDateTime = { min = \"2026\" }", &at("20260101"), true);
    check("AcquisitionDateTime = { max = \"2026\" }", &at("20261231235959"), true);
    check("AcquisitionDateTime = { max = 2026-06-01T12:00:00 }", &at("20260601120001"), false);
    check("AcquisitionDateTime = { min = \"20260601\" }", &at("2026"), false);
    // Both clocks say how far they are from UTC, or neither is asked.
    let zone = "AcquisitionDateTime = { min = 2026-01-31T07:00:00+01:00 }";
    check(zone, &at("20260131060000+0000"), true);
    check(zone, &at("20260131060000+0200"), false);
    check(zone, &at("20260131070000"), true);
}

#[test]
fn an_attribute_that_holds_tags_is_asked_by_keyword_or_number() {
    let image = "FrameIncrementPointer = [\"FrameTime\", \"(0054,0010)\"]";
    check("FrameIncrementPointer = \"FrameTime\"", image, true);
    check("FrameIncrementPointer = { has = \"(0018,1063)\" }", image, true);
    check("FrameIncrementPointer = \"00540010\"", image, true);
    check("FrameIncrementPointer = { lacks = \"FrameTimeVector\" }", image, true);
}

#[test]
fn a_sender_is_a_peer_or_a_stranger() {
    check("peer = \"CT1\"", "peer = \"CT1\"", true);
    check("peer = \"CT1\"", "calling-ae = \"CT1\"", true);
    check("peer = [\"MR1\", \"CT1\"]", "peer = \"CT1\"", true);
    check("peer = { like = \"ct*\" }", "peer = \"CT1\"", true);
    check("peer = { not = \"MR1\" }", "peer = \"CT1\"", true);
    check("peer = { absent = true }", "calling-ae = \"STRANGER\"", true);
    check("peer = { not = \"MR1\" }", "calling-ae = \"STRANGER\"", false);
    check("peer = { present = true }", "calling-ae = \"STRANGER\"", false);
}

#[test]
fn the_time_of_arrival_may_reach_over_midnight() {
    let night = "arrival-time = { min = 22:00:00, max = 06:00:00 }";
    check(night, "arrival-time = 23:30:00", true);
    check(night, "arrival-time = 06:00:00", true);
    check(night, "arrival-time = 12:00:00", false);
    check("arrival-time = { min = 08:00:00, max = 17:00:00 }", "arrival-time = \"1200\"", true);
    check("arrival-time = { max = 08:00:00 }", "arrival-time = 08:00:01", false);
    check("arrival-day = [\"saturday\", \"sunday\"]", "arrival-day = \"sunday\"", true);
    check("arrival-day = { not = [\"saturday\", \"sunday\"] }", "arrival-day = \"sunday\"", false);
    check("arrival-order = 1", "Modality = \"CT\"", true);
    check("arrival-order = { min = 2 }", "Modality = \"CT\"", false);
}

#[test]
fn an_image_lies_axial_coronal_sagittal_or_oblique() {
    let lies = |plane: &str, cosines: &str, fits: bool| {
        check(
            &format!("orientation = \"{plane}\""),
            &format!("ImageOrientationPatient = {cosines}"),
            fits,
        );
    };
    lies("axial", "[1, 0, 0, 0, 1, 0]", true);
    lies("axial", "[-1, 0, 0, 0, 1, 0]", true);
    lies("coronal", "[1, 0, 0, 0, 0, -1]", true);
    lies("sagittal", "[0, 1, 0, 0, 0, -1]", true);
    // 9 and 11 degrees about x.
    lies("axial", "[1, 0, 0, 0, 0.98769, 0.15643]", true);
    lies("oblique", "[1, 0, 0, 0, 0.98163, 0.19081]", true);
    check("orientation = { absent = true }", "Modality = \"CT\"", true);
    check("orientation = { absent = true }", "ImageOrientationPatient = [1, 0, 0]", true);
    check("orientation = { not = \"axial\" }", "Modality = \"CT\"", false);
    let shared = "SharedFunctionalGroupsSequence.PlaneOrientationSequence.ImageOrientationPatient \
        = [1, 0, 0, 0, 1, 0]";
    check("orientation = [\"axial\", \"coronal\"]", shared, true);
}

#[test]
fn pixels_are_lossy_by_their_mark_or_by_their_transfer_syntax() {
    check("lossy = true", "LossyImageCompression = \"01\"", true);
    check("lossy = true", "transfer-syntax = \"1.2.840.10008.1.2.4.50\"", true);
    check("lossy = false", "LossyImageCompression = \"00\"", true);
    check("lossy = false", "transfer-syntax = \"1.2.840.10008.1.2.4.90\"", true);
    check("lossy = { not = true }", "Modality = \"CT\"", true);
    check("frames = 1", "Modality = \"CT\"", true);
    check("frames = { min = 2 }", "NumberOfFrames = 30", true);
    check("frames = { min = 2 }", "NumberOfFrames = 1", false);
}
