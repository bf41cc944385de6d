"""What a consumer says of itself, with a real broker that goes away and comes back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry

from shared.messaging.factory import build_consumer, ensure_topics
from shared.observability.metrics import ConsumerMetrics
from shared.ports import Consumer
from tests.integration.test_kafka_restart import TIMEOUT, a_broker, settings_for
from tests.support.processes import free_port, wait_until


class Watched:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ConsumerMetrics(self.registry)

    def up(self) -> float | None:
        return self.registry.get_sample_value("rag_broker_up")

    def rebalances(self, event: str) -> float | None:
        return self.registry.get_sample_value("rag_consumer_rebalances_total", {"event": event})

    def polls_until_up_is(self, value: float, consumer: Consumer) -> None:
        wait_until(
            lambda: consumer.poll(1, 0.1) == [] and self.up() == value, TIMEOUT, f"rag_broker_up {value}"
        )


def test_it_knows_whether_the_broker_is_there(tmp_path: Path) -> None:
    port, watched = free_port(), Watched()
    settings = settings_for(port)
    assert watched.up() is None, "nobody has looked yet"
    with a_broker(port, tmp_path / "first.log"):
        ensure_topics(settings, TIMEOUT)
        consumer = build_consumer(settings, "test", watched.metrics)
        watched.polls_until_up_is(1, consumer)
    with closing(consumer):
        watched.polls_until_up_is(0, consumer)
        with a_broker(port, tmp_path / "second.log"):
            watched.polls_until_up_is(1, consumer)


def test_it_counts_partitions_that_come_and_go(tmp_path: Path) -> None:
    port, one, other = free_port(), Watched(), Watched()
    settings = settings_for(port)
    with a_broker(port, tmp_path / "broker.log"):
        ensure_topics(settings, TIMEOUT)
        with closing(build_consumer(settings, "one", one.metrics)) as first:
            wait_until(
                lambda: first.poll(1, 0.1) == [] and bool(first.assignment()), TIMEOUT, "all partitions"
            )
            assert (one.rebalances("assigned"), one.rebalances("revoked")) == (1, 0)
            with closing(build_consumer(settings, "other", other.metrics)) as second:

                def shared_out() -> bool:
                    first.poll(1, 0.05)
                    second.poll(1, 0.05)
                    return bool(first.assignment()) and bool(second.assignment())

                wait_until(shared_out, TIMEOUT, "some partitions each")
            assert (one.rebalances("revoked") or 0) >= 1
            assert (other.rebalances("assigned") or 0) >= 1
            assert one.rebalances("lost") == 0
