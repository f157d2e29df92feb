//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

/// Metrics one after the other, each with its values behind it.
#[derive(Default)]
pub(super) struct Text {
    text: String,
    name: &'static str,
}

impl Text {
    pub(super) fn metric(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // Writing into a String does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the metric that was begun last.
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }

    pub(super) fn end(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_behind_its_name_and_its_labels_which_cannot_break_out() {
        let mut text = Text::default();
        text.metric("gantry_jobs", "gauge", "Jobs.");
        text.value(&[("model", "a\"} 1\nb\\"), ("state", "queued")], 3);
        text.value(&[], 4);
        let wanted = "# HELP gantry_jobs Jobs.\n# TYPE gantry_jobs gauge\n\
                      gantry_jobs{model=\"a\\\"} 1\\nb\\\\\",state=\"queued\"} 3\ngantry_jobs 4\n";
        assert_eq!(text.end(), wanted);
    }
}
