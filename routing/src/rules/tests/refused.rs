//! What is refused, and in which words.

use super::super::rule_set::RuleSet;
use super::{file, parse, world};

/// Everything that is wrong with a file, as it is printed.
fn check(text: &str, expected: &str) {
    match parse(text) {
        Ok(_) => panic!("it is not refused:\n{text}"),
        Err(problems) => assert_eq!(problems, expected.trim_matches('\n'), "of\n{text}"),
    }
}

#[test]
fn a_file_that_is_not_toml_or_has_other_tables_is_refused_with_line_and_caret() {
    check(
        r#"[[rule]]
name = "r
forward = 1
"#,
        r#"
rules/a.toml:2:10: this is not TOML: invalid basic string, expected `"`
  |
2 | name = "r
  |          ^
"#,
    );
    check(
        r#"[[rule]]
name = "r"
name = "s"
"#,
        r#"
rules/a.toml:3:1: this is not TOML: duplicate key
  |
3 | name = "s"
  | ^^^^
"#,
    );
    check(
        r#"[rule]
name = "r"
"#,
        r#"
rules/a.toml:1:2: `rule` is a list, in double brackets
  |
1 | [rule]
  |  ^^^^
  = help: each one begins with [[rule]]
"#,
    );
    check(
        r#"[[rules]]
name = "r"
"#,
        r#"
rules/a.toml:1:3: unknown key "rules" in a file of rules
  |
1 | [[rules]]
  |   ^^^^^
  = help: did you mean "rule"?
"#,
    );
    check(
        r#"[rule.select]
Modality = "CT"
"#,
        r#"
rules/a.toml:1:2: `rule` is a list, in double brackets
  |
1 | [rule.select]
  |  ^^^^
  = help: each one begins with [[rule]]
"#,
    );
}

#[test]
fn a_rule_that_lacks_something_or_repeats_a_name_is_refused() {
    check(
        r#"[[rule]]
on = "studies"
stop = true
[rule.selekt]
"#,
        r#"
rules/a.toml:1:1: the rule does nothing
  |
1 | [[rule]]
  | ^^^^^^^^
  = help: add [rule.then] with run, forward or stop

rules/a.toml:1:1: the rule has no name
  |
1 | [[rule]]
  | ^^^^^^^^
  = help: add name = ".."

rules/a.toml:2:6: a rule cannot be on "studies"
  |
2 | on = "studies"
  |      ^^^^^^^^^
  = help: did you mean "study"?

rules/a.toml:3:1: `stop` is of what happens then
  |
3 | stop = true
  | ^^^^
  = help: write `stop` in [rule.then]

rules/a.toml:4:7: unknown key "selekt" in [[rule]]
  |
4 | [rule.selekt]
  |       ^^^^^^
  = help: did you mean "select"?
"#,
    );
    check(
        r#"[[rule]]
name = "a"
on = "serie"
"#,
        r#"
rules/a.toml:1:1: the rule does nothing
  |
1 | [[rule]]
  | ^^^^^^^^
  = help: add [rule.then] with run, forward or stop

rules/a.toml:3:6: a rule cannot be on "serie"
  |
3 | on = "serie"
  |      ^^^^^^^
  = help: did you mean "series"?
"#,
    );
    check(
        r#"[[rule]]
name = "a"
on = "instance"
[rule.then]
stop = true
[[rule]]
name = "a"
[rule.then]
stop = true
"#,
        r#"
rules/a.toml:7:8: there are two rules with the name "a"
  |
7 | name = "a"
  |        ^^^
  = help: the first is at rules/a.toml:2
"#,
    );
}

#[test]
fn a_name_that_no_result_could_hold_is_refused() {
    let text = format!("[[rule]]\nname = \"{}\\\\\"\n[rule.then]\nstop = true\n", "n".repeat(64));
    let said = parse(&text).expect_err("it is refused");
    assert!(said.contains(":2:8: the name is longer than 64 characters"), "{said}");
    assert!(said.contains(":2:8: the name holds a backslash or a control character"), "{said}");
}

