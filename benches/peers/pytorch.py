#!/usr/bin/env python3
"""Times XLM-R steps in PyTorch and transformers, and prints one line of JSON. README.md tells what is measured."""

import argparse
import json
import statistics
import time

import torch
import transformers
from batches import BATCH, SIZES, batches
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--work", choices=["forward", "backward", "update"], default="update")
    parser.add_argument("--padding", choices=["longest", "128"], default="longest")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as cores")
    parser.add_argument("--seconds", type=float, default=30.0, help="measure about so long")
    parser.add_argument("--rounds", type=int, default=2, help="rounds at least")
    return parser.parse_args()


def make_model(size: str) -> XLMRobertaForSequenceClassification:
    config = XLMRobertaConfig(
        **SIZES[size],
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        num_labels=3,
        attn_implementation="sdpa",
    )
    torch.manual_seed(7)
    return XLMRobertaForSequenceClassification(config)


def padded(batch: list[list[int]], length: int, device: str) -> dict[str, torch.Tensor]:
    ids = torch.ones(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length, dtype=torch.long)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    labels = torch.arange(len(batch)) % 3
    return {name: x.to(device) for name, x in [("input_ids", ids), ("attention_mask", mask), ("labels", labels)]}


def main() -> None:
    arguments = parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device, work = arguments.device, arguments.work
    model = make_model(arguments.size).to(device).train(work != "forward")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
    autocast = torch.autocast(device, torch.bfloat16, enabled=arguments.precision == "bf16")

    def step(inputs: dict[str, torch.Tensor]) -> None:
        if work == "forward":
            with torch.inference_mode(), autocast:
                model(**inputs).loss.item()
            return
        with autocast:
            loss = model(**inputs).loss
        loss.backward()
        if work == "update":
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    drawn = batches(SIZES[arguments.size]["vocab_size"])
    if arguments.padding == "longest":
        inputs = [padded(batch, max(map(len, batch)), device) for batch in drawn]
    else:
        inputs = [padded(drawn[0], 128, device)]  # every batch costs the same
    step(inputs[0])
    rounds: list[float] = []
    start = time.perf_counter()
    while len(rounds) < arguments.rounds or time.perf_counter() - start < arguments.seconds:
        began = time.perf_counter()
        for batch in inputs:
            step(batch)
        rounds.append((time.perf_counter() - began) / len(inputs))
    peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    record = {
        "program": "pytorch",
        "version": f"{torch.__version__}, transformers {transformers.__version__}",
        "device": device,
        "threads": torch.get_num_threads(),
        "size": arguments.size,
        "work": work,
        "padding": arguments.padding,
        "precision": arguments.precision,
        "seconds": statistics.median(rounds),
        "rounds": rounds,
        "examples_per_second": BATCH / statistics.median(rounds),
        "peak_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else peak,
    }
    print(json.dumps(record))


main()
