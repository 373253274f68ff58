#!/usr/bin/env python3
"""Writes the small Parquet files of tests/parquet, by another library than the one that reads them.

    python3 -m venv venv && venv/bin/pip install pyarrow && venv/bin/python scripts/make_parquet.py tests/parquet

What is in them is made here. Written by pyarrow 26.0.1.
"""

import datetime
import decimal
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

LABELS = {"names": ["entailment", "neutral", "contradiction"], "_type": "ClassLabel"}
TAGS = {"names": ["O", "B-PER", "I-PER", "B-LOC"], "_type": "ClassLabel"}


def write(folder, name, columns, features=None, **settings):
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / f"{name}.parquet", **settings)


def pairs(n=24):
    return {
        "premise": pa.array([f"Sentence number {i} is «here»." for i in range(n)]),
        "hypothesis": pa.array([["All is here.", "Nothing is.\nNot a thing.", "Perhaps."][i % 3] for i in range(n)]),
        "label": pa.array([i % 3 for i in range(n)], pa.int64()),
        "note": pa.array([None if i % 2 else "even" for i in range(n)], pa.string()),
    }


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    features = {"premise": {"dtype": "string", "_type": "Value"}, "label": LABELS}
    # Several row groups, and values by dictionary; then plain values in pages of the second version, with checksums.
    write(folder, "pairs-snappy", pairs(), features, compression="snappy", row_group_size=7)
    write(folder, "pairs-zstd", pairs(), features, compression="zstd", use_dictionary=False, row_group_size=10,
          data_page_version="2.0", write_page_checksum=True)
    write(folder, "pairs-none", pairs(), features, compression="none", write_page_checksum=True)
    write(folder, "pairs-gzip", pairs(), features, compression="gzip")
    for name, label in [("null", None), ("hidden", -1), ("unnamed", 3)]:
        columns = pairs(4)
        columns["label"] = pa.array([0, 1, label, 2], pa.int64())
        write(folder, f"label-{name}", columns, features)
    words = {
        "tokens": pa.array([["Anna", "Ek", "ist", "in", "Köln"], ["Ja"]]),
        "ner_tags": pa.array([[1, 2, 0, 0, 3], [0]], pa.list_(pa.int64())),
    }
    write(folder, "words", words, {"ner_tags": {"feature": TAGS, "_type": "Sequence"}})
    write(folder, "words-old", words, {"ner_tags": [TAGS]}, compression="zstd")
    write(folder, "words-uneven", {**words, "ner_tags": pa.array([[1, 2, 0, 0, 3], [0, 0]])})
    answers = pa.array([{"text": ["Paris"], "answer_start": [8]}, {"text": [], "answer_start": []}],
                       pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))]))
    write(folder, "questions", {
        "id": ["q1", "q2"], "context": ["Ça va à Paris.", "Ça va à Paris."], "question": ["Où?", "Qui?"],
        "answers": answers,
    })
    write(folder, "types", {
        "i8": pa.array([-1, None], pa.int8()), "u32": pa.array([4294967295, 0], pa.uint32()),
        "u64": pa.array([18446744073709551615, 0], pa.uint64()), "f16": pa.array([0.5, 1.0], pa.float16()),
        "f32": pa.array([3.8, float("nan")], pa.float32()), "f64": pa.array([0.1, 1e300], pa.float64()),
        "flag": [True, False], "large": pa.array(["a", "b"], pa.large_string()),
        "coded": pa.array(["x", "x"]).dictionary_encode(), "bytes": pa.array([b"\xff\x00", b""], pa.binary()),
        "day": pa.array([datetime.date(2020, 2, 29), None]),
        "sum": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(5, 2)),
        "lists": pa.array([[[1], []], None], pa.list_(pa.list_(pa.int64()))),
        "parts": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": None}]),
    })
    write(folder, "no-rows", {"text": pa.array([], pa.string()), "label": pa.array([], pa.string())})


if __name__ == "__main__":
    main()
