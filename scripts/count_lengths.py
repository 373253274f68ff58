#!/usr/bin/env python3
"""Prints how many pairs of a TSV file have how many tokens under XLM-R's tokenizer: "length count" a line.

    scripts/count_lengths.py sentencepiece.bpe.model FILE.tsv [MAX_LENGTH] > benches/lengths/xnli.txt
"""

import collections
import sys

import sentencepiece

SPECIAL = 4  # <s> a </s></s> b </s>


def main() -> None:
    model, path = sys.argv[1:3]
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else 128
    pieces = sentencepiece.SentencePieceProcessor(model_file=model)
    with open(path, encoding="utf-8", newline="\n") as file:
        pairs = [line.rstrip("\n").split("\t")[:2] for line in file]
    lengths = (SPECIAL + sum(len(pieces.encode(text)) for text in pair) for pair in pairs)
    for length, count in sorted(collections.Counter(min(length, limit) for length in lengths).items()):
        print(length, count)


main()
