//! Tensors: numbers on a device, and the operation that made them.

use crate::{
    array::{Array, Format, Precision, Shape},
    cpu, error,
    gpu::{self, Formats, Gpu, Kernel},
    plan::{Claim, Plan},
    profile::{self, Operation, Work},
};
use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// One differentiable operation. All the engine knows about it is in the file that implements this.
pub trait Op: fmt::Debug + Send + Sync + 'static {
    /// Shape of the output, or why the inputs do not fit.
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String>;
    /// How the output is stored where inputs are stored so; none where its kernel does not read such.
    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(Format::F32, inputs)
    }
    /// The definition: plain loops in `f64`, written for the eye.
    fn reference(&self, inputs: &[&Array]) -> Array;
    /// The same, fast, on the CPU. `output` holds arbitrary numbers and every one is to be written.
    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]);
    /// How many numbers that takes beside, where they are as many as an input has.
    fn cpu_scratch(&self, _inputs: &[&Shape]) -> usize {
        0
    }
    /// The shader that computes the same, and how it is launched.
    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel;
    /// What it cannot do without; by default each number of operands and result once.
    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        Work::touching(inputs.iter().copied().chain([output]))
    }
    /// What it is called in logs.
    fn name(&self) -> &'static str {
        profile::short_name(std::any::type_name::<Self>())
    }
    /// The gradient of each input that is `wanted`, given the inputs, the output and the gradient of the output.
    ///
    /// What is itself the gradient of an operation leaves this out: no method needs second derivatives.
    fn backward(&self, _inputs: &[Tensor], _output: &Tensor, _grad: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        unreachable!("{self:?} is a gradient, and second derivatives are not needed by any method")
    }
}

/// This format, if all inputs are stored in it.
pub fn all_in(format: Format, inputs: &[Format]) -> Option<Format> {
    inputs.iter().all(|input| *input == format).then_some(format)
}

/// An operation that writes into its operands: the optimizer's.
pub trait Update: fmt::Debug {
    /// The definition, in `f64`.
    fn reference(&self, state: &mut [&mut [f64]], inputs: &[&[f64]]);
    /// The same, fast, on the CPU.
    fn cpu(&self, state: &mut [&mut [f32]], inputs: &[&[f32]]);
    /// The shader that computes the same; `Binding::Output(i)` is state `i`.
    fn kernel(&self, state: &[&Shape], inputs: &[&Shape]) -> Kernel;
    /// What it cannot do without; by default the state read and written, and the inputs read.
    fn work(&self, state: &[&Shape], inputs: &[&Shape]) -> Work {
        Work::touching(state.iter().chain(state).chain(inputs).copied())
    }
    /// What it is called in logs.
    fn name(&self) -> &'static str {
        profile::short_name(std::any::type_name::<Self>())
    }
}

/// Where numbers live and operations run.
#[derive(Clone)]
pub enum Device {
    /// The definitions, in f64: slow and exact, for checks.
    Reference,
    /// All cores of the CPU; operands of matrix products are rounded to this.
    Cpu(Precision),
    /// A GPU through wgpu.
    Gpu(Arc<Gpu>),
    /// Nothing is computed, and all numbers read as zero: to learn what a computation takes.
    Planned(Arc<Plan>),
}

impl Device {
    /// All cores of the CPU, in f32.
    pub fn cpu() -> Device {
        Device::Cpu(Precision::F32)
    }

    /// What operands of matrix products are rounded to.
    pub fn precision(&self) -> Precision {
        match self {
            Device::Reference => Precision::F32,
            Device::Cpu(precision) => *precision,
            Device::Gpu(gpu) => gpu.precision(),
            Device::Planned(plan) => plan.precision(),
        }
    }

    /// How what passes between layers is stored: on a GPU in f16, where operands of products are rounded to that.
    pub fn format(&self) -> Format {
        match self {
            Device::Gpu(gpu) if gpu.precision() == Precision::F16 => Format::F16,
            Device::Planned(plan) if plan.gpu().is_some() && plan.precision() == Precision::F16 => Format::F16,
            _ => Format::F32,
        }
    }

    /// The most rows of `columns` numbers that one tensor may have here.
    pub fn max_rows(&self, columns: usize) -> usize {
        let gpu = match self {
            Device::Gpu(gpu) => Some(gpu),
            Device::Planned(plan) => plan.gpu(),
            Device::Reference | Device::Cpu(_) => None,
        };
        gpu.map_or(usize::MAX, |gpu| (gpu.max_binding_bytes() / 4 / columns.max(1)).max(1))
    }

