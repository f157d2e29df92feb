//! Voxels in, findings out: model manifests, volume assembly, films, and ONNX Runtime with one owner. Knows no job and no PACS.

mod answers;
pub mod assembly;
mod classes;
mod codestream;
pub mod cuda;
pub mod decode;
pub mod device;
mod elements;
pub mod engine;
pub mod film;
mod findings;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod graph;
pub mod manifest;
mod masks;
pub mod models;
mod pieces;
pub mod pool;
mod prepare;
pub mod problem;
mod run;
pub mod runtime;
mod site;
mod slice;
mod stack;
mod tensors;
pub mod voxels;
mod walk;
pub mod worker;
