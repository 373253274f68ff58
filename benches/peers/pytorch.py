#!/usr/bin/env python3
"""Times XLM-R steps in PyTorch and transformers, and prints a line of JSON after each round: the last one has all.
README.md tells what is measured."""

import argparse
import json
import statistics
import time

import torch
import transformers
from batches import BATCH, SIZES, batches
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification


PRECISIONS = {"f32": None, "bf16": torch.bfloat16, "f16": torch.float16}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--work", choices=["forward", "backward", "update", "tag"], default="update")
    parser.add_argument("--padding", choices=["longest", "128"], default="longest")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="bf16 and f16: autocast")
    parser.add_argument("--tf32", choices=["off", "on"], default="off", help="products of f32 on cuda rounded to TF32")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as cores")
    parser.add_argument("--seconds", type=float, default=30.0, help="measure about so long")
    parser.add_argument("--rounds", type=int, default=2, help="rounds at least")
    arguments = parser.parse_args()
    if arguments.tf32 == "on" and (arguments.precision != "f32" or torch.device(arguments.device).type != "cuda"):
        parser.error("--tf32 on is for --precision f32 on cuda")
    return arguments


TAGS = 17
FAMILIES = {  # what XLM-R's settings are followed by where another architecture is measured
    "mmbert-base": ("modernbert", dict(classifier_pooling="mean", global_rope_theta=160_000, local_rope_theta=160_000)),
    "mdeberta-base": (
        "deberta-v2",
        dict(
            type_vocab_size=0, relative_attention=True, position_buckets=256, max_relative_positions=-1,
            pos_att_type=["p2c", "c2p"], share_att_key=True, norm_rel_ebd="layer_norm", position_biased_input=False,
            attn_implementation="eager",  # it has no other
        ),
    ),
}


def make_model(size: str, work: str) -> torch.nn.Module:
    family, more = FAMILIES.get(size, ("xlm-roberta", {}))
    settings = dict(
        **SIZES[size],
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        cls_token_id=0,
        sep_token_id=2,
        num_labels=TAGS if work == "tag" else 3,
        attn_implementation="sdpa",
    )
    config = AutoConfig.for_model(family, **{**settings, **more})
    torch.manual_seed(7)
    auto = AutoModelForTokenClassification if work == "tag" else AutoModelForSequenceClassification
    return auto.from_config(config)


def tags(batch: list[list[int]], length: int) -> torch.Tensor:
    """Every second token within a sequence begins a word."""
    labels = torch.full((len(batch), length), -100)
    n = 0
    for row, sequence in enumerate(batch):
        for place in range(1, len(sequence) - 1, 2):
            labels[row, place] = n % TAGS
            n += 1
    return labels


def padded(batch: list[list[int]], length: int, device: str, work: str) -> dict[str, torch.Tensor]:
    ids = torch.ones(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length, dtype=torch.long)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    labels = tags(batch, length) if work == "tag" else torch.arange(len(batch)) % 3
    return {name: x.to(device) for name, x in [("input_ids", ids), ("attention_mask", mask), ("labels", labels)]}


class Step:
    """What is timed: a model with fresh weights, and one unit of work on a batch."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.work = arguments.work
        kind, number = torch.device(arguments.device).type, PRECISIONS[arguments.precision]
        self.model = make_model(arguments.size, self.work).to(arguments.device).train(self.work != "forward")
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
        self.autocast = torch.autocast(kind, number or torch.bfloat16, enabled=number is not None)
        # Gradients in f16 underflow without a scale; in the other precisions this passes them through.
        self.scaler = torch.amp.GradScaler(kind, enabled=number is torch.float16)

    def __call__(self, inputs: dict[str, torch.Tensor]) -> None:
        if self.work == "forward":
            with torch.inference_mode(), self.autocast:
                self.model(**inputs).loss.item()
            return
        with self.autocast:
            loss = self.model(**inputs).loss
        self.scaler.scale(loss).backward()
        if self.work in ("update", "tag"):
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        loss.item()  # waits for all that was launched before


def peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))


def record(arguments: argparse.Namespace, rounds: list[float]) -> dict:
    on_cuda = torch.device(arguments.device).type == "cuda"
    return {
        "program": "pytorch",
        "version": f"{torch.__version__}, transformers {transformers.__version__}",
        "device": arguments.device,
        "device_name": torch.cuda.get_device_name(arguments.device) if on_cuda else "cpu",
        "threads": torch.get_num_threads(),
        "size": arguments.size,
        "work": arguments.work,
        "padding": arguments.padding,
        "precision": arguments.precision,
        "tf32": arguments.tf32 == "on",
        "seconds": statistics.median(rounds),
        "rounds": rounds,
        "examples_per_second": BATCH / statistics.median(rounds),
        "peak_bytes": peak_bytes(arguments.device),
    }


def main() -> None:
    arguments = parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_float32_matmul_precision("high" if arguments.tf32 == "on" else "highest")
    step = Step(arguments)
    drawn = batches(SIZES[arguments.size]["vocab_size"])
    if arguments.padding == "longest":
        inputs = [padded(batch, max(map(len, batch)), arguments.device, arguments.work) for batch in drawn]
    else:
        inputs = [padded(drawn[0], 128, arguments.device, arguments.work)]  # every batch costs the same
    for batch in inputs:  # every shape once: libraries choose their kernels by shape
        step(batch)
    rounds: list[float] = []
    start = time.perf_counter()
    while len(rounds) < arguments.rounds or time.perf_counter() - start < arguments.seconds:
        began = time.perf_counter()
        for batch in inputs:
            step(batch)
        rounds.append((time.perf_counter() - began) / len(inputs))
        print(json.dumps(record(arguments, rounds)), flush=True)


if __name__ == "__main__":
    main()
