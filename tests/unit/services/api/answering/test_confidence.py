from __future__ import annotations

from dataclasses import fields, replace

import pytest

from services.api.answering.confidence import MIN_CONFIDENCE, confidence
from services.api.answering.signals import Signals

GOOD = Signals(
    relevance=0.7,
    coverage=1,
    missing_name=0,
    missing_number=0,
    question_denies=0,
    only_question_denies=0,
    reversed_word=0,
    nothing_of_the_kind=0,
)


def test_a_sentence_that_lacks_nothing_is_answered_from() -> None:
    assert MIN_CONFIDENCE < confidence(GOOD) < 1


@pytest.mark.parametrize("signal", [field.name for field in fields(Signals)[2:]])
def test_whatever_is_amiss_lowers_confidence(signal: str) -> None:
    assert confidence(replace(GOOD, **{signal: 1})) < confidence(GOOD)


@pytest.mark.parametrize("signal", ["missing_number", "only_question_denies", "reversed_word"])
def test_another_statement_is_not_answered_from(signal: str) -> None:
    assert confidence(replace(GOOD, **{signal: 1})) < MIN_CONFIDENCE


def test_likeness_raises_confidence() -> None:
    assert confidence(replace(GOOD, relevance=0.2)) < confidence(GOOD)
    assert confidence(replace(GOOD, coverage=0.2)) < confidence(GOOD)
