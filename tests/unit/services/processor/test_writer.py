"""The stages by hand, one after the other in one thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.processor.batch import Batch, Waiting
from services.processor.burial import Burial
from services.processor.chunker import Chunker
from services.processor.composer import Composer
from services.processor.encoder import Encoder
from services.processor.reading import read
from services.processor.recent import RecentDocuments
from services.processor.work import Ticket
from services.processor.writer import Writer
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
    a_ticket,
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
            elif len(record.key or b"") + len(record.value or b"") > self.max_bytes:
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
        self.encoder = Encoder(self.embedder, self.metrics, max_tokens=256)
        self.writer = Writer(
            self.store, self.encoder, Burial(dead_letters, self.producer), self.metrics, self.clock
        )
        self.restart()

    def restart(self) -> None:
        """As another process: nothing is remembered."""
        chunker = Chunker(self.embedder.count_tokens, 32, 8)
        self.composer = Composer(chunker, self.store, RecentDocuments(1_000_000))

    def batch(self, *values: DocumentEvent | bytes) -> tuple[Batch, list[Ticket]]:
        tickets = [a_ticket(value) for value in values]
        reading = read(tickets, 100_000)
        waiting = Waiting()
        for work in self.composer.compose(reading):
            waiting.add(work)
        for poison in reading.poison:
            waiting.add_poison(poison)
        batch = waiting.take(1_000_000, 1_000)
        batch.embedded = self.encoder.embed(batch.upserts) or []
        return batch, tickets

    def run(self, *values: DocumentEvent | bytes) -> None:
        batch, tickets = self.batch(*values)
        self.writer.write(batch)
        assert all(ticket.done for ticket in tickets)

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
    stored = bench.store.get_many(["b"])["b"]
    assert [chunk.text for chunk in stored.chunks] == ["Two."]


def test_only_changed_chunks_are_embedded_again(bench: Bench) -> None:
    sentence = " ".join(["word"] * 20)
    bench.run(an_event("a", 1, f"First {sentence}. Second {sentence}."))
    bench.embedder.calls.clear()
    bench.run(an_event("a", 2, f"First {sentence}. Changed {sentence}."))
    assert bench.embedder.calls == [[f"Title\nChanged {sentence}."]]
    assert bench.sample("rag_chunks_reused_total") == 1
    stored = bench.store.get_many(["a"])["a"]
    assert [chunk.text for chunk in stored.chunks] == [f"First {sentence}.", f"Changed {sentence}."]


def test_a_chunk_that_vanished_meanwhile_is_embedded_and_the_others_are_not(bench: Bench) -> None:
    bench.run(an_event("a", 1), an_event("b", 1, "Other text."))
    batch, _ = bench.batch(an_event("a", 2), an_event("b", 2, "Other text."))
    bench.store.delete("a", an_event("a", 1).document.version)
    bench.store.purge(None, 1)
    assert "a" not in bench.store.get_many(["a"]) or "b" not in bench.store.get_many(["b"])
    bench.embedder.calls.clear()
    bench.writer.write(batch)
    assert len(bench.embedder.calls) == 1
    assert len(bench.embedder.calls[0]) == 1
    for document_id in ("a", "b"):
        stored = bench.store.get_many([document_id])[document_id]
        assert stored.document.revision == 2


def test_unchanged_text_is_not_embedded_again_by_the_same_process_or_another(bench: Bench) -> None:
    bench.run(an_event("a", 1))
    bench.embedder.calls.clear()
    bench.run(an_event("a", 2))
    bench.restart()
    bench.run(an_event("a", 3))
    assert bench.embedder.calls == []
    assert bench.counts() == {"indexed": 3}


@pytest.mark.parametrize("remembered", [True, False])
def test_what_the_store_outdates_is_not_embedded(bench: Bench, remembered: bool) -> None:
    bench.run(an_event("a", 5, "New text."))
    bench.embedder.calls.clear()
    if not remembered:
        bench.restart()
    bench.run(an_event("a", 4, "Old text."))
    bench.run(an_event("a", 5, "New text with another content."))
    assert bench.embedder.calls == []
    assert bench.counts() == {"indexed": 1, "stale": 1, "duplicate": 1}


def test_what_is_older_than_a_delete_is_not_embedded(bench: Bench) -> None:
    bench.run(an_event("a", 5, op=Operation.DELETE))
    bench.run(an_event("a", 4))
    assert bench.embedder.calls == []
    assert bench.counts() == {"deleted": 1, "stale": 1}


def test_a_purged_document_comes_back_with_the_version_that_is_remembered(bench: Bench) -> None:
    bench.run(an_event("a", 1))
    bench.store.purge(None, 0)
    bench.run(an_event("a", 1))
    assert "a" in bench.store.get_many(["a"])
    assert bench.counts() == {"indexed": 2}


def test_after_an_undelete_the_text_is_embedded_again(bench: Bench) -> None:
    bench.run(an_event("a", 1))
    bench.run(an_event("a", 2, op=Operation.DELETE))
    bench.run(an_event("a", 3))
    assert "a" in bench.store.get_many(["a"])
    assert len(bench.embedder.calls) == 2
    assert bench.counts() == {"indexed": 2, "deleted": 1}


def test_outcomes_are_the_stores(bench: Bench) -> None:
    bench.run(an_event("a", 2))
    bench.run(an_event("a", 2))
    bench.run(an_event("a", 1))
    bench.run(an_event("a", 3, op=Operation.DELETE))
    bench.run(an_event("a", 2))
    assert bench.counts() == {"indexed": 1, "duplicate": 1, "stale": 2, "deleted": 1}
    assert "a" not in bench.store.get_many(["a"])


def test_freshness_is_observed_for_what_became_visible(bench: Bench) -> None:
    bench.clock.seconds = 1.5
    bench.run(an_event("a", 1), an_event("b", 1, op=Operation.DELETE))
    bench.run(an_event("a", 1))
    assert bench.sample("rag_ingest_end_to_end_seconds_count", source="other") == 2
    assert bench.sample("rag_ingest_end_to_end_seconds_sum", source="other") == 3.0
    assert bench.sample("rag_last_indexed_timestamp_seconds", source="other") == bench.clock.now().timestamp()


def test_after_a_failure_the_batch_goes_on_where_it_stopped(bench: Bench) -> None:
    batch, tickets = bench.batch(
        an_event("a"), an_event("b", op=Operation.DELETE), an_event("c", op=Operation.DELETE), b"{"
    )
    bench.store.replace_failures = [StoreUnavailable("locked")]
    bench.store.delete_failures = [StoreUnavailable("locked")]
    bench.producer.refusals = 1
    for _ in range(3):
        with pytest.raises((StoreUnavailable, BrokerUnavailable)):
            bench.writer.write(batch)
        assert not all(ticket.done for ticket in tickets)
    bench.writer.write(batch)
    assert all(ticket.done for ticket in tickets)
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
    ticket = a_ticket(b"{" * 20)
    poison = read([ticket], 1_000).poison
    assert burial.bury(poison) == 1
    assert poison == []
    assert ticket.done
    assert ticket.record.value == b"{" * 20
    [letter] = broker.records("dlq")
    assert letter.value is None
    assert dict(letter.headers)["dlq.origin"] == b"documents/0@0"
    producer.close()


def test_what_only_the_broker_finds_too_large_leaves_its_origin_and_blocks_nothing(bench: Bench) -> None:
    bench.producer.max_bytes = 10
    bench.run(b"{" * 20, b"{")
    assert sorted(record.value or b"" for record in bench.producer.sent) == [b"", b"{"]
    assert bench.counts() == {"invalid": 2}


def test_a_key_that_does_not_fit_the_dead_letter_topic_is_left_out_too(bench: Bench) -> None:
    """Whoever finds it too large, the client or the broker."""
    broker = MemoryBroker(1, max_message_bytes=2)
    producer = broker.producer()
    burial = Burial(DeadLetterQueue(producer, "dlq", bench.metrics.dead_letters), producer)
    assert burial.bury(read([a_ticket(b"{")], 1_000).poison) == 1
    producer.close()
    bench.producer.max_bytes = 2
    bench.run(b"{")
    letters: list[Any] = [*broker.records("dlq"), *bench.producer.sent]
    for letter in letters:
        headers = dict(letter.headers)
        assert (letter.key, letter.value) == (None, None)
        assert headers["dlq.origin"] == b"documents/0@0"
        assert headers["dlq.detail"].count(b"only its origin is kept") == 1
    assert bench.counts() == {"invalid": 1}


def test_long_work_goes_through_the_model_in_bounded_calls(bench: Bench) -> None:
    bench.run(an_event("a", text=" ".join(f"N{n} {' '.join(['word'] * 20)}." for n in range(60))))
    assert len(bench.embedder.calls) > 5
    assert all(sum(bench.embedder.count_tokens(call)) <= 256 for call in bench.embedder.calls)
    stored = bench.store.get_many(["a"])["a"]
    assert len(stored.chunks) == 60


def test_long_work_that_was_abandoned_ends_after_a_call(bench: Bench) -> None:
    ticket = a_ticket(an_event("a", text=" ".join(f"N{n} {' '.join(['word'] * 20)}." for n in range(60))))
    works = bench.composer.compose(read([ticket], 100_000))
    ticket.abandoned = True
    assert bench.encoder.embed(works) is None
    assert len(bench.embedder.calls) == 1


def test_equal_texts_are_embedded_once(bench: Bench) -> None:
    bench.run(an_event("a"), an_event("b"))
    assert bench.embedder.calls == [["Title\nSome text."]]
    assert bench.counts() == {"indexed": 2}
