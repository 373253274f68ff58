"""How far a language lies from English in an encoder's word embeddings: the L2 norm, over all tokens of a sentence, of the
steps from each to the nearest token of its English translation. That is the radius that a ball of `adv` at the words
would need to hold such an English-like sentence; the mean over the sentences of SIB-200's test set.

    python3 scripts/misalignment.py MODEL DATA/sib200 > misalignment.tsv

needs numpy, safetensors and tokenizers, and writes a table for `rxlt report --distances`, for each language of SIB-200
that is named after the folder, or all.
"""

import csv
import pathlib
import sys

import numpy
from safetensors.numpy import load_file
from tokenizers import Tokenizer

model, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
languages = sys.argv[3:] or sorted(path.name for path in data.iterdir() if path.is_dir())
tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
tensors = load_file(model / "model.safetensors")
table = next(tensors[name] for name in tensors if name.endswith("word_embeddings.weight")).astype(numpy.float32)


def sentences(language):
    with open(data / language / "test.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["index_id"]: table[tokenizer.encode(row["text"], add_special_tokens=False).ids] for row in rows}


english = sentences("eng_Latn")
print("# radius around a sentence's word embeddings that reaches the nearest English ones, by scripts/misalignment.py")
for language in languages:
    squares = []
    for index, tokens in sentences(language).items():
        there = english[index]
        all_pairs = (tokens**2).sum(1)[:, None] - 2 * tokens @ there.T + (there**2).sum(1)
        squares.append(numpy.maximum(all_pairs.min(1), 0).sum())
    print(f"{language}\t{numpy.sqrt(squares).mean():.3f}")
