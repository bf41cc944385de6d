"""From raw bytes to records, without network: what is sent, dead-lettered, dropped, and acknowledged."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from services.producer.changes import Change, Rules
from services.producer.cursor import DeliveryTracker
from services.producer.enrichment.enricher import Enricher
from services.producer.normalizer import Normalizer
from services.producer.reader import Reader
from services.producer.resume import Position
from services.producer.sender import Sender
from services.producer.sources.event_stream import EventStream, SourceEvent
from services.producer.workers import Worker, WorkerPool, worker_index
from shared.errors import BrokerUnavailable, InvalidEvent, InvalidReason
from shared.events import DocumentEvent, decode_event
from shared.messaging.dead_letter import DeadLetterQueue
from shared.observability.metrics import ProducerMetrics
from shared.ports import DeliveryCallback, OutgoingRecord

START = Position(0)


def event(number: int, page_id: int = 1, revision: int | None = None, **changed: Any) -> bytes:
    body = {
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": {"id": f"event-{number}", "dt": "2026-11-22T09:30:00.250Z", "domain": "en.wikipedia.org"},
        "page_change_kind": "edit",
        "dt": "2026-11-22T09:30:00Z",
        "wiki_id": "enwiki",
        "page": {"page_id": page_id, "page_title": f"Page {page_id}", "namespace_id": 0},
        "revision": {"rev_id": revision or 100 + number},
    } | changed
    return json.dumps(body).encode()


class RecordingProducer:
    """Keeps records and acknowledges when the test says so."""

    def __init__(self, max_bytes: int = 10_000) -> None:
        self.records: list[OutgoingRecord] = []
        self.callbacks: list[DeliveryCallback] = []
        self._max_bytes = max_bytes

    def send(self, record: OutgoingRecord, on_delivery: DeliveryCallback | None = None) -> None:
        if len(record.value or b"") > self._max_bytes:
            raise InvalidEvent(InvalidReason.TOO_LARGE, "too large for the broker")
        self.records.append(record)
        assert on_delivery is not None
        self.callbacks.append(on_delivery)

    def flush(self, timeout: float) -> int:
        return 0

    def close(self) -> None: ...

    def of(self, topic: str) -> list[OutgoingRecord]:
        return [record for record in self.records if record.topic == topic]


class ScriptedStream:
    """Stands in for EventStream's two methods that the reader uses."""

    def __init__(self, data: list[bytes]) -> None:
        self._data = data
        self.progress = 0

    def events(self) -> Iterator[SourceEvent]:
        for number, data in enumerate(self._data):
            yield SourceEvent(data, Position(0, f"id-{number}"))

    def mark_progress(self) -> None:
        self.progress += 1


class Bench:
    def __init__(
        self,
        data: list[bytes],
        enrich: Callable[[Change], DocumentEvent | None] | None = None,
        workers: int = 1,
        max_bytes: int = 10_000,
    ) -> None:
        self.producer = RecordingProducer(max_bytes)
        self.registry = CollectorRegistry()
        self.metrics = ProducerMetrics(self.registry)
        self.tracker = DeliveryTracker(START, 1_000)
        dead_letters = DeadLetterQueue(self.producer, "documents.dlq", self.metrics.dead_letters)
        self.sender = Sender(self.producer, dead_letters, "documents", "replay:x", self.metrics)
        self.stream = ScriptedStream(data)
        enricher = None if enrich is None else cast(Enricher, _Enricher(enrich))
        abandon = threading.Event()
        self.workers = [Worker(enricher, self.sender, "replay", 1_000, abandon) for _ in range(workers)]
        pool = WorkerPool(self.workers)
        Reader(
            cast(EventStream, self.stream), Normalizer(Rules()), self.tracker, pool, self.sender,
            self.metrics, 1_000, threading.Event(),
        ).run()  # fmt: skip
        pool.finish(abandon)
        for worker in self.workers:
            worker.run()

    def sent(self) -> list[DocumentEvent]:
        return [decode_event(record.value) for record in self.producer.of("documents")]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def dropped(self, reason: str) -> float:
        return self.sample("rag_source_dropped_total", reason=reason) or 0.0


class _Enricher:
    def __init__(self, enrich: Callable[[Change], DocumentEvent | None]) -> None:
        self.enrich = enrich


def test_events_of_one_document_stay_in_order_and_carry_their_key() -> None:
    bench = Bench([event(number, page_id=number % 5 + 1) for number in range(60)], workers=3)
    by_document: dict[str, list[int]] = {}
    for sent, record in zip(bench.sent(), bench.producer.of("documents"), strict=True):
        assert record.key == sent.document.document_id.encode()
        by_document.setdefault(sent.document.document_id, []).append(sent.document.revision)
    assert len(by_document) == 5
    for revisions in by_document.values():
        assert revisions == sorted(revisions)
        assert len(revisions) == 12


def test_a_documents_events_always_meet_the_same_worker() -> None:
    assert {worker_index("enwiki:7", 3) for _ in range(100)} == {worker_index("enwiki:7", 3)}
    assert {worker_index(f"enwiki:{number}", 3) for number in range(100)} == {0, 1, 2}


