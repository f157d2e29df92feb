//! A model's author: writes a folder with a small graph (protobuf by hand) and a manifest.

use std::path::{Path, PathBuf};

/// ONNX element types (TensorProto.DataType).
pub const FLOAT: u64 = 1;
pub const UINT8: u64 = 2;
pub const INT64: u64 = 7;
pub const BOOL: u64 = 9;

/// A model that gives the square roots of the voxels.
pub struct Author {
    /// Text of the manifest.
    pub manifest: String,
    pub graph: Vec<u8>,
}

impl Default for Author {
    fn default() -> Self {
        Self { manifest: MANIFEST.into(), graph: graph(FLOAT, 3, "numbers", "Sqrt") }
    }
}

impl Author {
    /// Writes `models/tiny` below `folder`, gives back `models`.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let model = folder.join("models/tiny");
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(model.join("model.toml"), &self.manifest).unwrap();
        std::fs::write(model.join("model.onnx"), &self.graph).unwrap();
        folder.join("models")
    }
}

pub const MANIFEST: &str = r#"manifest = 1
graph    = "model.onnx"
results  = ["structured-report"]
time-out = 10

[algorithm]
title         = "Square root of the first voxel"
version       = "1"
manufacturer  = "Test"
family        = { value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }
research-only = true

[procedure]
value   = "25045-6"
scheme  = "LN"
meaning = "CT unspecified body region"

[input]
kind        = "volume"
modality    = "CT"
tensor      = "voxels"
intensity   = "hounsfield"
axes        = "slice-row-column"
slice-order = "along-normal"

[[group]]
key   = "all"
label = "Everything"

[[measurement]]
key     = "number"
group   = "all"
tensor  = "numbers"
index   = 0
concept = { value = "N", scheme = "99TEST", meaning = "Number" }
unit    = { value = "1", scheme = "UCUM", meaning = "no units" }
scale   = 10.0
"#;

/// `output = operator(voxels)` as one dimension: the volume's own values, so that a test chooses
/// what comes out by what it puts in. `mask` is the volume as uint8 without axes of length 1, so
/// that its shape is wrong for a single slice.
pub fn graph(element: u64, rank: usize, output: &str, operator: &str) -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Flatten", &["voxels"], "row", Some(("axis", 0)));
    node(&mut graph, operator, &["row"], "result", None);
    node(&mut graph, "Squeeze", &["result"], output, None);
    node(&mut graph, "Cast", &["voxels"], "labels", Some(("to", UINT8)));
    node(&mut graph, "Squeeze", &["labels"], "mask", None);
    bytes(&mut graph, 2, b"tiny");
    bytes(&mut graph, 11, &tensor("voxels", element, rank));
    bytes(&mut graph, 12, &tensor(output, element, 1));
    bytes(&mut graph, 12, &tensor("mask", UINT8, 3));
    model(&graph)
}

/// The square roots again, as a batch of one row: `[1, n]`.
pub fn batch_graph() -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Flatten", &["voxels"], "row", Some(("axis", 0)));
    node(&mut graph, "Sqrt", &["row"], "numbers", None);
    bytes(&mut graph, 2, b"batch");
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 3));
    bytes(&mut graph, 12, &tensor("numbers", FLOAT, 2));
    model(&graph)
}

/// Takes images `[batch, channel, row, column]`, of any batch or of one, and gives the pixels of each as a row of
/// `numbers`.
pub fn rows_graph(batch: Option<u64>) -> Vec<u8> {
    let first = |name: &str| {
        let mut dimension = Vec::new();
        match batch {
            Some(batch) => number(&mut dimension, 1, batch),
            None => bytes(&mut dimension, 2, name.as_bytes()),
        }
        dimension
    };
    let shape = |name: &str, rank: usize| {
        let mut shape = Vec::new();
        bytes(&mut shape, 1, &first(name));
        for axis in 1..rank {
            let mut dimension = Vec::new();
            bytes(&mut dimension, 2, format!("{name}{axis}").as_bytes());
            bytes(&mut shape, 1, &dimension);
        }
        shape
    };
    let mut graph = Vec::new();
    node(&mut graph, "Flatten", &["voxels"], "numbers", Some(("axis", 1)));
    bytes(&mut graph, 2, b"rows");
    bytes(&mut graph, 11, &tensor_of("voxels", FLOAT, &shape("voxels", 4)));
    bytes(&mut graph, 12, &tensor_of("numbers", FLOAT, &shape("numbers", 2)));
    model(&graph)
}

/// Takes `voxels` in five dimensions and gives the `labels` that they are as uint8, the `same` again,
/// and `scores` of two classes: of the second the voxels, of the first their negative.
pub fn volume_graph() -> Vec<u8> {
    scored_graph(5)
}

