//! Rules on instances, on series and on studies: what each level sees, and what a stop takes from whom.

use super::super::judge::{self, ImageFacts, Judgement};
use super::super::made_up::NOON_ON_MONDAY;
use super::super::rule::{On, Rule, Series};
use super::super::trace::Fate;
use super::parse;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Value};
use gantry_terms::uid::Uid;
use std::sync::LazyLock;

static TITLE: LazyLock<AeTitle> = LazyLock::new(|| AeTitle::parse("MR1").expect("a title"));
static ANY_UID: LazyLock<Uid> = LazyLock::new(|| uid("1.2.840"));

/// An image of a study that a test sends.
#[derive(Clone)]
pub(super) struct Image {
    instance: Uid,
    pub(super) series: Uid,
    header: Header,
    made_here: bool,
}

pub(super) fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID")
}

/// Images of one series, 1 mm apart, numbered from 1.
pub(super) fn series(series: &str, description: &str, count: usize) -> Vec<Image> {
    let image = |number: usize| {
        let position = format!("0\\0\\{number}");
        let lines = [
            (0x0008_103E, "LO", description),
            (0x0020_0013, "IS", &number.to_string()),
            (0x0020_0032, "DS", &position),
            (0x0020_0037, "DS", "1\\0\\0\\0\\1\\0"),
            (0x0020_0052, "UI", "1.5"),
        ];
        let lines = lines.map(|(tag, vr, text)| {
            let values = text.split('\\').map(|text| Value::Text(text.into())).collect();
            (tag, Attribute { vr: vr.into(), values })
        });
        Image {
            instance: uid(&format!("{series}.{number}")),
            series: uid(series),
            header: Header(lines.into_iter().collect()),
            made_here: false,
        }
    };
    (1..=count).map(image).collect()
}

/// The same as if this node had made it.
fn made_here(images: Vec<Image>) -> Vec<Image> {
    images.into_iter().map(|image| Image { made_here: true, ..image }).collect()
}

pub(super) fn facts(images: &[Image]) -> Vec<ImageFacts<'_>> {
    let facts = images.iter().map(|image| ImageFacts {
        sop_instance: &image.instance,
        sop_class: &ANY_UID,
        transfer_syntax: &ANY_UID,
        calling_ae: &TITLE,
        called_ae: &TITLE,
        peer: None,
        series: &image.series,
        arrived: NOON_ON_MONDAY,
        header: Layered::whole(&image.header),
        made_here: image.made_here,
    });
    facts.collect()
}

/// A selection: its name, its conditions, its `require`, its choice of series.
pub(super) type Draft<'t> = (Option<&'t str>, &'t str, &'t str, Series);

/// A rule of these selections that forwards what it takes.
pub(super) fn rule_of(name: &str, on: On, stop: bool, selections: &[Draft]) -> Rule {
    let read = |(selection, select, require, series): &Draft| {
        let text = format!(
            "[[rule]]\nname = \"{name}\"\n[rule.select]\n{select}\n[rule.require]\n{require}\n\
             [rule.then]\nforward = [\"PACS\"]\nstop = {stop}\n"
        );
        let mut rule = parse(&text).expect("the rule is good").rules()[0].clone();
        rule.on = on;
        rule.selections[0].name = selection.map(str::to_string);
        rule.selections[0].series = *series;
        rule
    };
    let mut rules = selections.iter().map(read);
    let mut rule = rules.next().expect("a rule has a selection");
    rule.selections.extend(rules.flat_map(|rule| rule.selections));
    rule
}

fn rule(name: &str, on: On, stop: bool, select: &str) -> Rule {
    rule_of(name, on, stop, &[(None, select, "", Series::All)])
}

pub(super) fn judged(rules: &[Rule], images: &[Image]) -> Vec<Judgement> {
    judge::judge(rules, &facts(images))
}

pub(super) fn judged_study(rules: &[Rule], images: &[Image]) -> Vec<Judgement> {
    judge::judge_study(rules, &facts(images))
}

/// What became of each image in a selection of the rule.
pub(super) fn fates(judgement: &Judgement, selection: usize) -> Vec<Fate> {
    judgement.fates[selection].iter().collect()
}

