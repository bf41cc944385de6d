from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text import _normalised, names, normalise_word, numbers, sentence_spans, sentences, terms


def test_sentences_end_where_a_reader_ends_them() -> None:
    text = (
        "Dr. A. Smith arrived at 5 p.m. on Monday. The toll is 1,234 people! “Really?” she asked. "
        "Version 2.5 is out.\n\nHe lived in St. Moritz. 東京は雨。明日は晴れ。"
    )
    assert sentences(text) == [
        "Dr. A. Smith arrived at 5 p.m. on Monday.",
        "The toll is 1,234 people!",
        "“Really?” she asked.",
        "Version 2.5 is out.",
        "He lived in St. Moritz.",
        "東京は雨。",
        "明日は晴れ。",
    ]


class CountingText(str):
    """Counts the characters that its slices copy."""

    copied = 0

    def __getitem__(self, key: Any) -> str:
        piece = super().__getitem__(key)
        self.copied += len(piece)
        return piece


def test_a_long_text_costs_in_proportion() -> None:
    text = CountingText("He saw A. B. and so on. " * 2_000)
    assert len(sentence_spans(text)) == 2_000
    assert text.copied < 10 * len(text)


@given(st.text(alphabet=st.sampled_from("ab A.!?\n。\"'”1 é"), max_size=80))
def test_no_character_but_white_space_lies_outside_the_sentences(text: str) -> None:
    spans = sentence_spans(text)
    inside = [index for span in spans for index in range(span.start, span.end)]
    assert inside == sorted(set(inside))
    assert all(text[index].isspace() for index in set(range(len(text))) - set(inside))


def test_terms_are_stemmed_content_words_and_plain_numbers() -> None:
    assert terms("The earthquakes have killed 1,234 people") == ["earthquak", "kill", "1234", "peopl"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("As of 14:20 it killed 1,234 people, three of them children", {"14:20", "1234", "3"}),
        ("one of the largest", set()),
        ("2.5 km in 2026", {"2.5", "2026"}),
    ],
)
def test_numbers(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who is the mayor of Port Alden?", {"port", "alden"}),
        ("Velmora Castle was closed on Monday.", {"velmora", "castle"}),
        ("Earthquakes are rare.", set()),
    ],
)
def test_names(text: str, expected: set[str]) -> None:
    assert names(text) == expected


def test_long_words_are_not_kept_in_memory() -> None:
    kept = _normalised.cache_info().currsize
    assert normalise_word("Xyz" * 20) == "xyz" * 20
    assert _normalised.cache_info().currsize == kept
