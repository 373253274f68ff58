//! Kullback-Leibler divergence of softmax distributions over the rows of a group, column by column: how far predictions move
//! when a text is perturbed (Jiang et al., 2020; Aghajanyan et al., 2020).

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Segments, Shape},
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "kl_divergence",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "classes", inputs: &[&[12, 1], &[12, 1]], run: |x| run(x, &[3, 3, 3, 3], 0.25) },
        Case { name: "begin and end", inputs: &[&[9, 2], &[9, 2]], run: |x| run(x, &[4, 3, 2], 0.5) },
        Case { name: "groups of one", inputs: &[&[3, 2], &[3, 2]], run: |x| run(x, &[1, 1, 1], 1.0) },
        Case { name: "long", inputs: &[&[391, 2], &[391, 2]], run: |x| run(x, &[130, 1, 260], 0.5) },
        Case {
            name: "large logits",
            inputs: &[&[6, 2], &[6, 2]],
            run: |x| run(&[x[0].scale(30.0), x[1].scale(30.0)], &[5, 1], 0.02),
        },
        Case {
            name: "near each other",
            inputs: &[&[7, 1], &[7, 1]],
            run: |x| run(&[x[0].clone(), x[0].add(&x[1].scale(1e-2))], &[4, 3], 1e4),
        },
        Case { name: "empty", inputs: &[&[0, 2], &[0, 2]], run: |x| run(x, &[], 1.0) },
    ],
};

fn run(x: &[Tensor], lengths: &[usize], weight: f32) -> Tensor {
    x[0].kl_divergence(&x[1], &Segments::new(lengths.iter().copied()), weight)
}

impl Tensor {
    /// `weight · Σ KL(softmax(self) ‖ softmax(logits))` over the rows of each group, in each column: (n, k), (n, k) → a single
    /// number.
    #[track_caller]
    pub fn kl_divergence(&self, logits: &Tensor, groups: &Segments, weight: f32) -> Tensor {
        Tensor::from_op(KlDivergence { groups: groups.clone(), weight }, &[self, logits])
    }
}

/// The first input is what the second should say.
#[derive(Clone, Debug)]
struct KlDivergence {
    groups: Segments,
    weight: f32,
}

/// The two distributions of a group.
struct Distributions {
    /// Probabilities of the first.
    p: Vec<f64>,
    /// Those of the second.
    q: Vec<f64>,
    /// `ln p − ln q`.
    apart: Vec<f64>,
}

impl Distributions {
    fn new(logits: [Vec<f64>; 2]) -> Distributions {
        let [a, b] = logits.map(|logits| log_softmax(&logits));
        let apart = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let [p, q] = [a, b].map(|logs| logs.into_iter().map(f64::exp).collect());
        Distributions { p, q, apart }
    }

    /// `Σ p (ln p − ln q)`, as the sum of `p (c + e⁻ᶜ − 1)`, c being the difference of logarithms: no part is negative.
    fn divergence(&self) -> f64 {
        self.p.iter().zip(&self.q).zip(&self.apart).map(|((p, q), c)| p * c - (p - q)).sum()
    }
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::MIN, f64::max);
    let log_sum = logits.iter().map(|x| (x - most).exp()).sum::<f64>().ln();
    logits.iter().map(|x| x - most - log_sum).collect()
}

impl KlDivergence {
    /// For each group and column the places of its logits.
    fn places(&self, columns: usize) -> impl Iterator<Item = impl ExactSizeIterator<Item = usize> + Clone> + '_ {
        let rows = self.groups.ranges();
        rows.flat_map(move |rows| (0..columns).map(move |column| rows.clone().map(move |row| row * columns + column)))
    }

    /// The sum over all groups and columns; `at` reads a logit of the first and of the second input.
    fn total(&self, columns: usize, at: impl Fn(usize) -> [f64; 2]) -> f64 {
        let parts = self.places(columns).map(|places| gathered(places, &at).divergence());
        f64::from(self.weight) * parts.sum::<f64>()
    }

    fn dispatch(&self, entry: &'static str, logits: &Shape, bindings: Vec<Binding>) -> Dispatch {
        let (pairs, columns) = (self.groups.count() * logits.columns(), logits.columns());
        let uniform = vec![pairs as u32, columns as u32, self.weight.to_bits()];
        Dispatch { shader: "kl_divergence".into(), entry, bindings, uniform, workgroups: pairs }
    }
}

fn gathered(places: impl Iterator<Item = usize> + Clone, at: &impl Fn(usize) -> [f64; 2]) -> Distributions {
    Distributions::new([0, 1].map(|input| places.clone().map(|place| at(place)[input]).collect()))
}