fn taken(judgement: &Judgement) -> usize {
    judgement.selected.iter().map(|selected| selected.images.len()).sum()
}

#[test]
fn a_rule_on_instances_takes_each_image_that_fits_whatever_the_others_are() {
    let rules = [rule("keys", On::Instance, false, "InstanceNumber = { min = 2, max = 4 }")];
    let judged = judged(&rules, &series("1.2", "t1", 40));
    assert_eq!(judged[0].reason, "runs: 3 of 40 images selected");
    assert_eq!(judged[0].selected[0].images.iter().collect::<Vec<_>>(), [1, 2, 3]);
    let found = fates(&judged[0], 0);
    assert_eq!(found.len(), 40);
    assert_eq!(found[..2], [Fate::Condition(0), Fate::Selected]);
    assert_eq!(found[3..5], [Fate::Selected, Fate::Condition(0)]);
    assert_eq!(judged[0].on, On::Instance);
}

#[test]
fn a_rule_on_instances_that_no_image_fits_says_which_condition_decided() {
    let rules = [rule(
        "keys",
        On::Instance,
        false,
        "InstanceNumber = { min = 2 }\nSeriesDescription = \"key\"",
    )];
    let judged = judged(&rules, &series("1.2", "t1", 3));
    assert_eq!(
        judged[0].reason,
        "skipped: no image matches SeriesDescription (found \"t1\", wanted \"key\")"
    );
    assert_eq!(judged[0].because, ["SeriesDescription"]);
    assert_eq!(fates(&judged[0], 0), [Fate::Condition(0), Fate::Condition(1), Fate::Condition(1)]);
}

#[test]
fn a_series_is_judged_by_the_rules_on_instances_and_series_and_a_study_by_those_on_studies() {
    let rules = [
        rule("a", On::Study, false, ""),
        rule("b", On::Instance, false, ""),
        rule("c", On::Series, false, ""),
    ];
    let names = |judged: Vec<Judgement>| judged.into_iter().map(|j| j.rule).collect::<Vec<_>>();
    let images = series("1.2", "t1", 2);
    assert_eq!(names(judged(&rules, &images)), ["b", "c"]);
    assert_eq!(names(judged_study(&rules, &images)), ["a"]);
}

/// How many images a rule that wants everything gets of the series `QA`, of the other series and of
/// the study of both, beside a rule with stop.
fn left(stopping: On, select: &str, victim: On, with_stop: bool) -> [usize; 3] {
    let rules = [rule("all", victim, with_stop, ""), rule("qa", stopping, true, select)];
    let (qa, other) = (series("1.2", "QA", 2), series("1.3", "t1", 3));
    let of = |judged: Vec<Judgement>| {
        judged.iter().find(|judgement| judgement.rule == "all").map_or(0, taken)
    };
    let study = [qa.clone(), other.clone()].concat();
    [of(judged(&rules, &qa)), of(judged(&rules, &other)), of(judged_study(&rules, &study))]
}

#[test]
fn each_level_of_stop_takes_from_each_level_of_rules_what_it_should() {
    let qa = "SeriesDescription = \"QA\"";
    let first = "SeriesDescription = \"QA\"\nInstanceNumber = 1";
    for (stopping, select, victim, expected) in [
        // An image is taken from the rules on instances, on its series and on its study.
        (On::Instance, first, On::Instance, [1, 3, 0]),
        (On::Instance, first, On::Series, [1, 3, 0]),
        (On::Instance, first, On::Study, [0, 0, 4]),
        (On::Instance, qa, On::Instance, [0, 3, 0]),
        (On::Instance, qa, On::Series, [0, 3, 0]),
        (On::Instance, qa, On::Study, [0, 0, 3]),
        // A series as a whole, though the rule selects one image of it.
        (On::Series, first, On::Instance, [0, 3, 0]),
        (On::Series, first, On::Series, [0, 3, 0]),
        (On::Series, first, On::Study, [0, 0, 3]),
        // A study is stopped when its series have long been judged.
        (On::Study, first, On::Instance, [2, 3, 0]),
        (On::Study, first, On::Series, [2, 3, 0]),
        (On::Study, first, On::Study, [0, 0, 0]),
    ] {
        let case = format!("stop on {stopping:?} ({select}), rule on {victim:?}");
        assert_eq!(left(stopping, select, victim, false), expected, "{case}");
        let all = if victim == On::Study { [0, 0, 5] } else { [2, 3, 0] };
        assert_eq!(left(stopping, select, victim, true), all, "{case} with stop of its own");
    }
}

