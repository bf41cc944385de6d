"""What users are promised of retrieval and answers, through the running stack; it must not get worse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.quality.answers import AnswerFigures, answer_figures, answers_table, ask_all
from bench.quality.corpus import indexed_stack
from bench.quality.floors import answer_faults, ranking_faults
from bench.quality.retrieval import retrieval_table, retrieve
from bench.quality.squad import DEFAULT_FILE, QuestionSet, load, sample
from bench.stack import RunningStack

pytestmark = pytest.mark.skipif(not DEFAULT_FILE.exists(), reason=f"{DEFAULT_FILE} is absent")

ANSWERS = 100
SEED = 1


@pytest.fixture(scope="module")
def content() -> QuestionSet:
    return load(DEFAULT_FILE)


@pytest.fixture(scope="module")
def squad(content: QuestionSet) -> Iterator[RunningStack]:
    """Every paragraph, pushed as a document. Quotes instead of a model: what is decided here is whether to
    answer, and what is cited."""
    with indexed_stack(content.paragraphs, "faiss", LLM="extractive") as running:
        yield running


@pytest.mark.timeout(600)
def test_the_right_paragraph_is_found(squad: RunningStack, content: QuestionSet) -> None:
    figures = retrieve(squad, content.answerable).figures
    assert not list(ranking_faults(figures)), retrieval_table({"faiss": figures})


@pytest.mark.timeout(600)
def test_answers_can_be_trusted(squad: RunningStack, content: QuestionSet) -> None:
    questions = sample(content.answerable, ANSWERS, SEED) + sample(content.unanswerable, ANSWERS, SEED)
    figures: AnswerFigures = answer_figures(ask_all(squad, questions), content.paragraphs)
    assert not list(answer_faults(figures)), answers_table(figures)
