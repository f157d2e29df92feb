//! Rules on studies: selections by name, of which series they take their images, and why they take none.

use super::super::judge::Judgement;
use super::super::rule::{On, Rule, Series};
use super::super::trace::{ConditionTrace, Fate};
use super::stops::{Draft, Image, fates, judged_study, rule_of, series};
use gantry_terms::uid::Uid;
use std::collections::BTreeSet;

const T1: &str = "SeriesDescription = { like = \"t1*\" }";
const FLAIR: &str = "SeriesDescription = { like = \"flair*\" }";

fn study(rule: Rule, images: &[Image]) -> Judgement {
    judged_study(&[rule], images).remove(0)
}

/// What a rule of one selection without a name says of a study.
fn one(require: &str, series: Series, images: &[Image]) -> Judgement {
    study(rule_of("r", On::Study, false, &[(None, T1, require, series)]), images)
}

fn both<'t>(require: &'t str) -> [Draft<'t>; 2] {
    [(Some("t1"), T1, require, Series::Only), (Some("flair"), FLAIR, "", Series::Only)]
}

/// The series of the images that the first selection took.
fn taken(judgement: &Judgement, images: &[Image]) -> String {
    let series: BTreeSet<&Uid> =
        judgement.selected[0].images.among(images).map(|image| &image.series).collect();
    assert_eq!(series.len(), 1, "{series:?}");
    series.into_iter().map(Uid::to_string).collect()
}

fn taken_by(choice: Series, images: &[Image]) -> String {
    taken(&one("", choice, images), images)
}

#[test]
fn each_selection_takes_its_own_series() {
    let images =
        [series("1.2", "t1", 3), series("1.3", "flair", 2), series("1.4", "dwi", 1)].concat();
    let judged = study(rule_of("r", On::Study, false, &both("images = { min = 3 }")), &images);
    assert_eq!(
        judged.reason,
        "runs: t1: 3 images of series 1.2 selected; flair: 2 images of series 1.3 selected"
    );
    let selected: Vec<(Option<&str>, usize)> =
        judged.selected.iter().map(|s| (s.name.as_deref(), s.images.len())).collect();
    assert_eq!(selected, [(Some("t1"), 3), (Some("flair"), 2)]);
    use Fate::{Condition, Selected};
    let (out, fits) = (Condition(0), Selected);
    assert_eq!(fates(&judged, 0), [fits, fits, fits, out, out, out]);
    assert_eq!(fates(&judged, 1), [out, out, out, fits, fits, out]);
    let keys: Vec<(Option<&str>, &str)> =
        judged.conditions.iter().map(|c| (c.selection.as_deref(), c.key.as_ref())).collect();
    assert_eq!(
        keys,
        [
            (Some("t1"), "SeriesDescription"),
            (Some("t1"), "images"),
            (Some("t1"), "series"),
            (Some("flair"), "SeriesDescription"),
            (Some("flair"), "series"),
        ]
    );
}

#[test]
fn a_selection_that_takes_nothing_is_named_with_its_reason_and_its_keys() {
    let rule = || rule_of("r", On::Study, false, &both("images = { min = 3 }"));
    let judged = study(rule(), &[series("1.2", "t1", 3), series("1.4", "dwi", 1)].concat());
    assert_eq!(
        judged.reason,
        "skipped: flair: no image matches SeriesDescription \
         (found \"t1\" in 3, \"dwi\" in 1, wanted { like = \"flair*\" })"
    );
    assert_eq!(judged.because, ["flair", "SeriesDescription", "flair: SeriesDescription"]);
    assert!(!judged.runs && judged.selected.is_empty());
    assert_eq!(fates(&judged, 0)[..3], [Fate::Selected; 3], "t1 alone has what it wants");
    let judged = study(rule(), &[series("1.2", "t1", 2), series("1.4", "dwi", 1)].concat());
    assert_eq!(
        judged.reason,
        "skipped: t1: series 1.2: images: 2 selected, at least 3 wanted; \
         flair: no image matches SeriesDescription (found \"t1\" in 2, \"dwi\" in 1, wanted { like = \"flair*\" })"
    );
    let told =
        ["t1", "images", "t1: images", "flair", "SeriesDescription", "flair: SeriesDescription"];
    assert_eq!(judged.because, told, "flair does not lack images");
}

