//! What the rule language promises, as tables of small rule files.

mod algorithms;
mod arrivals;
mod between;
mod columns;
mod judging;
mod levels;
mod mutated;
mod operators;
mod real_headers;
mod refused;
mod refused_further;
mod refused_lines;
mod selections;
mod shipped;
mod stops;
mod strange;
mod warned;

use super::rule_set::{ModelFacts, RuleSet, SourceFile, World};

/// What the rules of the tests may name.
fn world() -> World {
    let both = vec!["structured-report".to_string(), "secondary-capture".to_string()];
    let model = |name: &str, inputs: &[&str], results: &[String]| ModelFacts {
        name: name.to_string(),
        inputs: inputs.iter().map(|input| input.to_string()).collect(),
        results: results.to_vec(),
        places: name.contains("nodules"),
    };
    World {
        models: vec![
            model("emphysema", &["input"], &both),
            model("lung-nodules", &["input"], &both[..1]),
            model("nodules-and-pictures", &["input"], &both),
            model("lesions", &["t1", "flair"], &both),
            model("denoiser", &["input"], &["derived-images".to_string()]),
        ],
        peers: ["PACS", "ARCHIVE", "STUDIES", "KEEPER"].map(str::to_string).to_vec(),
        senders: ["PACS", "ARCHIVE", "CT1", "MR1"].map(str::to_string).to_vec(),
        profiles: vec!["research".to_string(), "trial".to_string()],
        deidentified: [("STUDIES".to_string(), "trial".to_string())].into(),
        proving: vec!["KEEPER".to_string()],
    }
}

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { path: format!("rules/{name}").into(), text: text.to_string() }
}

fn parse(text: &str) -> Result<RuleSet, String> {
    RuleSet::parse(vec![file("a.toml", text)], &world()).map_err(|problems| problems.to_string())
}

/// A rule that forwards what `select` and `require` leave, and one case.
fn rule(select: &str, require: &str, image: &str, expected: &str) -> String {
    format!(
        "[[rule]]\nname = \"r\"\n[rule.select]\n{select}\n[rule.require]\n{require}\n\
         [rule.then]\nforward = [\"PACS\"]\n\
         [[case]]\nsays = \"c\"\nimages = [{image}]\nexpect = {{ r = \"{expected}\" }}\n"
    )
}

/// The verdict of a rule with these conditions on these images: `runs` or `skipped: ...`.
fn verdict(select: &str, require: &str, images: &str) -> String {
    let text = rule(select, require, images, "skipped: stopped");
    let problems = match RuleSet::parse(vec![file("a.toml", &text)], &world()) {
        Err(problems) => problems,
        Ok(_) => panic!("no rule stops this one, so the case must fail:\n{text}"),
    };
    let said: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
    match said.as_slice() {
        [one] => match one.split_once("but the rule says: ") {
            Some((_, verdict)) => verdict.to_string(),
            None => panic!("{problems}"),
        },
        _ => panic!("{problems}"),
    }
}
