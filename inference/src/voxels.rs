//! The arithmetic before and after a graph, on the CPU: pure functions on blocks of numbers, one operation a file.
//!
//! A block is a flat vector, slowest axis first: `[(z * size[1] + y) * size[2] + x]`. Its grid says where
//! it lies in the patient. What a manifest asks for and what images say is checked; nothing panics on it.
//! Every result is the same for any number of cores.

pub mod activation;
pub mod area;
pub mod argmax;
pub mod block;
pub mod boxes;
pub mod colour;
pub mod components;
pub mod displayed;
pub mod error;
pub mod figures;
pub mod grid;
pub mod holes;
pub mod image;
pub mod intensity;
pub mod nms;
mod oblique;
pub mod orientation;
pub mod placing;
pub(crate) mod plan;
pub mod quantile;
pub mod resample;
mod separable;
pub mod slices;
mod taps;
mod threads;
pub mod windows;