#[test]
fn where_one_series_is_wanted_several_that_fit_are_told_and_the_word_that_would_choose() {
    let images =
        [series("1.2", "t1", 3), series("1.3", "t1 again", 4), series("1.4", "flair", 1)].concat();
    let judged = study(rule_of("r", On::Study, false, &both("")), &images);
    assert_eq!(
        judged.reason,
        "skipped: t1: 2 series fit, one wanted (series 1.2 with 3 images, 1.3 with 4); \
         say which by require.t1.series"
    );
    assert_eq!(judged.because, ["t1", "series", "t1: series"]);
    assert_eq!(fates(&judged, 0)[..7], [Fate::Unfit; 7], "neither was taken");
    let trace = judged.conditions.iter().find(|trace| &*trace.key == "series").expect("a trace");
    assert_eq!(trace.to_string(), "series = \"only\": fails, found 2 that fit");
    let judged = one("", Series::Only, &images);
    assert!(judged.reason.ends_with("say which by require.series"), "{}", judged.reason);
    let many: Vec<Image> = (1..=5).flat_map(|n| series(&format!("1.2.{n}"), "t1", 1)).collect();
    assert!(
        one("", Series::Only, &many).reason.contains(
            "5 series fit, one wanted (series 1.2.1 with 1 image, 1.2.2 with 1, 1.2.3 with 1, and 2 more)"
        )
    );
}

#[test]
fn each_choice_of_series_takes_its_own() {
    let images = [
        series("1.4", "t1", 3),
        series("1.3", "t1", 5),
        series("1.2", "t1", 4),
        series("1.5", "t2", 9),
    ]
    .concat();
    for (choice, expected) in
        [(Series::First, "1.4"), (Series::Last, "1.2"), (Series::MostImages, "1.3")]
    {
        let judged = one("", choice, &images);
        assert!(judged.runs, "{}", judged.reason);
        assert_eq!(taken(&judged, &images), expected, "{choice:?}");
        assert!(judged.reason.contains(&format!("of series {expected} selected")));
        let of_series = |fate: Fate| fates(&judged, 0).iter().filter(|is| **is == fate).count();
        let selected = judged.selected[0].images.len();
        assert_eq!(of_series(Fate::Selected), selected, "{choice:?}");
        assert_eq!(of_series(Fate::OtherSeries), 12 - selected, "{choice:?}");
        assert_eq!(of_series(Fate::Condition(0)), 9, "{choice:?}");
    }
    let judged = one("", Series::All, &images);
    assert_eq!(judged.reason, "runs: 12 images of 3 series selected");
    assert_eq!(judged.selected[0].images.len(), 12);
    assert!(!one("", Series::Only, &images).runs);
    assert_eq!(taken_by(Series::Only, &images[..3]), "1.4");
}

#[test]
fn of_series_with_equally_many_images_the_one_that_came_first_is_taken() {
    // The UID says the opposite.
    let images = [series("1.9", "t1", 3), series("1.3", "t1", 3), series("1.2", "t1", 2)].concat();
    assert_eq!(taken_by(Series::MostImages, &images), "1.9");
}

#[test]
fn a_series_has_the_place_of_its_first_image_that_was_received_whether_it_is_selected_or_not() {
    let (a, b) = (series("1.2", "t1", 3), series("1.3", "t1", 3));
    let mixed: Vec<Image> = b.iter().zip(&a).flat_map(|(b, a)| [b.clone(), a.clone()]).collect();
    assert_eq!(taken_by(Series::First, &mixed), "1.3");
    assert_eq!(taken_by(Series::Last, &mixed), "1.2");
    let late = "SeriesDescription = { like = \"t1*\" }\nInstanceNumber = { min = 2 }";
    let first = rule_of("r", On::Study, false, &[(None, late, "", Series::First)]);
    let images = [&b[..1], &a[..], &b[1..]].concat();
    assert_eq!(taken(&study(first, &images), &images), "1.3");
}

