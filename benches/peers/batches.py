"""The batches that every program computes: the same lengths and ids here, in Rust (`src/bench/batches.rs`) and in
the other peers."""

import pathlib

BATCH = 32
BATCHES = 4
SIZES = {
    "small": dict(num_hidden_layers=4, hidden_size=256, num_attention_heads=4, intermediate_size=1024, vocab_size=16_000),
    "base": dict(num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072, vocab_size=250_002),
    "mmbert-base": dict(num_hidden_layers=22, hidden_size=768, num_attention_heads=12, intermediate_size=1152, vocab_size=256_000),
    "mdeberta-base": dict(num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072, vocab_size=251_000),
    "large": dict(num_hidden_layers=24, hidden_size=1024, num_attention_heads=16, intermediate_size=4096, vocab_size=250_002),
}


class Draw:
    """The linear congruential generator of Numerical Recipes, upper bits first."""

    def __init__(self) -> None:
        self.state = 7

    def below(self, n: int) -> int:
        self.state = (self.state * 1_664_525 + 1_013_904_223) % 2**32
        return (self.state >> 8) % n


def lengths() -> list[int]:
    """The length of every XNLI pair, ascending."""
    path = pathlib.Path(__file__).parent.parent / "lengths" / "xnli.txt"
    rows = (map(int, line.split()) for line in path.read_text().splitlines())
    return [length for length, count in rows for _ in range(count)]


def batches(vocab_size: int) -> list[list[list[int]]]:
    """Token ids of each sequence of each batch."""
    draw, all_lengths = Draw(), lengths()
    drawn = [[all_lengths[draw.below(len(all_lengths))] for _ in range(BATCH)] for _ in range(BATCHES)]
    word = lambda: 3 + draw.below(vocab_size - 3)
    return [[[0, *(word() for _ in range(length - 2)), 2] for length in batch] for batch in drawn]