#[test]
fn a_case_that_fails_or_names_what_is_not_there_is_refused() {
    check(
        r#"[[rule]]
name = "a"
[rule.select]
Modality = "CT"
[rule.then]
stop = true
[[case]]
says = "c"
images = [{ Modality = "MR" }]
expect = { a = "runs", b = "runs" }
"#,
        r#"
rules/a.toml:10:16: the case "c" fails: expected "runs", but the rule says: skipped: no image matches Modality (found "MR", wanted "CT")
   |
10 | expect = { a = "runs", b = "runs" }
   |                ^^^^^^
   = help: if that is right, write "skipped: Modality"

rules/a.toml:10:24: no rule has the name "b"
   |
10 | expect = { a = "runs", b = "runs" }
   |                        ^
"#,
    );
    check(
        r#"[[rule]]
name = "a"
[rule.select]
Modality = "CT"
[rule.then]
stop = true
[[case]]
says = "c"
images = [{ Modality = "MR" }]
expect = { a = "skipped: images" }
"#,
        r#"
rules/a.toml:10:16: the case "c" fails: expected "skipped: images", but the rule says: skipped: no image matches Modality (found "MR", wanted "CT")
   |
10 | expect = { a = "skipped: images" }
   |                ^^^^^^^^^^^^^^^^^
   = help: if that is right, write "skipped: Modality"
"#,
    );
    check(
        r#"[[rule]]
name = "a"
[rule.select]
Modality = "CT"
[rule.then]
stop = true
[[case]]
says = "c"
images = [{ Modality = "MR" }]
expect = { a = "skipped: Modalty" }
"#,
        r#"
rules/a.toml:10:16: the rule has no condition "Modalty"
   |
10 | expect = { a = "skipped: Modalty" }
   |                ^^^^^^^^^^^^^^^^^^
   = help: did you mean "Modality"?
"#,
    );
}

#[test]
fn all_problems_of_all_files_are_told_at_once_in_the_order_of_files_and_lines() {
    let good = "[[rule]]\nname = \"a\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nstop = true\n\
        [[case]]\nsays = \"c\"\nimages = [{ Modality = \"MR\" }]\nexpect = { a = \"runs\" }\n";
    let broken = "[[rule]]\nname = \"b\"\non = \"stud\"\n[rule.select]\nModalty = \"CT\"\n[rule.then]\nrun = \"x\"\n\
        [[case]]\nsays = \"c\"\nimages = [{ Modality = \"MR\" }]\nexpect = { b = \"runs\" }\n";
    let files = vec![file("3.toml", broken), file("2.toml", "= 3\n"), file("1.toml", good)];
    let problems = match RuleSet::parse(files, &world()) {
        Ok(_) => panic!("they are not refused"),
        Err(problems) => problems,
    };
    let places: Vec<String> =
        problems.iter().map(|p| format!("{}:{}", p.path.display(), p.line)).collect();
    let expected =
        ["rules/1.toml:10", "rules/2.toml:1", "rules/3.toml:3", "rules/3.toml:5", "rules/3.toml:7"];
    assert_eq!(places, expected);
}

#[test]
fn the_caret_stands_under_its_word_behind_tabs_and_letters_of_any_script() {
    check(
        "[[rule]]\n\tname = \"é\"\n\t[rule.then]\n\tforward = [\"ÄÖ\", \"PAXS\"]\n",
        "rules/a.toml:4:13: there is no peer \"ÄÖ\"\n  |\n4 | \tforward = [\"ÄÖ\", \"PAXS\"]\n  | \t           ^^^^\n  \
         = help: known: PACS, ARCHIVE, STUDIES, KEEPER\n\n\
         rules/a.toml:4:19: there is no peer \"PAXS\"\n  |\n4 | \tforward = [\"ÄÖ\", \"PAXS\"]\n  | \t                 ^^^^^^\n  \
         = help: did you mean \"PACS\"?",
    );
}
