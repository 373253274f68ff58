"""Writes tests/golden: numbers of PyTorch and transformers that the engine must agree with (tests/golden.rs).

    python scripts/make_golden.py tests/golden [--seed 5] [--hidden 24] [--layers 2] [--heads 3]

Needs torch, transformers and safetensors; made with torch 2.15.0 and transformers 5.23.0. Each folder is a tiny random
checkpoint as Hugging Face lays it out, and golden.safetensors with, by name:
  input_ids, attention_mask, token_type_ids (BERT), labels (-100: not masked)
  hidden.I [b, t, h], logits, loss, grad.PARAMETER, embed_grad (by the word embeddings)
  losses.adamw [12] and param_after.PARAMETER: twelve steps of AdamW on this batch: lr 1e-3 with 3 steps of warm-up and
    linear decay, weight decay 0.01 but for biases and LayerNorm, clipped to norm 1
  pgd.{l2,linf}.{delta,loss}: 3 steps of projected gradient ascent on the word embeddings from 0, radius 0.5 and step 0.2
    (L2), radius 0.02 and step 0.01 (L-infinity), per example
"""
import argparse
import pathlib

import torch
import transformers
from safetensors.torch import save_file

parser = argparse.ArgumentParser()
parser.add_argument("out", type=pathlib.Path)
for name, default in dict(seed=5, hidden=24, layers=2, heads=3, vocab=101, batch=4, length=13).items():
    parser.add_argument(f"--{name}", type=int, default=default)
args = parser.parse_args()
STEPS, WARMUP = 12, 3


def randomize(model):
    random = torch.Generator().manual_seed(args.seed)
    for name, parameter in sorted(model.named_parameters()):
        center, spread = (0.0, 0.2) if parameter.dim() > 1 else (float("weight" in name), 0.1)
        parameter.data = center + spread * torch.randn(parameter.shape, generator=random)


def make_inputs(pad):
    """Sequences of falling length; id 5 and below are left to special tokens."""
    random = torch.Generator().manual_seed(args.seed + 1)
    ids = torch.randint(6, args.vocab, (args.batch, args.length), generator=random)
    lengths = torch.tensor([max(1, args.length - 4 * i) for i in range(args.batch)])
    mask = (torch.arange(args.length) < lengths[:, None]).long()
    return dict(input_ids=torch.where(mask.bool(), ids, pad), attention_mask=mask)


def with_nudge(embeddings, nudge, run):
    hook = embeddings.register_forward_hook(lambda module, inputs, output: output + nudge)
    result = run()
    hook.remove()
    return result


def ascend(model, inputs, embeddings, norm, radius, step):
    mask = inputs["attention_mask"].unsqueeze(-1)
    nudge = torch.zeros(*inputs["input_ids"].shape, args.hidden)
    for _ in range(3):
        leaf = nudge.clone().requires_grad_()
        slope = torch.autograd.grad(with_nudge(embeddings, leaf, lambda: model(**inputs).loss), leaf)[0] * mask
        length = lambda x: x.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
        if norm == "l2":
            nudge = nudge + step * slope / length(slope)
            nudge = nudge * (radius / length(nudge)).clamp_max(1)
        else:
            nudge = (nudge + step * slope.sign()).clamp(-radius, radius)
    return nudge, with_nudge(embeddings, nudge, lambda: model(**inputs).loss).detach()


def train(model, inputs):
    exempt = lambda name: name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name
    named = list(model.named_parameters())
    groups = [dict(params=[p for n, p in named if exempt(n) == flag], weight_decay=0.0 if flag else 0.01) for flag in (False, True)]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(s / WARMUP, (STEPS - s) / (STEPS - WARMUP)))
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return torch.tensor(losses)


def write(name, model, inputs):
    folder = args.out / name
    randomize(model.eval())
    model.save_pretrained(folder)
    embeddings = model.get_input_embeddings()
    kept = {}
    hook = embeddings.register_forward_hook(lambda module, i, output: (output.retain_grad(), kept.update(x=output))[1])
    result = model(**inputs, output_hidden_states=True)
    result.loss.backward()
    hook.remove()
    numbers = dict(inputs, logits=result.logits, loss=result.loss, embed_grad=kept["x"].grad)
    numbers |= {f"hidden.{i}": state for i, state in enumerate(result.hidden_states)}
    numbers |= {f"grad.{n}": p.grad.clone() for n, p in model.named_parameters()}
    for norm, radius, step in (("l2", 0.5, 0.2), ("linf", 0.02, 0.01)):
        nudge, loss = ascend(model, inputs, embeddings, norm, radius, step)
        numbers |= {f"pgd.{norm}.delta": nudge, f"pgd.{norm}.loss": loss}
    numbers["losses.adamw"] = train(model, inputs)
    numbers |= {f"param_after.{n}": p for n, p in model.named_parameters()}
    save_file({n: x.detach().clone().contiguous() for n, x in numbers.items()}, folder / "golden.safetensors")
    print(name, float(numbers["loss"]), numbers["losses.adamw"][-1].item())


sizes = dict(vocab_size=args.vocab, hidden_size=args.hidden, num_hidden_layers=args.layers, num_attention_heads=args.heads,
             intermediate_size=2 * args.hidden + 4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
             attn_implementation="eager")
xlmr = lambda **more: transformers.XLMRobertaConfig(**sizes, max_position_embeddings=args.length + 3, type_vocab_size=1,
                                                    pad_token_id=1, layer_norm_eps=1e-5, **more)
labels = torch.arange(args.batch) % 3
inputs = make_inputs(pad=1)
write("xlmr-classify", transformers.XLMRobertaForSequenceClassification(xlmr(num_labels=3)), inputs | dict(labels=labels))
words = torch.where((inputs["input_ids"] % 3 == 1) & inputs["attention_mask"].bool(), inputs["input_ids"], -100)
write("xlmr-mlm", transformers.XLMRobertaForMaskedLM(xlmr()), inputs | dict(labels=words))
bert = transformers.BertConfig(**sizes, max_position_embeddings=args.length, type_vocab_size=2, pad_token_id=0, num_labels=3)
inputs = make_inputs(pad=0)
types = (torch.arange(args.length) > args.length // 2).long() * inputs["attention_mask"]
write("bert-classify", transformers.BertForSequenceClassification(bert), inputs | dict(token_type_ids=types, labels=labels))
