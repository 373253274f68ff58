"""Checks a folder that rxlt exported against Hugging Face transformers, on the CPU in float32.

    python scripts/check_transformers.py MODEL_FOLDER PROBE

MODEL_FOLDER  config.json, model.safetensors and, if tokenization is to be checked, the tokenizer's files.
PROBE         a folder with one or both of
                probe.safetensors  input_ids [b, t], attention_mask [b, t], optional token_type_ids or langs [b, t],
                                   and rxlt's logits, [b, k] (classification), [b, t, k] (tagging), [b, t, 2] (answers in
                                   texts) or [b, t, v] (masked language model); inputs [b, c, t] and logits [b, c] (choice)
                probe.jsonl        lines {"a": TEXT, "b": TEXT or "" or null, "ids": [rxlt's ids]}
              or the path of a probe.safetensors; a probe.jsonl beside it is then checked too.

Prints the largest differences; logits at padding are left out. Exit status: 0 all agree, 1 a difference of 1e-4 or
more in a logit, or other ids, 2 nothing to check. Needs torch, transformers, safetensors; for XLM sacremoses.
"""
import json, os, sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
import torch, transformers
from safetensors.torch import load_file

transformers.logging.disable_progress_bar()
TOLERANCE = 1e-4
TOKENIZER_FILES = ("tokenizer.json", "sentencepiece.bpe.model", "spm.model", "vocab.txt", "vocab.json")


def load(folder):
    """The model by the class named in config.json; a tensor that is missing or left over is an error."""
    (name,) = json.loads((folder / "config.json").read_text())["architectures"]
    auto = {"ForSequenceClassification": transformers.AutoModelForSequenceClassification,
            "ForTokenClassification": transformers.AutoModelForTokenClassification,
            "ForQuestionAnswering": transformers.AutoModelForQuestionAnswering,
            "ForQuestionAnsweringSimple": transformers.AutoModelForQuestionAnswering,
            "ForMultipleChoice": transformers.AutoModelForMultipleChoice,
            "ForMaskedLM": transformers.AutoModelForMaskedLM,
            "XLMWithLMHeadModel": transformers.AutoModelForMaskedLM}
    cls = next((cls for ending, cls in auto.items() if name.endswith(ending)), None)
    if cls is None:
        sys.exit(f"{folder}: expected one of {', '.join(auto)}, found {name}")
    model, report = cls.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    faults = {kind: sorted(map(str, names)) for kind, names in report.items() if names}
    if type(model).__name__ != name or faults:
        sys.exit(f"{folder}: expected a clean load as {name}, found {type(model).__name__} with {faults}")
    return model.eval()


def check_logits(folder, probe):
    tensors = load_file(probe)
    ours = tensors.pop("logits").float()
    inputs = {name: tensor.long() for name, tensor in tensors.items()}
    with torch.no_grad():
        theirs = load(folder)(**inputs)
    both = ("start_logits", "end_logits")
    theirs = torch.stack([theirs[name] for name in both], -1) if both[0] in theirs else theirs.logits
    if ours.shape != theirs.shape:
        print(f"logits: expected shape {list(theirs.shape)}, found {list(ours.shape)}")
        return False
    difference = (ours - theirs).abs()
    if difference.dim() == 3:
        difference = difference[inputs["attention_mask"].bool()]
    worst, largest = difference.max().item(), theirs.abs().max().item()
    ok = worst < TOLERANCE  # False for NaN
    print(f"logits: {list(ours.shape)}, largest difference {worst:.3e}, largest logit {largest:.3e}: {'ok' if ok else 'FAIL'}")
    return ok


def check_ids(folder, probe):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    lines = [json.loads(line) for line in probe.read_text(encoding="utf-8").splitlines() if line]
    wrong = [(line, ids) for line in lines
             if (ids := tokenizer(line["a"], line.get("b") or None)["input_ids"]) != line["ids"]]
    for line, ids in wrong[:5]:
        at = next((i for i, (x, y) in enumerate(zip(ids, line["ids"])) if x != y), min(len(ids), len(line["ids"])))
        print(f"ids of {line['a'][:60]!r}, {(line.get('b') or '')[:60]!r}: from token {at} on "
              f"expected {ids[at:at + 5]} ({len(ids)} in all), found {line['ids'][at:at + 5]} ({len(line['ids'])})")
    print(f"ids: {len(lines) - len(wrong)} of {len(lines)} lines agree: {'FAIL' if wrong or not lines else 'ok'}")
    return bool(lines) and not wrong


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, probe = Path(sys.argv[1]), Path(sys.argv[2])
    if probe.is_file():
        probe = probe.parent
    results = []
    if (probe / "probe.safetensors").exists():
        results.append(check_logits(folder, probe / "probe.safetensors"))
    if (probe / "probe.jsonl").exists() and any((folder / name).exists() for name in TOKENIZER_FILES):
        results.append(check_ids(folder, probe / "probe.jsonl"))
    if not results:
        print(f"nothing to check: {probe} holds no probe.safetensors, and no probe.jsonl for a tokenizer in {folder}")
        sys.exit(2)
    sys.exit(0 if all(results) else 1)


main()