    /// A plan for this device, on which the same computation would take the same memory.
    pub fn planned(&self) -> Arc<Plan> {
        match self {
            Device::Gpu(gpu) => Plan::of_gpu(gpu.clone()),
            Device::Planned(plan) => plan.clone(),
            Device::Reference | Device::Cpu(_) => Plan::of_cpu(self.precision()),
        }
    }

    /// Hands all recorded work to the device; called once per training step.
    pub fn submit(&self) {
        if let Device::Gpu(gpu) = self {
            gpu.submit();
        }
    }

    /// Waits until the device has done all that was asked of it.
    pub fn wait(&self) {
        if let Device::Gpu(gpu) = self {
            gpu.synchronize();
        }
    }

    fn same(&self, other: &Device) -> bool {
        match (self, other) {
            (Device::Gpu(a), Device::Gpu(b)) => Arc::ptr_eq(a, b),
            (Device::Cpu(a), Device::Cpu(b)) => a == b,
            (Device::Planned(a), Device::Planned(b)) => Arc::ptr_eq(a, b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Device::Reference => "reference",
            Device::Cpu(_) => "cpu",
            Device::Gpu(_) => "wgpu",
            Device::Planned(_) => "planned",
        })
    }
}

enum Storage {
    Reference(RwLock<Array>),
    Cpu(RwLock<cpu::Block>),
    Gpu(gpu::Buffer),
    Planned(Claim),
}

/// An immutable array of numbers on a device. Cloning shares it.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    id: u64,
    shape: Shape,
    device: Device,
    storage: Arc<Storage>,
    /// Whether a gradient may be asked for with respect to this tensor or something it was computed from.
    tracked: bool,
    node: Option<Node>,
}

/// How a tensor was computed.
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) inputs: Vec<Tensor>,
}

/// What made a tensor from its inputs.
pub(crate) enum Origin {
    /// One operation.
    Op(Box<dyn Op>),
    /// A function of the first input, whose inner tensors are gone; the other inputs are the leaves that it uses beside.
    Again(Box<dyn Fn(&Tensor) -> Tensor + Send + Sync>),
}

impl Tensor {
    /// `values` in the given shape, on a device.
    #[track_caller]
    pub fn new(values: &[f32], shape: impl Into<Shape>, device: &Device) -> Tensor {
        let shape = shape.into();
        assert_eq!(shape.len(), values.len(), "{} values do not fill {shape:?}", values.len());
        let storage = match device {
            Device::Reference => {
                let values = values.iter().map(|x| f64::from(*x)).collect();
                Storage::Reference(RwLock::new(Array::new(shape.clone(), values)))
            }
            Device::Cpu(_) => Storage::Cpu(RwLock::new(cpu::Block::copy_of(values))),
            Device::Gpu(gpu) => Storage::Gpu(gpu.upload(bytemuck::cast_slice(values))),
            Device::Planned(plan) => Storage::Planned(plan.claim(shape.len(), Format::F32)),
        };
        Tensor::leaf(shape, device.clone(), storage)
    }

    /// The numbers that `fill` writes, every one: straight into the tensor's memory where that is the host's.
    pub fn filled(
        shape: impl Into<Shape>,
        device: &Device,
        fill: impl FnOnce(&mut [f32]) -> error::Result<()>,
    ) -> error::Result<Tensor> {
        let shape = shape.into();
        if let Device::Cpu(_) = device {
            let mut block = cpu::Block::uninitialized(shape.len());
            fill(&mut block)?;
            return Ok(Tensor::leaf(shape, device.clone(), Storage::Cpu(RwLock::new(block))));
        }
        if let Device::Planned(_) = device {
            return Ok(Tensor::zeros(shape, device));
        }
        let mut values = vec![0.0; shape.len()];
        fill(&mut values)?;
        Ok(Tensor::new(&values, shape, device))
    }

    /// An f64 array on the reference device.
    pub fn from_array(array: Array) -> Tensor {
        Tensor::leaf(array.shape.clone(), Device::Reference, Storage::Reference(RwLock::new(array)))
    }

    /// All zero.
    pub fn zeros(shape: impl Into<Shape>, device: &Device) -> Tensor {
        let shape = shape.into();
        let storage = match device {
            Device::Reference => Storage::Reference(RwLock::new(Array::zeros(shape.clone()))),
            Device::Cpu(_) => Storage::Cpu(RwLock::new(cpu::Block::zeros(shape.len()))),
            Device::Gpu(gpu) => Storage::Gpu(gpu.zeros(shape.len())),
            Device::Planned(plan) => Storage::Planned(plan.claim(shape.len(), Format::F32)),
        };
        Tensor::leaf(shape, device.clone(), storage)
    }

