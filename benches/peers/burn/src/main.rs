//! XLM-R steps in burn: `--device flex` on the processor, `--device wgpu` through WGSL. See ../README.md.

#[path = "../../plan.rs"]
mod plan;

use burn::{
    module::Module,
    nn::{
        Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig,
        loss::CrossEntropyLossConfig,
        transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput},
    },
    optim::{AdamWConfig, GradientsParams},
    tensor::{Bool, Device, Int, Tensor, TensorData, activation},
};
use plan::{Padded, Plan, Size, Work};

/// A classifier: burn's own encoder, embeddings below and RoBERTa's head above.
#[derive(Module, Debug)]
struct Classifier {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    encoder: TransformerEncoder,
    dense: Linear,
    output: Linear,
}

impl Classifier {
    fn new(size: &Size, device: &Device) -> Classifier {
        let h = size.hidden;
        let encoder = TransformerEncoderConfig::new(h, size.inner, size.heads, size.layers);
        Classifier {
            words: EmbeddingConfig::new(size.words, h).init(device),
            positions: EmbeddingConfig::new(514, h).init(device),
            norm: LayerNormConfig::new(h).init(device),
            dropout: DropoutConfig::new(0.1).init(),
            encoder: encoder.init(device),
            dense: LinearConfig::new(h, h).init(device),
            output: LinearConfig::new(h, 3).init(device),
        }
    }

    /// Logits (sequences, 3)
    fn forward(&self, inputs: &Inputs) -> Tensor<2> {
        let [sequences, length] = inputs.ids.dims();
        let x = self.words.forward(inputs.ids.clone()) + self.positions.forward(inputs.positions.clone());
        let x = self.dropout.forward(self.norm.forward(x));
        let x = self.encoder.forward(TransformerEncoderInput::new(x).mask_pad(inputs.padding.clone()));
        let h = x.dims()[2];
        let first = x.slice([0..sequences, 0..1, 0..h]).reshape([sequences, h]);
        debug_assert!(length > 0);
        self.output.forward(self.dropout.forward(activation::tanh(self.dense.forward(self.dropout.forward(first)))))
    }
}

struct Inputs {
    ids: Tensor<2, Int>,
    positions: Tensor<2, Int>,
    padding: Tensor<2, Bool>,
    labels: Tensor<1, Int>,
}

impl Inputs {
    fn new(batch: &Padded, device: &Device) -> Inputs {
        let extents = [batch.sequences, batch.length];
        let places = |f: &dyn Fn(usize, usize) -> i64| -> Vec<i64> {
            (0..batch.sequences).flat_map(|i| (0..batch.length).map(move |j| (i, j))).map(|(i, j)| f(i, j)).collect()
        };
        let positions = places(&|i, j| if j < batch.lengths[i] { 2 + j as i64 } else { 1 });
        let padding: Vec<bool> = places(&|i, j| i64::from(j >= batch.lengths[i])).iter().map(|x| *x == 1).collect();
        Inputs {
            ids: Tensor::from_data(TensorData::new(batch.ids.clone(), extents), device),
            positions: Tensor::from_data(TensorData::new(positions, extents), device),
            padding: Tensor::from_data(TensorData::new(padding, extents), device),
            labels: Tensor::from_data(TensorData::new(batch.labels.clone(), [batch.sequences]), device),
        }
    }
}

fn main() {
    let plan = Plan::parse();
    let plain = match plan.device.as_str() {
        #[cfg(feature = "flex")]
        "flex" => Device::flex(),
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        other => panic!("--device flex or wgpu, and a feature of the build, not {other}"),
    };
    let device = if plan.work == Work::Forward { plain } else { plain.autodiff() };
    let mut model = Classifier::new(&plan.size, &device);
    if plan.work == Work::Forward {
        model = model.valid();
    }
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.01).with_epsilon(1e-8).init();
    let criterion = CrossEntropyLossConfig::new().init(&device);
    let mut model = Some(model);
    plan.run("burn", "0.22.1", &plan.batches(), |batch| {
        let inputs = Inputs::new(batch, &device);
        let own = model.take().expect("it is put back");
        let logits = own.forward(&inputs);
        model = Some(if plan.work == Work::Forward {
            drop(logits.into_data());
            own
        } else {
            let loss = criterion.forward(logits, inputs.labels);
            let grads = GradientsParams::from_grads(loss.backward(), &own);
            let own = if plan.work == Work::Update { optimizer.step(2e-5, own, grads) } else { own };
            drop(loss.into_data());
            own
        });
        device.sync().expect("the device goes on");
    });
}
