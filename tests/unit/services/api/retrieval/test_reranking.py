"""What a cross-encoder changes: the order of the best passages, and nothing where there is none."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.api.answering.stages import Stages
from services.api.retrieval.follower import ChangeFollower
from services.api.retrieval.lexical_index import LexicalIndex
from services.api.retrieval.reranking import Reranking, relative_probabilities
from services.api.retrieval.retriever import Retriever, Tuning
from shared.domain import Hit, SearchFilter
from shared.errors import InferenceFailed
from shared.observability.metrics import ApiMetrics
from shared.onnx.openvino_session import OpenVinoSession
from shared.ports import Reranker
from shared.reranker.cross_encoder import CrossEncoderReranker
from shared.vector_store.memory_store import MemoryStore
from tests.support.hits import a_hit
from tests.support.tiny_cross_encoder import save_cross_encoder
from tests.unit.services.api.retrieval.support import EMBEDDER, START, FixedClock, a_document, numbered, put

QUESTION = "Who was elected mayor in Velmora?"
# BM25 and the similarity of words prefer the passage that says little else; the model counts how many of the
# question's tokens are there, stop words too.
SHORT = a_document("short", "Elected mayor, Velmora. Elected mayor, Velmora.")
WHOLE = a_document(
    "whole",
    "Rain in the river, high and low, and a station that was open by the bridge of Quillon, where the one "
    "who, rain or not, was then mayor, of high station by the river, and was once elected, went to Velmora.",
)
OTHER = a_document("other", "The river is high.")


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    folder = save_cross_encoder(tmp_path_factory.mktemp("models") / "overlap", max_tokens=64)
    return CrossEncoderReranker(str(folder), OpenVinoSession, threads=2)


class Bench:
    def __init__(self, folder: Path, reranking: Reranking | None) -> None:
        self.store = MemoryStore(EMBEDDER.dimension)
        self.index = LexicalIndex(folder / "lexical.sqlite")
        follower = ChangeFollower(self.store, self.index)
        tuning = Tuning(0.5, 0.0, timedelta(hours=1))
        self.retriever = Retriever(self.store, self.index, follower, tuning, FixedClock(), reranking)

    def ask(
        self,
        question: str = QUESTION,
        top_k: int = 5,
        where: SearchFilter | None = None,
        recency_weight: float | None = None,
    ) -> list[Hit]:
        embedding = EMBEDDER.embed([question])[0]
        return self.retriever.retrieve(question, embedding, top_k, where or SearchFilter(), recency_weight)

    def close(self) -> None:
        self.retriever.close()
        self.index.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path / "plain", None)) as bench:
        yield bench


@pytest.fixture
def reranked(tmp_path: Path, reranker: Reranker) -> Iterator[Bench]:
    with closing(Bench(tmp_path / "reranked", Reranking(reranker, 20))) as bench:
        yield bench


def ids(hits: list[Hit]) -> list[str]:
    return [hit.document_id for hit in hits]


def test_the_model_decides_the_order(plain: Bench, reranked: Bench) -> None:
    for bench in (plain, reranked):
        put(bench.store, SHORT, WHOLE, OTHER)
    assert ids(plain.ask())[:2] == ["short", "whole"]
    assert ids(reranked.ask())[:2] == ["whole", "short"]
    scores = [hit.score for hit in reranked.ask()]
    assert scores[0] == 1.0
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_below_the_best_the_order_stays(plain: Bench, tmp_path: Path, reranker: Reranker) -> None:
    documents = [
        a_document(f"d{n}", f"Mayor elected {'river ' * n}{'Velmora ' * (n % 3)}.") for n in range(9)
    ]
    put(plain.store, *documents)
    order = ids(plain.ask(top_k=9))
    for top in (1, 3, 8):
        with closing(Bench(tmp_path / str(top), Reranking(reranker, top))) as bench:
            put(bench.store, *documents)
            hits = bench.ask(top_k=9)
            assert set(ids(hits)[:top]) == set(order[:top])
            assert ids(hits)[top:] == order[top:]


def test_what_was_not_read_scores_below_what_was(reranker: Reranker) -> None:
    found = [a_hit(text, title="", score=score) for text, score in (("Rain.", 1.0), ("Mayor.", 0.99))]
    rest = [a_hit("Elected mayor.", title="", score=score) for score in (0.98, 0.97)]
    hits = Reranking(reranker, 2).apply(QUESTION, found + rest)
    assert [hit.text for hit in hits] == ["Mayor.", "Rain.", "Elected mayor.", "Elected mayor."]
    scores = [hit.score for hit in hits]
    assert scores[0] == 1.0
    assert all(one > other for one, other in itertools.pairwise(scores))


def test_a_passage_that_is_not_wanted_otherwise_may_become_the_best(plain: Bench, reranked: Bench) -> None:
    """More documents are read than are asked for."""
    crowd = [a_document(f"c{n}", f"{SHORT.text} Number {n}.") for n in range(12)]
    for bench in (plain, reranked):
        put(bench.store, WHOLE, *crowd)
    assert "whole" not in ids(plain.ask(top_k=1))
    assert ids(reranked.ask(top_k=1)) == ["whole"]


def test_filters_hold(reranked: Bench) -> None:
    put(reranked.store, SHORT, a_document("whole", WHOLE.text, attributes={"bot": True}))
    assert ids(reranked.ask(where=SearchFilter(exclude_bots=True))) == ["short"]


def test_not_all_from_one_page(reranked: Bench) -> None:
    put(reranked.store, a_document("long", numbered(["river"] * 200)), a_document("b", "A river, a boat."))
    assert ids(reranked.ask("The river stands here in the year.", top_k=3)) == ["long", "long", "b"]


def test_recency_counts_after_the_model(reranked: Bench) -> None:
    put(
        reranked.store,
        a_document("old", WHOLE.text, updated_at=START - timedelta(days=3)),
        a_document("new", SHORT.text, updated_at=START),
    )
    assert ids(reranked.ask()) == ["old", "new"]
    assert ids(reranked.ask(recency_weight=0.9)) == ["new", "old"]


def test_nothing_found_is_nothing_to_read(reranked: Bench) -> None:
    assert reranked.ask() == []


def test_a_question_that_the_model_cannot_read_whole_keeps_the_order(plain: Bench, reranked: Bench) -> None:
    question = f"{QUESTION} {'mayor ' * 100}"
    for bench in (plain, reranked):
        put(bench.store, SHORT, WHOLE, OTHER)
    assert reranked.ask(question) == plain.ask(question)
    assert ids(reranked.ask(question)) == ["short", "whole", "other"]


class _Breaks:
    """A reranker whose model cannot be run any more."""

    name = "breaks"

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        raise InferenceFailed("out of memory")


def test_a_reranker_that_fails_keeps_the_order_and_is_named(
    plain: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bench(tmp_path / "broken", Reranking(_Breaks(), top=5))) as broken:
        for bench in (plain, broken):
            put(bench.store, SHORT, WHOLE, OTHER)
        assert broken.ask() == plain.ask()
    assert caplog.messages == ["passages stay in their order without the reranker"]


class _WaitsForAnother:
    """A reranker that scores nothing before a second question has come to it."""

    name = "waits"

    def __init__(self) -> None:
        self._both = threading.Barrier(2)

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self._both.wait(20)
        return [0.0] * len(texts)


def test_a_question_that_is_read_again_keeps_nobody_from_looking_up(tmp_path: Path) -> None:
    with closing(Bench(tmp_path, Reranking(_WaitsForAnother(), top=5))) as bench:
        put(bench.store, SHORT)
        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(lambda _: bench.ask(), range(2)))
    assert [len(hits) for hits in found] == [1, 1]


def test_it_is_a_stage_of_an_answer(plain: Bench, reranked: Bench) -> None:
    for bench, expected in ((plain, set()), (reranked, {"rerank"})):
        put(bench.store, SHORT)
        stages = Stages(ApiMetrics(CollectorRegistry()))
        embedding = EMBEDDER.embed([QUESTION])[0]
        bench.retriever.retrieve(QUESTION, embedding, 1, SearchFilter(), timed=stages.timed)
        assert set(stages.milliseconds) == expected


@pytest.mark.parametrize(
    "logits", [[], [0.0], [3.0, -2.0, 7.5], [-900.0, -901.0], [900.0, 899.0, -900.0], [-12.5, -12.5]]
)
def test_probabilities_relative_to_the_best(logits: list[float]) -> None:
    relative = relative_probabilities(logits)
    assert all(0 <= value <= 1 for value in relative)
    assert not logits or max(relative) == 1.0
    for one, other in itertools.pairwise(sorted(zip(logits, relative, strict=True))):
        assert one[1] <= other[1]


def test_small_probabilities_keep_their_ratio() -> None:
    assert relative_probabilities([-900.0, -901.0]) == pytest.approx([1.0, math.exp(-1)])
    assert relative_probabilities([0.0, 100.0]) == pytest.approx([0.5, 1.0])