def test_the_cursor_waits_for_the_broker() -> None:
    bench = Bench([event(0, 1), event(1, 2), event(2, 3)])
    assert bench.tracker.position == START
    bench.producer.callbacks[1](None)
    assert bench.tracker.position == START
    bench.producer.callbacks[0](None)
    assert bench.tracker.position == Position(0, "id-1")
    assert bench.metrics.sent._value.get() == 2


def test_a_failed_delivery_holds_the_cursor_and_is_told() -> None:
    bench = Bench([event(0, 1), event(1, 2)])
    bench.producer.callbacks[0](BrokerUnavailable("timed out"))
    bench.producer.callbacks[1](None)
    assert isinstance(bench.sender.failure, BrokerUnavailable)
    assert bench.tracker.position == START


def test_poison_is_kept_as_it_came_and_the_stream_goes_on() -> None:
    poison = [b"{", b'{"\xff": 1}', b"[]", b'{"x": "' + b"y" * 1_000 + b'"}', event(1, meta={})]
    bench = Bench([event(0), *poison, event(2)])
    assert [sent.event_id for sent in bench.sent()] == ["event-0", "event-2"]
    letters = bench.producer.of("documents.dlq")
    assert [letter.value for letter in letters] == poison
    assert [dict(letter.headers)["dlq.reason"] for letter in letters] == [
        b"malformed_json", b"invalid_utf8", b"malformed_json", b"too_large", b"missing_field",
    ]  # fmt: skip
    assert {dict(letter.headers)["dlq.origin"] for letter in letters} == {b"replay:x"}
    for callback in bench.producer.callbacks:
        callback(None)
    assert bench.tracker.position == Position(0, "id-6")


def test_what_was_read_already_is_dropped_poison_too() -> None:
    bench = Bench([event(0), b"{", event(0), b"{", event(1)])
    assert len(bench.sent()) == 2
    assert len(bench.producer.of("documents.dlq")) == 1
    assert bench.dropped("duplicate") == 2
    assert bench.stream.progress == 3


def test_a_duplicate_does_not_take_the_cursor_back() -> None:
    bench = Bench([event(0), event(1), event(0)])
    for callback in bench.producer.callbacks:
        callback(None)
    assert bench.tracker.position == Position(0, "id-1")
    assert bench.tracker.outstanding == 0


def test_a_canary_advances_the_cursor() -> None:
    bench = Bench([event(0, meta={"domain": "canary"})])
    assert bench.dropped("canary") == 1
    assert bench.tracker.position == Position(0, "id-0")


def test_an_event_that_an_earlier_fetch_has_overtaken_is_not_sent_again() -> None:
    def adopt_newest(change: Change) -> DocumentEvent:
        return replace(change.event, document=replace(change.event.document, revision=900, text="newest"))

    bench = Bench([event(0), event(1), event(2, revision=901), event(3, page_id=2)], adopt_newest)
    assert [sent.event_id for sent in bench.sent()] == ["event-0", "event-2", "event-3"]
    assert bench.dropped("no_effect") == 1


def test_a_page_that_is_gone_is_dropped_and_acknowledged() -> None:
    bench = Bench([event(0)], lambda _change: None)
    assert bench.dropped("page_gone") == 1
    assert bench.tracker.position == Position(0, "id-0")


def test_a_document_too_large_for_the_broker_is_dead_lettered_with_its_raw_event() -> None:
    raw = event(0)
    bench = Bench([raw], max_bytes=len(raw))
    assert bench.sent() == []
    assert [letter.value for letter in bench.producer.of("documents.dlq")] == [raw]


def test_what_even_the_dead_letter_topic_refuses_does_not_stop_the_stream() -> None:
    bench = Bench([b"{" * 900, event(1)], max_bytes=800)
    assert [sent.event_id for sent in bench.sent()] == ["event-1"]
    assert bench.metrics.dead_letters.labels("too_large")._value.get() == 1
    bench.producer.callbacks[0](None)
    assert bench.tracker.position == Position(0, "id-1")


def test_what_only_the_broker_finds_too_large_does_not_block_the_stream() -> None:
    raw = event(0)
    bench = Bench([raw, event(1, page_id=2)])
    too_large = InvalidEvent(InvalidReason.TOO_LARGE, "the topic's limit is lower than ours")
    bench.producer.callbacks[0](too_large)
    bench.producer.callbacks[1](None)
    assert [letter.value for letter in bench.producer.of("documents.dlq")] == [raw]
    assert bench.tracker.position == START
    bench.producer.callbacks[2](too_large)
    assert bench.tracker.position == Position(0, "id-1")
    assert bench.metrics.dead_letters.labels("too_large")._value.get() == 1
    assert bench.sender.failure is None


def test_records_carry_a_trace_and_their_event() -> None:
    span = TracerProvider().get_tracer("test").start_span("outer")
    with trace.use_span(span):
        bench = Bench([event(0)])
    headers = dict(bench.producer.of("documents")[0].headers)
    assert f"{span.get_span_context().trace_id:032x}".encode() in headers["traceparent"]
    assert headers["event_id"] == b"event-0"
    assert headers["schema"] == b"document-event/1"
