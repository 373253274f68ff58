"""Writes tests/methods/NAME.safetensors: losses and gradients of robust methods by PyTorch, of the model and the inputs
in tests/golden/NAME (tests/methods.rs).

    python scripts/make_methods.py tests/golden/xlmr-classify tests/methods

Needs torch, transformers, numpy and safetensors; made with torch 2.15.0 and transformers 5.24.0. All of it is computed in
f64, without dropout, and kept in f32. By method (freelb.l2, freelb.linf, ascent, noise, text) METHOD.loss, and
METHOD.grad.PARAMETER for the parameters in WATCHED:
  freelb.*: Zhu et al. (2020), three points, from 0; radius 0.5 and step 0.2 (L2), 0.02 and 0.01 (L-infinity)
  ascent: SMART (Jiang et al., 2020): one step of 0.05 up the divergence from a normal point of standard deviation 0.02,
    in the L-infinity ball of radius 0.02; weight 3; each direction of the divergence holds its target fixed
  noise: R3F (Aghajanyan et al., 2020): uniform noise of 0.1; weight 0.7; gradients through both predictions
  text: xTune (Zheng et al., 2021), first stage: ids of the other text are (id - 6) * 7 % 90 + 6 but for special ones;
    weight 5; targets fixed
Noise is that of the engine: Philox4x32-10 (Salmon et al., 2011) under seed 5, step 1, stream 2^15, over tokens end to
end.
"""
import argparse
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file

parser = argparse.ArgumentParser()
parser.add_argument("golden", type=pathlib.Path)
parser.add_argument("out", type=pathlib.Path)
args = parser.parse_args()
WATCHED = ["word_embeddings.weight", "layer.0.attention.self.query.weight", "layer.1.output.LayerNorm.bias",
           "classifier.out_proj.weight"]
LOW = 0xFFFFFFFF


def philox(counter, key):
    for _ in range(10):
        left, right = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [right >> 32 ^ counter[1] ^ key[0], right & LOW, left >> 32 ^ counter[3] ^ key[1], left & LOW]
        key = [(key[0] + 0x9E3779B9) & LOW, (key[1] + 0xBB67AE85) & LOW]
    return counter


def words(n):
    blocks = [philox([block, 0, 1, 1 << 15], [5, 0]) for block in range(-(-n // 4))]
    return np.float32(np.array(blocks) >> 8) / np.float32(1 << 24)


def uniform(n, scale):
    return (np.float32(scale) * (np.float32(2) * words(n) - np.float32(1))).reshape(-1)[:n]


def normal(n, scale):
    pairs = words(n).reshape(-1, 2)
    radius, angle = np.sqrt(np.float32(-2) * np.log(np.float32(1) - pairs[:, 0])), np.float32(2 * np.pi) * pairs[:, 1]
    return (np.float32(scale) * np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)).reshape(-1)[:n]


model = transformers.AutoModelForSequenceClassification.from_pretrained(args.golden, attn_implementation="eager")
model = model.double().eval()
numbers = load_file(args.golden / "golden.safetensors")
inputs = {name: numbers[name] for name in ("input_ids", "attention_mask")}
labels, mask = numbers["labels"], inputs["attention_mask"].bool()
embeddings = model.get_input_embeddings()
width = embeddings.weight.shape[1]


def padded(values):
    """Numbers of tokens end to end, as those of padded sequences."""
    x = torch.zeros(*mask.shape, width, dtype=torch.float64)
    x[mask] = torch.from_numpy(values.astype(np.float64)).reshape(-1, width)
    return x


def logits(nudge=None, ids=None):
    hook = embeddings.register_forward_hook(lambda module, i, output: output if nudge is None else output + nudge)
    result = model(**inputs | (dict(input_ids=ids) if ids is not None else {})).logits
    hook.remove()
    return result


def divergence(a, b, target=lambda x: x.detach()):
    """Both directions, the mean over examples."""
    one_way = lambda p, q: F.kl_div(F.log_softmax(q, -1), F.softmax(target(p), -1), reduction="batchmean")
    return one_way(a, b) + one_way(b, a)


def written(name, loss):
    parameters = {n: p for n, p in model.named_parameters() if any(n.endswith(w) for w in WATCHED)}
    grads = torch.autograd.grad(loss, parameters.values())
    return {f"{name}.loss": loss.detach()[None]} | {f"{name}.grad.{n}": g for n, g in zip(parameters, grads)}


def freelb(name, norm, radius, step, points=3):
    parameters = {n: p for n, p in model.named_parameters() if any(n.endswith(w) for w in WATCHED)}
    nudge, total, sums = torch.zeros(*mask.shape, width, dtype=torch.float64), 0.0, {n: 0.0 for n in parameters}
    length = lambda x: x.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    for _ in range(points):
        leaf = nudge.clone().requires_grad_()
        loss = F.cross_entropy(logits(leaf), labels) / points
        *grads, slope = torch.autograd.grad(loss, [*parameters.values(), leaf])
        sums, total = {n: sums[n] + g for n, g in zip(parameters, grads)}, total + loss.detach()
        slope = slope * mask[..., None]
        nudge = nudge + step * (slope / length(slope) if norm == "l2" else slope.sign())
        nudge = nudge * (radius / length(nudge)).clamp_max(1) if norm == "l2" else nudge.clamp(-radius, radius)
    return {f"{name}.loss": total[None]} | {f"{name}.grad.{n}": g for n, g in sums.items()}


def task(): return F.cross_entropy(logits(), labels)


n = int(mask.sum()) * width
out = freelb("freelb.l2", "l2", 0.5, 0.2) | freelb("freelb.linf", "linf", 0.02, 0.01)
radius, step = (np.float64(np.float32(x)) for x in (0.02, 0.05))
start = padded(normal(n, 0.02)).clamp(-radius, radius)
leaf = start.clone().requires_grad_()
slope = torch.autograd.grad(divergence(logits().detach(), logits(leaf), target=lambda x: x), leaf)[0] * mask[..., None]
nudge = (start + step * slope.sign()).clamp(-radius, radius)
out |= written("ascent", task() + 3 * divergence(logits(), logits(nudge)))
noise = padded(uniform(n, 0.1))
out |= written("noise", task() + np.float64(np.float32(0.7)) * divergence(logits(), logits(noise), target=lambda x: x))
ids = inputs["input_ids"]
other = torch.where(mask & (ids >= 6), (ids - 6) * 7 % 90 + 6, ids)
out |= written("text", task() + 5 * divergence(logits(), logits(ids=other)))
args.out.mkdir(exist_ok=True)
save_file({name: x.float().contiguous() for name, x in out.items()}, args.out / f"{args.golden.name}.safetensors")
print({name: float(x) for name, x in out.items() if name.endswith("loss")})
