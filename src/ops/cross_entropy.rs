//! Softmax cross-entropy with whole-number labels, summed and weighted.

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Ids, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};
use rayon::prelude::*;

pub(super) const SPEC: Spec = Spec {
    name: "cross_entropy",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "three classes", inputs: &[&[4, 3]], run: |x| x[0].cross_entropy(&vec![2, 0, 1, 1].into(), 0.25) },
        Case { name: "many classes", inputs: &[&[2, 1031]], run: |x| x[0].cross_entropy(&vec![7, 1030].into(), 0.5) },
        Case {
            name: "large logits",
            inputs: &[&[2, 5]],
            run: |x| x[0].scale(60.0).cross_entropy(&vec![0, 4].into(), 0.02),
        },
        Case { name: "one row", inputs: &[&[1, 2]], run: |x| x[0].cross_entropy(&vec![1].into(), 1.0) },
        Case { name: "empty", inputs: &[&[0, 3]], run: |x| x[0].cross_entropy(&vec![].into(), 1.0) },
    ],
};

impl Tensor {
    /// `weight · Σᵢ −log softmax(selfᵢ)[labelsᵢ]`: (n, k) → a single number.
    #[track_caller]
    pub fn cross_entropy(&self, labels: &Ids, weight: f32) -> Tensor {
        Tensor::from_op(CrossEntropy { labels: labels.clone(), weight }, &[self])
    }
}

#[derive(Clone, Debug)]
struct CrossEntropy {
    labels: Ids,
    weight: f32,
}

impl CrossEntropy {
    fn uniform(&self, logits: &Shape) -> Vec<u32> {
        vec![logits.rows() as u32, logits.columns() as u32, self.weight.to_bits()]
    }
}

/// The largest logit, and the sum of the exponentials of all relative to it.
#[inline(always)]
fn log_sum_exp(row: &[f32]) -> (f32, f32) {
    let most = cpu::max(row);
    (most, cpu::sum(row, |x| cpu::exp(x - most)))
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
    row.iter().map(|x| (x - most).exp() / sum).collect()
}

impl Op for CrossEntropy {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [logits] = expect(inputs)?;
        let [rows, classes] = matrix(logits)?;
        match rows == self.labels.len() && self.labels.iter().all(|label| (*label as usize) < classes) {
            true => Ok([1].into()),
            false => Err(format!("{rows} labels below {classes} were expected, found {:?}", &self.labels[..])),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let loss = |(i, label): (usize, &u32)| -softmax(inputs[0].row(i))[*label as usize].ln();
        Array::new([1], vec![f64::from(self.weight) * self.labels.iter().enumerate().map(loss).sum::<f64>()])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let rows = inputs[0].par_chunks(shapes[0].columns().max(1)).zip(self.labels.par_iter());
        let losses: Vec<f64> = rows
            .map(|(row, label)| {
                let (most, sum) = cpu::vectorized(
                    #[inline(always)]
                    || log_sum_exp(row),
                );
                f64::from(sum.ln() - (row[*label as usize] - most))
            })
            .collect();
        output[0] = (f64::from(self.weight) * losses.iter().sum::<f64>()) as f32;
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let uniform = self.uniform(inputs[0]);
        let row_losses = Dispatch {
            shader: "cross_entropy".into(),
            entry: "row_losses",
            bindings: vec![Binding::Scratch(0), Binding::Input(0), Binding::Ids(self.labels.clone())],
            uniform: uniform.clone(),
            workgroups: self.labels.len(),
        };
        let sum = Dispatch {
            shader: "cross_entropy".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Scratch(0)],
            uniform,
            workgroups: 1,
        };
        Kernel { scratch: vec![self.labels.len()], dispatches: vec![row_losses, sum], ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(CrossEntropyBackward(self.clone()), &[&inputs[0], grad]))]
    }
}

/// `grad · weight · (softmax(logits) − onehot(labels))`.
#[derive(Debug)]
struct CrossEntropyBackward(CrossEntropy);

impl Op for CrossEntropyBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (logits, grad) = (inputs[0], inputs[1].values[0] * f64::from(self.0.weight));
        let mut output = logits.clone();
        for (i, label) in self.0.labels.iter().enumerate() {
            let probabilities = softmax(logits.row(i));
            for (j, dx) in output.row_mut(i).iter_mut().enumerate() {
                *dx = grad * (probabilities[j] - f64::from(u8::from(j == *label as usize)));
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (columns, grad) = (shapes[0].columns(), inputs[1][0] * self.0.weight);
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |i, out| {
                let row = &inputs[0][i * columns..][..columns];
                let (most, sum) = log_sum_exp(row);
                let factor = grad / sum;
                for j in 0..columns {
                    out[j] = factor * cpu::exp(row[j] - most);
                }
                out[self.0.labels[i] as usize] -= grad;
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let dispatch = Dispatch {
            shader: "cross_entropy".into(),
            entry: "backward",
            bindings: vec![
                Binding::Output(0),
                Binding::Input(0),
                Binding::Input(1),
                Binding::Ids(self.0.labels.clone()),
            ],
            uniform: self.0.uniform(inputs[0]),
            workgroups: self.0.labels.len(),
        };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }
}