    /// A single number.
    pub fn number(value: f32, device: &Device) -> Tensor {
        Tensor::new(&[value], [1], device)
    }

    fn leaf(shape: Shape, device: Device, storage: Storage) -> Tensor {
        Tensor::make(shape, device, Arc::new(storage), false, None)
    }

    fn make(shape: Shape, device: Device, storage: Arc<Storage>, tracked: bool, node: Option<Node>) -> Tensor {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Tensor(Arc::new(Inner { id, shape, device, storage, tracked, node }))
    }

    /// The result of an operation, remembered for the backward pass where an input is tracked.
    #[track_caller]
    pub fn from_op(op: impl Op, inputs: &[&Tensor]) -> Tensor {
        let device = inputs.first().expect("an operation without inputs names its device: `generate`").device().clone();
        Tensor::generate(op, inputs, &device)
    }

    /// The result of an operation that may have no inputs, on a device.
    #[track_caller]
    pub fn generate(op: impl Op, inputs: &[&Tensor], device: &Device) -> Tensor {
        let shapes: Vec<&Shape> = inputs.iter().map(|input| input.shape()).collect();
        let shape = match op.shape(&shapes) {
            Ok(shape) => shape,
            Err(reason) => panic!("{op:?} of {shapes:?}: {reason}"),
        };
        assert!(inputs.iter().all(|input| input.device().same(device)), "{op:?}: inputs lie on several devices");
        let formats = formats_of(inputs);
        let Some(format) = op.format(&formats) else {
            panic!("{op:?} does not take inputs that are stored as {formats:?}")
        };
        let storage = execute(&op, inputs, &shapes, (&shape, format), device);
        let tracked = !PAUSED.get() && inputs.iter().any(|input| input.0.tracked);
        let inputs = || inputs.iter().map(|input| (*input).clone()).collect();
        let node = tracked.then(|| Node { origin: Origin::Op(Box::new(op)), inputs: inputs() });
        Tensor::make(shape, device.clone(), Arc::new(storage), tracked, node)
    }

    /// The same numbers with another account of how they were computed.
    pub(crate) fn with_node(&self, node: Node) -> Tensor {
        Tensor::make(self.0.shape.clone(), self.0.device.clone(), self.0.storage.clone(), true, Some(node))
    }

    /// Runs an update on `state`, in place.
    #[track_caller]
    pub fn update(op: &dyn Update, state: &[&Tensor], inputs: &[&Tensor]) {
        let (state_shapes, input_shapes) = (shapes_of(state), shapes_of(inputs));
        let describe = || operation(op.name(), &input_shapes, &state_shapes);
        if !matches!(state[0].device(), Device::Planned(_)) {
            profile::begin(describe, || op.work(&state_shapes, &input_shapes));
        }
        match state[0].device().clone() {
            Device::Reference => {
                let mut held: Vec<_> =
                    state.iter().map(|t| t.array_storage().write().expect("no holder panics")).collect();
                let mut state: Vec<&mut [f64]> = held.iter_mut().map(|array| array.values.as_mut_slice()).collect();
                let inputs: Vec<_> =
                    inputs.iter().map(|t| t.array_storage().read().expect("no holder panics")).collect();
                op.reference(&mut state, &inputs.iter().map(|array| array.values.as_slice()).collect::<Vec<_>>());
            }
            Device::Cpu(_) => {
                let mut held: Vec<_> =
                    state.iter().map(|t| t.cpu_storage().write().expect("no holder panics")).collect();
                let mut state: Vec<&mut [f32]> = held.iter_mut().map(|block| &mut block[..]).collect();
                let inputs: Vec<_> = inputs.iter().map(|t| t.cpu_storage().read().expect("no holder panics")).collect();
                profile::timed(|| op.cpu(&mut state, &inputs.iter().map(|block| &block[..]).collect::<Vec<_>>()));
            }
            Device::Gpu(gpu) => {
                let kernel = op.kernel(&state_shapes, &input_shapes);
                gpu.run(&kernel, &buffers_of(state), &buffers_of(inputs));
            }
            Device::Planned(plan) => {
                let formats = Formats { outputs: formats_of(state), inputs: formats_of(inputs) };
                plan.run(&formats, 0, || op.kernel(&state_shapes, &input_shapes));
            }
        }
    }

    /// The same numbers, from where gradients may be asked.
    pub fn tracked(&self) -> Tensor {
        Tensor::make(self.0.shape.clone(), self.0.device.clone(), self.0.storage.clone(), true, None)
    }

