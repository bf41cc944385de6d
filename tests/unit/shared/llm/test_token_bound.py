from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from shared.llm.factory import build_llm
from shared.llm.token_bound import most_tokens
from shared.ports import LLM
from shared.settings import LLMSettings

_SEED = 20261123


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    """A real byte-level tokenizer."""
    built = build_llm(LLMSettings(_env_file=None))  # type: ignore[call-arg]
    yield built
    built.close()


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog. " * 20,
        "Ж" * 200,
        "字" * 200,
        "\U0001f9d1\u200d\U0001f680" * 50,
        "\ufdfa" * 20,
        "\u202e\u200b\u00ad" * 50,
        "x q z j v k w " * 30,
        "0123456789" * 40,
        "\x00\x07\x1b" * 40,
    ],
)
def test_it_is_never_below_a_real_count(llm: LLM, text: str) -> None:
    assert llm.count_tokens(text) <= most_tokens(text)


def test_nor_for_random_text(llm: LLM) -> None:
    rng = random.Random(_SEED)
    for _ in range(60):
        size = rng.randint(1, 200)
        highest = rng.choice([0x7F, 0x7FF, 0xD7FF, 0x10FFFF])
        text = "".join(
            character
            for character in (chr(rng.randint(1, highest)) for _ in range(size))
            if not 0xD800 <= ord(character) <= 0xDFFF
        )
        assert llm.count_tokens(text) <= most_tokens(text), (_SEED, text)


def test_compatibility_characters_count_as_what_they_may_become() -> None:
    """One character of three bytes, which normalising tokenizers read as eighteen of thirty-three."""
    assert most_tokens("\ufdfa") >= 33


def test_nothing_is_nothing() -> None:
    assert most_tokens("") == 0
    assert most_tokens("\ud800") > 0
