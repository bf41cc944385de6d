"""How long each stage of an answer takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from shared.observability.exemplars import exemplar
from shared.observability.metrics import ApiMetrics
from shared.ports import Embedder

if TYPE_CHECKING:
    from shared.ports import Embeddings

Item = TypeVar("Item")


class Stages:
    """A stage that is entered several times counts as one, with the sum of its times; what takes place
    within another does not count there, so the times add up."""

    def __init__(self, metrics: ApiMetrics) -> None:
        self._metrics = metrics
        self._seconds: dict[str, float] = {}
        self._within: list[float] = []
        """For each stage that is open, how long others took within it."""
        self._start = time.perf_counter()

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        self._within.append(0.0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds - self._within.pop()
            if self._within:
                self._within[-1] += seconds

    def each(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """The items; what it takes to get them is the stage's time."""
        while True:
            with self.timed(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def timing(self, embedder: Embedder) -> TimedEmbedder:
        """``embedder``, whose work counts as the stage ``embed``."""
        return TimedEmbedder(embedder, self)

    def observe(self) -> float:
        """Into the metrics; the seconds since the beginning."""
        trace = exemplar()
        for name, seconds in self._seconds.items():
            self._metrics.stage_duration.labels(name).observe(seconds, trace)
        return time.perf_counter() - self._start

    @property
    def milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1000, 3) for name, seconds in self._seconds.items()}


class TimedEmbedder:
    """The port, for the length of one answer."""

    def __init__(self, embedder: Embedder, stages: Stages) -> None:
        self._embedder = embedder
        self._stages = stages

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    def embed(self, texts: Sequence[str]) -> Embeddings:
        with self._stages.timed("embed"):
            return self._embedder.embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)
