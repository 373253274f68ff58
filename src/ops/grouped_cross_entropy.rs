//! Softmax cross-entropy over the rows of a group, column by column: which token begins an answer, and which ends it; which
//! of several alternatives is right.

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Ids, Segments, Shape},
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "grouped_cross_entropy",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "begin and end", inputs: &[&[9, 2]], run: |x| run(x, &[4, 3, 2], &[3, 0, 1, 2, 0, 1], 0.25) },
        Case { name: "alternatives", inputs: &[&[7, 1]], run: |x| run(x, &[2, 2, 3], &[0, 1, 2], 1.0) },
        Case { name: "groups of one", inputs: &[&[3, 2]], run: |x| run(x, &[1, 1, 1], &[0; 6], 1.0) },
        Case { name: "long", inputs: &[&[391, 2]], run: |x| run(x, &[130, 1, 260], &[129, 64, 0, 0, 63, 259], 0.5) },
        Case {
            name: "large logits",
            inputs: &[&[6, 2]],
            run: |x| run(&[x[0].scale(60.0)], &[5, 1], &[0, 4, 0, 0], 0.02),
        },
        Case { name: "empty", inputs: &[&[0, 2]], run: |x| run(x, &[], &[], 1.0) },
    ],
};

fn run(x: &[Tensor], lengths: &[usize], places: &[u32], weight: f32) -> Tensor {
    x[0].grouped_cross_entropy(&Segments::new(lengths.iter().copied()), &places.to_vec().into(), weight)
}

impl Tensor {
    /// `weight · Σ −log softmax` of the right row of each group, in each column: (n, k) → a single number. `places` says for
    /// each group and column, (groups · k), which row of the group is right.
    #[track_caller]
    pub fn grouped_cross_entropy(&self, groups: &Segments, places: &Ids, weight: f32) -> Tensor {
        Tensor::from_op(GroupedCrossEntropy { groups: groups.clone(), places: places.clone(), weight }, &[self])
    }
}

#[derive(Clone, Debug)]
struct GroupedCrossEntropy {
    groups: Segments,
    places: Ids,
    weight: f32,
}

impl GroupedCrossEntropy {
    /// For each group and column: the numbers of its logits, and which of them is right.
    fn parts(
        &self,
        columns: usize,
    ) -> impl Iterator<Item = (impl ExactSizeIterator<Item = usize> + Clone, usize)> + '_ {
        let groups = self.groups.ranges().enumerate();
        groups.flat_map(move |(group, rows)| {
            (0..columns).map(move |column| {
                let logits = rows.clone().map(move |row| row * columns + column);
                (logits, self.places[group * columns + column] as usize)
            })
        })
    }

    fn uniform(&self, logits: &Shape) -> Vec<u32> {
        vec![self.places.len() as u32, logits.columns() as u32, self.weight.to_bits()]
    }

    fn dispatch(&self, entry: &'static str, logits: &Shape, bindings: Vec<Binding>) -> Dispatch {
        let shader = "grouped_cross_entropy".into();
        Dispatch { shader, entry, bindings, uniform: self.uniform(logits), workgroups: self.places.len() }
    }
}

/// The largest number, and the sum of the exponentials of all relative to it.
fn log_sum_exp(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let most = numbers.clone().fold(f64::MIN, f64::max);
    (most, numbers.map(|x| (x - most).exp()).sum())
}

impl Op for GroupedCrossEntropy {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [logits] = expect(inputs)?;
        let [rows, columns] = matrix(logits)?;
        if rows != self.groups.rows() || self.places.len() != self.groups.count() * columns {
            let (grouped, places, groups) = (self.groups.rows(), self.places.len(), self.groups.count());
            return Err(format!("{grouped} rows in {groups} groups, with {places} places of {columns} columns"));
        }
        match self.parts(columns).all(|(logits, place)| place < logits.len()) {
            true => Ok([1].into()),
            false => Err(format!("a place is beyond its group: {:?}", &self.places[..])),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let values = &inputs[0].values;
        let loss = |(logits, place): (_, usize)| {
            let logits: Vec<f64> = Iterator::map(logits, |i: usize| values[i]).collect();
            let (most, sum) = log_sum_exp(logits.iter().copied());
            sum.ln() - (logits[place] - most)
        };
        let total: f64 = self.parts(inputs[0].shape.columns()).map(loss).sum();
        Array::new([1], vec![f64::from(self.weight) * total])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let mut total = 0.0;
        for (mut logits, place) in self.parts(shapes[0].columns()) {
            let (most, sum) = log_sum_exp(logits.clone().map(|i| f64::from(inputs[0][i])));
            let right = logits.nth(place).expect("places lie in their groups");
            total += sum.ln() - (f64::from(inputs[0][right]) - most);
        }
        output[0] = (f64::from(self.weight) * total) as f32;
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (offsets, places) = (Binding::Ids(self.groups.offsets.clone()), Binding::Ids(self.places.clone()));
        let bindings = vec![Binding::Scratch(0), Binding::Input(0), offsets, places];
        let losses = self.dispatch("losses_of_groups", inputs[0], bindings);
        let sum = Dispatch {
            shader: "cross_entropy".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Scratch(0)],
            uniform: self.uniform(inputs[0]),
            workgroups: 1,
        };
        Kernel { scratch: vec![self.places.len()], dispatches: vec![losses, sum], ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(GroupedCrossEntropyBackward(self.clone()), &[&inputs[0], grad]))]
    }
}

/// `grad · weight · (softmax − onehot(place))` over the rows of a group, in each column.
#[derive(Debug)]
struct GroupedCrossEntropyBackward(GroupedCrossEntropy);

impl Op for GroupedCrossEntropyBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (logits, grad) = (inputs[0], inputs[1].values[0] * f64::from(self.0.weight));
        let mut output = logits.clone();
        for (numbers, place) in self.0.parts(logits.shape.columns()) {
            let (most, sum) = log_sum_exp(numbers.clone().map(|i| logits.values[i]));
            for (row, i) in numbers.enumerate() {
                let probability = (logits.values[i] - most).exp() / sum;
                output.values[i] = grad * (probability - f64::from(u8::from(row == place)));
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let grad = f64::from(inputs[1][0]) * f64::from(self.0.weight);
        for (numbers, place) in self.0.parts(shapes[0].columns()) {
            let (most, sum) = log_sum_exp(numbers.clone().map(|i| f64::from(inputs[0][i])));
            for (row, i) in numbers.enumerate() {
                let probability = (f64::from(inputs[0][i]) - most).exp() / sum;
                output[i] = (grad * (probability - f64::from(u8::from(row == place)))) as f32;
            }
        }
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let offsets = Binding::Ids(self.0.groups.offsets.clone());
        let places = Binding::Ids(self.0.places.clone());
        let bindings = vec![Binding::Output(0), Binding::Input(0), offsets, places, Binding::Input(1)];
        Kernel { dispatches: vec![self.0.dispatch("backward", inputs[0], bindings)], ..Kernel::default() }
    }
}