#[test]
fn a_rule_that_lost_images_to_a_stop_says_how_many_and_to_which_rule() {
    let rules = [
        rule("localizers", On::Instance, true, "InstanceNumber = { max = 2 }"),
        rule("late", On::Instance, true, "InstanceNumber = { max = 1 }"),
        rule("last", On::Instance, true, "InstanceNumber = 5"),
        rule("rest", On::Series, false, ""),
        rule("heads", On::Series, false, "SeriesDescription = \"head\""),
        rule("keys", On::Instance, false, "InstanceNumber = { max = 3 }"),
    ];
    let judged = judged(&rules, &series("1.2", "t1", 5));
    let reasons: Vec<&str> = judged.iter().map(|judgement| judgement.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "runs: 2 of 5 images selected; stops the rules without stop for them",
            "runs: 1 of 5 images selected; stops the rules without stop for them",
            "runs: 1 of 5 images selected; stops the rules without stop for them",
            "runs: 2 images selected; stopped: 2 by \"localizers\", 1 by \"last\"",
            "skipped: no image matches SeriesDescription (found \"t1\", wanted \"head\"); \
             stopped: 2 by \"localizers\", 1 by \"last\"",
            "runs: 1 of 2 images selected; stopped: 2 by \"localizers\", 1 by \"last\"",
        ]
    );
    let (stopped, selected) = (Fate::Stopped, Fate::Selected);
    assert_eq!(fates(&judged[3], 0), [stopped, stopped, selected, selected, stopped]);
    assert_eq!(fates(&judged[5], 0), [stopped, stopped, selected, Fate::Condition(0), stopped]);
    assert_eq!(judged[3].conditions, []);
    assert_eq!(judged[4].conditions[0].of, 2, "a stopped image is not looked at");
}

#[test]
fn a_rule_from_which_a_stop_took_everything_is_stopped_and_looks_at_nothing() {
    for (on, stopping) in
        [(On::Series, On::Instance), (On::Study, On::Instance), (On::Study, On::Series)]
    {
        let rules =
            [rule("qa", stopping, true, ""), rule("r", on, false, "SeriesDescription = \"x\"")];
        let images = series("1.2", "QA", 2);
        let judged = match on {
            On::Study => judged_study(&rules, &images).remove(0),
            _ => judged(&rules, &images).remove(1),
        };
        assert_eq!(judged.reason, "skipped: stopped by \"qa\"", "{on:?} {stopping:?}");
        assert_eq!(judged.because, ["stopped"]);
        assert_eq!(fates(&judged, 0), [Fate::Stopped, Fate::Stopped]);
        assert_eq!((judged.conditions[0].matched, judged.conditions[0].of), (0, 0));
    }
}

#[test]
fn a_stopped_series_has_no_image_with_another_fate_and_a_rule_says_what_else_it_lacked() {
    let rules = [
        rule("all", On::Series, false, ""),
        rule("heads", On::Series, false, "SeriesDescription = \"head\""),
        rule("qa", On::Series, true, "SeriesDescription = \"QA\""),
        rule("qa too", On::Series, true, ""),
    ];
    let judged =
        judged(&rules, &[series("1.2", "QA", 1), made_here(series("1.2", "QA", 2))].concat());
    assert_eq!(judged[0].reason, "skipped: stopped by \"qa\"");
    assert_eq!(
        judged[1].reason,
        "skipped: no image matches SeriesDescription (found \"QA\", wanted \"head\"); \
         it would be stopped by \"qa\" too"
    );
    assert_eq!(judged[1].because, ["SeriesDescription", "stopped"]);
    for judgement in &judged[..2] {
        assert_eq!(fates(judgement, 0), [Fate::Stopped, Fate::Made, Fate::Made]);
        assert!(judgement.selected.is_empty());
    }
    assert_eq!(judged[3].reason, "runs: 1 image selected; stops the rules without stop");
    let study = judged_study(&[rule("all", On::Study, true, "")], &series("1.2", "QA", 1));
    assert_eq!(
        study[0].reason,
        "runs: 1 image of series 1.2 selected; stops the rules on studies without stop"
    );
}

