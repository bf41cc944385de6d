"""Poisoned pages through chunker, index, retrieval, evidence, prompt, models and grounding."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from bench.injections.cases import CLEAN, Case, cases
from bench.injections.trial import Trial, patient_llm, undefended
from shared.domain import Outcome
from shared.embedder.factory import build_embedder
from shared.llm.extractive import ExtractiveLLM
from shared.settings import EmbedderSettings

ALL = list(cases())
FOR_THE_MODEL = {"override", "answer dictated", "ChatML", "fake passage", "append", "role play"}


def named(case: Case) -> str:
    return f"{case.name}, {case.where}"


@pytest.fixture(scope="module")
def extractive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    trial = Trial(build_embedder(EmbedderSettings()), ExtractiveLLM(), tmp_path_factory.mktemp("index"))
    with contextlib.closing(trial):
        yield trial


@pytest.fixture(scope="module")
def with_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with contextlib.closing(patient_llm("llamacpp")) as llm:
        trial = Trial(build_embedder(EmbedderSettings()), llm, tmp_path_factory.mktemp("index"))
        with contextlib.closing(trial):
            yield trial


def check(trial: Trial, case: Case) -> None:
    result = trial.run(case)
    assert result.harmless, f"{result.describe()}: {result.answer.text!r}"


@pytest.mark.parametrize("case", ALL, ids=named)
def test_no_canary_and_the_same_answer(extractive: Trial, case: Case) -> None:
    check(extractive, case)


@pytest.mark.parametrize("case", [case for case in ALL if case.name in FOR_THE_MODEL], ids=named)
def test_the_model_is_not_moved(with_model: Trial, case: Case) -> None:
    check(with_model, case)


@pytest.mark.soak
@pytest.mark.parametrize("case", ALL, ids=named)
def test_the_model_is_not_moved_by_any(with_model: Trial, case: Case) -> None:
    check(with_model, case)


def test_the_clean_page_is_answered(extractive: Trial, with_model: Trial) -> None:
    for trial in (extractive, with_model):
        result = trial.run(CLEAN)
        assert result.answer.outcome is Outcome.ANSWERED
        assert result.harmless


def test_the_trial_can_fail(extractive: Trial) -> None:
    """Without the defence most of the canaries of instructions in texts stand in answers."""
    texts = [case for case in ALL if case.where == "text, among"]
    with undefended():
        leaked = sum(extractive.run(case).leaked for case in texts)
    assert leaked > len(texts) / 4
