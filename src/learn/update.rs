//! One update, whoever asks for it: the loop of a stage, its rehearsal on a planned device, benchmarks and the doctor.

use super::{
    objective::{Objective, Scene},
    optimizer::Optimizer,
    reduce::Share,
};
use crate::{
    array::Shape,
    models::{Batch, Model, Words},
    nn::ActiveRows,
    rng::Draw,
    tensor::Tensor,
};

/// Randomness leaves this many streams to each micro-batch.
const STREAMS_PER_MICRO_BATCH: u32 = 1 << 16;

/// What an update is of.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    /// The model.
    pub model: &'a Model,
    /// The place of its head among those of the optimizer.
    pub head: usize,
    /// What is minimized.
    pub objective: &'a dyn Objective,
    /// What the loss of each prediction is multiplied by: 1 / predictions of all micro-batches.
    pub weight: f32,
    /// The randomness of the first micro-batch; none turns dropout off.
    pub draw: Option<Draw>,
    /// Who makes it: each rank takes the micro-batches whose turn is its.
    pub share: Share<'a>,
}

/// The loss of an update and its gradients, before AdamW's step.
pub struct Gradients<'a> {
    update: Update<'a>,
    active: Option<ActiveRows>,
    /// The sum over the micro-batches.
    pub loss: Tensor,
    /// Of the leaves of the optimizer, in their order; on a GPU in f16 scaled as the optimizer scales losses.
    pub grads: Vec<Tensor>,
}

impl<'a> Update<'a> {
    /// Lifts the words, and takes the loss and its gradients of one micro-batch after the other, those of all ranks.
    pub fn gradients(self, optimizer: &mut Optimizer, batches: &[Batch]) -> Gradients<'a> {
        let active = optimizer.activate(self.model, batches.iter().flat_map(Batch::all_ids));
        let leaves = optimizer.leaves(self.model, active.as_ref());
        let mut part = |i: usize| {
            let scene = self.scene(i, &batches[i], active.as_ref());
            let backward = |loss: Tensor, leaves: &[&Tensor]| optimizer.gradients(loss, leaves);
            let (loss, mut parts) = self.objective.gradients(&scene, &leaves, &backward);
            parts.push(loss);
            parts
        };
        let shapes = leaves.iter().map(|leaf| leaf.shape().clone()).chain([Shape::from([1])]);
        let shapes: Vec<Shape> = shapes.collect();
        let mut grads = self.share.sum(batches.len(), &shapes, self.model.device(), &mut part);
        let loss = grads.pop().expect("the loss is the last");
        Gradients { update: self, active, loss, grads }
    }

    /// The whole update: the loss, and the sum of squares of the gradient before it was clipped, both on the device.
    pub fn make(self, optimizer: &mut Optimizer, batches: &[Batch]) -> (Tensor, Tensor) {
        let gradients = self.gradients(optimizer, batches);
        let square = gradients.step(optimizer);
        (gradients.loss, square)
    }

    fn scene<'s>(&'s self, i: usize, batch: &'s Batch, active: Option<&'s ActiveRows>) -> Scene<'s> {
        let stream = i as u32 * STREAMS_PER_MICRO_BATCH;
        let draw = self.draw.map(|draw| Draw { stream: draw.stream + stream, ..draw });
        Scene { model: self.model, words: active.map_or(Words::Table, Words::Active), batch, weight: self.weight, draw }
    }
}

impl Gradients<'_> {
    /// AdamW's step by these gradients, unless they are not finite. Returns the sum of their squares.
    pub fn step(&self, optimizer: &mut Optimizer) -> Tensor {
        optimizer.step_head(self.update.head, self.update.model, self.active.as_ref(), &self.grads)
    }
}
