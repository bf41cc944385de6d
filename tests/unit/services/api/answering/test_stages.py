from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from services.api.answering import stages as module
from services.api.answering.stages import Stages
from shared.embedder.hashing import HashingEmbedder
from shared.observability.metrics import ApiMetrics


class Watch:
    """``time`` as far as the module uses it: it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(module, "time", watch)
    return watch


@pytest.fixture
def stages(watch: Watch) -> Stages:
    return Stages(ApiMetrics(CollectorRegistry()))


def test_what_takes_place_within_another_stage_does_not_count_there(stages: Stages, watch: Watch) -> None:
    with stages.timed("weigh"):
        watch.now += 1
        for _ in range(2):
            with stages.timed("embed"):
                watch.now += 10
        with stages.timed("retrieve"), stages.timed("rerank"):
            watch.now += 100
        watch.now += 2
    with stages.timed("embed"):
        watch.now += 5
    assert stages.milliseconds == {"embed": 25_000.0, "rerank": 100_000.0, "retrieve": 0.0, "weigh": 3_000.0}
    assert stages.observe() == 128


def test_a_stage_that_fails_has_taken_its_time(stages: Stages, watch: Watch) -> None:
    def fail() -> None:
        with stages.timed("weigh"), stages.timed("embed"):
            watch.now += 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stages.milliseconds == {"embed": 1_000.0, "weigh": 0.0}


def test_an_embedder_counts_as_a_stage(stages: Stages, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = HashingEmbedder()
    embed = embedder.embed

    def slowly(texts: list[str]) -> object:
        watch.now += 3
        return embed(texts)

    monkeypatch.setattr(embedder, "embed", slowly)
    timed = stages.timing(embedder)
    with stages.timed("weigh"):
        assert timed.embed(["a", "b"]).shape == (2, timed.dimension)
    assert (timed.name, timed.max_tokens, timed.count_tokens(["a b"])) == (
        embedder.name,
        embedder.max_tokens,
        embedder.count_tokens(["a b"]),
    )
    assert stages.milliseconds == {"embed": 3_000.0, "weigh": 0.0}


def test_each_item_takes_its_own_time(stages: Stages, watch: Watch) -> None:
    def slow() -> Iterator[int]:
        for item in range(3):
            watch.now += 1
            yield item

    for _ in stages.each("generate", slow()):
        watch.now += 10
    assert stages.milliseconds == {"generate": 3_000.0}
