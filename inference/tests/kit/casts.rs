//! Graphs by the type of their elements, and graphs that are not as they should be: too new, cut apart, with weights elsewhere.

use super::author::{FLOAT, bytes, model, model_of, node, number, tensor, tensor_of};

/// Takes `voxels` and gives them again as `given`, in these types (TensorProto.DataType).
pub fn cast_graph(takes: u64, gives: u64, rank: usize) -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Cast", &["voxels"], "given", Some(("to", gives)));
    bytes(&mut graph, 2, b"casts");
    bytes(&mut graph, 11, &tensor("voxels", takes, rank));
    bytes(&mut graph, 12, &tensor("given", gives, rank));
    model(&graph)
}

/// The voxels as one row of `numbers`, in these types.
pub fn row_graph(takes: u64, gives: u64, rank: usize) -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Flatten", &["voxels"], "row", Some(("axis", 0)));
    node(&mut graph, "Cast", &["row"], "numbers", Some(("to", gives)));
    bytes(&mut graph, 2, b"rows");
    bytes(&mut graph, 11, &tensor("voxels", takes, rank));
    bytes(&mut graph, 12, &tensor("numbers", gives, 2));
    model(&graph)
}

/// Where the numbers of a graph's only weight are.
pub enum Weight {
    Inside,
    /// In a file of this name.
    In(String),
    /// Nowhere.
    Missing,
}

/// Gives the voxels and 5 as `numbers`, one row; of ONNX IR and operators of these versions.
pub fn weighted_graph(weight: &Weight, ir: u64, opset: u64) -> Vec<u8> {
    let mut five = Vec::new();
    number(&mut five, 1, 1);
    number(&mut five, 2, FLOAT);
    bytes(&mut five, 8, b"five");
    match weight {
        Weight::Inside => bytes(&mut five, 9, &5f32.to_le_bytes()),
        Weight::In(file) => {
            for (key, value) in [("location", file.as_str()), ("offset", "0"), ("length", "4")] {
                let mut pair = Vec::new();
                bytes(&mut pair, 1, key.as_bytes());
                bytes(&mut pair, 2, value.as_bytes());
                bytes(&mut five, 13, &pair);
            }
            number(&mut five, 14, 1);
        }
        Weight::Missing => five.clear(),
    }
    let mut graph = Vec::new();
    node(&mut graph, "Flatten", &["voxels"], "row", Some(("axis", 0)));
    node(&mut graph, "Add", &["row", "five"], "numbers", None);
    bytes(&mut graph, 2, b"weighted");
    if !five.is_empty() {
        bytes(&mut graph, 5, &five);
    }
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 3));
    bytes(&mut graph, 12, &tensor("numbers", FLOAT, 2));
    model_of(ir, opset, &graph)
}

/// Adds to each row of voxels as many numbers as are said here.
pub fn strict_graph(columns: u64) -> Vec<u8> {
    let mut more = Vec::new();
    number(&mut more, 1, columns);
    number(&mut more, 2, FLOAT);
    bytes(&mut more, 8, b"more");
    bytes(&mut more, 9, &vec![0; 4 * columns as usize]);
    let mut graph = Vec::new();
    node(&mut graph, "Add", &["voxels", "more"], "sums", None);
    node(&mut graph, "Flatten", &["sums"], "numbers", Some(("axis", 0)));
    bytes(&mut graph, 2, b"strict");
    bytes(&mut graph, 5, &more);
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 3));
    bytes(&mut graph, 12, &tensor("numbers", FLOAT, 2));
    model(&graph)
}

/// The voxels again, of a graph that takes and gives so many channels.
pub fn channels_graph(channels: u64) -> Vec<u8> {
    let shape = |name: &str| {
        let mut shape = Vec::new();
        for axis in 0..5 {
            let mut dimension = Vec::new();
            match axis {
                0 => number(&mut dimension, 1, 1),
                1 => number(&mut dimension, 1, channels),
                _ => bytes(&mut dimension, 2, format!("{name}{axis}").as_bytes()),
            }
            bytes(&mut shape, 1, &dimension);
        }
        shape
    };
    let mut graph = Vec::new();
    node(&mut graph, "Identity", &["voxels"], "given", None);
    bytes(&mut graph, 2, b"channels");
    bytes(&mut graph, 11, &tensor_of("voxels", FLOAT, &shape("voxels")));
    bytes(&mut graph, 12, &tensor_of("given", FLOAT, &shape("given")));
    model(&graph)
}
