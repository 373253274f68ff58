"""Writes tests/xlm: a small vocabulary of XLM's kind, and the ids that transformers' XLMTokenizer gives with it.

    python scripts/make_xlm_tokens.py tests/xlm [--texts FILE] [--prefixes] [--pieces 400]

Needs transformers and sacremoses; made with transformers 5.24.0 and sacremoses 0.2.0. Pieces are learned here from the
texts below, some of which are left out of vocab.json, as XLM's merges name pieces that its vocabulary lacks; the lists of
abbreviations are a few of our own. ids.jsonl has lines {"language", "plain", "a", "b", "ids"}: `plain` is
do_lowercase_and_remove_accent. transformers parts words by English rules whatever the language is; here each text has the
rules of its own, by the tokenizer's own function.

--texts     lines of a language and a text parted by a tab, in place of ours
--prefixes  the lists of abbreviations that sacremoses has, in place of ours: for a folder that nobody keeps
"""
import argparse
import collections
import json
import pathlib
import random

import sacremoses
from sacremoses._data_nonbreaking_prefixes import NONBREAKING_PREFIXES
from transformers import XLMTokenizer

SPECIALS = ["<s>", "</s>", "<pad>", "<unk>"] + [f"<special{i}>" for i in range(10)]
PREFIXES = {"en": ["Mr", "Dr", "etc", "No #NUMERIC_ONLY#"], "de": ["Dr", "bzw", "Nr #NUMERIC_ONLY#"]}
TEXTS = {
    "en": ["Mr. Smith's dog (the old one) didn't bark at 3,500 cats ... No. 5 did.", "It cost $4.50, i.e. 20% less!",
           "\"Well,\" she said, \"the '90s were fun\". And then? He left. it rained.", "He said: `` yes ''  -- or no — maybe…",
           "a,b,c 1,2,3 x,1 2,y 7,", "www.example.org/path?x=1&y=2 e-mail: a_b@c.de #tag", "<s> is <special1> </s> here.<unk>",
           "Nr. 5 and etc. End.'", "naïve Café—Ångström ﬁ Ⅷ ½ ² ℃ 100 000", "tab\there\nand there"],
    "de": ["Dr. Müller wohnt in der Straße Nr. 12, bzw. dort drüben.", "„Das ist gut“, sagte er. »Ja«.", "Das kostet 1\u00a0000,50 €.",
           "Sie sagte: \"Nein\", und \"so.\" Dann ging's los."],
    "fr": ["L'homme qu'il a vu n'est pas là : c'est l'été.", "« Bonjour », dit-elle ; «\u00a0ça va\u00a0?\u00a0»", "Il a 1\u00a0000\u00a0% et 20\u00a0ºC, aujourd'hui."],
    "it": ["L'acqua dell'isola è un po' fredda.", "C'è dell'altro: un'idea."],
    "es": ["¿Qué tal? ¡Muy bien! \"Hola\", dijo.", "El nº\u00a05 mide 3\u00a0cm."],
    "ru": ["Кот спит под столом, а собака — нет! Ёлка.", "«Да», — сказал он. Т.е. так."],
    "ar": ["القطة تنام تحت الطاولة، أليس كذلك؟", "هذا كتابٌ جميلٌ."],
    "hi": ["बिल्ली मेज़ के नीचे सो रही है।", "क्या यह सच है? हाँ, १,००० रुपये।"],
    "el": ["Ο ΣΚΥΛΟΣ κοιμάται. Πού είναι;", "Ναι· όχι."],
    "tr": ["İstanbul'da IŞIK var. Iğdır'ı gördüm."],
    "vi": ["Con mèo ngủ dưới bàn cũ, đúng không?"],
    "ur": ["بلی میز کے نیچے سو رہی ہے۔"],
    "sw": ["Paka analala chini ya meza. Ng'ombe ameamka."],
    "bg": ["Котката спи под старата маса."],
    "ro": ["Pisica doarme sub masă; și câinele, în grădină. Țară, ţară, Ştefan."],
    "ko": ["고양이가 오래된 책상 아래에서 잔다. 「네」라고 했다。 漢字도 있다."],
    "ka": ["კატა ძველი მაგიდის ქვეშ სძინავს. ძაღლი კი არა."],
    "fi": ["Kissa nukkuu USA:n pöydän alla. 猫は眠る。แมวนอน"],
}
ODD = list("aB1 .,'\"`()[]<>«»„“”‘’–—…-_:;?!%&$€@#/\\|^~*+=`´‚") + [
    " ", "  ", "..", "...", "''", "``", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u00ad", "，", "。", "．", "（", "１", "％", "～",
    "é", "e\u0301", "ß", "Σ", "İ", "ǅ", "क्", "़", "་", "한", "漢", "あ", "ก", "Ⅷ", "½", "²", "௩", "٣", "𝒳", "😀", "º", "cm", "nº", "s", "ll",
]


