//! Numbers of classes become the answer to a question: the most probable class, or none.

use crate::classes::probability;
use crate::manifest::ChoiceOutput;
use crate::tensors::Tensors;
use gantry_terms::findings::{Answer, Measurement, NoValue};

/// The answer, and its probability where that is told. Without numbers there is no answer, not even that it is undetermined. An
/// error is a graph that does not keep its manifest.
pub fn choose(
    output: &ChoiceOutput,
    tensors: &Tensors,
) -> Result<(Option<Answer>, Option<Measurement>), String> {
    let ChoiceOutput { tensor, classes, activation, .. } = output;
    let numbers = tensors.row(tensor, classes.len().saturating_sub(1))?;
    if numbers.len() != classes.len() {
        return Err(format!(
            "the output `{tensor}` has {} numbers, the manifest names {} classes",
            numbers.len(),
            classes.len()
        ));
    }
    let each = (0..classes.len()).map(|class| probability(tensor, *activation, class, numbers));
    let each: Option<Vec<f64>> = each.collect::<Result<_, String>>()?;
    let best = each.into_iter().flat_map(|each| classes.iter().zip(each));
    // Of equal ones that which stands first.
    let best = best.reduce(|best, other| if other.1 > best.1 { other } else { best });
    let answer = best.as_ref().map(|(class, probability)| Answer {
        key: output.key.clone(),
        question: output.question.clone(),
        value: (*probability >= output.undetermined_below).then(|| (*class).clone()),
    });
    let told = output.told.as_ref().map(|told| Measurement {
        key: output.key.clone(),
        concept: told.concept.clone(),
        derivation: None,
        unit: told.unit.clone(),
        value: best.map(|(_, p)| p * told.scale).ok_or(NoValue::NotANumber),
    });
    Ok((answer, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Activation, Told};
    use crate::tensors::{Elements, Tensor};
    use gantry_terms::code::Code;

    fn said(activation: Activation, below: f64, numbers: &[f32]) -> Result<String, String> {
        let code = |meaning: &str| Code::new(meaning, "99TEST", meaning);
        let output = ChoiceOutput {
            key: "side".into(),
            group: "side".into(),
            question: code("Laterality"),
            classes: ["Left", "Right", "Both"].map(code).to_vec(),
            tensor: "sides".into(),
            activation,
            undetermined_below: below,
            told: Some(Told {
                concept: code("Certainty"),
                unit: Code::new("%", "UCUM", "percent"),
                scale: 100.0,
            }),
        };
        let mut tensors = Tensors::default();
        let elements = Elements::Numbers(numbers.to_vec());
        let tensor = Tensor { shape: vec![1, numbers.len() as i64], elements };
        tensors.0.insert("sides".into(), tensor);
        let (answer, told) = choose(&output, &tensors)?;
        let answer = match answer {
            Some(Answer { value: Some(value), .. }) => value.meaning,
            Some(Answer { value: None, .. }) => "undetermined".into(),
            None => "nothing".into(),
        };
        Ok(match told.map(|told| told.value) {
            Some(Ok(number)) => format!("{answer} {number:.2}"),
            other => format!("{answer} {other:?}"),
        })
    }

    #[test]
    fn the_most_probable_class_is_the_answer_if_it_is_probable_enough() {
        let check = |activation, below, numbers: &[f32], expected: &str| {
            assert_eq!(said(activation, below, numbers).unwrap(), expected);
        };
        check(Activation::None, 0.0, &[0.2, 0.5, 0.3], "Right 50.00");
        check(Activation::None, 0.5, &[0.2, 0.5, 0.3], "Right 50.00");
        check(Activation::None, 0.51, &[0.2, 0.5, 0.3], "undetermined 50.00");
        check(Activation::None, 0.0, &[0.4, 0.4, 0.2], "Left 40.00");
        check(Activation::Softmax, 0.6, &[1000.0, 999.0, 1001.0], "Both 66.52");
        check(Activation::Softmax, 0.7, &[1000.0, 999.0, 1001.0], "undetermined 66.52");
        check(Activation::Softmax, 0.0, &[f32::NAN, 1.0, 2.0], "nothing Some(Err(NotANumber))");
        check(Activation::None, 0.0, &[0.5, f32::NAN, 0.1], "nothing Some(Err(NotANumber))");
    }

    #[test]
    fn a_graph_with_other_classes_than_its_manifest_is_refused() {
        let error = said(Activation::Softmax, 0.0, &[1.0, 2.0, 3.0, 4.0]).unwrap_err();
        assert!(error.contains("has 4 numbers, the manifest names 3 classes"), "{error}");
        let error = said(Activation::Softmax, 0.0, &[1.0, 2.0]).unwrap_err();
        assert!(error.contains("has the shape [1, 2], the manifest means index 2"), "{error}");
        let error = said(Activation::None, 0.0, &[1.0, 2.0, 3.0]).unwrap_err();
        assert!(error.contains("which is no probability"), "{error}");
    }
}
