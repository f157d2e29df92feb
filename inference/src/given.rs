//! What goes into a graph: numbers of images in the type of element that it takes.

use crate::answers::Failure;
use half::f16;
use ort::session::{Session, SessionInputValue};
use ort::value::{PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What an input may be.
pub const TAKEN: [TensorElementType; 9] = [
    TensorElementType::Float32,
    TensorElementType::Float16,
    TensorElementType::Float64,
    TensorElementType::Uint8,
    TensorElementType::Int8,
    TensorElementType::Uint16,
    TensorElementType::Int16,
    TensorElementType::Int32,
    TensorElementType::Int64,
];

/// Tensors by name, as a graph is given them.
pub type Given<'a> = Vec<(Cow<'a, str>, SessionInputValue<'a>)>;

/// What the elements of a graph's inputs are.
pub struct Taken(BTreeMap<String, TensorElementType>);

impl Taken {
    pub fn by(session: &Session) -> Self {
        let known = |input: &ort::value::Outlet| {
            Some((input.name().to_string(), input.dtype().tensor_type()?))
        };
        Self(session.inputs().iter().filter_map(known).collect())
    }

    /// A tensor of these numbers; float32 as they lie. What has no fraction in a graph has to be given none.
    pub fn tensor<'a>(
        &self,
        name: &str,
        shape: Vec<i64>,
        numbers: &'a [f32],
    ) -> Result<SessionInputValue<'a>, Failure> {
        let input = Input { name, shape };
        match self.0.get(name) {
            Some(TensorElementType::Float16) => input.of(numbers, half_of),
            Some(TensorElementType::Float64) => input.of(numbers, |number| Some(f64::from(number))),
            Some(TensorElementType::Uint8) => input.of(numbers, |n| whole(n, 0.0, 255.0, n as u8)),
            Some(TensorElementType::Int8) => {
                input.of(numbers, |n| whole(n, -128.0, 127.0, n as i8))
            }
            Some(TensorElementType::Uint16) => {
                input.of(numbers, |n| whole(n, 0.0, 65_535.0, n as u16))
            }
            Some(TensorElementType::Int16) => {
                input.of(numbers, |n| whole(n, -32_768.0, 32_767.0, n as i16))
            }
            // The highest float32 below the powers of two.
            Some(TensorElementType::Int32) => {
                input.of(numbers, |n| whole(n, -2_147_483_648.0, 2_147_483_520.0, n as i32))
            }
            Some(TensorElementType::Int64) => {
                let most = 9_223_371_487_098_961_920.0;
                input.of(numbers, |n| whole(n, -9_223_372_036_854_775_808.0, most, n as i64))
            }
            _ => Ok(TensorRef::from_array_view((input.shape, numbers))?.into()),
        }
    }
}

struct Input<'a> {
    name: &'a str,
    shape: Vec<i64>,
}

impl Input<'_> {
    fn of<'a, T: PrimitiveTensorElementType + Clone + Debug + 'static>(
        self,
        numbers: &[f32],
        cast: impl Fn(f32) -> Option<T>,
    ) -> Result<SessionInputValue<'a>, Failure> {
        let all = numbers.iter().map(|number| {
            let refused = || {
                let (name, element) = (self.name, T::into_tensor_element_type());
                Failure::Graph(format!(
                    "the input `{name}` takes {element}, which {number} does not fit: the manifest's \
                     `steps` have to bring the images into its range"
                ))
            };
            cast(*number).ok_or_else(refused)
        });
        let all: Vec<T> = all.collect::<Result<_, Failure>>()?;
        Ok(Tensor::from_array((self.shape, all))?.into())
    }
}

/// Rounded; none where the number is beyond float16.
fn half_of(number: f32) -> Option<f16> {
    let half = f16::from_f32(number);
    (half.is_infinite() == number.is_infinite()).then_some(half)
}

/// `cast`, where that changes nothing.
fn whole<T>(number: f32, least: f32, most: f32, cast: T) -> Option<T> {
    (number.fract() == 0.0 && (least..=most).contains(&number)).then_some(cast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_type_holds_goes_into_it() {
        assert_eq!(half_of(65_504.0), Some(f16::MAX));
        assert_eq!(half_of(70_000.0), None);
        assert_eq!(half_of(f32::INFINITY), Some(f16::INFINITY));
        assert!(half_of(f32::NAN).is_some_and(f16::is_nan));
        for number in [0.5, -1.0, 256.0, f32::NAN, f32::INFINITY] {
            assert_eq!(whole(number, 0.0, 255.0, number as u8), None, "{number}");
        }
        assert_eq!(whole(255.0, 0.0, 255.0, 255.0 as u8), Some(255));
    }
}
