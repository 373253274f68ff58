"""Random predictions and gold files, with what the official scorers of XTREME and XGLUE say of them.

    python scripts/make_scores.py --xtreme PATH --xglue PATH --count 4 --output tests/score/cases.json
    python scripts/make_scores.py --tables > src/score/metrics/unicode.rs

PATH is a copy of google-research/xtreme, and of microsoft/XGLUE. Needs numpy, scikit-learn and seqeval; nothing of
theirs is copied here, their functions are called. Values in the tests were made by Python 3.11, numpy 2.4.6,
scikit-learn 1.9.1 and seqeval 1.2.2.
"""

import argparse
import importlib
import json
import pathlib
import random
import string
import sys
import tempfile
import types
import unicodedata
import warnings

NLI = ["entailment", "neutral", "contradiction"]
KINDS = ["LOC", "ORG", "PER"]
UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
NEWS = ["sports", "news", "finance", "autos"]
SPACES = [" ", " ", " ", "  ", "\t", "\u00a0", "\u3000", "\u001f", "-", "_", "/", "—", "’", "。"]
WORDS = {
    "en": "a an the The cat's dog A. (an) theory x² Ⅷ İstanbul ΟΔΟΣ á Ⓐ ａ é".split(),
    "de": "der die das eine Einem Straße ẞ Haus «den» des. Öl 3,5".split(),
    "es": "un una los Las el él ¿qué? casa ¡sol! LOS_dos 1º".split(),
    "vi": "của là cái Chiếc những nhà cu\u0309a Việt làm".split(),
    "ar": "البيت ال والكتاب كتاب، قال؟ محمد ٣٤ الله".split(),
    "hi": "घर में हिन्दी। है the की ३४ क्षि".split(),
    "zh": "北京 2008年 上海、 the 中a国 龦鿏 《书》 １２".split(),
    "ko": "서울 a 시에 the 대한민국의 an1".split(),
}


def text(rng, language, most=6):
    words = WORDS.get(language, WORDS["en"]) + ["the", "a", "17"]
    return "".join(rng.choice(words) + rng.choice(SPACES) for _ in range(rng.randint(0, most)))


def near(rng, item, others, agreement):
    return item if rng.random() < agreement else rng.choice(others)


def label_case(rng, labels):
    gold = [rng.choice(labels) for _ in range(rng.randint(2, 60))]
    agreement = rng.random()
    return gold, [near(rng, label, labels, agreement) for label in gold]


def lines(rows):
    return "".join(f"{row}\n" for row in rows)


def tag_case(rng, tags):
    gold = [[rng.choice(tags) for _ in range(rng.randint(1, 9))] for _ in range(rng.randint(2, 12))]
    agreement = rng.random()
    return gold, [[near(rng, tag, tags, agreement) for tag in sentence] for sentence in gold]


def tag_lines(sentences):
    return "\n".join(lines(sentence) for sentence in sentences)


def pair_case(rng):
    pairs = [f"de-{i:04}\ten-{rng.randint(0, 40):04}" for i in range(rng.randint(2, 40))]
    gold = rng.sample(pairs, rng.randint(1, len(pairs)))
    given = [near(rng, pair, [f"de-{rng.randint(0, 40):04}\ten-0001"], rng.random()) for pair in pairs]
    return gold, rng.sample(given, rng.randint(1, len(given)))


def question_case(rng, language):
    questions, given = [], {}
    for i in range(rng.randint(1, 12)):
        answers = [text(rng, language) for _ in range(rng.randint(1, 3))]
        questions.append({"id": f"q{i}", "answers": [{"text": answer, "answer_start": 0} for answer in answers]})
        if rng.random() < 0.9:
            edited = rng.choice(answers) + rng.choice(["", " the", "!", " 17", " 年"])
            given[f"q{i}"] = near(rng, edited, [text(rng, language)], 0.6)
    paragraphs = [{"context": "", "qas": questions[at::2]} for at in range(2)]
    return {"version": "1.0", "data": [{"title": "", "paragraphs": paragraphs}]}, given


def ranked_case(rng, n_gold):
    entities = [f"Q{i}" for i in range(40)]
    gold = {f"m{i}": rng.sample(entities, rng.randint(1, n_gold)) for i in range(rng.randint(1, 12))}
    given = {m: [rng.choice(entities) for _ in range(rng.randint(0, 30))] for m in gold if rng.random() < 0.9}
    for mention, ranked in given.items():
        if ranked and rng.random() < 0.6:
            ranked[rng.randrange(len(ranked))] = gold[mention][0]
    return gold, given


