"""The laws of the ``Reranker`` port. Each adapter's test class inherits them and gives a reranker."""

from __future__ import annotations

import math
import random

import pytest

from shared.errors import QuestionTooLong
from shared.ports import Reranker
from tests.support.hammer import in_threads

QUESTION = "Is the bridge of Velmora open?"
TEXTS = [
    "Rain in Quillon.",
    "The bridge of Velmora is open.",
    "The bridge of Velmora was low.",
    "",
    "The river is high and the station is low. " * 50,
    "日本語のテキスト 🌍",
]


class RerankerContract:
    """Override ``reranker``."""

    def test_one_finite_number_for_each_text(self, reranker: Reranker) -> None:
        scores = reranker.scores(QUESTION, TEXTS)
        assert len(scores) == len(TEXTS)
        assert all(type(score) is float and math.isfinite(score) for score in scores)

    def test_no_texts(self, reranker: Reranker) -> None:
        assert reranker.scores(QUESTION, []) == []

    def test_no_question(self, reranker: Reranker) -> None:
        assert len(reranker.scores("", TEXTS)) == len(TEXTS)

    def test_in_order_whatever_the_batch(self, reranker: Reranker) -> None:
        rng = random.Random(5)
        texts = [" ".join(rng.choices("river bridge velmora open the".split(), k=n)) for n in range(1, 60)]
        together = reranker.scores(QUESTION, texts)
        alone = [reranker.scores(QUESTION, [text])[0] for text in texts]
        assert together == pytest.approx(alone, abs=1e-3)
        order = rng.sample(range(len(texts)), len(texts))
        assert reranker.scores(QUESTION, [texts[i] for i in order]) == pytest.approx(
            [together[i] for i in order], abs=1e-3
        )

    def test_the_question_counts(self, reranker: Reranker) -> None:
        assert reranker.scores(QUESTION, TEXTS) != reranker.scores("Who won?", TEXTS)

    def test_what_a_passage_has_beyond_its_room_does_not_count(self, reranker: Reranker) -> None:
        long = "filler " * 600
        plain, ends_well = reranker.scores(QUESTION, [long, long + "The bridge of Velmora is open."])
        assert plain == pytest.approx(ends_well, abs=1e-3)

    def test_a_question_that_leaves_no_room_is_refused(self, reranker: Reranker) -> None:
        with pytest.raises(QuestionTooLong, match="tokens"):
            reranker.scores("Is the bridge open? " * 300, TEXTS)

    def test_threads(self, reranker: Reranker) -> None:
        expected = reranker.scores(QUESTION, TEXTS)
        checks = in_threads(
            lambda: reranker.scores(QUESTION, TEXTS) == pytest.approx(expected, abs=1e-3), times=5
        )
        assert checks == [True] * 20

    def test_it_has_a_name(self, reranker: Reranker) -> None:
        assert reranker.name
