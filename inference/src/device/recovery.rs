//! What is done when a device fails a run: a smaller batch, then the CPU, then a failed job with the reason.

use super::Device;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Less at a time may work.
    OutOfMemory,
    /// The device or its driver: nothing more may be expected of it in this process.
    Device,
    /// The graph, or what it was given: the same anywhere.
    Graph,
}

/// How ONNX Runtime and CUDA's libraries say that memory is short.
const SHORT: [&str; 7] = [
    "out of memory",
    "OUT_OF_MEMORY",
    "Failed to allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "bad_alloc",
    "smaller than requested bytes",
];

/// How they say that it was the device.
const OF_DEVICE: [&str; 7] =
    ["the CUDA driver says", "CUDA error", "CUDA failure", "CUDNN", "CUBLAS", "CUFFT", "TensorRT"];

impl Fault {
    /// Of an error in ONNX Runtime's words; it has no codes for these.
    pub fn of(text: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match () {
            () if says(&SHORT) => Self::OutOfMemory,
            () if says(&OF_DEVICE) => Self::Device,
            () => Self::Graph,
        }
    }
}

/// How a run was made that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    pub on: Device,
    /// Pieces that went through the graph at a time; 1 where there can not be fewer.
    pub batch: usize,
    /// The manifest allows the CPU.
    pub cpu: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Again with so many pieces at a time.
    Batch(usize),
    /// Again on the CPU.
    Cpu,
    Fail,
}

/// Ends: each step has a smaller batch, or leaves the device for good.
pub fn next(fault: Fault, tried: Tried) -> Next {
    match (fault, tried) {
        (Fault::Graph, _) => Next::Fail,
        (Fault::OutOfMemory, Tried { batch, .. }) if batch > 1 => Next::Batch(batch / 2),
        (_, Tried { on: Device::Cuda(_), cpu: true, .. }) => Next::Cpu,
        _ => Next::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUDA: Device = Device::Cuda(0);

    /// What is tried one after the other when every run fails by `fault`.
    fn course(fault: Fault, mut tried: Tried) -> Vec<Next> {
        let mut steps = Vec::new();
        loop {
            let step = next(fault, tried);
            steps.push(step);
            match step {
                Next::Batch(batch) => tried.batch = batch,
                Next::Cpu => tried.on = Device::Cpu,
                Next::Fail => return steps,
            }
            assert!(steps.len() < 20, "it ends");
        }
    }

    #[test]
    fn out_of_memory_makes_smaller_batches_then_goes_to_the_cpu_then_fails() {
        use Next::{Batch, Cpu, Fail};
        let tried = Tried { on: CUDA, batch: 9, cpu: true };
        assert_eq!(course(Fault::OutOfMemory, tried), [Batch(4), Batch(2), Batch(1), Cpu, Fail]);
        let only_there = Tried { cpu: false, ..tried };
        assert_eq!(course(Fault::OutOfMemory, only_there), [Batch(4), Batch(2), Batch(1), Fail]);
        let whole = Tried { batch: 1, ..tried };
        assert_eq!(course(Fault::OutOfMemory, whole), [Cpu, Fail]);
        let on_cpu = Tried { on: Device::Cpu, ..tried };
        assert_eq!(course(Fault::OutOfMemory, on_cpu), [Batch(4), Batch(2), Batch(1), Fail]);
    }

    #[test]
    fn a_broken_device_is_left_at_once_and_a_broken_graph_is_tried_nowhere_else() {
        let tried = Tried { on: CUDA, batch: 9, cpu: true };
        assert_eq!(course(Fault::Device, tried), [Next::Cpu, Next::Fail]);
        assert_eq!(course(Fault::Device, Tried { cpu: false, ..tried }), [Next::Fail]);
        assert_eq!(course(Fault::Graph, tried), [Next::Fail]);
    }

    #[test]
    fn the_words_of_onnx_runtime_are_understood() {
        for (text, fault) in [
            (
                "Non-zero status code returned while running Conv node. /onnxruntime_src/onnxruntime/core/framework/\
                 bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4294967296",
                Fault::OutOfMemory,
            ),
            (
                "BFCArena::AllocateRawInternal Available memory of 1 is smaller than requested bytes of 2",
                Fault::OutOfMemory,
            ),
            ("CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; file=", Fault::OutOfMemory),
            ("std::bad_alloc", Fault::OutOfMemory),
            ("CUDA failure 700: an illegal memory access was encountered ; GPU=0", Fault::Device),
            ("CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0", Fault::Device),
            ("Got invalid dimensions for input: volume", Fault::Graph),
        ] {
            assert_eq!(Fault::of(text), fault, "{text}");
        }
    }
}
