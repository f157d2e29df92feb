//! What a graph answered: its outputs by name and type, and why there is none.

use crate::cuda::DeviceError;
use crate::runtime::told::told;
use crate::voxels::error::VoxelError;
use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::SessionOutputs;
use ort::value::{DynValue, PrimitiveTensorElementType, TensorElementType};
use std::borrow::Cow;
use std::fmt::Debug;

/// Why a run gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// ONNX Runtime failed, or was told to end.
    Runtime(ort::Error),
    /// The graph does not keep its manifest: the model's author must act.
    Graph(String),
    /// The device did not do it.
    Device(DeviceError),
}

impl From<ort::Error> for Failure {
    fn from(error: ort::Error) -> Self {
        Self::Runtime(error)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<VoxelError> for Failure {
    fn from(error: VoxelError) -> Self {
        Self::Graph(error.to_string())
    }
}

/// What an output of numbers may be; all else is read as float32.
pub const NUMBERS: [TensorElementType; 3] =
    [TensorElementType::Float32, TensorElementType::Float16, TensorElementType::Float64];

/// What an output of labels may be.
pub const LABELS: [TensorElementType; 9] = [
    TensorElementType::Uint8,
    TensorElementType::Int8,
    TensorElementType::Uint16,
    TensorElementType::Int16,
    TensorElementType::Uint32,
    TensorElementType::Int32,
    TensorElementType::Uint64,
    TensorElementType::Int64,
    TensorElementType::Bool,
];

/// The shape of an output and its elements as float32. One of float64 that is beyond them is infinite.
pub fn numbers_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<(&'a [i64], Cow<'a, [f32]>), Failure> {
    let output = output(outputs, name)?;
    Ok(match output.dtype().tensor_type() {
        Some(TensorElementType::Float16) => {
            let (shape, numbers) = elements::<f16>(output)?;
            (shape, numbers.to_f32_vec().into())
        }
        Some(TensorElementType::Float64) => {
            let (shape, numbers) = elements::<f64>(output)?;
            (shape, numbers.iter().map(|number| *number as f32).collect())
        }
        _ => elements::<f32>(output).map(|(shape, numbers)| (shape, numbers.into()))?,
    })
}

/// The same of labels, as uint8: an error where one is not from 0 to 255.
pub fn labels_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<(&'a [i64], Cow<'a, [u8]>), Failure> {
    let output = output(outputs, name)?;
    match output.dtype().tensor_type() {
        Some(TensorElementType::Int8) => small::<i8>(output, name),
        Some(TensorElementType::Uint16) => small::<u16>(output, name),
        Some(TensorElementType::Int16) => small::<i16>(output, name),
        Some(TensorElementType::Uint32) => small::<u32>(output, name),
        Some(TensorElementType::Int32) => small::<i32>(output, name),
        Some(TensorElementType::Uint64) => small::<u64>(output, name),
        Some(TensorElementType::Int64) => small::<i64>(output, name),
        Some(TensorElementType::Bool) => small::<bool>(output, name),
        _ => elements::<u8>(output).map(|(shape, labels)| (shape, labels.into())),
    }
}

fn small<'a, T: PrimitiveTensorElementType + TryInto<u8> + Copy + Debug + 'a>(
    output: &'a DynValue,
    name: &str,
) -> Result<(&'a [i64], Cow<'a, [u8]>), Failure> {
    let (shape, labels) = elements::<T>(output)?;
    let small = labels.iter().map(|label| {
        let beyond =
            |_| format!("the output `{name}` has the label {label:?}: labels are 0 to 255");
        (*label).try_into().map_err(beyond).map_err(Failure::Graph)
    });
    Ok((shape, small.collect::<Result<Vec<u8>, Failure>>()?.into()))
}

fn elements<T: PrimitiveTensorElementType>(output: &DynValue) -> Result<(&[i64], &[T]), Failure> {
    output.try_extract_tensor::<T>().map(|(shape, all)| (&**shape, all)).map_err(not_such)
}

/// The same of int32 or int64.
pub fn classes_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<(&'a [i64], Cow<'a, [i64]>), Failure> {
    let output = output(outputs, name)?;
    if let Some(TensorElementType::Int32) = output.dtype().tensor_type() {
        let (shape, classes) = elements::<i32>(output)?;
        return Ok((shape, classes.iter().copied().map(i64::from).collect()));
    }
    elements::<i64>(output).map(|(shape, classes)| (shape, classes.into()))
}

fn output<'a>(outputs: &'a SessionOutputs, name: &str) -> Result<&'a DynValue, Failure> {
    outputs.get(name).ok_or_else(|| Failure::Graph(format!("there is no output `{name}`")))
}

fn not_such(error: ort::Error) -> Failure {
    Failure::Graph(told(&error.to_string()))
}