/// The same of a tensor with so many dimensions, 4 of a film.
pub fn scored_graph(rank: usize) -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Cast", &["voxels"], "labels", Some(("to", UINT8)));
    node(&mut graph, "Identity", &["voxels"], "same", None);
    node(&mut graph, "Neg", &["voxels"], "other", None);
    node(&mut graph, "Concat", &["other", "same"], "scores", Some(("axis", 1)));
    bytes(&mut graph, 2, b"volumes");
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, rank));
    bytes(&mut graph, 12, &tensor("labels", UINT8, rank));
    bytes(&mut graph, 12, &tensor("same", FLOAT, rank));
    bytes(&mut graph, 12, &tensor("scores", FLOAT, rank));
    model(&graph)
}

/// Takes windows of this size and gives what `reference/windows.py` answered to MONAI: `first`, each
/// voxel and the sum of its indices in the window.
pub fn placed_graph(sides: [usize; 3]) -> Vec<u8> {
    placed_as("first", sides)
}

/// The same as an output of that name. It does not say that it can do nothing with other sizes.
pub fn placed_as(output: &str, [slices, rows, columns]: [usize; 3]) -> Vec<u8> {
    let sums = (0..slices * rows * columns)
        .map(|i| (i / (rows * columns) + i / columns % rows + i % columns) as f32);
    let mut place = Vec::new();
    [1, 1, slices, rows, columns].iter().for_each(|side| number(&mut place, 1, *side as u64));
    number(&mut place, 2, FLOAT);
    bytes(&mut place, 8, b"place");
    bytes(&mut place, 9, &sums.flat_map(f32::to_le_bytes).collect::<Vec<u8>>());
    let mut graph = Vec::new();
    node(&mut graph, "Add", &["voxels", "place"], output, None);
    bytes(&mut graph, 2, b"placed");
    bytes(&mut graph, 5, &place);
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 5));
    bytes(&mut graph, 12, &tensor(output, FLOAT, 5));
    model(&graph)
}

/// What the chest film classifier's manifest says, of a graph that answers to films of so many rows and
/// columns by [`film_graph`], several at once.
pub fn films_together(side: usize, batching: &str) -> Author {
    let manifest = include_str!("../models/chest-film/model.toml");
    let pinned = manifest.lines().find(|line| line.starts_with("sha256")).unwrap();
    let manifest = manifest
        .replace(pinned, "")
        .replace("cxr_pneumonia28.onnx", "model.onnx")
        .replace("[28, 28]", &format!("[{side}, {side}]"))
        .replace("[algorithm]", &format!("{batching}\n\n[algorithm]"));
    Author { manifest, graph: film_graph(side * side) }
}

/// Of each pixel what it counts for the answer of [`film_graph`], and for the mean.
pub fn film_weights(pixels: usize) -> Vec<[f32; 2]> {
    let of = |at: usize| (at * 7919 % 1009) as f32 / 1009.0 - 0.5;
    (0..pixels).map(|at| [of(at) * 0.3, 1.0 / pixels as f32]).collect()
}

/// Takes any number of films of so many pixels as `image` and gives a row for each: `sums` of its pixels by
/// [`film_weights`], and their `probability` by the logistic function.
pub fn film_graph(pixels: usize) -> Vec<u8> {
    film_graph_with(pixels, &tensor("image", FLOAT, 4), 2)
}

/// The same that says its batch is 1, or that gives numbers without rows.
pub fn film_graph_of_one(pixels: usize, rows: bool) -> Vec<u8> {
    let mut shape = Vec::new();
    for side in 0..4 {
        let mut dimension = Vec::new();
        match side {
            0 if rows => number(&mut dimension, 1, 1),
            _ => bytes(&mut dimension, 2, format!("side{side}").as_bytes()),
        }
        bytes(&mut shape, 1, &dimension);
    }
    film_graph_with(pixels, &tensor_of("image", FLOAT, &shape), if rows { 2 } else { 1 })
}

fn film_graph_with(pixels: usize, image: &[u8], rank: usize) -> Vec<u8> {
    let mut weights = Vec::new();
    [pixels, 2].iter().for_each(|side| number(&mut weights, 1, *side as u64));
    number(&mut weights, 2, FLOAT);
    bytes(&mut weights, 8, b"weights");
    let numbers: Vec<f32> = film_weights(pixels).into_iter().flatten().collect();
    bytes(&mut weights, 9, &numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>());
    let mut graph = Vec::new();
    node(&mut graph, "Flatten", &["image"], "row", Some(("axis", 1)));
    node(&mut graph, "MatMul", &["row", "weights"], "sums", None);
    node(&mut graph, "Sigmoid", &["sums"], "rows", None);
    let last = if rank == 2 { "Identity" } else { "Squeeze" };
    node(&mut graph, last, &["rows"], "probability", None);
    bytes(&mut graph, 2, b"films");
    bytes(&mut graph, 5, &weights);
    bytes(&mut graph, 11, image);
    bytes(&mut graph, 12, &tensor("sums", FLOAT, 2));
    bytes(&mut graph, 12, &tensor("probability", FLOAT, rank));
    model(&graph)
}

