//! What a graph answered: its outputs by name and type, and why there is none.

use crate::cuda::DeviceError;
use crate::voxels::error::VoxelError;
use ort::session::SessionOutputs;
use ort::value::DynValue;
use std::borrow::Cow;

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

/// The shape and the elements of an output of float32.
pub fn numbers_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<(&'a [i64], &'a [f32]), Failure> {
    let taken = output(outputs, name)?.try_extract_tensor::<f32>();
    taken.map(|(shape, numbers)| (&**shape, numbers)).map_err(told)
}

/// The same of uint8.
pub fn labels_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<(&'a [i64], &'a [u8]), Failure> {
    let taken = output(outputs, name)?.try_extract_tensor::<u8>();
    taken.map(|(shape, labels)| (&**shape, labels)).map_err(told)
}

/// The same of int32 or int64.
pub fn classes_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<(&'a [i64], Cow<'a, [i64]>), Failure> {
    let output = output(outputs, name)?;
    if let Ok((shape, classes)) = output.try_extract_tensor::<i64>() {
        return Ok((&**shape, classes.into()));
    }
    let (shape, classes) = output.try_extract_tensor::<i32>().map_err(told)?;
    Ok((&**shape, classes.iter().copied().map(i64::from).collect()))
}

fn output<'a>(outputs: &'a SessionOutputs, name: &str) -> Result<&'a DynValue, Failure> {
    outputs.get(name).ok_or_else(|| Failure::Graph(format!("there is no output `{name}`")))
}

fn told(error: ort::Error) -> Failure {
    Failure::Graph(error.to_string())
}