def xtreme_cases(rng, official, lareqa):
    """Makes one case of each task: (benchmark, task, language, prediction, gold, suffix)."""
    iob = ["O"] + [f"{prefix}-{kind}" for prefix in "BI" for kind in KINDS]
    made = []
    for task, labels, language in [("xnli", NLI, "de"), ("pawsx", ["0", "1"], "fr")]:
        gold, given = label_case(rng, labels)
        made.append(("xtreme", task, language, lines(given), lines(gold), "tsv"))
    gold, given = label_case(rng, [str(i) for i in range(30)])
    made.append(("xtreme", "tatoeba", "sw", lines(given), lines(gold), "tsv"))
    gold, given = label_case(rng, [0, 1])
    rows = [lines(json.dumps({"label": label}) for label in labels) for labels in (given, gold)]
    made.append(("xtreme-r", "xcopa", "qu", *rows, "jsonl"))
    for task, tags in [("panx", iob), ("udpos", UPOS)]:
        gold, given = tag_case(rng, tags)
        made.append(("xtreme", task, "fi", tag_lines(given), tag_lines(gold), "tsv"))
    gold, given = pair_case(rng)
    made.append(("xtreme", "bucc2018", "de", lines(given), lines(gold), "tsv"))
    for task, languages in [("xquad", ["zh", "de", "en"]), ("tydiqa", ["en", "ko"]), ("mlqa", list(WORDS)[:7])]:
        for language in languages:
            gold, given = question_case(rng, language)
            made.append(("xtreme", task, language, json.dumps(given), json.dumps(gold), "json"))
    for task, n_gold in [("mewslix", 1), ("lareqa", 25)]:
        gold, given = ranked_case(rng, n_gold)
        made.append(("xtreme-r", task, "ar", json.dumps(given), json.dumps(gold), "json"))
    return [xtreme_value(official, lareqa, case) for case in made]


def xtreme_value(official, lareqa, case):
    benchmark, task, language, given, gold, suffix = case
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("given", "gold")]
        for path, content in zip(files, (given, gold)):
            path.write_text(content, encoding="utf-8", newline="")
        if task == "lareqa":
            values = {"map@20": lareqa_map(lareqa, json.loads(gold), json.loads(given))}
        else:
            values = official.evaluate_one_task(str(files[0]), str(files[1]), task, language)
        if task in ("panx", "udpos"):
            values |= own_of_tags(official, files, task)
    name = f"{task}/test-{language}.{suffix}"
    return {
        "benchmark": benchmark, "task": task, "language": language, "values": values,
        "prediction": [name, given], "gold": [name, gold],
    }


def own_of_tags(official, files, task):
    """What seqeval says beside what XTREME asks it for."""
    from seqeval.metrics import accuracy_score, f1_score
    from seqeval.scheme import IOB2

    given, gold = [official.read_tag(file) for file in files]
    own = {"accuracy": accuracy_score(gold, given) * 100}
    if task == "panx":
        own["strict_f1"] = f1_score(gold, given, mode="strict", scheme=IOB2) * 100
    return own


def lareqa_map(lareqa, gold, given):
    import numpy

    scores = [lareqa.average_precision_at_k(wanted, given.get(q, []), 20) for q, wanted in gold.items()]
    return float(numpy.mean(scores)) * 100


def xglue_cases(rng, module):
    made = []
    labels = {"NC": NEWS, "QADSM": ["Good", "Bad"], "QAM": ["0", "1"], "WPR": list("01234")}
    for task, known in labels.items():
        gold, given = label_case(rng, known)
        query = [f"query {i // rng.randint(1, 7)}" for i in range(len(gold))]
        rows = [f"{q}\ttitle\ttext\t{label}" for q, label in zip(query, gold)]
        made.append((task, "de", lines(given), f"{task}/xglue.{task.lower()}.de.test", lines(rows)))
    gold, given = label_case(rng, NLI)
    rows = [f"one\ttwo\t{label}" for label in gold]
    made.append(("XNLI", "ur", lines(given), "XNLI/ur.test", lines(rows)))
    gold, given = label_case(rng, ["0", "1"])
    rows = ["id\tsentence1\tsentence2\tlabel"] + [f"{i}\tone\ttwo\t{label}" for i, label in enumerate(gold)]
    made.append(("PAWSX", "es", lines(given), "PAWSX/es/test_2k.tsv", lines(rows)))
    iob = ["O"] + [f"{prefix}-{kind}" for prefix in "BI" for kind in KINDS]
    for task, tags, language in [("NER", iob, "nl"), ("POS", UPOS, "pl")]:
        gold, given = tag_case(rng, tags)
        # Long sentences are cut by models; the official script fills up with O.
        given = [tags[: max(1, len(tags) - rng.randint(0, 2))] if rng.random() < 0.2 else tags for tags in given]
        words = [[f"word {tag}" for tag in tags] for tags in gold]
        made.append((task, language, tag_lines(given), f"{task}/{language}.test", tag_lines(words)))
    for language in list(WORDS)[:7]:
        gold, given = question_case(rng, language)
        name = f"MLQA/MLQA_V1/test/test-context-{language}-question-{language}.json"
        made.append(("MLQA", language, json.dumps(given), name, json.dumps(gold)))
    return [xglue_value(module, *case) for case in made]