/// Gives the `mean` over so many voxels along each axis around each voxel, with zeros beyond the border.
pub fn mean_graph(over: &[u64]) -> Vec<u8> {
    let rank = over.len() + 2;
    let mut graph = Vec::new();
    mean(&mut graph, over);
    bytes(&mut graph, 2, b"mean");
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, rank));
    bytes(&mut graph, 12, &tensor("mean", FLOAT, rank));
    model(&graph)
}

/// The same as `numbers`, one row. The more it is over, the longer it takes.
pub fn slow_graph(over: &[u64]) -> Vec<u8> {
    let mut graph = Vec::new();
    mean(&mut graph, over);
    node(&mut graph, "Flatten", &["mean"], "numbers", Some(("axis", 0)));
    bytes(&mut graph, 2, b"slow");
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, over.len() + 2));
    bytes(&mut graph, 12, &tensor("numbers", FLOAT, 2));
    model(&graph)
}

fn mean(graph: &mut Vec<u8>, over: &[u64]) {
    let pads: Vec<u64> = over.iter().chain(over).map(|side| (side - 1) / 2).collect();
    let lists: [(&str, &[u64]); 2] = [("kernel_shape", over), ("pads", &pads)];
    let mut of_node = Vec::new();
    bytes(&mut of_node, 1, b"voxels");
    bytes(&mut of_node, 2, b"mean");
    bytes(&mut of_node, 4, b"AveragePool");
    for (name, list) in lists {
        let mut attribute = Vec::new();
        bytes(&mut attribute, 1, name.as_bytes());
        list.iter().for_each(|item| number(&mut attribute, 8, *item));
        number(&mut attribute, 20, 7); // AttributeProto.INTS
        bytes(&mut of_node, 5, &attribute);
    }
    bytes(&mut of_node, 5, &of_int("count_include_pad", 1));
    bytes(graph, 1, &of_node);
}

/// Takes slices `[batch, channel, row, column]` and gives the highest channel of each pixel as `most`, and
/// the `labels` that those are as uint8.
pub fn slice_graph() -> Vec<u8> {
    let mut axes = Vec::new();
    bytes(&mut axes, 1, b"axes");
    number(&mut axes, 8, 1);
    number(&mut axes, 20, 7); // AttributeProto.INTS
    let mut of_node = Vec::new();
    bytes(&mut of_node, 1, b"voxels");
    bytes(&mut of_node, 2, b"most");
    bytes(&mut of_node, 4, b"ReduceMax");
    bytes(&mut of_node, 5, &axes);
    let mut graph = Vec::new();
    bytes(&mut graph, 1, &of_node);
    node(&mut graph, "Cast", &["most"], "labels", Some(("to", UINT8)));
    bytes(&mut graph, 2, b"slices");
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 4));
    bytes(&mut graph, 12, &tensor("most", FLOAT, 4));
    bytes(&mut graph, 12, &tensor("labels", UINT8, 4));
    model(&graph)
}

/// Gives the voxels as the `same`, and takes and gives tensors with exactly these sides.
pub fn exact_graph(sides: &[u64]) -> Vec<u8> {
    let mut shape = Vec::new();
    for side in sides {
        let mut dimension = Vec::new();
        number(&mut dimension, 1, *side);
        bytes(&mut shape, 1, &dimension);
    }
    let mut graph = Vec::new();
    node(&mut graph, "Identity", &["voxels"], "same", None);
    bytes(&mut graph, 2, b"exact");
    bytes(&mut graph, 11, &tensor_of("voxels", FLOAT, &shape));
    bytes(&mut graph, 12, &tensor_of("same", FLOAT, &shape));
    model(&graph)
}

/// As [`volume_graph`], whose output `same` is said to have these sides.
pub fn fixed_graph(sides: [u64; 5]) -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Identity", &["voxels"], "same", None);
    bytes(&mut graph, 2, b"fixed");
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 5));
    let mut shape = Vec::new();
    for side in sides {
        let mut dimension = Vec::new();
        number(&mut dimension, 1, side);
        bytes(&mut shape, 1, &dimension);
    }
    bytes(&mut graph, 12, &tensor_of("same", FLOAT, &shape));
    model(&graph)
}

