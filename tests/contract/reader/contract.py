"""The laws of the ``Reader`` port. Each adapter's test class inherits them and gives a reader."""

from __future__ import annotations

import math
import random

import pytest

from shared.domain import FoundSpan
from shared.errors import QuestionTooLong
from shared.ports import Reader
from tests.support.hammer import in_threads

QUESTION = "Is the bridge of Velmora open?"
PASSAGES = [
    "Rain in Quillon.",
    "The bridge of Velmora is alpha open omega.",
    "  The bridge\u00a0of Velmora\tis alpha low, cafe\u0301 omega\u0301, not open.\n",
    "",
    " \n ",
    "The river is high and the station is low. " * 50,
    "日本語のテキスト 🌍 alpha 👩\u200d🚀 omega",
    "e\u0301\u0302 alpha Ｏｐｅｎ ﬁ omega",
]


def same(one: FoundSpan, other: FoundSpan) -> bool:
    """But for what a batch does to the last digits."""
    return (one.start, one.end) == (other.start, other.end) and (
        (one.score, one.no_answer_score)
        == pytest.approx((other.score, other.no_answer_score), rel=1e-3, abs=1e-3)
    )


class ReaderContract:
    """Override ``reader``."""

    def test_a_span_of_each_passage(self, reader: Reader) -> None:
        found = reader.read(QUESTION, PASSAGES)
        assert len(found) == len(PASSAGES)
        for passage, span in zip(PASSAGES, found, strict=True):
            assert math.isfinite(span.no_answer_score)
            assert span.null_odds == span.no_answer_score - span.score
            if passage.strip():
                text = passage[span.start : span.end]
                assert text
                assert text == text.strip()
                assert math.isfinite(span.score)
            else:
                assert (span.start, span.end, span.score, span.null_odds) == (0, 0, -math.inf, math.inf)

    def test_no_passages(self, reader: Reader) -> None:
        assert reader.read(QUESTION, []) == []

    def test_no_question(self, reader: Reader) -> None:
        assert len(reader.read("", PASSAGES)) == len(PASSAGES)

    def test_in_order_whatever_the_batch(self, reader: Reader) -> None:
        rng = random.Random(5)
        words = "river bridge velmora open the alpha omega high".split()
        passages = [" ".join(rng.choices(words, k=n)) for n in range(1, 120)]
        together = reader.read(QUESTION, passages)
        assert all(
            same(span, reader.read(QUESTION, [passage])[0])
            for span, passage in zip(together, passages, strict=True)
        )
        order = rng.sample(range(len(passages)), len(passages))
        shuffled = reader.read(QUESTION, [passages[i] for i in order])
        assert all(same(shuffled[at], together[i]) for at, i in enumerate(order))

    def test_the_question_counts(self, reader: Reader) -> None:
        asked, other = (reader.read(question, PASSAGES[:3]) for question in (QUESTION, "Who won?"))
        assert [span.null_odds for span in asked] != [span.null_odds for span in other]

    def test_a_question_that_leaves_no_room_is_refused(self, reader: Reader) -> None:
        with pytest.raises(QuestionTooLong, match="tokens"):
            reader.read("Is the bridge open? " * 300, PASSAGES)

    def test_threads(self, reader: Reader) -> None:
        expected = reader.read(QUESTION, PASSAGES)

        def is_the_same() -> bool:
            found = reader.read(QUESTION, PASSAGES)
            return all(same(span, other) for span, other in zip(found, expected, strict=True))

        assert in_threads(is_the_same, times=5) == [True] * 20

    def test_it_has_a_name(self, reader: Reader) -> None:
        assert reader.name
