"""The loop and its stages against the memory broker; store and model fail, wait and lose on demand."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
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
from shared.errors import BrokerUnavailable, StoreMismatch, StoreUnavailable, WritesLost
from shared.events import DocumentEvent, Operation
from shared.lifecycle import Heartbeat
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.document_record import document_record
from shared.messaging.memory_broker import MemoryBroker, MemoryConsumer
from shared.observability.metrics import ProcessorMetrics
from shared.ports import OutgoingRecord, Record, TopicPartition
from shared.resilience.backoff import Backoff
from tests.support.processes import wait_until
from tests.unit.services.processor.support import CountingEmbedder, FlakyStore, an_event

if TYPE_CHECKING:
    from shared.ports import Embeddings

TIMEOUT = 20.0
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
        self.max_records = 64
        self.max_tokens = 512
        self.give_up_seconds = 5.0
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
            Committer(consumer, self.store, ledger, clock, self.commit_interval),
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


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.embedder.gate.set()
    bench.producer.close()


def has(bench: Bench, document_id: str) -> Callable[[], bool]:
    return lambda: bench.store.get(document_id) is not None


def test_what_is_done_is_flushed_and_committed_when_it_stops(bench: Bench) -> None:
    bench.send(an_event("a"), an_event("b"), b"{")
    with bench.running(bench.join()):
        wait_until(lambda: has(bench, "b")() and bool(bench.broker.records("dlq")), TIMEOUT, "documents")
        wait_until(
            lambda: bench.sample("rag_ingest_documents_total", result="invalid") == 1, TIMEOUT, "burial"
        )
    assert bench.uncommitted() == []
    assert bench.store.flushes == 1


def test_it_commits_at_most_once_per_interval_and_flushes_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.commit_interval = 0.3
    consumer = bench.join()
    commit, commits = consumer.commit, []

    def counted(offsets: dict[TopicPartition, int]) -> None:
        commits.append((time.monotonic(), bench.store.flushes))
        commit(offsets)

    monkeypatch.setattr(consumer, "commit", counted)
    with bench.running(consumer):
        number = 0
        while len(commits) < 3:
            bench.send(an_event(f"d{number}"))
            wait_until(has(bench, f"d{number}"), TIMEOUT, "the document")
            number += 1
    assert [flushes for _, flushes in commits[:3]] == [1, 2, 3]
    assert all(later - earlier >= 0.3 for (earlier, _), (later, _) in pairwise(commits[:3]))


def test_nothing_is_committed_that_was_not_flushed(bench: Bench) -> None:
    bench.store.flush_failures = [StoreUnavailable("away") for _ in range(1_000_000)]
    bench.send(an_event("a"))
    with bench.running(bench.join()):
        wait_until(has(bench, "a"), TIMEOUT, "the document")
    assert bench.store.flushes > 0
    assert len(bench.uncommitted()) == 1


def test_while_the_store_cannot_flush_it_is_not_ready_and_then_commits(bench: Bench) -> None:
    bench.commit_interval = 0.05
    bench.store.flush_failures = [StoreUnavailable("away") for _ in range(1_000_000)]
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(an_event("a"))
        wait_until(lambda: monitor.obstacle() is not None, TIMEOUT, "unreadiness")
        bench.store.flush_failures.clear()
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness again")
    assert bench.uncommitted() == []


def test_lost_writes_are_read_and_written_again(bench: Bench) -> None:
    bench.commit_interval = 0.05
    with bench.running(bench.join()) as monitor:
        bench.send(an_event("a", 1, "Kept."))
        wait_until(lambda: bench.store.flushes == 1, TIMEOUT, "the first flush")
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.embedder.gate.clear()
        bench.send(*(an_event(f"d{number}") for number in range(20)), an_event("a", 2, "Newer."))
        wait_until(lambda: len(bench.embedder.calls) == 2, TIMEOUT, "the model at work")
        forget = bench.store.forget_unflushed
        bench.store.flush_failures = [WritesLost("failover")]
        bench.store.on_lost = forget
        bench.embedder.gate.set()
        wait_until(
            lambda: bench.sample("rag_store_writes_lost_total") == 1 and bench.store.stats().documents == 21,
            TIMEOUT,
            "everything again",
        )
        stored = bench.store.get("a")
        assert stored is not None
        assert stored.document.revision == 2
        wait_until(lambda: bench.store.flushes >= 3, TIMEOUT, "a flush that holds")
    assert bench.uncommitted() == []


def test_writes_lost_after_a_flush_that_was_refused_do_not_block_it(bench: Bench) -> None:
    """As a failover goes: first nobody answers, then the successor lacks writes."""
    bench.commit_interval = 0.05
    bench.store.flush_failures = [StoreUnavailable("away"), WritesLost("failover")]
    bench.store.on_lost = bench.store.forget_unflushed
    bench.send(an_event("a"))
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: bench.sample("rag_store_writes_lost_total") == 1, TIMEOUT, "the loss")
        wait_until(has(bench, "a"), TIMEOUT, "the document again")
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
    assert bench.uncommitted() == []


def test_a_flush_refused_before_all_partitions_were_lost_does_not_block_it(bench: Bench) -> None:
    bench.commit_interval = 0.05
    consumer = bench.join()
    bench.store.flush_failures = [StoreUnavailable("away") for _ in range(1_000_000)]
    bench.send(an_event("a"))
    with bench.running(consumer) as monitor:
        wait_until(lambda: bench.store.flushes > 0, TIMEOUT, "a flush")
        wait_until(lambda: monitor.obstacle() is not None, TIMEOUT, "unreadiness")
        consumer.expel()
        assert bench.composer.told_to_forget.wait(TIMEOUT)
        bench.store.flush_failures.clear()
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(an_event("b"))
        wait_until(has(bench, "b"), TIMEOUT, "the next document")
    assert bench.uncommitted() == []


def test_a_write_that_finds_writes_lost_is_not_merely_repeated(bench: Bench) -> None:
    bench.store.replace_failures = [WritesLost("failover")]
    bench.send(an_event("a"))
    with bench.running(bench.join()):
        wait_until(has(bench, "a"), TIMEOUT, "the document")
    assert bench.sample("rag_store_writes_lost_total") == 1
    assert bench.sample("messaging_client_consumed_messages_total") == 2
    assert bench.uncommitted() == []


def test_lost_writes_wait_for_a_broker_that_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.commit_interval = 0.05
    consumer = bench.join()
    rewind, refusals = consumer.rewind, [BrokerUnavailable("away") for _ in range(3)]

    def reluctant() -> None:
        if refusals:
            raise refusals.pop()
        rewind()

    monkeypatch.setattr(consumer, "rewind", reluctant)
    bench.store.flush_failures = [WritesLost("failover")]
    bench.store.on_lost = bench.store.forget_unflushed
    with bench.running(consumer) as monitor:
        bench.send(*(an_event(f"d{number}") for number in range(20)))
        wait_until(lambda: bench.store.flushes >= 2, TIMEOUT, "a flush that holds")
        wait_until(lambda: bench.store.stats().documents == 20, TIMEOUT, "everything again")
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
    assert refusals == []
    assert bench.uncommitted() == []


def test_while_the_store_is_away_nothing_is_lost_or_buried(bench: Bench) -> None:
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(5)]
    bench.send(an_event("a"))
    with bench.running(bench.join()):
        wait_until(has(bench, "a"), TIMEOUT, "the document")
        bench.send(an_event("b"))
        wait_until(has(bench, "b"), TIMEOUT, "the next document")
    assert bench.sample("rag_ingest_retries_total") == 5
    assert bench.sample("rag_ingest_documents_total", result="indexed") == 2
    assert bench.broker.records("dlq") == []


def test_while_the_store_is_away_it_polls_beats_and_takes_nothing_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = bench.join()
    poll, beat = consumer.poll, bench.heartbeat.beat
    polled: list[int] = []
    beats: list[None] = []

    def counted(max_records: int, timeout: float) -> list[Record]:
        records = poll(max_records, 0.01)
        polled.append(len(records))
        return records

    monkeypatch.setattr(consumer, "poll", counted)
    monkeypatch.setattr(bench.heartbeat, "beat", lambda: (beats.append(None), beat()))
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(1_000_000)]
    with bench.running(consumer) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(an_event("a"))
        wait_until(lambda: monitor.obstacle() is not None, TIMEOUT, "unreadiness")
        begun = len(polled)
        wait_until(lambda: len(polled) > begun + 2, TIMEOUT, "the end of a poll that had begun before")
        bench.send(an_event("b"))
        before = len(polled)
        wait_until(lambda: len(polled) > before + 20, TIMEOUT, "polls")
        assert bench.sample("messaging_client_consumed_messages_total") == 1
        assert len(beats) >= len(polled)
        bench.store.replace_failures.clear()
        wait_until(has(bench, "b"), TIMEOUT, "the document")
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")


def test_stopped_while_the_store_is_away_it_leaves_the_batch_to_the_next(bench: Bench) -> None:
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(1_000_000)]
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(an_event("a"))
        wait_until(lambda: monitor.obstacle() is not None, TIMEOUT, "unreadiness")
        assert bench.sample("rag_ingest_retries_total") > 0
    bench.store.replace_failures = []
    with bench.running(bench.join()):
        wait_until(has(bench, "a"), TIMEOUT, "the document")


def test_stopped_in_the_middle_of_long_work_it_does_not_finish_it(bench: Bench) -> None:
    bench.embedder.gate.clear()
    long_text = " ".join(f"Sentence number {n} has some words in it that count." for n in range(400))
    bench.send(an_event("a", text=long_text))
    with bench.running(bench.join()):
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the first call")
        bench.stop.set()
        assert bench.composer.told_to_forget.wait(TIMEOUT)
        bench.embedder.gate.set()
    assert len(bench.embedder.calls) == 1
    assert bench.store.get("a") is None
    with bench.running(bench.join()):
        wait_until(has(bench, "a"), TIMEOUT, "the document")


def test_stopped_it_finishes_what_is_in_the_encoder_and_leaves_the_rest(bench: Bench) -> None:
    bench.max_tokens = 32
    bench.embedder.gate.clear()
    bench.send(*(an_event(f"d{number}", text=f"Text {number} of its own.") for number in range(60)))
    with bench.running(bench.join()):
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the first call")
        bench.stop.set()
        assert bench.composer.told_to_forget.wait(TIMEOUT)
        bench.embedder.gate.set()
    written = bench.store.stats().documents
    assert 0 < written < 60
    left = {record.key for record in bench.uncommitted()}
    stored = {change.document_id.encode() for change in bench.store.changes(None, 100).changes}
    assert left | stored == {b"d%d" % number for number in range(60)}


def test_a_model_that_hangs_delays_the_stop_only_so_long(bench: Bench) -> None:
    bench.give_up_seconds = 0.2
    bench.embedder.gate.clear()
    bench.send(an_event("a"))
    consumer = bench.join()
    released = threading.Timer(2.0, bench.embedder.gate.set)
    with bench.running(consumer):
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the first call")
        released.start()
        bench.stop.set()
    released.join()
    assert len(bench.uncommitted()) == 1


def test_stages_overlap(bench: Bench) -> None:
    """While one batch is in the model, the next is composed, and poison is found."""
    composed: list[int] = []
    hashes = bench.store.content_hashes
    bench.store.content_hashes = lambda ids: (composed.append(len(ids)), hashes(ids))[1]  # type: ignore[method-assign]
    bench.embedder.gate.clear()
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(an_event("a"))
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the model at work")
        bench.send(an_event("b"), an_event("c"))
        wait_until(lambda: sum(composed) == 3, TIMEOUT, "the next to be composed")
        assert bench.store.stats().documents == 0
        bench.embedder.gate.set()
        wait_until(lambda: bench.store.stats().documents == 3, TIMEOUT, "documents")


def test_batches_are_written_in_order_even_if_a_later_one_is_embedded_sooner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed, quick_is_done = bench.embedder.embed, threading.Event()

    def slow_first(texts: Sequence[str]) -> Embeddings:
        embeddings = embed(texts)
        if any("slow" in text for text in texts):
            assert quick_is_done.wait(TIMEOUT)
            threading.Event().wait(0.2)  # time enough to be overtaken
        else:
            quick_is_done.set()
        return embeddings

    monkeypatch.setattr(bench.embedder, "embed", slow_first)
    with bench.running(bench.join()):
        bench.send(an_event("first", text="A slow text."))
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the model at work")
        bench.send(an_event("second", text="A quick text."))
        wait_until(lambda: bench.store.stats().documents == 2, TIMEOUT, "both documents")
    assert [change.document_id for change in bench.store.changes(None, 10).changes] == ["first", "second"]


def test_what_arrives_while_the_model_works_goes_through_it_together_and_once_a_document(
    bench: Bench,
) -> None:
    bench.embedder.gate.clear()
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(an_event("first"))
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the model at work")
        bench.send(*(an_event("a", revision, f"Text {revision}.") for revision in range(1, 11)))
        bench.send(an_event("b", 1, "B."), an_event("b", 2, op=Operation.DELETE))
        wait_until(lambda: bench.sample("messaging_client_consumed_messages_total") == 13, TIMEOUT, "records")
        wait_until(
            lambda: bench.sample("rag_ingest_documents_total", result="stale") == 10, TIMEOUT, "coalescing"
        )
        bench.embedder.gate.set()
        wait_until(has(bench, "a"), TIMEOUT, "the document")
        wait_until(
            lambda: bench.sample("rag_ingest_documents_total", result="deleted") == 1, TIMEOUT, "the delete"
        )
    assert bench.embedder.calls[1:] == [["Title\nText 10."]]
    assert bench.uncommitted() == []


def test_memory_is_bounded_while_the_model_is_busy(bench: Bench) -> None:
    bench.max_records = 8
    bench.embedder.gate.clear()
    bench.send(*(an_event(f"d{number}", text=f"Text {number}.") for number in range(400)))
    consumer, paused = bench.join(), threading.Event()
    pause = consumer.pause
    consumer.pause = lambda: (paused.set(), pause())[1]  # type: ignore[method-assign]
    with bench.running(consumer):
        assert paused.wait(TIMEOUT)
        assert bench.sample("messaging_client_consumed_messages_total") < 64
        bench.embedder.gate.set()
        wait_until(lambda: bench.store.stats().documents == 400, TIMEOUT, "all documents")


def test_a_store_built_anew_with_another_model_ends_it_and_commits_nothing(bench: Bench) -> None:
    bench.send(an_event("a"))
    bench.store.replace_failures = [StoreMismatch("python -m services.processor rebuild")]
    with bench.running(bench.join()):
        wait_until(lambda: bench.failure is not None, TIMEOUT, "the end")
    assert isinstance(bench.failure, StoreMismatch)
    assert len(bench.uncommitted()) == 1


def test_too_many_dead_letters_halt_it_alive_and_a_member(bench: Bench) -> None:
    bench.commit_interval = 0.05
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
        bench.send(*(b"{%d" % number for number in range(300)))
        wait_until(lambda: bench.sample("rag_dlq_halted") == 1, TIMEOUT, "the halt")
        wait_until(
            lambda: bench.sample("rag_ingest_documents_total", result="invalid") == 100, TIMEOUT, "burials"
        )
        assert monitor.obstacle() is not None
        assert bench.heartbeat.alive
        bench.send(an_event("a"))
    assert len(bench.broker.records("dlq")) == 100
    assert bench.store.get("a") is None
    left = [record.value for record in bench.uncommitted()]
    assert left[:1] == [b"{100"] or b"{100" in left
    assert {b"{%d" % number for number in range(100, 300)} <= set(left)


def test_partitions_that_move_are_committed_first(bench: Bench) -> None:
    bench.send(*(an_event(f"d{n}") for n in range(20)))
    with bench.running(bench.join()):
        wait_until(lambda: bench.store.stats().documents == 20, TIMEOUT, "documents")
        second = bench.join()
        again: list[Record] = []

        def assigned() -> bool:
            again.extend(second.poll(10, 0.01))
            return bool(second.assignment())

        wait_until(assigned, TIMEOUT, "assignment")
        assert again + second.poll(10, 0.05) == []
        second.close()


def test_partitions_that_move_while_the_model_works_are_finished_or_left(bench: Bench) -> None:
    bench.max_tokens = 32
    bench.embedder.gate.clear()
    bench.send(*(an_event(f"d{number}", text=f"Text {number} of its own.") for number in range(60)))
    with bench.running(bench.join()):
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the model at work")
        second = bench.join()
        again: list[Record] = []
        assert bench.composer.told_to_forget.wait(TIMEOUT)
        bench.embedder.gate.set()

        def all_there() -> bool:
            again.extend(second.poll(100, 0.01))
            ids = {change.document_id for change in bench.store.changes(None, 100).changes}
            ids |= {(record.key or b"").decode() for record in again}
            return ids == {f"d{number}" for number in range(60)} and bool(second.assignment())

        wait_until(all_there, TIMEOUT, "every document, stored or delivered to the other member")
        assert again
        second.close()  # without having committed: the partition comes back
        wait_until(lambda: bench.store.stats().documents == 60, TIMEOUT, "every document")
    assert bench.uncommitted() == []


def test_of_partitions_lost_without_notice_nothing_that_waits_is_worked_on(bench: Bench) -> None:
    bench.embedder.gate.clear()
    consumer = bench.join()

    def outcomes(result: str) -> float:
        return bench.sample("rag_ingest_documents_total", result=result)

    with bench.running(consumer):
        for number, document_id in enumerate(("a", "b"), start=1):
            bench.send(an_event(document_id, text=f"Text {number}."))
            wait_until(
                lambda number=number: len(bench.embedder.calls) == number, TIMEOUT, "the model at work"
            )
        bench.send(an_event("c", text="Text 3."), an_event("d", text="Text 4."))
        wait_until(lambda: bench.sample("messaging_client_consumed_messages_total") == 4, TIMEOUT, "records")
        consumer.expel()
        wait_until(lambda: bench.sample("messaging_client_consumed_messages_total") == 8, TIMEOUT, "again")
        bench.embedder.gate.set()
        wait_until(lambda: outcomes("indexed") == 4 and outcomes("duplicate") >= 2, TIMEOUT, "all documents")
    assert outcomes("duplicate") == 2  # of those that were in the model when the partitions were lost
    assert bench.uncommitted() == []


def test_a_lost_topic_is_made_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = bench.join()
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
    with bench.running(bench.join()) as monitor:
        wait_until(lambda: monitor.obstacle() is None, TIMEOUT, "readiness")
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
