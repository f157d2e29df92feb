//! One device and its stream: memory, launches, and what ONNX Runtime is told of both. The one module that may use `unsafe`.
//!
//! A launch takes raw addresses, and nobody but the kernel knows how far it reads. So `launch` compares the types of what it
//! is given with the source of the kernel, `arithmetic.rs` alone calls it and checks the sizes, and the tests hold
//! each kernel against its twin. All work goes to one stream, which ONNX Runtime uses too: what was put there earlier is
//! done before what comes later, so nothing waits for anything else, and no buffer is freed while it is in use.
#![allow(unsafe_code)]

mod libraries;

pub use libraries::{Card, Driver, compile, compiler, driver};

use super::kernels;
use crate::device::{Device, Fault};
use crate::voxels::error::VoxelError;
use cudarc::driver::sys::CUresult;
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
    DriverError, LaunchConfig, PinnedHostSlice, PushKernelArg, ValidAsZeroBits,
};
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{ArenaExtendStrategy, CUDA, TensorRT};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::value::Tensor;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Threads of a block.
const BLOCK: u32 = 256;

/// Numbers that are staged at a time: 4 MiB. While one half is on its way the other is filled.
const STAGED: usize = 1 << 20;

/// Threads that fill stages for one volume: a core copies a fraction of what the way to a device takes.
const LANES: usize = 4;

/// Bytes that the driver keeps for the next buffer. It gives all that is free back at each wait otherwise, and taking it
/// again lasts longer than a kernel.
const KEPT: u64 = 256 << 20;

impl Stage {
    /// Fills it when its last copy has ended, and puts a copy from it to this address of the device on the stream.
    fn send(&mut self, part: &[f32], address: u64, stream: &CudaStream) -> Result<(), DriverError> {
        self.read.synchronize()?;
        let numbers = &mut self.numbers.as_mut_slice()?[..part.len()];
        numbers.copy_from_slice(part);
        // SAFETY: who asks has room there for as many; they stay as they are until the event.
        unsafe { cudarc::driver::result::memcpy_htod_async(address, numbers, stream.cu_stream()) }?;
        self.read.record(stream)
    }
}

fn keep_memory(context: &CudaContext) -> Result<(), DriverError> {
    use cudarc::driver::{result, sys};
    let pools = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED;
    if context.attribute(pools)? == 0 {
        return Ok(());
    }
    let (mut kept, threshold) = (KEPT, sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
    // SAFETY: the pool is the device's own, and the attribute is a number of 64 bits.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device())?;
        result::mem_pool::set_attribute(pool, threshold, (&raw mut kept).cast())
    }
}

/// Why the device did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeviceError {
    pub fault: Fault,
    pub text: String,
}

impl DeviceError {
    /// Whoever asks for it should have asked whether there is one.
    pub fn no_kernel(what: &str) -> Self {
        Self::new(Fault::Graph, format!("there is no kernel for {what}: the node has to be mended"))
    }

    pub(super) fn new(fault: Fault, text: impl Into<String>) -> Self {
        Self { fault, text: text.into() }
    }
}

impl From<VoxelError> for DeviceError {
    fn from(error: VoxelError) -> Self {
        Self::new(Fault::Graph, error.to_string())
    }
}

impl From<DriverError> for DeviceError {
    fn from(error: DriverError) -> Self {
        let fault = match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Fault::OutOfMemory,
            _ => Fault::Device,
        };
        Self::new(fault, format!("the CUDA driver says: {}", told(error)))
    }
}

/// `CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)`.
fn told(error: DriverError) -> String {
    let text = |text: Result<&std::ffi::CStr, DriverError>| {
        text.map_or_else(|_| "unknown".into(), |text| text.to_string_lossy().into_owned())
    };
    format!("{} ({})", text(error.error_name()), text(error.error_string()))
}

/// Numbers in the memory of a device.
#[derive(Debug)]
pub struct OnDevice<T = f32>(CudaSlice<T>);

impl<T> Drop for OnDevice<T> {
    /// What frees it asks the thread for its device, and this may be any thread.
    fn drop(&mut self) {
        let _ = self.0.context().bind_to_thread();
    }
}

impl<T> OnDevice<T> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Numbers in memory that belongs to something else.
#[derive(Debug)]
pub struct Borrowed<'a> {
    numbers: ManuallyDrop<OnDevice>,
    owner: PhantomData<&'a ()>,
}