impl Op for KlDivergence {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [target, logits] = expect(inputs)?;
        match target == logits && matrix(logits)?[0] == self.groups.rows() {
            true => Ok([1].into()),
            false => Err(format!("{} rows in {} groups", self.groups.rows(), self.groups.count())),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let at = |i: usize| [inputs[0].values[i], inputs[1].values[i]];
        Array::new([1], vec![self.total(inputs[0].shape.columns(), at)])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let at = |i: usize| [f64::from(inputs[0][i]), f64::from(inputs[1][i])];
        output[0] = self.total(shapes[0].columns(), at) as f32;
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let n = self.groups.count() * inputs[0].columns();
        let offsets = Binding::Ids(self.groups.offsets.clone());
        let bindings = vec![Binding::Scratch(0), Binding::Input(0), Binding::Input(1), offsets];
        let parts = self.dispatch("divergences", inputs[0], bindings);
        let sum = Dispatch {
            shader: "cross_entropy".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Scratch(0)],
            uniform: parts.uniform.clone(),
            workgroups: 1,
        };
        Kernel { scratch: vec![n], dispatches: vec![parts, sum], ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, needs: &[bool]) -> Vec<Option<Tensor>> {
        let of = |side: Side| {
            let op = KlDivergenceBackward { forward: self.clone(), side };
            needs[side as usize].then(|| Tensor::from_op(op, &[&inputs[0], &inputs[1], grad]))
        };
        vec![of(Side::Target), of(Side::Logits)]
    }
}

/// Which input a gradient is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// What should be said.
    Target,
    /// What is said.
    Logits,
}

/// `grad · weight · p (ln p − ln q − KL)` for the first input, `grad · weight · (q − p)` for the second.
#[derive(Debug)]
struct KlDivergenceBackward {
    forward: KlDivergence,
    side: Side,
}

impl KlDivergenceBackward {
    /// Gives `put` each place with its slope.
    fn slopes(&self, columns: usize, at: impl Fn(usize) -> [f64; 2], mut put: impl FnMut(usize, f64)) {
        for places in self.forward.places(columns) {
            let of = gathered(places.clone(), &at);
            let divergence = of.divergence();
            for (i, place) in places.enumerate() {
                let slope = match self.side {
                    Side::Target => of.p[i] * (of.apart[i] - divergence),
                    Side::Logits => of.q[i] - of.p[i],
                };
                put(place, f64::from(self.forward.weight) * slope);
            }
        }
    }
}

impl Op for KlDivergenceBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (mut output, grad) = (inputs[0].clone(), inputs[2].values[0]);
        let at = |i: usize| [inputs[0].values[i], inputs[1].values[i]];
        self.slopes(inputs[0].shape.columns(), at, |place, slope| output.values[place] = grad * slope);
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (at, grad) = (|i: usize| [f64::from(inputs[0][i]), f64::from(inputs[1][i])], f64::from(inputs[2][0]));
        self.slopes(shapes[0].columns(), at, |place, slope| output[place] = (grad * slope) as f32);
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let entry = match self.side {
            Side::Target => "backward_target",
            Side::Logits => "backward_logits",
        };
        let offsets = Binding::Ids(self.forward.groups.offsets.clone());
        let bindings = vec![Binding::Output(0), Binding::Input(0), Binding::Input(1), offsets, Binding::Input(2)];
        Kernel { dispatches: vec![self.forward.dispatch(entry, inputs[0], bindings)], ..Kernel::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;

    /// The sum of `p * np.log(p / q)` as NumPy 2 has it; and near each other, where the sum of products cancels, half the
    /// variance of the difference of logits under p, the first term of its series.
    #[test]
    fn it_is_what_the_formula_says() {
        let (p, q) = ([0.3f32, -1.2, 2.5], [1.0f32, 0.5, -0.25]);
        let of = |p: &[f32], q: &[f32], device: &Device| {
            let [p, q] = [p, q].map(|x| Tensor::new(x, [x.len(), 1], device));
            f64::from(p.kl_divergence(&q, &Segments::new([3]), 1.0).item())
        };
        let written = 1.3275499950999112;
        let near = [0.3f32, -1.2, 2.5 + 1.0 / 4096.0];
        let share = log_softmax(&p.map(f64::from))[2].exp();
        let series = 0.5 * share * (1.0 - share) / 4096f64.powi(2);
        for device in [Device::cpu(), Device::Reference] {
            assert!((of(&p, &q, &device) - written).abs() < 1e-6 * written, "{written}");
            let found = of(&p, &near, &device);
            assert!((found - series).abs() < 1e-3 * series, "{found} {series}"); // the series' next term is 2⁻¹² of it
        }
    }
}
