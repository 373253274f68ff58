//! wgpu: devices, buffers, shaders and the queue. The only place that names wgpu.

mod kernel;

pub use kernel::{Binding, Dispatch, Kernel};
