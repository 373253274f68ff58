#!/usr/bin/env python3
"""COPA's questions from pairs of MultiNLI, for tasks of the kind "choose" where COPA itself is missing.

    python3 scripts/nli_choices.py data/nli_train/mnli/*.tsv > data/nli_choices/train.jsonl

Each premise with a hypothesis that follows and one that does not (contradiction first, then neutral) gives one line per
kind of the other: premise, choice1, choice2, question ("effect"), label (which one follows), idx. Sides are dealt by a
seeded generator, so the same files give the same bytes.
"""

import csv
import json
import random
import sys


def groups(paths):
    """The hypotheses of each premise by label, in the order of the files."""
    found = {}
    for path in paths:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                by_label = found.setdefault(row["premise"].strip(), {})
                by_label.setdefault(row["label"], row["hypothesis"].strip())
    return found


def main():
    sides = random.Random(1)
    n = 0
    for premise, by_label in groups(sys.argv[1:]).items():
        for other in ("contradiction", "neutral"):
            if "entailment" not in by_label or other not in by_label:
                continue
            label = sides.randrange(2)
            choices = [by_label["entailment"], by_label[other]]
            if label == 1:
                choices.reverse()
            line = {"premise": premise, "choice1": choices[0], "choice2": choices[1], "question": "effect"}
            print(json.dumps(line | {"label": label, "idx": n}, ensure_ascii=False))
            n += 1


if __name__ == "__main__":
    main()