def xglue_value(module, task, language, given, gold_name, gold):
    with tempfile.TemporaryDirectory() as folder:
        for root, name, content in [("p", f"{task}/{language}.prediction", given), ("g", gold_name, gold)]:
            path = pathlib.Path(folder, root, name)
            path.parent.mkdir(parents=True)
            path.write_text(content, encoding="utf-8", newline="")
        module["args"].prediction_dir, module["args"].ground_truth_dir = f"{folder}/p", f"{folder}/g"
        module["task2lg"][task] = language
        value = float(module["get_score_by_task"](task)[language])
    name = {"POS": "xglue_precision", "NER": "f1", "MLQA": "f1", "WPR": "ndcg"}.get(task, "accuracy")
    return {
        "benchmark": "xglue", "task": task, "language": language, "values": {name: value},
        "prediction": [f"{task}/{language}.prediction", given], "gold": [gold_name, gold],
    }


def xglue_module(folder):
    """XGLUE's script without its last lines, which run everything; it is no module."""
    import numpy

    def ragged(rows):
        # What numpy did, before 1.24, with sentences of unequal length.
        if rows and isinstance(rows[0], list) and isinstance(rows[0][0], str):
            array = numpy.empty(len(rows), dtype=object)
            array[:] = rows
            return list(array)
        return numpy.array(rows)

    sys.path.insert(0, str(folder / "evaluation"))
    sys.modules["sacrebleu"] = types.ModuleType("sacrebleu")
    sys.argv = ["", "--prediction_dir", "", "--ground_truth_dir", "", "--tasks", ""]
    source = (folder / "evaluation/xglue_evaluate.py").read_text().split("task2result = {}")[0]
    module = {}
    exec(compile(source, "xglue_evaluate.py", "exec"), module)
    module["np"] = types.SimpleNamespace(array=ragged, asarray=numpy.asarray)
    return module


def ranges(holds):
    found, start = [], None
    for point in range(sys.maxunicode + 2):
        inside = point <= sys.maxunicode and not 0xD800 <= point <= 0xDFFF and holds(chr(point))
        if inside and start is None:
            start = point
        if not inside and start is not None:
            found.append((start, point - 1))
            start = None
    return found


def table(name, what, found):
    flat = ", ".join(f"{number:#x}" for pair in found for number in pair)
    return f"/// {what}\nconst {name}: [u32; {2 * len(found)}] = [{flat}];\n"


def print_tables():
    punctuation = ranges(lambda c: unicodedata.category(c).startswith("P") or c in string.punctuation)
    words = ranges(lambda c: c.isalnum() or c == "_")
    print(f"""//! Characters as the Python of the official scorers sorts them (Unicode {unicodedata.unidata_version}).
//!
//! Written by `scripts/make_scores.py`. Tables rather than Rust's `is_alphanumeric`, which takes combining vowels of
//! Indic scripts for letters, where Python's `\\w` does not: articles beside them would be found in other places.

/// Whether Python's `str.split` and `str.strip` take it for a space.
pub fn is_space(letter: char) -> bool {{
    letter.is_whitespace() || ('\\u{{1c}}'..='\\u{{1f}}').contains(&letter)
}}

/// Whether MLQA's scorer takes it for punctuation.
pub fn is_punctuation(letter: char) -> bool {{
    holds(&PUNCTUATION, letter)
}}

/// Whether it is a word character of Python's regular expressions.
pub fn is_word(letter: char) -> bool {{
    holds(&WORD, letter)
}}

fn holds(ranges: &[u32], letter: char) -> bool {{
    let n_starts_and_ends_before = ranges.partition_point(|bound| *bound < letter as u32);
    // Between a start and its end, or on the start itself.
    n_starts_and_ends_before % 2 == 1 || ranges.get(n_starts_and_ends_before) == Some(&(letter as u32))
}}
""")
    print(table("PUNCTUATION", "First and last of each range of category P, and what ASCII calls punctuation.", punctuation))
    print(table("WORD", "First and last of each range of letters and numbers, and the underscore.", words), end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--xtreme", type=pathlib.Path)
    parser.add_argument("--xglue", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    if args.tables:
        return print_tables()
    warnings.simplefilter("ignore")
    rng = random.Random(args.seed)
    sys.path.insert(0, str(args.xtreme))
    official = importlib.import_module("evaluate")
    lareqa = importlib.import_module("third_party.utils_lareqa")
    xglue = xglue_module(args.xglue)
    cases = []
    for _ in range(args.count):
        cases += xtreme_cases(rng, official, lareqa) + xglue_cases(rng, xglue)
    args.output.write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