    /// The same numbers as a constant.
    pub fn detach(&self) -> Tensor {
        Tensor::make(self.0.shape.clone(), self.0.device.clone(), self.0.storage.clone(), false, None)
    }

    /// The extent of each axis.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// Where the numbers live.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// How the numbers are stored: on the host always in f32.
    pub fn format(&self) -> Format {
        match &*self.0.storage {
            Storage::Reference(_) | Storage::Cpu(_) => Format::F32,
            Storage::Gpu(buffer) => buffer.format(),
            Storage::Planned(claim) => claim.format(),
        }
    }

    /// Whether gradients flow through this tensor.
    pub fn is_tracked(&self) -> bool {
        self.0.tracked
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        self.0.node.as_ref()
    }

    /// The numbers, row-major. Waits for the device.
    pub fn to_vec(&self) -> Vec<f32> {
        match &*self.0.storage {
            Storage::Reference(array) => {
                array.read().expect("no holder panics").values.iter().map(|x| *x as f32).collect()
            }
            Storage::Cpu(block) => block.read().expect("no holder panics").to_vec(),
            Storage::Gpu(buffer) => self.gpu().read(buffer),
            Storage::Planned(claim) => vec![0.0; claim.len()],
        }
    }

    /// Shows the numbers, row-major, without a copy where they lie on the host in f32. Waits for the device.
    pub fn visit<T>(&self, see: impl FnOnce(&[f32]) -> T) -> T {
        match &*self.0.storage {
            Storage::Cpu(block) => see(&block.read().expect("no holder panics")),
            _ => see(&self.to_vec()),
        }
    }

    /// The numbers in f64: exact on the reference device.
    pub fn to_array(&self) -> Array {
        match &*self.0.storage {
            Storage::Reference(array) => array.read().expect("no holder panics").clone(),
            _ => Array::new(self.shape().clone(), self.to_vec().into_iter().map(f64::from).collect()),
        }
    }

    /// The single number of a tensor of one element. Waits for the device.
    #[track_caller]
    pub fn item(&self) -> f32 {
        assert_eq!(self.shape().len(), 1, "{:?} is not a single number", self.shape());
        self.to_vec()[0]
    }

    /// Overwrites the numbers in place. Only for parameters: what was computed from the old ones keeps its graph.
    #[track_caller]
    pub fn assign(&self, values: &[f32]) {
        assert_eq!(self.shape().len(), values.len(), "{} values do not fill {:?}", values.len(), self.shape());
        assert_eq!(self.format(), Format::F32, "what is written in place is stored in f32");
        match &*self.0.storage {
            Storage::Reference(array) => {
                array.write().expect("no holder panics").values = values.iter().map(|x| f64::from(*x)).collect();
            }
            Storage::Cpu(block) => block.write().expect("no holder panics").copy_from_slice(values),
            Storage::Gpu(buffer) => self.gpu().overwrite(buffer, bytemuck::cast_slice(values)),
            Storage::Planned(_) => {}
        }
    }

    /// Overwrites the numbers in place with those that `fill` writes, under the rules of [`Tensor::assign`]. After an
    /// error they are arbitrary.
    pub fn refill(&self, fill: impl FnOnce(&mut [f32]) -> error::Result<()>) -> error::Result<()> {
        if let Storage::Cpu(block) = &*self.0.storage {
            return fill(&mut block.write().expect("no holder panics"));
        }
        let mut values = vec![0.0; self.shape().len()];
        fill(&mut values)?;
        self.assign(&values);
        Ok(())
    }

    /// The same behind other numbers.
    pub fn append_to(&self, numbers: &mut Vec<f32>) {
        match &*self.0.storage {
            Storage::Cpu(block) => numbers.extend_from_slice(&block.read().expect("no holder panics")),
            _ => numbers.extend(self.to_vec()),
        }
    }

    /// Starts to bring the numbers to the host without waiting.
    pub fn read_later(&self) -> Pending {
        match &*self.0.storage {
            Storage::Gpu(buffer) => Pending::Gpu(self.gpu().read_later(buffer)),
            _ => Pending::Ready(self.to_vec()),
        }
    }

    fn gpu(&self) -> &Arc<Gpu> {
        match &self.0.device {
            Device::Gpu(gpu) => gpu,
            _ => unreachable!("a GPU buffer lives on a GPU"),
        }
    }

    fn gpu_storage(&self) -> &gpu::Buffer {
        match &*self.0.storage {
            Storage::Gpu(buffer) => buffer,
            _ => unreachable!("the device was checked"),
        }
    }

    fn cpu_storage(&self) -> &RwLock<cpu::Block> {
        match &*self.0.storage {
            Storage::Cpu(block) => block,
            _ => unreachable!("the device was checked"),
        }
    }

