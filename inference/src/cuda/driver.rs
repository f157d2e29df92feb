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
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError,
    LaunchConfig, PinnedHostSlice, PushKernelArg, ValidAsZeroBits,
};
use ort::ep::{CUDA, TensorRT};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::value::Tensor;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Threads of a block.
const BLOCK: u32 = 256;

/// Numbers that are staged at a time: 8 MiB. While one half is on its way the other is filled.
const STAGED: usize = 2 << 20;

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
    stream: Arc<CudaStream>,
    kernels: HashMap<&'static str, (CudaFunction, Vec<&'static str>)>,
    staging: Mutex<[PinnedHostSlice<f32>; 2]>,
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
        // SAFETY: events order several streams; there is one.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream()?;
        let ptx = compile(context.compute_capability()?)?;
        let module = context.load_module(ptx)?;
        let load = |(name, kinds)| Ok((name, (module.load_function(name)?, kinds)));
        let kernels = kernels::signatures().into_iter().map(load);
        let kernels = kernels.collect::<Result<_, DriverError>>()?;
        // SAFETY: every number is written before it is copied from there.
        let pinned = || unsafe { context.alloc_pinned::<f32>(STAGED) };
        let staging = Mutex::new([pinned()?, pinned()?]);
        Ok(Self { stream, kernels, staging })
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
        let mut room = self.room::<f32>(numbers.len())?;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, part) in numbers.chunks(STAGED).enumerate() {
            let staged = &mut staging[number % 2];
            // Waits until its last copy has ended.
            staged.as_mut_slice()?[..part.len()].copy_from_slice(part);
            let begin = number * STAGED;
            let mut there = room.0.slice_mut(begin..begin + part.len());
            self.copy(staged, part.len(), &mut there)?;
        }
        drop(staging);
        Ok(room)
    }

    fn copy(
        &self,
        staged: &PinnedHostSlice<f32>,
        count: usize,
        there: &mut cudarc::driver::CudaViewMut<'_, f32>,
    ) -> Result<(), DeviceError> {
        use cudarc::driver::{DevicePtrMut, HostSlice};
        // SAFETY: the guard records the copy in the event that `as_mut_slice` waits for.
        let (numbers, _recorded) = unsafe { staged.stream_synced_slice(&self.stream) };
        let (address, _written) = there.device_ptr_mut(&self.stream);
        let numbers = &numbers[..count];
        // SAFETY: `there` has room for as many, and the staged numbers stay until the event.
        unsafe {
            cudarc::driver::result::memcpy_htod_async(address, numbers, self.stream.cu_stream())
        }?;
        Ok(())
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

    /// ONNX Runtime's provider for this device, on this stream.
    pub fn cuda(&self) -> CUDA {
        let cuda = CUDA::default().with_device_id(self.ordinal());
        // SAFETY: the stream lives as long as this, and the engine drops its sessions before.
        unsafe { cuda.with_compute_stream(self.stream.cu_stream().cast()) }
    }

    pub fn tensorrt(&self) -> TensorRT {
        let tensorrt = TensorRT::default().with_device_id(self.ordinal());
        // SAFETY: as in `cuda`.
        unsafe { tensorrt.with_compute_stream(self.stream.cu_stream().cast()) }
    }
}
