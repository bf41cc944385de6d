"""The watch over the broker's memory asks on, whatever the broker answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from services.producer.loss_watch import LossWatch
from shared.errors import BrokerUnavailable
from shared.messaging.broker_memory import BrokerMemory
from shared.observability.metrics import BrokerMetrics

AWAY = None


def loss_after(*answers: Mapping[int, int] | None, registry: CollectorRegistry | None = None) -> str | None:
    """One record was acknowledged before; the watch runs until the last answer was given."""
    memory = BrokerMemory("documents")
    memory.sending()(0, 0)
    halt = threading.Event()
    left = list(answers)

    def ends() -> Mapping[int, int]:
        answer = left.pop(0)
        if not left:
            halt.set()
        if answer is AWAY:
            raise BrokerUnavailable("away")
        return answer

    LossWatch(memory, ends, 0.0, halt, BrokerMetrics(registry or CollectorRegistry())).run()
    assert left == []
    return memory.loss


def test_it_says_whether_the_broker_answered_last() -> None:
    for answer, up in (({0: 1}, 1), (AWAY, 0)):
        registry = CollectorRegistry()
        loss_after(AWAY, {0: 1}, answer, registry=registry)
        assert registry.get_sample_value("rag_broker_up") == up


def test_a_broker_that_has_all_or_is_away_has_lost_nothing() -> None:
    assert loss_after({0: 1}, {0: 1}) is None
    assert loss_after(AWAY, AWAY, AWAY) is None
    assert loss_after({0: 1}, AWAY, AWAY, {0: 2}) is None


def test_a_broker_that_comes_back_empty_has_lost_something() -> None:
    assert loss_after({0: 1}, AWAY, {}, {}) is not None
    assert loss_after(AWAY, {}, AWAY, {0: 0}) is not None
