//! Numbers of classes become a probability, and the probability an answer.

use crate::manifest::{Activation, ClassificationOutput};
use crate::tensors::Tensors;
use gantry_terms::findings::{Measurement, NoValue, Presence};

/// How far sums of float32 may lie beyond 0 and 1.
const ROUNDING: f64 = 1e-5;

/// The probability as it is told, and whether the finding is there: without a number nothing is said of
/// that. An error is a graph that does not keep its manifest.
pub fn answer(
    output: &ClassificationOutput,
    tensors: &Tensors,
) -> Result<(Measurement, Option<Presence>), String> {
    let numbers = tensors.row(&output.tensor, output.class)?;
    let ClassificationOutput { tensor, class, activation, .. } = output;
    let probability = probability(tensor, *activation, *class, numbers)?;
    let presence = probability.map(|probability| match probability {
        p if p >= output.present_at_least => Presence::Present,
        p if p < output.absent_below => Presence::Absent,
        _ => Presence::Undetermined,
    });
    let measurement = Measurement {
        key: output.key.clone(),
        concept: output.concept.clone(),
        derivation: None,
        unit: output.unit.clone(),
        value: probability.map(|p| p * output.scale).ok_or(NoValue::NotANumber),
    };
    Ok((measurement, presence))
}

/// From 0 to 1, of one of the numbers of a tensor; nothing where the graph gave no finite number.
pub fn probability(
    tensor: &str,
    activation: Activation,
    class: usize,
    numbers: &[f32],
) -> Result<Option<f64>, String> {
    let raw = f64::from(numbers[class]);
    let counts = match activation {
        Activation::Softmax => numbers,
        _ => &numbers[class..=class],
    };
    if !counts.iter().all(|number| number.is_finite()) {
        return Ok(None);
    }
    let found = match activation {
        Activation::None => raw,
        Activation::Sigmoid => 1.0 / (1.0 + (-raw).exp()),
        Activation::Softmax => {
            // Nothing overflows where the highest one is taken off.
            let highest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let part = |number: f32| (f64::from(number) - f64::from(highest)).exp();
            part(numbers[class]) / numbers.iter().map(|number| part(*number)).sum::<f64>()
        }
    };
    if !(-ROUNDING..=1.0 + ROUNDING).contains(&found) {
        return Err(format!(
            "the output `{tensor}` has {found} for the class {class}, which is no probability: the \
             manifest has to name another `activation`"
        ));
    }
    Ok(Some(found.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{Elements, Tensor};
    use gantry_terms::code::Code;

    fn answer_of(activation: Activation, class: usize, numbers: &[f32]) -> Result<String, String> {
        let output = ClassificationOutput {
            key: "pneumonia".into(),
            group: "pneumonia".into(),
            tensor: "classes".into(),
            class,
            activation,
            present_at_least: 0.75,
            absent_below: 0.25,
            concept: Code::new("P", "99TEST", "Probability"),
            unit: Code::new("%", "UCUM", "percent"),
            scale: 100.0,
        };
        let mut tensors = Tensors::default();
        let elements = Elements::Numbers(numbers.to_vec());
        let tensor = Tensor { shape: vec![1, numbers.len() as i64], elements };
        tensors.0.insert("classes".into(), tensor);
        let (measurement, presence) = answer(&output, &tensors)?;
        Ok(match (measurement.value, presence) {
            (Ok(value), Some(presence)) => format!("{value:.3} {presence:?}"),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn a_probability_decides_whether_a_finding_is_there() {
        let check = |activation, class, numbers: &[f32], told: &str| {
            assert_eq!(answer_of(activation, class, numbers).unwrap(), told);
        };
        check(Activation::None, 0, &[0.75], "75.000 Present");
        check(Activation::None, 0, &[0.25], "25.000 Undetermined");
        check(Activation::None, 0, &[0.2499], "24.990 Absent");
        check(Activation::None, 1, &[0.0, 1.000_001], "100.000 Present");
        check(Activation::Sigmoid, 0, &[0.0], "50.000 Undetermined");
        check(Activation::Sigmoid, 0, &[-2.0], "11.920 Absent");
        check(Activation::Softmax, 1, &[1000.0, 1001.0, 999.0], "66.524 Undetermined");
        check(Activation::Softmax, 0, &[f32::NAN, 1.0], "(Err(NotANumber), None)");
        check(Activation::Softmax, 0, &[1.0, f32::NEG_INFINITY], "(Err(NotANumber), None)");
        check(Activation::Sigmoid, 0, &[f32::INFINITY], "(Err(NotANumber), None)");
    }

    #[test]
    fn a_number_that_is_no_probability_is_refused() {
        let error = answer_of(Activation::None, 0, &[3.5]).unwrap_err();
        assert!(error.contains("has 3.5 for the class 0, which is no probability"), "{error}");
        let error = answer_of(Activation::Softmax, 2, &[0.5, 0.5]).unwrap_err();
        assert!(error.contains("has the shape [1, 2], the manifest means index 2"), "{error}");
    }
}
