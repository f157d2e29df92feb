//! The source of the kernels, and what each of them takes: read from the same text, so that no launch can differ from it.

use std::collections::HashMap;

/// One text for NVRTC, which has no folder to include from.
pub const SOURCE: &str = concat!(
    include_str!("kernels/common.cuh"),
    include_str!("kernels/intensity.cu"),
    include_str!("kernels/resample.cu"),
    include_str!("kernels/windows.cu"),
);

/// What stands in front of each kernel.
const BEGINS: &str = "extern \"C\" __global__ void ";

/// The types of the parameters of each kernel, in their order.
pub fn signatures() -> HashMap<&'static str, Vec<&'static str>> {
    SOURCE.split(BEGINS).skip(1).filter_map(signature).collect()
}

fn signature(text: &'static str) -> Option<(&'static str, Vec<&'static str>)> {
    let (name, rest) = text.split_once('(')?;
    let (parameters, _) = rest.split_once(')')?;
    let kind = |parameter: &'static str| {
        let (kind, _) = parameter.trim().rsplit_once(' ')?;
        Some(kind.trim_start_matches("const "))
    };
    Some((name, parameters.split(',').map(kind).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_kernel_are_read_from_its_source() {
        let signatures = signatures();
        assert_eq!(signatures["window"], ["float*", "index_t", "float", "float"]);
        assert_eq!(signatures["fold_sums"], ["double*", "int", "double*", "int"]);
        assert_eq!(signatures["resample_taps"].len(), 17);
        assert_eq!(signatures.len(), SOURCE.matches("__global__").count());
    }
}
