"""Questions asked by ``/v1/ask``: what comes back, and how far it can be trusted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from bench.quality.scoring import (
    exact_match,
    holds_answer,
    sound_citations,
    token_f1,
    unfounded_figures,
    unknown_markers,
)
from bench.quality.squad import Paragraph, Question
from bench.stack import RunningStack

CLIENTS = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """``answer``: the body of the response. ``seconds``: of the request, HTTP included."""

    question: Question
    answer: dict[str, Any]
    seconds: float

    @property
    def answered(self) -> bool:
        return bool(self.answer["outcome"] != "no_context")


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """Shares, but for the counts. ``…_of_answered``: of the answerable questions that were answered.

    ``citation_precision``: of all citations, those whose quote is verbatim in the cited document and whose
    marker stands in the answer. ``abstention_precision``: of what was not answered, the share that has no
    answer.
    """

    answerable: int
    unanswerable: int
    unanswerable_answered: float
    answerable_abstained: float
    abstention_precision: float
    abstention_recall: float
    citation_precision: float
    citations: int
    unfounded: int
    cites_right_document: float
    holds_answer_of_answered: float
    holds_answer: float
    exact_match: float
    f1: float


def ask_all(stack: RunningStack, questions: Sequence[Question]) -> list[Asked]:
    """``CLIENTS`` at a time, in the order of the questions."""

    def ask(question: Question) -> Asked:
        begun = time.perf_counter()
        answer = stack.ask(question.text)
        return Asked(question, answer, time.perf_counter() - begun)

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(tqdm(clients.map(ask, questions), desc="asked", unit="question", total=len(questions)))


def answer_figures(asked: Sequence[Asked], paragraphs: Sequence[Paragraph]) -> AnswerFigures:
    """Both kinds of questions must have been asked."""
    texts = {item.document_id: item.text for item in paragraphs}
    passages = {item.document_id: f"{item.title} {item.text}" for item in paragraphs}
    with_answer = [item for item in asked if item.question.answerable]
    without = [item for item in asked if not item.question.answerable]
    answered = [item for item in with_answer if item.answered]
    silent = [item for item in asked if not item.answered]
    rightly_silent = sum(not item.question.answerable for item in silent)
    sound = [good for item in asked for good in sound_citations(item.answer, texts)]
    holding = [holds_answer(item.answer["answer"], item.question.answers) for item in answered]
    return AnswerFigures(
        answerable=len(with_answer),
        unanswerable=len(without),
        unanswerable_answered=1 - rightly_silent / len(without),
        answerable_abstained=1 - len(answered) / len(with_answer),
        abstention_precision=_share(rightly_silent, len(silent)),
        abstention_recall=rightly_silent / len(without),
        citation_precision=_share(sum(sound), len(sound)),
        citations=len(sound),
        unfounded=len(unfounded(asked, passages)),
        cites_right_document=_share(sum(_cites(item) for item in answered), len(answered)),
        holds_answer_of_answered=_share(sum(holding), len(answered)),
        holds_answer=sum(holding) / len(with_answer),
        exact_match=sum(exact_match(i.answer["answer"], i.question.answers) for i in answered)
        / len(with_answer),
        f1=sum(token_f1(i.answer["answer"], i.question.answers) for i in answered) / len(with_answer),
    )


def unfounded(asked: Sequence[Asked], passages: Mapping[str, str]) -> list[str]:
    """One line for each answer with a figure in no cited passage, or a marker of no citation."""
    return [
        f"{item.question.text!r} -> {item.answer['answer']!r}: {wrong}"
        for item in asked
        if item.answered
        and (wrong := [*unfounded_figures(item.answer, passages), *unknown_markers(item.answer)])
    ]


def _cites(item: Asked) -> bool:
    return any(citation["document_id"] == item.question.document_id for citation in item.answer["citations"])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def answers_table(figures: AnswerFigures) -> str:
    """Markdown."""
    rows = [
        (f"unanswerable questions answered (of {figures.unanswerable})", figures.unanswerable_answered),
        (f"answerable questions not answered (of {figures.answerable})", figures.answerable_abstained),
        ("abstention precision", figures.abstention_precision),
        ("abstention recall", figures.abstention_recall),
        (f"citation precision (of {figures.citations} citations)", figures.citation_precision),
        ("answers with a number or date in no cited passage", figures.unfounded),
        ("cites the paragraph that was asked about, of answered", figures.cites_right_document),
        ("answer holds the expected one, of answered", figures.holds_answer_of_answered),
        ("answer holds the expected one, of all answerable", figures.holds_answer),
        ("exact match, of all answerable", figures.exact_match),
        ("token F1, of all answerable", figures.f1),
    ]
    lines = ["| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value if isinstance(value, int) else f'{value:.3f}'} |" for name, value in rows]
    return "\n".join(lines)
