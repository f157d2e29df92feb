//! Voxels in, findings out: model manifests, volume assembly, films, and ONNX Runtime with one owner. Knows no job and no PACS.

mod answers;
pub mod assembly;
pub mod batch;
mod boxes;
mod classes;
mod codestream;
pub mod decode;
mod derived;
mod elements;
pub mod engine;
mod enhanced;
pub mod film;
mod findings;
mod frames;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod graph;
mod lossy;
pub mod made_up;
pub mod manifest;
mod masks;
pub mod models;
mod padding;
mod pieces;
pub mod pool;
mod prepare;
pub mod problem;
mod rows;
mod run;
pub mod runtime;
mod slice;
mod stack;
mod tables;
mod tensors;
pub mod voxels;
mod walk;
pub mod worker;
