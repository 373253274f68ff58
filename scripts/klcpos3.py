"""Distances from English computed from tagged text: KLcpos3 (Rosa & Žabokrtský, ACL 2015, "KLcpos3 - a language
similarity measure for delexicalized parser transfer"), the Kullback-Leibler divergence of the distributions of
three universal part-of-speech tags in a row, from a language's to English. Trigrams that English lacks count once there.

    python3 scripts/klcpos3.py DATA/udpos > docs/results/klcpos3.tsv

reads test-LANGUAGE.tsv (token TAB tag, a blank line between sentences) and train-en.tsv, and writes a table for
`rxlt report --distances`.
"""

import collections
import math
import pathlib
import sys


def trigrams(path):
    counts, tags = collections.Counter(), []
    for line in path.read_text(encoding="utf-8").splitlines() + [""]:
        if line.strip():
            tags.append(line.split("\t")[1].strip())
        elif tags:
            padded = ["<s>", "<s>", *tags, "</s>", "</s>"]
            counts.update(zip(padded, padded[1:], padded[2:]))
            tags = []
    return counts


def divergence(target, source):
    n_target, n_source = sum(target.values()), sum(source.values())
    share = lambda gram: target[gram] / n_target
    return sum(share(gram) * math.log(share(gram) / (max(source[gram], 1) / n_source)) for gram in target)


folder = pathlib.Path(sys.argv[1])
english = trigrams(folder / "train-en.tsv")
print("# KLcpos3 from English, computed from Universal Dependencies by scripts/klcpos3.py")
for path in sorted(folder.glob("test-*.tsv")):
    print(f"{path.stem.removeprefix('test-')}\t{divergence(trigrams(path), english):.3f}")