#[test]
fn a_series_that_lacks_what_require_wants_is_not_one_to_choose_from() {
    let mut gap = series("1.3", "t1", 5);
    gap.remove(1);
    let images = [series("1.2", "t1", 2), gap, series("1.4", "t1", 4)].concat();
    let require = "images = { min = 3 }\nspacing = \"even\"";
    for choice in [Series::Only, Series::First, Series::Last, Series::MostImages] {
        let judged = one(require, choice, &images);
        assert_eq!(judged.reason, "runs: 4 images of series 1.4 selected", "{choice:?}");
        let found = fates(&judged, 0);
        assert_eq!(found[..6], [Fate::Unfit; 6], "{choice:?}");
        assert_eq!(found[6..], [Fate::Selected; 4], "{choice:?}");
        let traces: Vec<String> = judged.conditions.iter().map(ToString::to_string).collect();
        assert_eq!(traces[1], "images = { min = 3 }: holds, found 4");
        assert_eq!(traces[2], "spacing = \"even\": holds, found steps of 1 mm");
    }
    let judged = one(require, Series::First, &images[..6]);
    assert_eq!(
        judged.reason,
        "skipped: series 1.2: images: 2 selected, at least 3 wanted; \
         series 1.3: spacing: a step of 2 mm, from 1 to 3, where 1 mm is usual"
    );
    assert_eq!(judged.because, ["images", "spacing"]);
    assert_eq!(fates(&judged, 0), [Fate::Unfit; 6]);
    // All series together are another matter: they lie in each other.
    let all = one("spacing = \"even\"", Series::All, &images[2..]);
    assert_eq!(all.reason, "skipped: spacing: two images lie at 1 mm");
    assert_eq!(fates(&all, 0), [Fate::Unfit; 8]);
}

#[test]
fn every_image_of_a_study_has_one_fate_in_each_selection() {
    let rules = [
        rule_of(
            "qa",
            On::Series,
            true,
            &[(None, "SeriesDescription = \"t1 QA\"", "", Series::All)],
        ),
        rule_of("cut", On::Instance, true, &[(None, "InstanceNumber = 4", "", Series::All)]),
        rule_of(
            "r",
            On::Study,
            false,
            &[
                (Some("t1"), T1, "images = { min = 2 }", Series::First),
                (Some("other"), "SeriesDescription = \"dwi\"\nInstanceNumber = 1", "", Series::All),
            ],
        ),
    ];
    let images = [
        series("1.1", "t1 QA", 1),
        series("1.2", "t1", 1),
        series("1.3", "t1", 4),
        series("1.4", "t1", 2),
        series("1.5", "dwi", 2),
    ];
    let judged = judged_study(&rules, &images.concat()).remove(0);
    use Fate::{Condition, OtherSeries, Selected, Stopped, Unfit};
    let (c0, c1) = (Condition(0), Condition(1));
    assert_eq!(
        fates(&judged, 0),
        [Stopped, Unfit, Selected, Selected, Selected, Stopped, OtherSeries, OtherSeries, c0, c0]
    );
    assert_eq!(fates(&judged, 1), [Stopped, c0, c0, c0, c0, Stopped, c0, c0, Selected, c1]);
    assert_eq!(
        judged.reason,
        "runs: t1: 3 images of series 1.3 selected; other: 1 image of series 1.5 selected; \
         stopped: 1 by \"qa\", 1 by \"cut\""
    );
    let json = serde_json::to_value(&judged.fates[0]).expect("plain data");
    let back: super::super::trace::Fates = serde_json::from_value(json).expect("fates");
    assert_eq!(back, judged.fates[0]);
}

#[test]
fn a_trace_that_was_stored_before_selections_had_names_is_still_read() {
    let old = r#"{"part":"select","key":"Modality","wanted":"\"CT\"","holds":true,"matched":1,"of":2,"left":1}"#;
    let trace: ConditionTrace = serde_json::from_str(old).expect("a trace");
    assert_eq!(trace.selection, None);
    assert_eq!(serde_json::to_string(&trace).expect("plain data"), old);
}
