//! XLM-R steps in candle on the processor. Its own xlm_roberta cannot be trained (its fused LayerNorm and softmax have
//! no backward pass, and it does not say so), so the encoder is written from basic operations. See ../README.md.

#[path = "../../plan.rs"]
mod plan;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{AdamW, Embedding, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, embedding, linear, loss, ops};
use plan::{Padded, Plan, Size, Work};

/// LayerNorm from operations that have a gradient.
struct Norm {
    gain: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(h: usize, vb: VarBuilder) -> Result<Norm> {
        let one = candle_nn::Init::Const(1.0);
        Ok(Norm { gain: vb.get_with_hints(h, "weight", one)?, bias: vb.get_with_hints(h, "bias", candle_nn::Init::Const(0.0))? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
        centred.broadcast_div(&deviation)?.broadcast_mul(&self.gain)?.broadcast_add(&self.bias)
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
    heads: usize,
}

impl Layer {
    fn new(size: &Size, vb: VarBuilder) -> Result<Layer> {
        let (h, inner) = (size.hidden, size.inner);
        Ok(Layer {
            query: linear(h, h, vb.pp("query"))?,
            key: linear(h, h, vb.pp("key"))?,
            value: linear(h, h, vb.pp("value"))?,
            out: linear(h, h, vb.pp("out"))?,
            attention_norm: Norm::new(h, vb.pp("attention_norm"))?,
            up: linear(h, inner, vb.pp("up"))?,
            down: linear(inner, h, vb.pp("down"))?,
            output_norm: Norm::new(h, vb.pp("output_norm"))?,
            heads: size.heads,
        })
    }

    fn forward(&self, x: &Tensor, mask: &Tensor, rate: f32) -> Result<Tensor> {
        let (b, s, h) = x.dims3()?;
        let split = |x: Tensor| x.reshape((b, s, self.heads, h / self.heads))?.transpose(1, 2)?.contiguous();
        let (query, key) = (split(self.query.forward(x)?)?, split(self.key.forward(x)?)?);
        let value = split(self.value.forward(x)?)?;
        let scale = 1.0 / ((h / self.heads) as f64).sqrt();
        let scores = (query.matmul(&key.t()?.contiguous()?)? * scale)?.broadcast_add(mask)?;
        let attended = drop_out(&ops::softmax(&scores, D::Minus1)?, rate)?.matmul(&value)?;
        let attended = self.out.forward(&attended.transpose(1, 2)?.reshape((b, s, h))?)?;
        let x = self.attention_norm.forward(&(x + drop_out(&attended, rate)?)?)?;
        let mixed = self.down.forward(&self.up.forward(&x)?.gelu_erf()?)?;
        self.output_norm.forward(&(&x + drop_out(&mixed, rate)?)?)
    }
}

fn drop_out(x: &Tensor, rate: f32) -> Result<Tensor> {
    if rate > 0.0 { ops::dropout(x, rate) } else { Ok(x.clone()) }
}

struct Classifier {
    words: Embedding,
    positions: Embedding,
    norm: Norm,
    layers: Vec<Layer>,
    dense: Linear,
    output: Linear,
}

impl Classifier {
    fn new(size: &Size, vb: VarBuilder) -> Result<Classifier> {
        let h = size.hidden;
        Ok(Classifier {
            words: embedding(size.words, h, vb.pp("words"))?,
            positions: embedding(514, h, vb.pp("positions"))?,
            norm: Norm::new(h, vb.pp("norm"))?,
            layers: (0..size.layers).map(|i| Layer::new(size, vb.pp(format!("layer{i}")))).collect::<Result<_>>()?,
            dense: linear(h, h, vb.pp("dense"))?,
            output: linear(h, 3, vb.pp("output"))?,
        })
    }

    /// Logits (sequences, 3)
    fn forward(&self, batch: &Padded, rate: f32) -> Result<Tensor> {
        let (b, s) = (batch.sequences, batch.length);
        let places = || (0..b).flat_map(|i| (0..s).map(move |j| (i, j)));
        let inside = |(i, j): (usize, usize)| j < batch.lengths[i];
        let ids: Vec<u32> = batch.ids.iter().map(|id| *id as u32).collect();
        let positions: Vec<u32> = places().map(|p| if inside(p) { 2 + p.1 as u32 } else { 1 }).collect();
        let mask: Vec<f32> = places().map(|p| if inside(p) { 0.0 } else { -1e4 }).collect();
        let mask = Tensor::from_vec(mask, (b, 1, 1, s), &Device::Cpu)?;
        let words = self.words.forward(&Tensor::from_vec(ids, (b, s), &Device::Cpu)?)?;
        let x = (words + self.positions.forward(&Tensor::from_vec(positions, (b, s), &Device::Cpu)?)?)?;
        let mut x = drop_out(&self.norm.forward(&x)?, rate)?;
        for layer in &self.layers {
            x = layer.forward(&x, &mask, rate)?;
        }
        let first = drop_out(&x.narrow(1, 0, 1)?.squeeze(1)?, rate)?;
        self.output.forward(&drop_out(&self.dense.forward(&first)?.tanh()?, rate)?)
    }
}

fn main() -> Result<()> {
    let plan = Plan::parse();
    let map = VarMap::new();
    let model = Classifier::new(&plan.size, VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu))?;
    let settings = ParamsAdamW { lr: 2e-5, weight_decay: 0.01, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(map.all_vars(), settings)?;
    let mut step = |batch: &Padded| -> Result<()> {
        if plan.work == Work::Forward {
            model.forward(batch, 0.0)?.to_vec2::<f32>()?;
            return Ok(());
        }
        let labels = Tensor::from_vec(batch.labels.iter().map(|x| *x as u32).collect(), batch.sequences, &Device::Cpu)?;
        let loss = loss::cross_entropy(&model.forward(batch, 0.1)?, &labels)?;
        let grads = loss.backward()?;
        for var in map.all_vars() {
            assert!(grads.get(&var).is_some(), "a variable without a gradient");
        }
        if plan.work == Work::Update {
            optimizer.step(&grads)?;
        }
        loss.to_scalar::<f32>()?;
        Ok(())
    };
    plan.run("candle", "0.11.1", &plan.batches(), |batch| step(batch).expect("a step"));
    Ok(())
}
