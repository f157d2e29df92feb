//! Which lines of a text are others than those of another.

/// Equal lines shown before and behind a change.
const CONTEXT: usize = 2;
/// Above so many pairs of lines the whole middle counts as changed: nobody reads such a comparison.
const MOST_PAIRS: usize = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// Lines that are gone with `-`, new ones with `+`, some equal ones around them, and `@@ line N`
/// where one is counted in the new text.
pub(super) fn lines(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let lines = compare(&old, &new);
    if lines.iter().all(|line| matches!(line, Line::Same(_))) {
        return "  (line breaks alone)\n".into();
    }
    let near: Vec<bool> = (0..lines.len())
        .map(|at| {
            let around = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(lines.len());
            lines[around].iter().any(|line| !matches!(line, Line::Same(_)))
        })
        .collect();
    let mut text = String::new();
    let mut number = 1;
    for (at, line) in lines.iter().enumerate() {
        if near[at] && (at == 0 || !near[at - 1]) {
            text.push_str(&format!("@@ line {number}\n"));
        }
        let (sign, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Gone(line) => ('-', line),
            Line::New(line) => ('+', line),
        };
        if near[at] {
            text.push_str(&format!("{sign}{line}\n"));
        }
        number += usize::from(sign != '-');
    }
    text
}

fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let old_middle = &old_rest[..old_rest.len() - tail];
    let new_middle = &new_rest[..new_rest.len() - tail];
    let mut lines: Vec<Line> = old[..head].iter().map(|line| Line::Same(line)).collect();
    lines.extend(middle(old_middle, new_middle));
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Same(line)));
    lines
}

/// By the longest common subsequence.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let all = || {
        let gone = old.iter().map(|line| Line::Gone(line));
        gone.chain(new.iter().map(|line| Line::New(line))).collect()
    };
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        return all();
    }
    // How long the common subsequence of what begins at i and at j is.
    let width = new.len() + 1;
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = if old[i] == new[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_shown_with_those_around_it() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let after = "a\nb\nc\nd\nE\nf\ng\nh\n";
        assert_eq!(lines(before, after), "@@ line 3\n c\n d\n-e\n+E\n f\n g\n");
    }

    #[test]
    fn changes_far_from_each_other_are_shown_apart() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "2\n3\n4\n5\n6\n7\n8\n9\n10\n";
        assert_eq!(lines(before, after), "@@ line 1\n-1\n 2\n 3\n@@ line 7\n 8\n 9\n+10\n");
    }

    #[test]
    fn a_new_file_a_file_that_is_gone_and_a_line_break_are_told() {
        assert_eq!(lines("", "a\nb\n"), "@@ line 1\n+a\n+b\n");
        assert_eq!(lines("a\n", ""), "@@ line 1\n-a\n");
        assert_eq!(lines("a\n", "a"), "  (line breaks alone)\n");
    }

    #[test]
    fn what_is_far_too_long_is_shown_as_changed_in_one() {
        let many =
            |letter: char| -> String { (0..5000).map(|n| format!("{letter}{n}\n")).collect() };
        let told = lines(&many('a'), &many('b'));
        assert!(told.starts_with("@@ line 1\n-a0\n-a1\n") && told.ends_with("+b4999\n"));
    }
}
