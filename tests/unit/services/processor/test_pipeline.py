from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from services.processor.batch import plan
from services.processor.burial import Burial
from services.processor.chunker import Chunker
from services.processor.pipeline import Pipeline
from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason, StoreUnavailable
from shared.events import DocumentEvent, Operation
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.memory_broker import MemoryBroker
from shared.observability.metrics import ProcessorMetrics
from shared.ports import DeliveryCallback, OutgoingRecord
from tests.unit.services.processor.support import (
    CountingEmbedder,
    FakeClock,
    FlakyStore,
    a_record,
    an_event,
)


class FlakyProducer:
    """Refuses the first ``refusals`` records, and those larger than ``max_bytes``, confirms the others, in
    ``flush``."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.max_bytes = 1_000_000
        self.sent: list[OutgoingRecord] = []
        self._waiting: list[tuple[OutgoingRecord, DeliveryCallback | None]] = []

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        self._waiting.append((record, on_delivery))

    def flush(self, timeout: float) -> int:
        for record, on_delivery in self._waiting:
            error: Exception | None = None
            if self.refusals > 0:
                self.refusals -= 1
                error = BrokerUnavailable("refused")
            elif len(record.value or b"") > self.max_bytes:
                error = InvalidEvent(InvalidReason.TOO_LARGE, "the broker's limit is lower than ours")
            else:
                self.sent.append(record)
            if on_delivery is not None:
                on_delivery(error)
        self._waiting.clear()
        return 0

    def close(self) -> None: ...


@dataclass
class Bench:
    store: FlakyStore = field(default_factory=FlakyStore)
    embedder: CountingEmbedder = field(default_factory=CountingEmbedder)
    producer: FlakyProducer = field(default_factory=FlakyProducer)
    clock: FakeClock = field(default_factory=FakeClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.metrics = ProcessorMetrics(self.registry)
        dead_letters = DeadLetterQueue(self.producer, "dlq", self.metrics.dead_letters)
        self.pipeline = Pipeline(
            Chunker(self.embedder.count_tokens, 32, 8),
            self.embedder,
            self.store,
            Burial(dead_letters, self.producer),
            self.metrics,
            self.clock,
        )

    def run(self, *values: DocumentEvent | bytes) -> None:
        self.pipeline.run(plan([a_record(value) for value in values], 100_000), lambda: None)

    def counts(self) -> dict[str, int]:
        names = ("indexed", "deleted", "duplicate", "stale", "invalid")
        found = {name: int(self.sample("rag_ingest_documents_total", result=name)) for name in names}
        return {name: count for name, count in found.items() if count}

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_call_embeds_the_batch(bench: Bench) -> None:
    bench.run(an_event("a", text="One."), an_event("b", text="Two."))
    assert bench.embedder.calls == [["Title\nOne.", "Title\nTwo."]]
    assert bench.counts() == {"indexed": 2}
    stored = bench.store.get("b")
    assert stored is not None
    assert [chunk.text for chunk in stored.chunks] == ["Two."]


def test_only_changed_chunks_are_embedded_again(bench: Bench) -> None:
    sentence = " ".join(["word"] * 20)
    bench.run(an_event("a", 1, f"First {sentence}. Second {sentence}."))
    bench.embedder.calls.clear()
    bench.run(an_event("a", 2, f"First {sentence}. Changed {sentence}."))
    assert bench.embedder.calls == [[f"Title\nChanged {sentence}."]]
    assert bench.sample("rag_chunks_reused_total") == 1
    stored = bench.store.get("a")
    assert stored is not None
    assert [chunk.text for chunk in stored.chunks] == [f"First {sentence}.", f"Changed {sentence}."]


def test_a_chunk_that_vanished_meanwhile_is_embedded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run(an_event("a", 1))
    hashes = bench.store.content_hashes(["a"])
    bench.store.purge(None, 0)
    monkeypatch.setattr(bench.store, "content_hashes", lambda _ids: hashes)
    bench.run(an_event("a", 2))
    assert bench.store.get("a") is not None
    assert bench.counts() == {"indexed": 2}


def test_outcomes_are_the_stores(bench: Bench) -> None:
    bench.run(an_event("a", 2))
    bench.run(an_event("a", 2))
    bench.run(an_event("a", 1))
    bench.run(an_event("a", 3, op=Operation.DELETE))
    bench.run(an_event("a", 2))
    assert bench.counts() == {"indexed": 1, "duplicate": 1, "stale": 2, "deleted": 1}
    assert bench.store.get("a") is None


def test_freshness_is_observed_for_what_became_visible(bench: Bench) -> None:
    bench.clock.seconds = 1.5
    bench.run(an_event("a", 1), an_event("b", 1, op=Operation.DELETE))
    bench.run(an_event("a", 1))
    assert bench.sample("rag_ingest_end_to_end_seconds_count") == 2
    assert bench.sample("rag_ingest_end_to_end_seconds_sum") == 3.0
    assert bench.sample("rag_last_indexed_timestamp_seconds") == bench.clock.now().timestamp()


def test_after_a_failure_the_batch_goes_on_where_it_stopped(bench: Bench) -> None:
    batch = plan(
        [
            a_record(an_event("a")),
            a_record(an_event("b", op=Operation.DELETE)),
            a_record(an_event("c", op=Operation.DELETE)),
            a_record(b"{"),
        ],
        1_000,
    )
    bench.store.replace_failures = [StoreUnavailable("locked")]
    bench.store.delete_failures = [StoreUnavailable("locked")]
    bench.producer.refusals = 1
    for _ in range(3):
        with pytest.raises((StoreUnavailable, BrokerUnavailable)):
            bench.pipeline.run(batch, lambda: None)
    bench.pipeline.run(batch, lambda: None)
    assert bench.counts() == {"indexed": 1, "deleted": 2, "invalid": 1}
    assert len(bench.embedder.calls) == 1
    assert [record.value for record in bench.producer.sent] == [b"{"]


def test_only_what_was_not_confirmed_is_buried_again(bench: Bench) -> None:
    bench.producer.refusals = 1
    bench.run(b"{1", b"{2", b"{3")
    assert sorted(record.value or b"" for record in bench.producer.sent) == [b"{1", b"{2", b"{3"]
    assert bench.counts() == {"invalid": 3}
    assert bench.sample("rag_dlq_messages_total", reason="malformed_json") == 3


def test_what_does_not_fit_the_dead_letter_topic_leaves_its_origin() -> None:
    broker = MemoryBroker(1, max_message_bytes=10)
    producer = broker.producer()
    metrics = ProcessorMetrics(CollectorRegistry())
    burial = Burial(DeadLetterQueue(producer, "dlq", metrics.dead_letters), producer)
    poison = plan([a_record(b"{" * 20)], 1_000).poison
    assert burial.bury(poison) == 1
    assert poison == []
    [letter] = broker.records("dlq")
    assert letter.value is None
    assert dict(letter.headers)["dlq.origin"] == b"documents/0@0"
    producer.close()


def test_what_only_the_broker_finds_too_large_leaves_its_origin_and_blocks_nothing(bench: Bench) -> None:
    bench.producer.max_bytes = 10
    bench.run(b"{" * 20, b"{")
    assert sorted(record.value or b"" for record in bench.producer.sent) == [b"", b"{"]
    assert bench.counts() == {"invalid": 2}


def test_long_work_is_written_bit_by_bit(bench: Bench) -> None:
    sentence = " ".join(["word"] * 20)
    long = [
        an_event(f"d{number}", title=f"T{number}", text=" ".join(f"N{n} {sentence}." for n in range(30)))
        for number in range(6)
    ]
    visible: list[int] = []
    bench.pipeline.run(
        plan([a_record(event) for event in long], 100_000),
        lambda: visible.append(bench.store.stats().documents),
    )
    assert visible == [0, 0, 3, 3]
    assert all(len(call) <= 64 for call in bench.embedder.calls)


def test_equal_texts_are_embedded_once(bench: Bench) -> None:
    bench.run(an_event("a"), an_event("b"))
    assert bench.embedder.calls == [["Title\nSome text."]]
    assert bench.counts() == {"indexed": 2}
