//! What an operation asks of the GPU: which entry points of which shader, over which buffers.

use super::shaders::Shader;
use crate::array::{Format, Ids, Precision};

/// The dispatches that compute one operation, in order.
#[derive(Debug, Default)]
pub struct Kernel {
    /// Lengths in numbers of buffers that live only while the kernel runs.
    pub scratch: Vec<usize>,
    /// Those of them, by position, that are stored as the inputs are; the others in f32.
    pub activations: Vec<usize>,
    /// What runs, in order; each sees what the ones before it wrote.
    pub dispatches: Vec<Dispatch>,
    /// The same work written for particular adapters; the first that suits is taken.
    pub variants: Vec<(Suits, Kernel)>,
    /// Of a matrix product: what it takes to try its variants.
    pub product: Option<Product>,
}

/// A matrix product, for the autotuner.
#[derive(Debug)]
pub struct Product {
    /// The operation, with its layout.
    pub name: &'static str,
    /// m, n and k: the inputs have m · k and n · k numbers, the output m · n.
    pub extents: [usize; 3],
    /// What operands are rounded to.
    pub precision: Precision,
    /// How far a variant may be from the plain kernel, relative to numbers beyond 1.
    pub tolerance: f32,
    /// Further variants, by name, that run on every adapter but are taken only where they turn out to be fastest.
    pub others: Vec<(&'static str, Kernel)>,
}

impl Product {
    /// Whether there is nothing to compute.
    pub(super) fn is_empty(&self) -> bool {
        self.extents.contains(&0)
    }
}

/// Which adapters a variant is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suits {
    /// Adapters whose subgroups multiply square matrices of f16 with this side together.
    Cooperative(u32),
    /// Real GPUs, which want many workgroups and share loads in workgroup memory.
    Hardware,
    /// Drivers that run on the processor, with vector units of this many lanes as subgroups.
    SoftwareSubgroups(u32),
}

impl Suits {
    /// What the autotuner calls such a variant.
    pub(super) fn name(self) -> &'static str {
        match self {
            Suits::Cooperative(_) => "cooperative",
            Suits::Hardware => "hardware",
            Suits::SoftwareSubgroups(_) => "lanes",
        }
    }
}

/// One launch of one entry point.
#[derive(Debug)]
pub struct Dispatch {
    /// The file in `shaders/`. Where it says `stored` and `result`, the buffers that are bound decide.
    pub shader: Shader,
    /// The function in it.
    pub entry: &'static str,
    /// Group 0, in binding order.
    pub bindings: Vec<Binding>,
    /// Group 1, binding 0: the words of the uniform structure. Numbers go in by `f32::to_bits`.
    pub uniform: Vec<u32>,
    /// How many workgroups; counts above 65,535 are folded into two axes, and shaders read `workgroup_index`.
    pub workgroups: usize,
}

/// What one binding of group 0 shows.
#[derive(Clone, Debug)]
pub enum Binding {
    /// The operation's result (of an update: the state with this index).
    Output(usize),
    /// An input, by its position in the call.
    Input(usize),
    /// A buffer of `Kernel::scratch`, by its position.
    Scratch(usize),
    /// Ids, uploaded once.
    Ids(Ids),
}

impl Dispatch {
    /// The shader for these formats of what is bound: the first binding is what it writes.
    pub(super) fn shader_for(&self, kernel: &Kernel, formats: &Formats) -> Shader {
        let in_f16 = |binding: &Binding| formats.of(binding, kernel) == Format::F16;
        let (written, read) = self.bindings.split_first().expect("a dispatch writes something");
        Shader { inputs: read.iter().any(in_f16), output: in_f16(written), ..self.shader }
    }
}

/// How what an operation reads and writes is stored.
#[derive(Clone, Debug)]
pub struct Formats {
    /// Of the results, or the state.
    pub outputs: Vec<Format>,
    /// Of the inputs.
    pub inputs: Vec<Format>,
}

impl Formats {
    /// How a binding is stored. Scratch memory that holds activations is like the first input.
    fn of(&self, binding: &Binding, kernel: &Kernel) -> Format {
        match binding {
            Binding::Output(i) => self.outputs[*i],
            Binding::Input(i) => self.inputs[*i],
            Binding::Scratch(i) if kernel.activations.contains(i) => self.inputs[0],
            Binding::Scratch(_) | Binding::Ids(_) => Format::F32,
        }
    }

    /// Words of four bytes of a kernel's scratch buffers.
    pub(super) fn scratch_words(&self, kernel: &Kernel) -> Vec<usize> {
        let words = |(i, len): (usize, &usize)| self.of(&Binding::Scratch(i), kernel).words(*len);
        kernel.scratch.iter().enumerate().map(words).collect()
    }
}

impl Kernel {
    /// One dispatch over the output (binding 0) and the first `n_inputs` inputs.
    pub fn one(
        shader: impl Into<Shader>,
        entry: &'static str,
        n_inputs: usize,
        uniform: Vec<u32>,
        workgroups: usize,
    ) -> Kernel {
        let inputs = (0..n_inputs).map(Binding::Input);
        let bindings = std::iter::once(Binding::Output(0)).chain(inputs).collect();
        let dispatches = vec![Dispatch { shader: shader.into(), entry, bindings, uniform, workgroups }];
        Kernel { dispatches, ..Kernel::default() }
    }

    /// One dispatch in which each invocation of workgroups of 64 computes four of `n` elements.
    pub fn elementwise(shader: impl Into<Shader>, entry: &'static str, n_inputs: usize, n: usize) -> Kernel {
        Kernel::one(shader, entry, n_inputs, vec![n as u32], n.div_ceil(256))
    }

    /// The same with further words in the uniform after the element count.
    pub fn with(mut self, words: &[u32]) -> Kernel {
        for dispatch in &mut self.dispatches {
            dispatch.uniform.extend(words);
        }
        self
    }

    /// The same with a variant for some adapters.
    pub fn or(mut self, suits: Suits, kernel: Kernel) -> Kernel {
        self.variants.push((suits, kernel));
        self
    }

    /// The same, known to be a matrix product.
    pub fn product(mut self, product: Product) -> Kernel {
        self.product = Some(product);
        self
    }

    /// The first variant that suits an adapter, else the kernel itself.
    pub fn variant_for(&self, suits: impl Fn(Suits) -> bool) -> &Kernel {
        self.variants.iter().find(|(wanted, _)| suits(*wanted)).map_or(self, |(_, kernel)| kernel)
    }
}
