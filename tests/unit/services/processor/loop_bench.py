"""The loop and its stages against the memory broker; store and model fail, wait and lose on demand."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.processor.burial import Burial
from services.processor.chunker import Chunker
from services.processor.commits import Committer
from services.processor.composer import Composer
from services.processor.encoder import Encoder
from services.processor.limit import DeadLetterLimit
from services.processor.loop import Loop, LoopPolicy
from services.processor.monitor import Monitor
from services.processor.offsets import Ledger
from services.processor.pipeline import Pipeline, PipelinePolicy
from services.processor.recent import RecentDocuments
from services.processor.writer import Writer
from shared.clock import SystemClock
from shared.errors import StoreMismatch
from shared.events import DocumentEvent
from shared.lifecycle import Heartbeat
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.document_record import document_record
from shared.messaging.memory_broker import MemoryBroker, MemoryConsumer
from shared.observability.metrics import ProcessorMetrics
from shared.ports import Clock, OutgoingRecord, Record
from shared.resilience.backoff import Backoff
from tests.support.processes import wait_until
from tests.unit.services.processor.support import CountingEmbedder, FlakyStore

if TYPE_CHECKING:
    from shared.ports import Embeddings

TIMEOUT = 60.0
NEVER = 3_600.0


class GatedEmbedder(CountingEmbedder):
    """While ``gate`` is closed, a call waits inside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def embed(self, texts: Sequence[str]) -> Embeddings:
        embeddings = super().embed(texts)
        assert self.gate.wait(TIMEOUT)
        return embeddings


class WatchedComposer(Composer):
    """``told_to_forget``: what waited was dropped."""

    def __init__(self, chunker: Chunker, store: FlakyStore) -> None:
        super().__init__(chunker, store, RecentDocuments(1_000_000))
        self.told_to_forget = threading.Event()

    def forget(self) -> None:
        super().forget()
        self.told_to_forget.set()


class Bench:
    def __init__(self) -> None:
        self.broker = MemoryBroker(2)
        self.store = FlakyStore()
        self.embedder = GatedEmbedder()
        self.registry = CollectorRegistry()
        self.metrics = ProcessorMetrics(self.registry)
        self.heartbeat = Heartbeat()
        self.producer = self.broker.producer()
        self.stop = threading.Event()
        self.restored = 0
        self.commit_interval = NEVER
        self.commit_clock: Clock = SystemClock()
        self.max_records = 64
        self.max_tokens = 512
        self.give_up_seconds = TIMEOUT
        self.failure: BaseException | None = None

    def send(self, *values: DocumentEvent | bytes) -> None:
        for value in values:
            if isinstance(value, DocumentEvent):
                self.producer.send(document_record("documents", value))
            else:
                self.producer.send(OutgoingRecord("documents", b"key", value))

    def restore(self) -> None:
        self.restored += 1

    def join(self) -> MemoryConsumer:
        return self.broker.consumer("group", ["documents"])

    def loop(self, consumer: MemoryConsumer) -> tuple[Loop, Monitor]:
        clock = SystemClock()
        burial = Burial(DeadLetterQueue(self.producer, "dlq", self.metrics.dead_letters), self.producer)
        encoder = Encoder(self.embedder, self.metrics, self.max_tokens)
        chunker = Chunker(self.embedder.count_tokens, 32, 8)
        self.composer = WatchedComposer(chunker, self.store)
        pipeline = Pipeline(
            self.composer,
            encoder,
            Writer(self.store, encoder, burial, self.metrics, clock),
            DeadLetterLimit(0.5),
            self.metrics,
            clock,
            lambda: Backoff(0.01, 0.05, random.Random(1)),
            PipelinePolicy(self.max_records, self.max_tokens, 100_000),
        )
        ledger = Ledger()
        monitor = Monitor(consumer, self.store, self.metrics, clock, lambda: loop.is_blocked)
        loop = Loop(
            consumer,
            pipeline,
            ledger,
            Committer(consumer, self.store, ledger, self.metrics, self.commit_clock, self.commit_interval),
            self.metrics,
            self.heartbeat,
            clock,
            Backoff(0.01, 0.05, random.Random(1)),
            LoopPolicy(give_up_seconds=self.give_up_seconds),
            self.restore,
            [monitor.report],
        )
        return loop, monitor

    @contextmanager
    def running(self, consumer: MemoryConsumer) -> Iterator[Monitor]:
        loop, monitor = self.loop(consumer)

        def run() -> None:
            try:
                loop.run(self.stop)
            except StoreMismatch as error:
                self.failure = error

        thread = threading.Thread(target=run)
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

    def uncommitted(self) -> list[Record]:
        """What the next member would read."""
        successor = self.join()
        records = successor.poll(1_000, 0.05)
        successor.close()
        return records


def has(bench: Bench, document_id: str) -> Callable[[], bool]:
    return lambda: document_id in bench.store.get_many([document_id])


def wait_until_ready(monitor: Monitor) -> None:
    wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")


def wait_until_held_up(monitor: Monitor) -> None:
    wait_until(lambda: monitor.obstacle() is not None, TIMEOUT, "something that holds it up")
