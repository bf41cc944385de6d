"""How long each stage of an answer takes, and its span."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from services.api.answering.spans import describe_embedding, stage_span
from shared.observability.exemplars import exemplar
from shared.observability.metrics import ApiMetrics
from shared.ports import Embedder

if TYPE_CHECKING:
    from shared.ports import Embeddings

Item = TypeVar("Item")


class Stages:
    """A stage that is entered several times counts as one, with the sum of its times; what takes place
    within another does not count there, so the times add up."""

    def __init__(self, metrics: ApiMetrics, workflow: Span | None = None) -> None:
        """``workflow``: the parent of the stages' spans; ``None``: the current one."""
        self._metrics = metrics
        self.context: Context | None = None if workflow is None else set_span_in_context(workflow)
        self._seconds: dict[str, float] = {}
        self._within: list[float] = []
        """For each stage that is open, how long others took within it."""
        self._start = time.perf_counter()

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Its span is the current one."""
        with stage_span(name, None if self._within else self.context), self._counted(name):
            yield

    @contextlib.contextmanager
    def _counted(self, name: str) -> Iterator[None]:
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
        """The items; what it takes to get them is the stage's time. No span: it would be one for each."""
        while True:
            with self._counted(name):
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
            describe_embedding(self.name, self.dimension)
            return self._embedder.embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)
