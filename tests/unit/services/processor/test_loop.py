"""The loop against the memory broker; the store fails on demand."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

from services.processor.burial import Burial
from services.processor.chunker import Chunker
from services.processor.loop import Loop, LoopPolicy
from services.processor.monitor import Monitor
from services.processor.pipeline import Pipeline
from shared.clock import SystemClock
from shared.errors import BrokerUnavailable, StoreUnavailable
from shared.events import DocumentEvent
from shared.lifecycle import Heartbeat
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.document_record import document_record
from shared.messaging.memory_broker import MemoryBroker, MemoryConsumer
from shared.observability.metrics import ProcessorMetrics
from shared.ports import OutgoingRecord, Record
from shared.resilience.backoff import Backoff
from tests.support.processes import wait_until
from tests.unit.services.processor.support import CountingEmbedder, FlakyStore, an_event

TIMEOUT = 10.0


class Bench:
    def __init__(self) -> None:
        self.broker = MemoryBroker(2)
        self.store = FlakyStore()
        self.embedder = CountingEmbedder()
        self.registry = CollectorRegistry()
        self.metrics = ProcessorMetrics(self.registry)
        self.heartbeat = Heartbeat()
        self.producer = self.broker.producer()
        self.stop = threading.Event()
        self.restored = 0

    def send(self, *values: DocumentEvent | bytes) -> None:
        for value in values:
            if isinstance(value, DocumentEvent):
                self.producer.send(document_record("documents", value))
            else:
                self.producer.send(OutgoingRecord("documents", b"key", value))

    def restore(self) -> None:
        self.restored += 1

    def loop(self, consumer: MemoryConsumer) -> tuple[Loop, Monitor]:
        clock = SystemClock()
        monitor = Monitor(consumer, self.store, self.metrics, clock)
        burial = Burial(DeadLetterQueue(self.producer, "dlq", self.metrics.dead_letters), self.producer)
        pipeline = Pipeline(
            Chunker(self.embedder.count_tokens, 32, 8),
            self.embedder,
            self.store,
            burial,
            self.metrics,
            clock,
        )
        backoff = Backoff(0.01, 0.05, random.Random(1))
        policy = LoopPolicy(64, 100_000, commit_interval=3_600.0)
        loop = Loop(
            consumer, pipeline, monitor, self.metrics, self.heartbeat, clock, backoff, policy, self.restore
        )
        return loop, monitor

    @contextmanager
    def running(self, consumer: MemoryConsumer) -> Iterator[Monitor]:
        loop, monitor = self.loop(consumer)

        thread = threading.Thread(target=loop.run, args=(self.stop,))
        thread.start()
        try:
            yield monitor
        finally:
            self.stop.set()
            thread.join(TIMEOUT)
            consumer.close()
            self.stop.clear()
        assert not thread.is_alive()

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.producer.close()


def has(bench: Bench, document_id: str) -> Callable[[], bool]:
    return lambda: bench.store.get(document_id) is not None


def test_what_is_done_is_committed_when_it_stops(bench: Bench) -> None:
    bench.send(an_event("a"), an_event("b"), b"{")
    with bench.running(bench.broker.consumer("group", ["documents"])):
        wait_until(lambda: has(bench, "b")() and bool(bench.broker.records("dlq")), TIMEOUT, "documents")
    successor = bench.broker.consumer("group", ["documents"])
    assert successor.poll(10, 0.05) == []
    assert set(successor.lag().values()) == {0}
    successor.close()


def test_while_the_store_is_away_nothing_is_lost_or_buried(bench: Bench) -> None:
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(5)]
    bench.send(an_event("a"))
    with bench.running(bench.broker.consumer("group", ["documents"])):
        wait_until(has(bench, "a"), TIMEOUT, "the document")
        bench.send(an_event("b"))
        wait_until(has(bench, "b"), TIMEOUT, "the next document")
    assert bench.sample("rag_ingest_retries_total") == 5
    assert bench.sample("rag_ingest_documents_total", result="indexed") == 2
    assert bench.broker.records("dlq") == []


def test_while_the_store_is_away_it_stays_a_member_and_alive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = bench.broker.consumer("group", ["documents"])
    polls: list[int] = []
    beats: list[None] = []
    poll, beat = consumer.poll, bench.heartbeat.beat

    def counted_poll(max_records: int, timeout: float) -> list[object]:
        polls.append(len(bench.store.replace_failures))
        return list(poll(max_records, timeout))

    monkeypatch.setattr(consumer, "poll", counted_poll)
    monkeypatch.setattr(bench.heartbeat, "beat", lambda: (beats.append(None), beat()))
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(4)]
    bench.send(an_event("a"))
    with bench.running(consumer):
        wait_until(has(bench, "a"), TIMEOUT, "the document")
    assert {3, 2, 1} <= set(polls)
    assert len(beats) >= len(polls)


def test_stopped_while_the_store_is_away_it_leaves_the_batch_to_the_next(bench: Bench) -> None:
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(1_000_000)]
    with bench.running(bench.broker.consumer("group", ["documents"])) as monitor:
        wait_until(monitor.ready, TIMEOUT, "readiness")
        bench.send(an_event("a"))
        wait_until(lambda: not monitor.ready(), TIMEOUT, "unreadiness")
        assert bench.sample("rag_ingest_retries_total") > 0
    bench.store.replace_failures = []
    with bench.running(bench.broker.consumer("group", ["documents"])):
        wait_until(has(bench, "a"), TIMEOUT, "the document")


def test_stopped_in_the_middle_of_long_work_it_does_not_finish_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = bench.embedder.embed

    def stop_after_first_call(texts: list[str]) -> object:
        bench.stop.set()
        return embed(texts)

    monkeypatch.setattr(bench.embedder, "embed", stop_after_first_call)
    long_text = " ".join(f"Sentence number {n} has some words in it that count." for n in range(400))
    bench.send(an_event("a", text=long_text))
    with bench.running(bench.broker.consumer("group", ["documents"])):
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the first call")
    assert len(bench.embedder.calls) == 1
    assert bench.store.get("a") is None
    monkeypatch.undo()
    with bench.running(bench.broker.consumer("group", ["documents"])):
        wait_until(has(bench, "a"), TIMEOUT, "the document")


def test_partitions_that_move_are_committed_first(bench: Bench) -> None:
    bench.send(*(an_event(f"d{n}") for n in range(20)))
    with bench.running(bench.broker.consumer("group", ["documents"])):
        wait_until(lambda: bench.store.stats().documents == 20, TIMEOUT, "documents")
        second = bench.broker.consumer("group", ["documents"])
        again: list[Record] = []

        def assigned() -> bool:
            again.extend(second.poll(10, 0.01))
            return bool(second.assignment())

        wait_until(assigned, TIMEOUT, "assignment")
        assert again + second.poll(10, 0.05) == []
        second.close()


def test_a_lost_topic_is_made_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = bench.broker.consumer("group", ["documents"])
    poll, failures = consumer.poll, [BrokerUnavailable("unknown topic")]

    def failing_poll(max_records: int, timeout: float) -> list[object]:
        if failures:
            raise failures.pop()
        return list(poll(max_records, timeout))

    monkeypatch.setattr(consumer, "poll", failing_poll)
    bench.send(an_event("a"))
    with bench.running(consumer):
        wait_until(has(bench, "a"), TIMEOUT, "the document")
    assert bench.restored == 1


def test_ready_with_partitions_and_a_usable_store(bench: Bench) -> None:
    bench.send(an_event("a"))
    with bench.running(bench.broker.consumer("group", ["documents"])) as monitor:
        wait_until(monitor.ready, TIMEOUT, "readiness")
        wait_until(
            lambda: (
                bench.registry.get_sample_value(
                    "rag_consumer_lag_messages", {"topic": "documents", "partition": "1"}
                )
                == 0
            ),
            TIMEOUT,
            "lag",
        )