    fn array_storage(&self) -> &RwLock<Array> {
        match &*self.0.storage {
            Storage::Reference(array) => array,
            _ => unreachable!("the device was checked"),
        }
    }
}

thread_local! {
    static PAUSED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` without remembering how tensors are computed: evaluation needs no gradients.
pub fn without_graph<T>(work: impl FnOnce() -> T) -> T {
    paused(true, work)
}

/// Runs `work` remembering how tensors are computed, also inside of [`without_graph`].
pub(crate) fn with_graph<T>(work: impl FnOnce() -> T) -> T {
    paused(false, work)
}

fn paused<T>(paused: bool, work: impl FnOnce() -> T) -> T {
    /// Restores the old state, also when `work` unwinds.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            PAUSED.set(self.0);
        }
    }
    let _restore = Restore(PAUSED.replace(paused));
    work()
}

/// Numbers on their way from the device.
pub enum Pending {
    /// They are here.
    Ready(Vec<f32>),
    /// A GPU is still to deliver them.
    Gpu(gpu::Pending),
}

impl Pending {
    /// The numbers, once they have arrived.
    pub fn wait(self) -> Vec<f32> {
        match self {
            Pending::Ready(values) => values,
            Pending::Gpu(pending) => pending.wait(),
        }
    }
}

fn shapes_of<'a>(tensors: &[&'a Tensor]) -> Vec<&'a Shape> {
    tensors.iter().map(|tensor| tensor.shape()).collect()
}

fn buffers_of<'a>(tensors: &[&'a Tensor]) -> Vec<&'a gpu::Buffer> {
    tensors.iter().map(|tensor| tensor.gpu_storage()).collect()
}

fn formats_of(tensors: &[&Tensor]) -> Vec<Format> {
    tensors.iter().map(|tensor| tensor.format()).collect()
}

fn operation(name: &str, inputs: &[&Shape], outputs: &[&Shape]) -> Operation {
    Operation { name: name.to_owned(), shapes: profile::shapes(inputs, outputs), work: Work::default() }
}

/// What an operation cannot do without, with the bytes of what is stored in f16 counted as such.
fn work_of(op: &dyn Op, inputs: &[&Tensor], shapes: &[&Shape], (shape, format): (&Shape, Format)) -> Work {
    let work = op.work(shapes, shape);
    let all = || shapes.iter().copied().zip(formats_of(inputs)).chain([(shape, format)]);
    let numbers = all().map(|(shape, _)| shape.len()).sum::<usize>();
    let words = all().map(|(shape, format)| format.words(shape.len())).sum::<usize>();
    Work { bytes: work.bytes * words as f64 / numbers.max(1) as f64, ..work }
}

fn execute(
    op: &dyn Op,
    inputs: &[&Tensor],
    shapes: &[&Shape],
    (shape, format): (&Shape, Format),
    device: &Device,
) -> Storage {
    if !matches!(device, Device::Planned(_)) {
        let work = || work_of(op, inputs, shapes, (shape, format));
        profile::begin(|| operation(op.name(), shapes, &[shape]), work);
    }
    match device {
        Device::Reference => {
            let held: Vec<_> = inputs.iter().map(|t| t.array_storage().read().expect("no holder panics")).collect();
            let result = op.reference(&held.iter().map(|array| &**array).collect::<Vec<_>>());
            assert_eq!(&result.shape, shape, "{op:?}: the reference has another shape than announced");
            Storage::Reference(RwLock::new(result))
        }
        Device::Cpu(_) => {
            let held: Vec<_> = inputs.iter().map(|t| t.cpu_storage().read().expect("no holder panics")).collect();
            let mut output = cpu::Block::uninitialized(shape.len());
            profile::timed(|| op.cpu(&held.iter().map(|block| &block[..]).collect::<Vec<_>>(), shapes, &mut output));
            Storage::Cpu(RwLock::new(output))
        }
        Device::Gpu(gpu) => {
            let output = gpu.allocate(shape.len(), format);
            if !shape.is_empty() {
                gpu.run(&op.kernel(shapes, shape), &[&output], &buffers_of(inputs));
            }
            Storage::Gpu(output)
        }
        Device::Planned(plan) => {
            let output = plan.claim(shape.len(), format);
            if !shape.is_empty() {
                let formats = Formats { outputs: vec![format], inputs: formats_of(inputs) };
                plan.run(&formats, op.cpu_scratch(shapes), || op.kernel(shapes, shape));
            }
            Storage::Planned(output)
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "tensor {:?} on {:?}", self.shape(), self.device())
    }
}
