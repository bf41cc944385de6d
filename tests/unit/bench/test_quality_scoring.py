from __future__ import annotations

from typing import Any

import pytest

from bench.quality.answers import Asked, answer_figures, answers_table
from bench.quality.scoring import (
    exact_match,
    holds_answer,
    sound_citations,
    token_f1,
    unfounded_figures,
    unknown_markers,
)
from bench.quality.squad import Paragraph, Question

TEXT = "The Normans came in 911. Rollo led 3,000 men in May."
PASSAGES = {"squad:0": f"Normans {TEXT}"}


def an_answer(
    text: str, *quotes: str, outcome: str = "answered", document_id: str = "squad:0"
) -> dict[str, Any]:
    citations = [
        {"marker": marker, "document_id": document_id, "quote": quote}
        for marker, quote in enumerate(quotes, start=1)
    ]
    return {"answer": text, "outcome": outcome, "citations": citations}


def test_answers_are_compared_as_squad_compares_them() -> None:
    assert exact_match("The Normans. [1]", ["normans"])
    assert not exact_match("The Normans came. [1]", ["normans"])
    assert holds_answer("It was led by Rollo [1].", ["nobody", "Rollo"])
    assert not holds_answer("It was led by Rollos [1].", ["Rollo"])
    assert token_f1("Rollo led [1]", ["Rollo"]) == pytest.approx(2 / 3)
    assert token_f1("Rollo", ["Hastein"]) == 0


@pytest.mark.parametrize(
    ("answer", "sound"),
    [
        (an_answer("Rollo led. [1]", "Rollo led 3,000 men in May."), [True]),
        (an_answer("Rollo led. [1]", "Rollo  led 3,000 men in May."), [False]),
        (an_answer("Rollo led.", "Rollo led 3,000 men in May."), [False]),
        (an_answer("Rollo led. [1]", ""), [False]),
        (an_answer("Rollo led. [1]", "Rollo led 3,000 men in May.", document_id="squad:1"), [False]),
    ],
)
def test_a_citation_is_sound_if_its_quote_and_its_marker_are_there(
    answer: dict[str, Any], sound: list[bool]
) -> None:
    assert sound_citations(answer, {"squad:0": TEXT, "squad:1": "Another."}) == sound


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Rollo led 3000 men in May [1].", []),
        ("Rollo led 300 men in May [1].", ["300"]),
        ("Rollo led 3,000 men in June 912 [1].", ["912", "June"]),
    ],
)
def test_figures_that_no_cited_passage_has(text: str, wrong: list[str]) -> None:
    assert unfounded_figures(an_answer(text, TEXT), PASSAGES) == wrong
    assert unfounded_figures(an_answer("In 911 [1].", TEXT, document_id="squad:9"), PASSAGES) == ["911"]


def test_markers_of_no_citation() -> None:
    assert unknown_markers(an_answer("Rollo [1] led [2].", TEXT)) == [2]


def test_figures_of_a_run() -> None:
    answerable = Question("Who led?", "Normans", "squad:0", ("Rollo",))
    unanswerable = Question("Who lost?", "Normans", "squad:0", ())
    unknown = an_answer("I do not know.", outcome="no_context")
    right = an_answer("Rollo led 3,000 men in May. [1]", "Rollo led 3,000 men in May.")
    wrong = an_answer("It was 912. [1]", "not there")
    asked = [
        Asked(answerable, right, 0.1),
        Asked(answerable, wrong, 0.1),
        Asked(answerable, unknown, 0.1),
        Asked(answerable, unknown, 0.1),
        Asked(unanswerable, wrong, 0.1),
        Asked(unanswerable, unknown, 0.1),
        Asked(unanswerable, unknown, 0.1),
        Asked(unanswerable, unknown, 0.1),
    ]
    figures = answer_figures(asked, [Paragraph("squad:0", "Normans", TEXT)])
    assert figures.unanswerable_answered == 0.25
    assert figures.answerable_abstained == 0.5
    assert figures.abstention_precision == 0.6
    assert figures.abstention_recall == 0.75
    assert figures.citation_precision == pytest.approx(1 / 3)
    assert figures.citations == 3
    assert figures.unfounded == 2
    assert figures.holds_answer_of_answered == 0.5
    assert figures.holds_answer == 0.25
    assert figures.cites_right_document == 1
    assert "| unanswerable questions answered (of 4) | 0.250 |" in answers_table(figures)