impl Deref for Borrowed<'_> {
    type Target = OnDevice;

    fn deref(&self) -> &OnDevice {
        &self.numbers
    }
}

/// Where ONNX Runtime lays tensors for a device.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Cuda,
    /// The device is a stand-in, whose memory is that of the host.
    #[cfg(test)]
    Host,
}

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Floats(&'a OnDevice),
    Doubles(&'a OnDevice<f64>),
    Ints(&'a OnDevice<i32>),
    Unsigned(&'a OnDevice<u32>),
    Labels(&'a OnDevice<u16>),
    Int(i32),
    Index(i64),
    Float(f32),
}

impl Arg<'_> {
    /// As the source of the kernels writes it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Floats(_) => "float*",
            Self::Doubles(_) => "double*",
            Self::Ints(_) => "int*",
            Self::Unsigned(_) => "unsigned*",
            Self::Labels(_) => "unsigned short*",
            Self::Int(_) => "int",
            Self::Index(_) => "index_t",
            Self::Float(_) => "float",
        }
    }
}

/// One device with its compiled kernels.
#[derive(Debug)]
pub struct Gpu {
    /// Bytes that were free when it was opened, behind the driver's own for this process.
    free_at_first: usize,
    stream: Arc<CudaStream>,
    kernels: HashMap<&'static str, (CudaFunction, Vec<&'static str>)>,
    staging: [Mutex<[Stage; 2]>; LANES],
}

/// Memory of the host that the device reads by itself.
#[derive(Debug)]
struct Stage {
    numbers: PinnedHostSlice<f32>,
    /// Behind the last copy out of it. The event inside of `numbers` is not one: it is recorded only where events are
    /// tracked.
    read: CudaEvent,
}

impl Drop for Gpu {
    /// Before the stages go the device has to be done with them.
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

impl Gpu {
    /// Opens the device and compiles the kernels for it, which takes about a second.
    pub fn open(ordinal: usize) -> Result<Self, DeviceError> {
        match driver() {
            Driver::Here { cards, .. } if ordinal < cards.len() => {}
            Driver::Here { .. } => {
                return Err(DeviceError::new(Fault::Device, format!("there is no cuda:{ordinal}")));
            }
            other => return Err(DeviceError::new(Fault::Device, super::why(&other))),
        }
        let context = CudaContext::new(ordinal)?;
        let (free_at_first, _) = context.mem_get_info()?;
        // SAFETY: events order several streams; there is one.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream()?;
        let ptx = compile(context.compute_capability()?)?;
        let module = context.load_module(ptx)?;
        let load = |(name, kinds)| Ok((name, (module.load_function(name)?, kinds)));
        let kernels = kernels::signatures().into_iter().map(load);
        let kernels = kernels.collect::<Result<_, DriverError>>()?;
        keep_memory(&context)?;
        let stage = || -> Result<Stage, DriverError> {
            // SAFETY: every number is written before it is copied from there.
            let numbers = unsafe { context.alloc_pinned::<f32>(STAGED) }?;
            Ok(Stage { numbers, read: context.new_event(None)? })
        };
        let lane = || Ok::<_, DriverError>(Mutex::new([stage()?, stage()?]));
        let staging = [lane()?, lane()?, lane()?, lane()?];
        Ok(Self { free_at_first, stream, kernels, staging })
    }

    pub fn device(&self) -> Device {
        Device::Cuda(self.stream.context().ordinal())
    }

    fn ordinal(&self) -> i32 {
        self.stream.context().ordinal() as i32
    }

    /// Free and all bytes of the device.
    pub fn memory(&self) -> Result<(usize, usize), DeviceError> {
        Ok(self.stream.context().mem_get_info()?)
    }

    /// What was free before this process had any of it for a model.
    pub fn free_at_first(&self) -> usize {
        self.free_at_first
    }

    /// How many more bytes than now its volumes have taken at the most: these are given back, ONNX Runtime's are kept.
    pub fn gave_back(&self) -> Result<u64, DeviceError> {
        use cudarc::driver::{result, sys};
        let context = self.stream.context();
        let pools = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED;
        if context.attribute(pools)? == 0 {
            return Ok(0);
        }
        context.bind_to_thread()?;
        let (mut now, mut most) = (0u64, 0u64);
        // SAFETY: the pool is the device's own, and each attribute is a number of 64 bits.
        unsafe {
            let pool = result::device::get_default_mem_pool(context.cu_device())?;
            let of_now = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT;
            result::mem_pool::get_attribute(pool, of_now, (&raw mut now).cast())?;
            let of_most = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH;
            result::mem_pool::get_attribute(pool, of_most, (&raw mut most).cast())?;
        }
        Ok(most.saturating_sub(now))
    }

