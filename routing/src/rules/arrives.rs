//! `when = "arrives"`: forwarded as each image arrives, and so asked only what one image can answer; the guards that stop it, too.

use super::problem::Problem;
use super::reader::Reader;
use super::rule::{On, ReadRule, Rule};
use super::rule_set::SourceFile;
use super::tree::{Entry, Node, Span, Toml};

/// The fact of an image that changes with the others of its series.
const OF_THE_SERIES: &str = "arrival-order";
const LEAVE_OUT: &str = "leave it out, or leave out when = \"arrives\"";

/// What a rule asks that only its whole series can answer: the key, and where it stands.
pub(super) fn asks_the_series(rule: &[Entry]) -> Option<(&'static str, &Span)> {
    let of = |key: &str| rule.iter().find(|entry| entry.key == key);
    let order = of("select").and_then(|select| order_inside(&select.node));
    let order = order.map(|span| (OF_THE_SERIES, span));
    order.or_else(|| of("require").map(|entry| ("[rule.require]", &entry.key_span)))
}

/// Of a rule whose `[rule.then]` has `when = "arrives"`, refuses what waits for the series.
pub(super) fn check(reader: &mut Reader, rule: &[Entry], then: &Node, on: On) {
    let Toml::Table(then) = &then.value else { return };
    let Some(when) = then.iter().find(|entry| entry.key == "when") else { return };
    if !matches!(&when.node.value, Toml::Text(text) if text == "arrives") {
        return;
    }
    let asked = asks_the_series(rule);
    if on != On::Instance {
        let what = if on == On::Study { "study" } else { "series" };
        let message = format!(
            "a rule on = \"{what}\" is asked when the {what} is complete, not as each image arrives"
        );
        let help = match asked {
            Some(("[rule.require]", _)) => {
                "leave out [rule.require] and write on = \"instance\", or leave out `when`"
            }
            _ => "write on = \"instance\", or leave out `when`",
        };
        return reader.fault(&when.key_span, message, help.to_string());
    }
    if let Some((OF_THE_SERIES, span)) = asked {
        let message = "`arrival-order` is certain only when the series is complete, \
            and this rule is asked as each image arrives";
        reader.fault(span, message, LEAVE_OUT.to_string());
    }
    let with_series =
        then.iter().find_map(|entry| Some((entry, waits_for_the_series(entry.key.as_str())?)));
    if let Some((entry, message)) = with_series {
        let help = "write two rules: this one forwards as images arrive".to_string();
        reader.fault(&entry.key_span, message, help);
    }
}

fn waits_for_the_series(key: &str) -> Option<&'static str> {
    match key {
        "run" => Some("a model runs when the series is complete, not as each image arrives"),
        "stop" => Some("`stop` stands in a rule that forwards as images arrive"),
        _ => None,
    }
}

/// Rules with `stop` beside those that forward on arrival: a guard that an image alone cannot ask would
/// guard nothing, and one on series comes late for what arrived first.
pub(super) fn check_guards(files: &[(&SourceFile, &[ReadRule])]) -> (Vec<Problem>, Vec<Problem>) {
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    let all = || files.iter().flat_map(|(file, read)| read.iter().map(move |read| (*file, read)));
    for (file, read) in all().filter(|(_, read)| forwards_on_arrival(read.rule.as_ref())) {
        let problem =
            |message| Problem::new(&file.path, &file.text, read.name_span.clone(), message);
        for (of, guard) in all() {
            let Some(stop) = guard.rule.as_ref().filter(|rule| rule.guards_images()) else {
                continue;
            };
            let name = &stop.name;
            let place = Problem::new(&of.path, &of.text, guard.name_span.clone(), String::new());
            let place = format!("\"{name}\" is at {}:{}", place.path.display(), place.line);
            if stop.asks_the_series {
                let message = format!(
                    "\"{}\" forwards images as they arrive, and \"{name}\", which may stop them, \
                     asks what only the whole series can answer",
                    read.name
                );
                let help = format!(
                    "{place}; let it ask what each image carries, or leave out when = \"arrives\""
                );
                faults.push(problem(message).with_help(Some(help)));
            } else if stop.on == On::Series {
                let message = format!(
                    "\"{name}\" stops whole series, but \"{}\" forwards before a series is whole: \
                     on arrival it keeps back only the images that fit it themselves",
                    read.name
                );
                warnings.push(problem(message).with_help(Some(place)));
            }
        }
    }
    (faults, warnings)
}

fn forwards_on_arrival(rule: Option<&Rule>) -> bool {
    rule.is_some_and(|rule| rule.then.arrives)
}

/// In a table, or in a group of `any`, `none` or `all`.
fn order_inside(node: &Node) -> Option<&Span> {
    match &node.value {
        Toml::Table(entries) => entries.iter().find_map(|entry| {
            let is_order = entry.key == OF_THE_SERIES;
            if is_order { Some(&entry.key_span) } else { order_inside(&entry.node) }
        }),
        Toml::Array(nodes) => nodes.iter().find_map(order_inside),
        _ => None,
    }
}
