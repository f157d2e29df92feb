//! What ONNX Runtime says, for people: without its own source files, functions and conditions.

/// Endings of the files that ONNX Runtime is written in.
const SOURCES: [&str; 7] = [".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".inl"];

/// A message without the places in the source that it comes from.
pub fn told(message: &str) -> String {
    let mut rest = message;
    let mut said = String::new();
    while let Some((before, behind)) = place(rest) {
        said.push_str(before);
        rest = behind;
    }
    said.push_str(rest);
    let words: Vec<&str> = said.split_whitespace().collect();
    match words.join(" ") {
        nothing if nothing.is_empty() => "it does not say why".to_string(),
        said => said,
    }
}

/// Why a graph that is newer than the library does not open, and what to do; none for another reason.
pub fn too_new(message: &str) -> Option<String> {
    let number = |before: &str| {
        let behind = message.split_once(before)?.1;
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        behind[..end].parse::<u64>().ok()
    };
    if let (Some(is), Some(most)) =
        (number("Unsupported model IR version: "), number("max supported IR version: "))
    {
        return Some(format!(
            "the graph is of ONNX IR version {is}, and this ONNX Runtime takes up to {most}: write the \
             graph with ir_version = {most}, or install a newer ONNX Runtime"
        ));
    }
    let domain = message.split_once("official support for domain ")?.1.split(' ').next()?;
    let (is, most) = (number("Opset ")?, number("is till opset ")?);
    Some(format!(
        "the graph is of opset {is} of {domain}, and this ONNX Runtime takes up to {most}: export the \
         graph with opset_version = {most}, or install a newer ONNX Runtime"
    ))
}

/// What stands before and behind the first `FILE:LINE FUNCTION`.
fn place(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let end = from + word.len();
        if is_place(word.trim_end().trim_end_matches(':')) {
            let behind = text[end..].trim_start();
            // With the whole path goes the function as it is declared, with the bare name its bare name.
            let behind = match word.contains('/') {
                true => behind_condition(behind_signature(behind)),
                false => behind.split_once(' ').map_or("", |(_, behind)| behind),
            };
            return Some((&text[..from], behind));
        }
        from = end;
    }
    None
}

fn is_place(word: &str) -> bool {
    let Some((file, line)) = word.rsplit_once(':') else { return false };
    let numbered = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    numbered && SOURCES.iter().any(|ending| file.ends_with(ending))
}

/// Behind the parentheses of a function and all that belongs to them: `const`, `[with T = ..]`, a lambda in it.
fn behind_signature(text: &str) -> &str {
    let Some(open) = text.find('(') else { return text };
    let mut rest = &text[open..];
    loop {
        let next = rest.trim_start();
        rest = match next.chars().next() {
            Some('(') => balanced(next, '(', ')'),
            Some('[') if next.starts_with("[with ") => balanced(next, '[', ']'),
            Some(':') if next.starts_with("::<") => balanced(&next[2..], '<', '>'),
            _ => match ["const ", "noexcept ", "mutable "]
                .iter()
                .find_map(|word| next.strip_prefix(word))
            {
                Some(behind) => behind,
                None => return next,
            },
        };
    }
}

/// What was required is told as an expression of the source, and then in words.
fn behind_condition(text: &str) -> &str {
    match text.split_once(" was false. ") {
        Some((_, behind)) if !behind.trim().is_empty() => behind,
        _ => text,
    }
}

/// Behind the bracket that closes the first one; nothing where none does.
fn balanced(text: &str, open: char, close: char) -> &str {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return &text[at + c.len_utf8()..];
            }
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_onnx_runtime_says_is_told_without_its_source() {
        let check = |message: &str, expected: &str| assert_eq!(told(message), expected);
        check(
            "Non-zero status code returned while running Add node. Name:'n1' Status Message: \
             /onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:563 void \
             onnxruntime::BroadcastIterator::Init(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was \
             false. Attempting to broadcast an axis by a dimension other than 1. 2 by 3\n",
            "Non-zero status code returned while running Add node. Name:'n1' Status Message: Attempting to \
             broadcast an axis by a dimension other than 1. 2 by 3",
        );
        check(
            "Status Message: matmul_helper.h:59 Compute MatMul dimension mismatch",
            "Status Message: MatMul dimension mismatch",
        );
        check(
            "/src/a.cc:1 auto onnxruntime::F(const std::function<void(int)>&)::<lambda(T)> const [with T = \
             std::map<int, int[2]>] why it is",
            "why it is",
        );
        check("Node input 'w' is not a graph input", "Node input 'w' is not a graph input");
        check("a.cc:1 f", "it does not say why");
        check("", "it does not say why");
    }

    #[test]
    fn a_graph_that_is_too_new_is_told_with_both_numbers() {
        let ir = "/o/model.cc:256 f(int) Unsupported model IR version: 99, max supported IR version: 13\n";
        let told = too_new(ir).unwrap();
        assert!(told.contains("IR version 99, and this ONNX Runtime takes up to 13"), "{told}");
        let opset = "Opset 99 is under development and support for this is limited. Current official \
                     support for domain ai.onnx is till opset 26.\n";
        let told = too_new(opset).unwrap();
        assert!(
            told.contains("opset 99 of ai.onnx, and this ONNX Runtime takes up to 26"),
            "{told}"
        );
        assert_eq!(too_new("No graph was found in the protobuf."), None);
    }
}