/// Takes `first` and `second` in five dimensions and gives the `difference`, second less first.
pub fn pair_graph() -> Vec<u8> {
    let mut graph = Vec::new();
    node(&mut graph, "Sub", &["second", "first"], "difference", None);
    bytes(&mut graph, 2, b"pairs");
    bytes(&mut graph, 11, &tensor("first", FLOAT, 5));
    bytes(&mut graph, 11, &tensor("second", FLOAT, 5));
    bytes(&mut graph, 12, &tensor("difference", FLOAT, 5));
    model(&graph)
}

/// What a graph says whatever it sees: the boxes, scores and labels of its author.
pub struct Said {
    pub boxes: Vec<f32>,
    /// Numbers of a box.
    pub width: usize,
    /// One for each box, or so many in a row.
    pub scores: Vec<f32>,
    pub labels: Vec<i64>,
}

/// Takes `voxels` of this rank and gives `boxes`, `scores` and `labels`, and the voxels as the `same`.
pub fn boxes_graph(rank: usize, said: &Said) -> Vec<u8> {
    let count = said.boxes.len() / said.width;
    let of_box = said.scores.len() / count.max(1);
    let scores = if of_box <= 1 { vec![count] } else { vec![count, of_box] };
    let floats =
        |numbers: &[f32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let labels: Vec<u8> = said.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let constants = [
        ("boxes", FLOAT, vec![count, said.width], floats(&said.boxes)),
        ("scores", FLOAT, scores, floats(&said.scores)),
        ("labels", INT64, vec![said.labels.len()], labels),
    ];
    let mut graph = Vec::new();
    for (name, ..) in &constants {
        node(&mut graph, "Identity", &[&format!("of-{name}")], name, None);
    }
    node(&mut graph, "Identity", &["voxels"], "same", None);
    bytes(&mut graph, 2, b"boxes");
    for (name, element, sides, raw) in &constants {
        let mut constant = Vec::new();
        sides.iter().for_each(|side| number(&mut constant, 1, *side as u64));
        number(&mut constant, 2, *element);
        bytes(&mut constant, 8, format!("of-{name}").as_bytes());
        bytes(&mut constant, 9, raw);
        bytes(&mut graph, 5, &constant);
    }
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, rank));
    for (name, element, sides, _) in &constants {
        bytes(&mut graph, 12, &tensor(name, *element, sides.len()));
    }
    bytes(&mut graph, 12, &tensor("same", FLOAT, rank));
    model(&graph)
}

pub fn model(graph: &[u8]) -> Vec<u8> {
    model_of(8, 17, graph)
}

/// Of this version of ONNX IR and of the operators.
pub fn model_of(ir: u64, opset_version: u64, graph: &[u8]) -> Vec<u8> {
    let mut model = Vec::new();
    number(&mut model, 1, ir);
    let mut opset = Vec::new();
    bytes(&mut opset, 1, b"");
    number(&mut opset, 2, opset_version);
    bytes(&mut model, 8, &opset);
    bytes(&mut model, 7, graph);
    model
}

pub fn node(
    graph: &mut Vec<u8>,
    operator: &str,
    inputs: &[&str],
    output: &str,
    attribute: Option<(&str, u64)>,
) {
    let mut node = Vec::new();
    inputs.iter().for_each(|input| bytes(&mut node, 1, input.as_bytes()));
    bytes(&mut node, 2, output.as_bytes());
    bytes(&mut node, 4, operator.as_bytes());
    if let Some((name, value)) = attribute {
        bytes(&mut node, 5, &of_int(name, value));
    }
    bytes(graph, 1, &node);
}

pub fn of_int(name: &str, value: u64) -> Vec<u8> {
    let mut attribute = Vec::new();
    bytes(&mut attribute, 1, name.as_bytes());
    number(&mut attribute, 3, value);
    number(&mut attribute, 20, 2); // AttributeProto.INT
    attribute
}

pub fn tensor(name: &str, element: u64, rank: usize) -> Vec<u8> {
    let mut shape = Vec::new();
    for axis in 0..rank {
        let mut dimension = Vec::new();
        bytes(&mut dimension, 2, format!("{name}{axis}").as_bytes());
        bytes(&mut shape, 1, &dimension);
    }
    tensor_of(name, element, &shape)
}

pub(super) fn tensor_of(name: &str, element: u64, shape: &[u8]) -> Vec<u8> {
    let mut tensor_type = Vec::new();
    number(&mut tensor_type, 1, element);
    bytes(&mut tensor_type, 2, shape);
    let mut kind = Vec::new();
    bytes(&mut kind, 1, &tensor_type);
    let mut info = Vec::new();
    bytes(&mut info, 1, name.as_bytes());
    bytes(&mut info, 2, &kind);
    info
}

pub fn number(into: &mut Vec<u8>, field: u64, value: u64) {
    varint(into, field << 3);
    varint(into, value);
}

pub fn bytes(into: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(into, field << 3 | 2);
    varint(into, value.len() as u64);
    into.extend_from_slice(value);
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}
