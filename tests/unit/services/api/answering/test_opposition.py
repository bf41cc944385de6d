from __future__ import annotations

import pytest

from services.api.answering.opposition import denies, reverses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who did not sign?", True),
        ("Who didn't sign?", True),
        ("Who didn’t sign?", True),
        ("What did the non-Muslim groups offer?", True),
        ("What failed to open?", True),
        ("Who signed the note?", False),
        ("Which knot is it?", False),
    ],
)
def test_denies(text: str, expected: bool) -> None:
    assert denies(text) is expected


@pytest.mark.parametrize(
    ("question", "sentence", "expected"),
    [
        ("How can a vertical force be split?", "A horizontal force can be split into two.", True),
        ("What does a horizontal force do?", "A horizontal force can be split into two.", False),
        ("What is the least important question?", "It is one of the most important questions.", True),
        ("How many were injured?", "The earthquake killed 47 people.", True),
        ("How many were injured?", "The earthquake killed 47 people and injured 300.", False),
        ("Who won the final?", "After the first game Aldercroft leads.", True),
        ("Which parties were dependent?", "Three independent parties took part.", True),
        ("Which trade is legal?", "The trade is illegal.", True),
        ("Which act was it?", "It was a fact.", False),  # no prefix, only an ending
        ("Who increased the decrease?", "They saw a decrease.", False),  # the question has both
    ],
)
def test_reverses(question: str, sentence: str, expected: bool) -> None:
    assert reverses(question, sentence) is expected
