//! The backward pass: gradients as values, along the paths that were asked for.

use crate::{
    array::Array,
    tensor::{Node, Origin, Tensor, with_graph, without_graph},
};
use std::collections::{HashMap, HashSet};

impl Tensor {
    /// The gradients of this single number with respect to each of `wanted`, zero where it does not depend on one.
    #[track_caller]
    pub fn gradients(&self, wanted: &[&Tensor]) -> Vec<Tensor> {
        assert_eq!(self.shape().len(), 1, "gradients are of a single number, not of {:?}", self.shape());
        self.gradients_along(&one(self), wanted)
    }

    /// This single number, and its gradients. What was kept for them is let go of as soon as it has been used, which
    /// saves the memory that the gradients take; nothing else may hold on to the graph.
    #[track_caller]
    pub fn into_gradients(self, wanted: &[&Tensor]) -> (Tensor, Vec<Tensor>) {
        assert_eq!(self.shape().len(), 1, "gradients are of a single number, not of {:?}", self.shape());
        let direction = one(&self);
        self.into_gradients_along(&direction, wanted)
    }

    /// The same with the gradients of `direction · self`.
    pub fn into_gradients_along(self, direction: &Tensor, wanted: &[&Tensor]) -> (Tensor, Vec<Tensor>) {
        (self.detach(), collect(self, direction, wanted))
    }

    /// The gradients of `Σ direction ∘ self` with respect to each of `wanted`.
    ///
    /// Only operations on a path to something wanted take part.
    #[track_caller]
    pub fn gradients_along(&self, direction: &Tensor, wanted: &[&Tensor]) -> Vec<Tensor> {
        collect(self.clone(), direction, wanted)
    }
}

