from __future__ import annotations

from dataclasses import replace

import pytest

from services.api.answering.grounding import ground, quote
from shared.text import Span
from tests.support.hits import a_hit, evidence_of

TEXT = "As of 14:20 the earthquake has killed 47 people. Another 120 were injured in Port Alden."
QUESTION = "How many people did the earthquake in Velmora kill?"
TOLL = evidence_of(a_hit(TEXT), 0)
INJURED = evidence_of(a_hit(TEXT), 1, relevance=0.5)


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


def test_of_equal_evidence_the_one_that_the_model_read_is_quoted() -> None:
    hit = a_hit(
        "The change of instrument came after a fall on stage. Tavish Quell plays the nyckelbow.",
        title="Tavish Quell",
    )
    evidence = [evidence_of(hit, 0, relevance=0.8), evidence_of(hit, 1, relevance=0.76)]
    question = "Which instrument does Tavish Quell play?"
    grounded = ground("His instrument is called the nyckelbow.", question, evidence)
    assert grounded.text == "“Tavish Quell plays the nyckelbow.” [1]"
    assert ground("", question, evidence).citations[0].quote == evidence[0].text


def test_it_counts_what_is_supported_and_names_what_the_model_cited() -> None:
    grounded = ground(
        "The earthquake killed 47 people [1, 3]. Dragons did it [12].", QUESTION, [TOLL, INJURED]
    )
    assert (grounded.supported, grounded.replaced, grounded.markers) == (1, 1, (1, 3, 12))
    refused = ground("The earthquake happened in Velmora.", QUESTION, [TOLL, INJURED])
    assert (refused.supported, refused.replaced, refused.markers) == (0, 1, ())


def test_what_a_reader_found_must_be_in_the_answer() -> None:
    without = evidence_of(a_hit("The bridge over the river is open today.", title="Bridge"))
    station = a_hit("The station of Quillon is open today.", title="Station")
    found = replace(evidence_of(station), answer=Span(4, 22))
    grounded = ground("The bridge over the river is open today.", "What is open?", [found, without])
    assert grounded.text == "“The station of Quillon is open today.” [1]"
