//! The GPU backend: adapters, buffers, shaders and the queue. The only place that knows wgpu.

mod adapter;
mod autotune;
mod bindings;
mod cache;
mod cooperative;
mod device;
mod faults;
mod kernel;
mod opening;
mod pipeline;
mod pool;
mod recorder;
pub mod shaders;
mod timer;

pub use adapter::{Adapter, Kind, select};
pub use autotune::Autotune;
pub use cache::folder as cache_folder;
pub use cooperative::COOPERATIVE;
pub use device::{Entry, Gpu, Pending};
pub use kernel::{Binding, Dispatch, Formats, Kernel, Product, Suits};
pub use opening::{Checks, Kernels, Opening};
pub use pool::{Buffer, Statistics};
pub use shaders::Shader;
#[cfg(test)]
pub(crate) use shaders::broken;
