//! A graph whose boxes are those that its images say, of each image in a batch its own.

use super::author::{FLOAT, INT64, bytes, model, node, number, of_int, tensor};

/// Takes `voxels` as `[batch, 1, row, column]`. Each row says a box by its first four numbers, its score by the fifth and its
/// class by the sixth: `boxes` `[batch, row, 4]`, `scores` and `labels` `[batch, row]`.
pub fn boxes_graph() -> Vec<u8> {
    let mut axes = Vec::new();
    bytes(&mut axes, 1, b"axes");
    number(&mut axes, 8, 1);
    number(&mut axes, 20, 7); // AttributeProto.INTS
    let mut without_channel = Vec::new();
    bytes(&mut without_channel, 1, b"voxels");
    bytes(&mut without_channel, 2, b"rows");
    bytes(&mut without_channel, 4, b"ReduceMax");
    bytes(&mut without_channel, 5, &axes);
    bytes(&mut without_channel, 5, &of_int("keepdims", 0));
    let mut graph = Vec::new();
    bytes(&mut graph, 1, &without_channel);
    let gathered: [(&str, &[u64], bool); 3] =
        [("boxes", &[0, 1, 2, 3], true), ("scores", &[4], false), ("classes", &[5], false)];
    for (name, ..) in &gathered {
        node(&mut graph, "Gather", &["rows", &format!("of-{name}")], name, Some(("axis", 2)));
    }
    node(&mut graph, "Cast", &["classes"], "labels", Some(("to", INT64)));
    bytes(&mut graph, 2, b"boxes of frames");
    for (name, indices, is_list) in gathered {
        let mut constant = Vec::new();
        if is_list {
            number(&mut constant, 1, indices.len() as u64);
        }
        number(&mut constant, 2, INT64);
        bytes(&mut constant, 8, format!("of-{name}").as_bytes());
        bytes(&mut constant, 9, &indices.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<u8>>());
        bytes(&mut graph, 5, &constant);
    }
    bytes(&mut graph, 11, &tensor("voxels", FLOAT, 4));
    bytes(&mut graph, 12, &tensor("boxes", FLOAT, 3));
    bytes(&mut graph, 12, &tensor("scores", FLOAT, 2));
    bytes(&mut graph, 12, &tensor("labels", INT64, 2));
    model(&graph)
}
