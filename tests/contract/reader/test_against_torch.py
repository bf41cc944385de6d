"""Answers and scores are those of the model's authors: torch runs the same weights, on windows that
transformers' tokenizer has made, and every span is tried."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from shared.domain import FoundSpan
from shared.onnx.openvino_session import OpenVinoSession
from shared.ports import Reader
from shared.reader.question_answering import QuestionAnsweringReader
from tests.contract.reader.contract import ReaderContract
from tests.support.tiny_bert import MAX_TOKENS, save_bert_reader
from tests.support.tiny_cross_encoder import WORDS

LONGEST = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert_reader(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="module")
def bert(folder: Path) -> Reader:
    return QuestionAnsweringReader(str(folder), OpenVinoSession, threads=2)


class TestBert(ReaderContract):
    @pytest.fixture
    def reader(self, bert: Reader) -> Reader:
        return bert


def reference(folder: Path, question: str, passage: str) -> FoundSpan:
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    windows = tokenizer(
        question,
        passage,
        max_length=MAX_TOKENS,
        stride=MAX_TOKENS // 3,
        truncation="only_second",
        padding=True,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    places = windows.pop("offset_mapping").tolist()
    windows.pop("overflow_to_sample_mapping")
    with torch.no_grad():
        logits = AutoModelForQuestionAnswering.from_pretrained(folder).eval()(**windows)
    best, no_answer = (float("-inf"), 0, 0), float("inf")
    for window, (starts, ends) in enumerate(
        zip(logits.start_logits.tolist(), logits.end_logits.tolist(), strict=True)
    ):
        no_answer = min(no_answer, starts[0] + ends[0])
        own = [at for at, part in enumerate(windows.encodings[window].sequence_ids) if part == 1]
        for first in own:
            for last in own:
                if first <= last < first + LONGEST:
                    place = places[window][first][0], places[window][last][1]
                    best = max(best, (starts[first] + ends[last], *place))
    return FoundSpan(best[1], best[2], best[0], no_answer)


@pytest.mark.parametrize("seed", range(8))
def test_the_same_answer(bert: Reader, folder: Path, seed: int) -> None:
    """In short passages and in ones of several windows."""
    rng = random.Random(seed)
    question = " ".join(rng.choices(WORDS, k=rng.randrange(1, 25)))
    passages = [" ".join(rng.choices(WORDS, k=rng.randrange(1, 200))) for _ in range(3)]
    for passage, found in zip(passages, bert.read(question, passages), strict=True):
        expected = reference(folder, question, passage)
        assert (found.score, found.no_answer_score) == pytest.approx(
            (expected.score, expected.no_answer_score), abs=2e-3
        )
        assert (found.start, found.end) == (expected.start, expected.end)
