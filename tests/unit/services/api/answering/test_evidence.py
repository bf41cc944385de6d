from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.api.answering.evidence import Evidence, weigh_evidence
from shared.domain import Hit
from shared.embedder.hashing import HashingEmbedder
from tests.support.hits import a_hit

EMBEDDER = HashingEmbedder()
TOLL = a_hit(
    "Rescue teams arrived at dawn. As of 14:20 the earthquake has killed 47 people. Roads are closed."
)


def _weigh(question: str, *hits: Hit) -> list[Evidence]:
    return weigh_evidence(question, EMBEDDER.embed([question])[0], hits, EMBEDDER)


def test_the_sentence_that_answers_comes_first() -> None:
    evidence = _weigh("How many people has the earthquake in Velmora killed?", TOLL)
    assert evidence[0].text == "As of 14:20 the earthquake has killed 47 people."


def test_a_passage_about_another_place_is_no_evidence() -> None:
    assert _weigh("How many people has the earthquake in Quelland killed?", TOLL) == []


@pytest.mark.parametrize(
    ("question", "is_evidence"),
    [
        (
            "How many people has the earthquake in Velmora killed in 2026?",
            True,
        ),  # the passage is of that year
        ("How many people has the earthquake in Velmora killed in 2019?", False),
        ("How many people has the earthquake of Velmora 5 killed?", False),
        ("how many people has the earthquake in velmora killed", True),
        ("how many people has the earthquake in quelland killed", False),
        ("Quelland's earthquake killed how many people?", False),
    ],
)
def test_a_passage_about_another_year_or_name_is_no_evidence(question: str, is_evidence: bool) -> None:
    class NarrowVocabulary(HashingEmbedder):
        """Knows no names, as a real model's vocabulary."""

        def count_tokens(self, texts: Sequence[str]) -> list[int]:
            return [2 if text.lower() in ("velmora", "quelland") else 1 for text in texts]

    embedder = NarrowVocabulary()
    evidence = weigh_evidence(question, embedder.embed([question])[0], [TOLL], embedder)
    assert bool(evidence) is is_evidence


def test_a_passage_that_shares_nothing_is_no_evidence() -> None:
    assert _weigh("which cheese goes with a dry white wine", TOLL) == []


def test_a_weak_hit_is_no_evidence() -> None:
    weak = a_hit(TOLL.text, score=0.1)
    assert _weigh("How many people has the earthquake in Velmora killed?", weak) == []


def test_nothing_retrieved_is_no_evidence() -> None:
    assert _weigh("How many people has the earthquake in Velmora killed?") == []


def test_the_killed_are_not_the_injured() -> None:
    assert _weigh("How many people has the earthquake in Velmora injured?", TOLL) == []


def test_who_leads_has_not_won() -> None:
    chess = a_hit(
        "After the first game, Sunniva Aldercroft leads the chess final.", title="Hjorra chess final"
    )
    assert _weigh("Who leads the Hjorra chess final?", chess)
    assert _weigh("Who won the Hjorra chess final?", chess) == []


def test_a_sentence_that_says_the_opposite_is_not_quoted_beside_the_right_one() -> None:
    both = a_hit("The earthquake injured 640 people. The earthquake killed 47 people.")
    evidence = _weigh("How many people has the earthquake in Velmora injured?", both)
    assert [item.text for item in evidence] == ["The earthquake injured 640 people."]


def test_more_certainty_can_be_asked_for() -> None:
    question = "How many people has the earthquake in Velmora killed?"
    embedding = EMBEDDER.embed([question])[0]
    assert weigh_evidence(question, embedding, [TOLL], EMBEDDER, min_confidence=0.0)
    assert weigh_evidence(question, embedding, [TOLL], EMBEDDER, min_confidence=1.0) == []