/// `f(x)`, of which only `x` and the result are kept: the backward pass runs `f` again (Chen et al., 2016).
///
/// `f` must give the same numbers each time, as layers do: their dropout masks are functions of counters.
pub fn recomputed(x: &Tensor, f: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Tensor {
    let own = if x.is_tracked() { x.tracked() } else { x.detach() };
    let output = f(&own);
    if !output.is_tracked() {
        return output;
    }
    let beside = leaves(&output).into_iter().filter(|leaf| leaf.id() != own.id());
    let inputs = std::iter::once(x.clone()).chain(beside).collect();
    output.with_node(Node { origin: Origin::Again(Box::new(f)), inputs })
}

/// The tensors without origin that gradients of `root` may be asked for.
fn leaves(root: &Tensor) -> Vec<Tensor> {
    let (mut seen, mut found, mut left) = (HashSet::new(), Vec::new(), vec![root.clone()]);
    while let Some(tensor) = left.pop() {
        if !tensor.is_tracked() || !seen.insert(tensor.id()) {
            continue;
        }
        match tensor.node() {
            Some(node) => left.extend(node.inputs.iter().cloned()),
            None => found.push(tensor),
        }
    }
    found
}

/// The gradients of what [`recomputed`] gave.
fn again(f: &dyn Fn(&Tensor) -> Tensor, inputs: &[Tensor], grad: &Tensor, needs: &[bool]) -> Vec<Option<Tensor>> {
    let x = inputs[0].tracked();
    let output = with_graph(|| f(&x));
    let own: Vec<&Tensor> = std::iter::once(&x).chain(&inputs[1..]).collect();
    let wanted: Vec<&Tensor> = own.iter().zip(needs).filter(|(_, needed)| **needed).map(|(leaf, _)| *leaf).collect();
    let mut grads = collect(output, grad, &wanted).into_iter();
    needs.iter().map(|needed| needed.then(|| grads.next().expect("there is one for each wanted"))).collect()
}

fn collect(root: Tensor, direction: &Tensor, wanted: &[&Tensor]) -> Vec<Tensor> {
    let mut grads = without_graph(|| backward(root, direction, wanted));
    let zeros = |tensor: &Tensor| Tensor::zeros(tensor.shape().clone(), tensor.device());
    wanted.iter().map(|tensor| grads.remove(&tensor.id()).unwrap_or_else(|| zeros(tensor))).collect()
}

fn one(like: &Tensor) -> Tensor {
    match like.device() {
        crate::tensor::Device::Reference => Tensor::from_array(Array::new(like.shape().clone(), vec![1.0])),
        device => Tensor::new(&[1.0], like.shape().clone(), device),
    }
}

fn backward(root: Tensor, direction: &Tensor, wanted: &[&Tensor]) -> HashMap<u64, Tensor> {
    let wanted: HashSet<u64> = wanted.iter().map(|tensor| tensor.id()).collect();
    let mut order = towards(&root, &wanted);
    let on_path: HashSet<u64> = order.iter().map(Tensor::id).collect();
    let mut grads = HashMap::from([(root.id(), direction.clone())]);
    drop(root);
    // Each tensor goes with its turn, and with it what nobody else holds.
    while let Some(tensor) = order.pop() {
        let Some(node) = tensor.node() else { continue };
        let keep = wanted.contains(&tensor.id());
        let Some(grad) = (if keep { grads.get(&tensor.id()).cloned() } else { grads.remove(&tensor.id()) }) else {
            continue;
        };
        let needs: Vec<bool> = node.inputs.iter().map(|input| on_path.contains(&input.id())).collect();
        if !needs.contains(&true) {
            continue;
        }
        let input_grads = match &node.origin {
            Origin::Op(op) => op.backward(&node.inputs, &tensor, &grad, &needs),
            Origin::Again(f) => again(f, &node.inputs, &grad, &needs),
        };
        for ((input, input_grad), needed) in node.inputs.iter().zip(input_grads).zip(needs) {
            let Some(input_grad) = input_grad.filter(|_| needed) else { continue };
            let sum = match grads.remove(&input.id()) {
                Some(so_far) => so_far.add(&input_grad),
                None => input_grad,
            };
            grads.insert(input.id(), sum);
        }
    }
    grads
}

/// The tensors through which `root` depends on a wanted one, inputs before what is computed from them.
fn towards(root: &Tensor, wanted: &HashSet<u64>) -> Vec<Tensor> {
    fn visit(tensor: &Tensor, wanted: &HashSet<u64>, seen: &mut HashMap<u64, bool>, order: &mut Vec<Tensor>) -> bool {
        if let Some(reaches) = seen.get(&tensor.id()) {
            return *reaches;
        }
        let mut reaches = wanted.contains(&tensor.id());
        for input in tensor.node().map_or(&[][..], |node| &node.inputs) {
            reaches |= visit(input, wanted, seen, order);
        }
        seen.insert(tensor.id(), reaches);
        if reaches {
            order.push(tensor.clone());
        }
        reaches
    }
    let mut order = Vec::new();
    visit(root, wanted, &mut HashMap::new(), &mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        array::Shape,
        gpu::Kernel,
        ops::{Layout, matmul},
        tensor::{Device, Op},
    };

    /// The identity of its first input; its backward pass panics where the second is asked for.
    #[derive(Debug)]
    struct OnlyFirst;

    impl Op for OnlyFirst {
        fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
            Ok(inputs[0].clone())
        }

        fn reference(&self, inputs: &[&Array]) -> Array {
            inputs[0].clone()
        }

        fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
            output.copy_from_slice(inputs[0]);
        }

        fn kernel(&self, _: &[&Shape], _: &Shape) -> Kernel {
            Kernel::default()
        }

        fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
            assert_eq!(wanted, [true, false], "work that nobody asked for");
            vec![Some(grad.clone()), None]
        }
    }

    #[test]
    fn only_the_paths_to_what_is_wanted_are_computed() {
        let [x, w] = [2.0, 3.0].map(|value| Tensor::number(value, &Device::cpu()).tracked());
        let heavy = matmul(&w.slice(0, [1, 1]), &w.slice(0, [1, 1]), Layout::NN).slice(0, [1]);
        let y = Tensor::from_op(OnlyFirst, &[&x.scale(5.0), &heavy]);
        assert_eq!(y.gradients(&[&x])[0].item(), 5.0);
        assert!(!y.gradients(&[&x])[0].is_tracked(), "gradients are constants");
    }

    #[test]
    fn what_is_computed_again_has_the_same_gradients() {
        for device in [Device::Reference, Device::cpu()] {
            let [x, w, unused] = [2.0, 3.0, 5.0].map(|value| Tensor::number(value, &device).tracked());
            let draw = crate::rng::Draw { seed: 1, step: 2, stream: 2 };
            let kept = w.clone();
            let f = move |x: &Tensor| x.add(&kept).gelu().dropout(0.5, draw).add(x);
            let runs = [f(&x.scale(2.0)), recomputed(&x.scale(2.0), f)].map(|y| y.scale(0.1).tanh());
            let [once, again] = runs.map(|y| y.into_gradients(&[&x, &w, &unused]));
            assert_eq!(once.0.item(), again.0.item());
            assert!(once.1[1].item() != 0.0, "the mask of this draw keeps the number");
            for (once, again) in once.1.iter().zip(&again.1) {
                assert_eq!(once.to_vec(), again.to_vec());
            }
        }
    }

    #[test]
    fn what_is_not_reached_has_gradient_zero_and_several_uses_add_up() {
        let [x, other] = [2.0, 3.0].map(|value| Tensor::number(value, &Device::cpu()).tracked());
        let y = x.add(&x.scale(2.0));
        let grads = y.gradients(&[&x, &other]);
        assert_eq!((grads[0].item(), grads[1].item()), (3.0, 0.0));
    }
}