    /// Waits for all that was asked of the device.
    pub fn finish(&self) -> Result<(), DeviceError> {
        Ok(self.stream.synchronize()?)
    }

    pub(super) fn zeros<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        count: usize,
    ) -> Result<OnDevice<T>, DeviceError> {
        Ok(OnDevice(self.stream.alloc_zeros(count)?))
    }

    /// Of unknown numbers, for what is written as a whole.
    pub(super) fn room<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        count: usize,
    ) -> Result<OnDevice<T>, DeviceError> {
        // SAFETY: whatever bits are there make a T; nobody relies on which.
        Ok(OnDevice(unsafe { self.stream.alloc(count) }?))
    }

    /// Small tables.
    pub(super) fn table<T: DeviceRepr>(&self, numbers: &[T]) -> Result<OnDevice<T>, DeviceError> {
        // From memory that is not pinned a copy has left it when the call comes back.
        Ok(OnDevice(self.stream.clone_htod(numbers)?))
    }

    /// A volume, by way of memory that the device reads by itself.
    pub fn upload(&self, numbers: &[f32]) -> Result<OnDevice, DeviceError> {
        let room = self.room::<f32>(numbers.len())?;
        let begin = room.0.device_ptr(&self.stream).0;
        let lanes = LANES.min(numbers.len().div_ceil(2 * STAGED)).max(1);
        let (stream, staging) = (&self.stream, &self.staging);
        let lane = |number: usize| -> Result<(), DriverError> {
            let mut stages = staging[number].lock().unwrap_or_else(PoisonError::into_inner);
            stream.context().bind_to_thread()?;
            let parts = numbers.chunks(STAGED).enumerate().skip(number).step_by(lanes);
            for (turn, (at, part)) in parts.enumerate() {
                let address = begin + (at * STAGED * size_of::<f32>()) as u64;
                stages[turn % 2].send(part, address, stream)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..lanes).map(|number| scope.spawn(move || lane(number))).collect();
            let first = lane(0);
            // All of them have to end first.
            let others: Vec<_> = others.into_iter().map(|other| other.join()).collect();
            let lost =
                |_| DeviceError::new(Fault::Device, "a thread that fills a stage has failed");
            first?;
            others.into_iter().try_for_each(|other| Ok::<_, DeviceError>(other.map_err(lost)??))
        })?;
        Ok(room)
    }

    /// Back to the host, when all that was asked before is done.
    pub fn download<T: DeviceRepr>(&self, numbers: &OnDevice<T>) -> Result<Vec<T>, DeviceError> {
        let there = self.stream.clone_dtoh(&numbers.0)?;
        self.stream.synchronize()?;
        Ok(there)
    }

    /// Puts a kernel behind what the stream has to do. `threads` of them, and some more.
    pub(super) fn launch(
        &self,
        kernel: &str,
        threads: usize,
        args: &[Arg<'_>],
    ) -> Result<(), DeviceError> {
        let wrong = |text: String| DeviceError::new(Fault::Device, text);
        let Some((function, kinds)) = self.kernels.get(kernel) else {
            return Err(wrong(format!("there is no kernel `{kernel}`: the node has to be mended")));
        };
        if !args.iter().map(Arg::kind).eq(kinds.iter().copied()) {
            let text = format!("the kernel `{kernel}` takes {kinds:?}: the node has to be mended");
            return Err(wrong(text));
        }
        let blocks = u32::try_from(threads.div_ceil(BLOCK as usize));
        let blocks = blocks.map_err(|_| wrong(format!("{threads} threads are too many")))?;
        if blocks == 0 {
            return Ok(());
        }
        let mut call = self.stream.launch_builder(function);
        for arg in args {
            match arg {
                Arg::Floats(numbers) => call.arg(&numbers.0),
                Arg::Doubles(numbers) => call.arg(&numbers.0),
                Arg::Ints(numbers) => call.arg(&numbers.0),
                Arg::Unsigned(numbers) => call.arg(&numbers.0),
                Arg::Labels(numbers) => call.arg(&numbers.0),
                Arg::Int(number) => call.arg(number),
                Arg::Index(number) => call.arg(number),
                Arg::Float(number) => call.arg(number),
            };
        }
        let grid = LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (BLOCK, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the types are those of the source; the sizes are checked by `arithmetic.rs`, which alone
        // calls this; buffers are freed in the order of the same stream, so after this launch.
        unsafe { call.launch(grid) }?;
        Ok(())
    }

    /// The numbers of a tensor of ONNX Runtime that lies on this device.
    pub fn of_tensor<'a>(
        &self,
        tensor: &'a Tensor<f32>,
        place: Place,
    ) -> Result<Borrowed<'a>, DeviceError> {
        let (place, info) = (self.place(place), tensor.memory_info());
        let there = place.is_ok_and(|place| {
            let device = |info: &MemoryInfo| {
                info.allocation_device().as_str() == place.allocation_device().as_str()
            };
            device(info) && info.device_id() == place.device_id()
        });
        if !there {
            let text = "ONNX Runtime laid a tensor elsewhere than asked: the node has to be mended";
            return Err(DeviceError::new(Fault::Graph, text));
        }
        Ok(self.borrowed(tensor.data_ptr() as u64, tensor.shape().num_elements()))
    }

    fn borrowed<'a>(&self, address: u64, count: usize) -> Borrowed<'a> {
        // SAFETY: the memory has as many numbers and is another's: it is never freed from here, and `'a` is no
        // longer than its owner lives.
        let numbers = unsafe { self.stream.upgrade_device_ptr(address, count) };
        Borrowed { numbers: ManuallyDrop::new(OnDevice(numbers)), owner: PhantomData }
    }

    /// Piece `number` of numbers that fall into equal pieces of `count`.
    pub fn piece<'a>(&self, numbers: &'a OnDevice, number: usize, count: usize) -> Borrowed<'a> {
        let begin = number.saturating_mul(count).min(numbers.len());
        let (address, _guard) = numbers.0.device_ptr(&self.stream);
        let address = address + (begin * size_of::<f32>()) as u64;
        self.borrowed(address, count.min(numbers.len() - begin))
    }

    /// From one place on the device to another of the same size.
    pub fn copy_within(&self, from: &OnDevice, to: &OnDevice) -> Result<(), DeviceError> {
        if from.len() != to.len() {
            let text = format!("{} numbers do not fit where {} lie", from.len(), to.len());
            return Err(DeviceError::new(Fault::Graph, text));
        }
        let (source, _read) = from.0.device_ptr(&self.stream);
        let (target, _written) = to.0.device_ptr(&self.stream);
        let bytes = from.0.num_bytes();
        self.stream.context().bind_to_thread()?;
        // SAFETY: both have as many numbers; the stream orders the copy.
        unsafe {
            cudarc::driver::result::memcpy_dtod_async(
                target,
                source,
                bytes,
                self.stream.cu_stream(),
            )
        }?;
        Ok(())
    }

    /// Where tensors lie that never leave the device.
    pub fn place(&self, place: Place) -> Result<MemoryInfo<'static>, ort::Error> {
        let (device, number) = match place {
            Place::Cuda => (AllocationDevice::CUDA, self.ordinal()),
            #[cfg(test)]
            Place::Host => (AllocationDevice::CPU, 0),
        };
        MemoryInfo::new(device, number, AllocatorType::Device, MemoryType::Default)
    }

    /// ONNX Runtime's provider for this device, on this stream. In float32 as on the CPU, not in TF32, which has three
    /// digits; and the way of a convolution is asked of cuDNN, not found by trying all at the first run of each shape. It
    /// takes `most` bytes of the device for tensors, and no more than it needs at a time.
    pub fn cuda(&self, most: usize) -> CUDA {
        let cuda = CUDA::default()
            .with_device_id(self.ordinal())
            .with_memory_limit(most)
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            .with_tf32(false)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic);
        // SAFETY: the stream lives as long as this, and the engine drops its sessions before.
        unsafe { cuda.with_compute_stream(self.stream.cu_stream().cast()) }
    }

    pub fn tensorrt(&self) -> TensorRT {
        let tensorrt = TensorRT::default().with_device_id(self.ordinal());
        // SAFETY: as in `cuda`.
        unsafe { tensorrt.with_compute_stream(self.stream.cu_stream().cast()) }
    }
}
