"""Asks the broker now and then whether it still has what it acknowledged.

The next record would show it too, but from a source that has fallen silent there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from shared.errors import BrokerUnavailable
from shared.messaging.broker_memory import BrokerMemory
from shared.observability.metrics import BrokerMetrics


class LossWatch:
    """``ends`` asks the broker (``TopicEnds.read``), every so many ``seconds``."""

    def __init__(
        self,
        memory: BrokerMemory,
        ends: Callable[[], Mapping[int, int]],
        seconds: float,
        halt: threading.Event,
        metrics: BrokerMetrics,
    ) -> None:
        self.memory = memory
        self._ends = ends
        self._seconds = seconds
        self._halt = halt
        self._metrics = metrics

    def run(self) -> None:
        """Until ``halt``. A broker that does not answer has lost nothing, as far as is known."""
        while not self._halt.wait(self._seconds):
            answered = self.memory.asking()
            try:
                ends = self._ends()
            except BrokerUnavailable:
                self._metrics.up.set(0)
                continue
            self._metrics.up.set(1)
            answered(ends)