def odd_texts(count):
    draw = random.Random(3)
    languages = [language for language in TEXTS]
    return [(draw.choice(languages), "".join(draw.choices(ODD, k=draw.randint(1, 24)))) for _ in range(count)]


def learn(words, count):
    """Merges of the most frequent pairs, and every piece that comes up."""
    words = {tuple(word[:-1]) + (word[-1] + "</w>",): n for word, n in collections.Counter(words).items()}
    pieces, merges = {piece for word in words for piece in word}, []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        (first, second), n = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        merges.append((first, second, n))
        pieces.add(first + second)
        joined = {}
        for word, n in words.items():
            parts, i = [], 0
            while i < len(word):
                both = word[i:i + 2] == (first, second)
                parts.append(first + second if both else word[i])
                i += 2 if both else 1
            joined[tuple(parts)] = joined.get(tuple(parts), 0) + n
        words = joined
    return sorted(pieces), merges


def tokenizer_of(folder, plain, prefixes):
    tokenizer = XLMTokenizer(folder / "vocab.json", folder / "merges.txt", do_lowercase_and_remove_accent=plain)
    for language in (TEXTS.keys() if not prefixes else []):  # English where we have none, as sacremoses does
        file = folder / f"nonbreaking_prefix.{language if language in PREFIXES else 'en'}"
        moses = sacremoses.MosesTokenizer(lang=language, custom_nonbreaking_prefixes_file=str(file))
        tokenizer.cache_moses_tokenizer[language] = moses
    return tokenizer


def encode(tokenizer, a, b, language):
    own = XLMTokenizer._tokenize.__get__(tokenizer)
    tokenizer._tokenize = lambda text: own(text, lang=language)
    ids = tokenizer(a, b)["input_ids"]
    del tokenizer._tokenize
    return ids


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--texts", type=pathlib.Path)
    parser.add_argument("--prefixes", action="store_true")
    parser.add_argument("--pieces", type=int, default=400)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    texts = [(language, text) for language, texts in TEXTS.items() for text in texts] + odd_texts(150)
    if args.texts:
        texts = [tuple(line.split("\t", 1)) for line in args.texts.read_text(encoding="utf-8").split("\n") if line]
    lists = {language: "".join(f"{line}\n" for line in lines) for language, lines in PREFIXES.items()}
    if args.prefixes:
        lists = {name.rsplit(".", 1)[1]: text for name, text in NONBREAKING_PREFIXES.items()}
    for language, text in lists.items():
        (args.folder / f"nonbreaking_prefix.{language}").write_text(text, encoding="utf-8")

    (args.folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(SPECIALS)}))
    (args.folder / "merges.txt").write_text("")
    spells = {plain: tokenizer_of(args.folder, plain, args.prefixes) for plain in (False, True)}
    words = []
    for tokenizer in spells.values():  # with no merges, tokens are the characters of words
        for language, text in texts[:20000]:
            marked = "".join(tokenizer._tokenize(text, lang=language))
            words += [word for word in marked.split("</w>") if word]
    pieces, merges = learn(words, args.pieces)
    kept = [piece for i, piece in enumerate(pieces) if i % 9 != 4]
    vocabulary = {name: i for i, name in enumerate(SPECIALS + kept)}
    (args.folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = "".join(f"{first} {second} {n}\n" for first, second, n in merges)
    (args.folder / "merges.txt").write_text(lines, encoding="utf-8")

    spells = {plain: tokenizer_of(args.folder, plain, args.prefixes) for plain in (False, True)}
    with open(args.folder / "ids.jsonl", "w", encoding="utf-8") as file:
        for i, (language, text) in enumerate(texts):
            other = texts[i - 1][1] if i % 3 == 2 and texts[i - 1][0] == language else None
            for plain, tokenizer in spells.items():
                row = {"language": language, "plain": plain, "a": text, "b": other}
                row["ids"] = encode(tokenizer, text, other, language)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{args.folder}: {len(vocabulary)} pieces, {len(merges)} merges, {len(texts)} texts")


main()
