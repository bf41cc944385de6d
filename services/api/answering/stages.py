"""How long each stage of an answer takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TypeVar

from shared.observability.metrics import ApiMetrics

Item = TypeVar("Item")


class Stages:
    """A stage that is entered several times counts as one, with the sum of its times."""

    def __init__(self, metrics: ApiMetrics) -> None:
        self._metrics = metrics
        self._seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def each(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """The items; what it takes to get them is the stage's time."""
        while True:
            with self.timed(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def observe(self) -> float:
        """Into the metrics; the seconds since the beginning."""
        for name, seconds in self._seconds.items():
            self._metrics.stage_duration.labels(name).observe(seconds)
        return time.perf_counter() - self._start

    @property
    def milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1000, 3) for name, seconds in self._seconds.items()}
