from __future__ import annotations

import pytest

from services.api.answering.grounding import ground, quote, supports
from tests.support.hits import a_hit, evidence_of

TEXT = "As of 14:20 the earthquake has killed 47 people. Another 120 were injured in Port Alden."
QUESTION = "How many people did the earthquake in Velmora kill?"
TOLL = evidence_of(a_hit(TEXT), 0)
INJURED = evidence_of(a_hit(TEXT), 1, relevance=0.5)


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("The earthquake in Velmora killed 47 people.", True),
        ("47 people were killed.", True),
        ("As of 14:20, the earthquake has killed 47 people.", True),
        ("The earthquake killed 48 people.", False),
        ("The earthquake killed 14:20 people.", False),
        ("The earthquake in Quelland killed 47 people.", False),
        ("The earthquake has not killed 47 people.", False),
        ("The bridge collapsed when lorries crossed the river with 47 people.", False),
        ("The earthquake killed 47 people high.", False),
        ("47.", False),
        ("", False),
    ],
)
def test_a_sentence_is_supported_only_by_what_the_source_says(sentence: str, supported: bool) -> None:
    assert supports(TOLL, sentence, QUESTION) is supported


def test_a_number_from_beside_other_words_is_not_support() -> None:
    both = evidence_of(a_hit("The quake destroyed 300 houses in the old town, and later killed 47 people."))
    assert supports(both, "The quake killed 47 people.", QUESTION)
    assert not supports(both, "The quake killed 300 people.", QUESTION)


def test_a_misspelt_name_is_not_support() -> None:
    leader = evidence_of(a_hit("After the fifth game, Teodor Blaze leads the Hjorra chess final."))
    assert supports(leader, "Teodor Blaze leads the Hjorra chess final.", "Who leads the final?")
    assert not supports(leader, "Teodore Blaze leads the Hjorra chess final.", "Who leads the final?")


def test_a_supported_answer_is_cited_with_a_verbatim_quote() -> None:
    grounded = ground("The earthquake killed 47 people [7].", QUESTION, [TOLL, INJURED])
    assert grounded.text == "The earthquake killed 47 people [1]."
    assert [citation.marker for citation in grounded.citations] == [1]
    assert grounded.citations[0].quote == "As of 14:20 the earthquake has killed 47 people."
    assert grounded.citations[0].quote in TEXT
    assert grounded.replaced == 0


@pytest.mark.parametrize(
    "generated",
    [
        "The earthquake killed 120 people.",
        "I do not know.",
        "",
        "The earthquake happened in Velmora.",
    ],
)
def test_whatever_is_not_supported_or_does_not_answer_becomes_a_quote(generated: str) -> None:
    grounded = ground(generated, QUESTION, [TOLL, INJURED])
    assert grounded.text == "“As of 14:20 the earthquake has killed 47 people.” [1]"


def test_only_the_supported_sentence_of_several_is_kept() -> None:
    grounded = ground(
        "The earthquake killed 47 people. It was caused by 9 dragons.", QUESTION, [TOLL, INJURED]
    )
    assert grounded.text == "The earthquake killed 47 people [1]."
    assert grounded.replaced == 1


def test_a_quote_names_its_source() -> None:
    grounded = quote([INJURED])
    assert grounded.text == "“Another 120 were injured in Port Alden.” [1]"
    assert grounded.citations[0].title == "Velmora earthquake"
