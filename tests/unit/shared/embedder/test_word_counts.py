from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from shared.embedder import word_counts
from shared.embedder.bundled import bundled_model_folder
from shared.embedder.word_counts import WordCounts

SEED = 20261123


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(Path(bundled_model_folder("all-MiniLM-L6-v2")) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def lengths(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    return [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]


SPECIAL = [
    "",
    " \t\n\r ",
    "a\x0bb \x00c \x7f",
    "The [CLS] and [MASK] of it, [UNK]",
    "don't stop_now $5.00 <b>x</b> ~`^|",
    "x" * 99 + " " + "y" * 100 + " " + "z" * 101,
    "Crème brûlée – 東京",
    "MiXeD CaSe mixed case",
]


def test_it_counts_what_the_tokenizer_makes_of_it(tokenizer: Tokenizer) -> None:
    rng = random.Random(SEED)
    letters = string.printable + "éß東\u200b\u0301"
    texts = SPECIAL + [
        "".join(rng.choices(letters, k=rng.randrange(60)))
        + " "
        + " ".join(rng.choices(SPECIAL[4].split(), k=5))
        for _ in range(500)
    ]
    expected = lengths(tokenizer, texts)
    counts = WordCounts(tokenizer)
    assert counts.count(texts) == expected, SEED
    assert counts.count(texts) == expected, "from memory"


def test_known_words_do_not_go_through_the_tokenizer(tokenizer: Tokenizer) -> None:
    class Counting:
        calls = 0

        def __getattr__(self, name: str) -> object:
            Counting.calls += name == "encode_batch_fast"
            return getattr(tokenizer, name)

    counts = WordCounts(Counting())  # type: ignore[arg-type]
    texts = ["A harbour, rebuilt.", "A council rebuilt a harbour."]
    first = counts.count(texts)
    calls = Counting.calls
    assert calls == 1, "all new words at once"
    assert counts.count(texts) == first == lengths(tokenizer, texts)
    assert Counting.calls == calls


def test_its_memory_is_bounded(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_counts, "_REMEMBERED_WORDS", 10)
    counts = WordCounts(tokenizer)
    for number in range(50):
        assert counts.count([f"word{number} other{number}"] * 2) == lengths(
            tokenizer, [f"word{number} other{number}"] * 2
        )
        assert len(counts._counts) <= 10


def test_long_words_are_not_remembered(tokenizer: Tokenizer) -> None:
    counts = WordCounts(tokenizer)
    texts = ["a " + "b" * 10_000, "c" * 90]
    assert counts.count(texts) == counts.count(texts) == lengths(tokenizer, texts)
    assert counts._counts == {"a": 1}


def test_another_kind_of_tokenizer_is_asked_each_time(tokenizer: Tokenizer) -> None:
    other = Tokenizer.from_str(tokenizer.to_str())
    other.normalizer = None
    counts = WordCounts(other)
    assert counts.count(["Upper lower"] * 2) == lengths(other, ["Upper lower"] * 2)
    assert not counts._counts