#[test]
fn a_series_rule_whose_require_fails_stops_nothing_and_takes_no_image() {
    let stop = rule_of("qa", On::Series, true, &[(None, "", "images = { min = 3 }", Series::All)]);
    let rules = [stop, rule("all", On::Series, false, ""), rule("study", On::Study, false, "")];
    let images = series("1.2", "QA", 2);
    let judged = judged(&rules, &images);
    assert_eq!(judged[0].reason, "skipped: images: 2 selected, at least 3 wanted");
    assert_eq!(fates(&judged[0], 0), [Fate::Unfit, Fate::Unfit]);
    assert_eq!(judged[1].reason, "runs: 2 images selected");
    assert_eq!(judged_study(&rules, &images)[0].reason, "runs: 2 images of series 1.2 selected");
}

#[test]
fn what_this_node_made_is_seen_by_no_level_and_is_never_called_stopped() {
    let made = made_here(series("1.2", "QA", 2));
    for on in [On::Instance, On::Series, On::Study] {
        let rules = [rule("stop", on, true, ""), rule("r", on, false, "SeriesDescription = \"x\"")];
        let judge = if on == On::Study { judged_study } else { judged };
        for judgement in judge(&rules, &made) {
            let of = if on == On::Study { "study" } else { "series" };
            let reason = format!("skipped: images: the {of} holds none that was received");
            assert_eq!(judgement.reason, reason);
            assert_eq!(judgement.because, ["images"]);
            assert_eq!(fates(&judgement, 0), [Fate::Made, Fate::Made]);
        }
        let both = [series("1.2", "QA", 1), made.clone()].concat();
        let judged = judge(&rules, &both);
        assert_eq!(fates(&judged[0], 0), [Fate::Selected, Fate::Made, Fate::Made], "{on:?}");
        assert_eq!(fates(&judged[1], 0), [Fate::Stopped, Fate::Made, Fate::Made], "{on:?}");
        assert_eq!(taken(&judged[0]), 1);
    }
}

#[test]
fn no_images_at_all_are_no_reason_to_run() {
    for on in [On::Instance, On::Series, On::Study] {
        let rules = [rule("r", on, false, "")];
        let judge = if on == On::Study { judged_study } else { judged };
        let judged = judge(&rules, &[]);
        assert!(!judged[0].runs && judged[0].selected.is_empty(), "{on:?}");
        assert_eq!(fates(&judged[0], 0), []);
    }
}

#[test]
fn many_rules_on_many_images_are_judged_each_for_itself_and_stay_in_their_order() {
    let rules: String = (1..=100)
        .map(|most| {
            format!(
                "[[rule]]\nname = \"r{most}\"\n[rule.select]\nInstanceNumber = {{ max = {most} }}\n\
                 [rule.then]\nforward = [\"PACS\"]\n"
            )
        })
        .collect();
    let rules = parse(&rules).expect("the rules are good");
    let images = series("1.2", "t1", 700);
    let judged = rules.judge(&facts(&images));
    assert_eq!(judged.len(), 100);
    for (judgement, most) in judged.iter().zip(1..) {
        assert_eq!(judgement.rule, format!("r{most}"));
        assert_eq!(judgement.selected[0].images.len(), most);
        let fates: Vec<Fate> = judgement.fates[0].iter().collect();
        let told = |(at, fate): (usize, &Fate)| (*fate == Fate::Selected) == (at < most);
        assert!(fates.len() == 700 && fates.iter().enumerate().all(told), "r{most}");
    }
}
