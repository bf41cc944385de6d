from __future__ import annotations

from services.api.answering.prompt import MAX_OUTPUT_TOKENS, SYSTEM, build_prompt, select_passages
from tests.support.hits import a_hit, evidence_of

TEXT = "One is first. Two is second. Three is third. Four is fourth. Five is fifth."


def _count(text: str) -> int:
    return len(text.split())


def test_a_passage_is_the_sentence_and_its_neighbours_verbatim() -> None:
    (passage,) = select_passages([evidence_of(a_hit(TEXT), 2)])
    assert passage.marker == 1
    assert passage.hit.text == "Two is second. Three is third. Four is fourth."
    assert passage.hit.text in TEXT


def test_one_passage_for_each_chunk_and_none_far_below_the_best() -> None:
    other = a_hit(TEXT, title="Other")
    passages = select_passages(
        [
            evidence_of(a_hit(TEXT), 0),
            evidence_of(a_hit(TEXT), 4),
            evidence_of(other, 0, relevance=0.7),
            evidence_of(a_hit(TEXT, title="Far"), 0, relevance=0.4),
        ]
    )
    assert [passage.hit.title for passage in passages] == ["Velmora earthquake", "Other"]


def test_the_prompt_numbers_dates_and_asks() -> None:
    passages = select_passages([evidence_of(a_hit("It killed 47\npeople."))])
    prompt = build_prompt("How many\ndied?", passages, 2048, _count)
    assert prompt.system == SYSTEM
    assert prompt.user == (
        "[1] Velmora earthquake (2026-11-22 00:00 UTC): It killed 47 people.\n\n"
        "Question: How many died?\nAnswer:"
    )


def test_the_weakest_passages_are_dropped_until_it_fits() -> None:
    passages = select_passages([evidence_of(a_hit("word " * 50, title=name)) for name in "ab"])
    fits_two = _count(SYSTEM) + 2 * 57 + MAX_OUTPUT_TOKENS + 64 + 10
    assert len(build_prompt("q?", passages, fits_two, _count).passages) == 2
    assert len(build_prompt("q?", passages, 100, _count).passages) == 1
