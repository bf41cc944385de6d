"""Whatever comes in, there are no more series than before: a label has a closed set of values."""

from __future__ import annotations

import json
from dataclasses import replace

from services.producer.changes import DropReason
from shared.errors import InvalidEvent, InvalidReason
from shared.events import DocumentEvent
from shared.observability.metrics import SOURCES, known_source
from shared.observability.metrics.producer import DROP_REASONS
from tests.support.exposition import openmetrics, samples
from tests.unit.services.processor.support import an_event
from tests.unit.services.processor.test_writer import Bench as ProcessorBench
from tests.unit.services.producer.test_reader_and_workers import Bench as ProducerBench
from tests.unit.services.producer.test_reader_and_workers import event

MANY = 1_000
FEWER = 900
"""As many as the producer's bench takes in before it begins to work them off."""


def from_anywhere(number: int) -> DocumentEvent:
    made = an_event(f"wiki{number}:{number}", text=f"Text {number}.", title=f"Title {number}")
    document = replace(made.document, source=f"source-{number}", attributes={"wiki": f"wiki{number}"})
    return replace(made, document=document)


def test_documents_from_anywhere_make_no_series_in_the_processor() -> None:
    bench = ProcessorBench()
    bench.run(from_anywhere(0))
    before = len(samples(openmetrics(bench.registry)))
    for start in range(0, MANY, 100):
        bench.run(*(from_anywhere(number) for number in range(start, start + 100)), b'{"no": "event"}')
    text = openmetrics(bench.registry)
    assert len(samples(text)) == before
    assert "source-" not in text
    assert bench.sample("rag_ingest_end_to_end_seconds_count", source="other") == MANY


def test_a_source_that_is_known_keeps_its_name() -> None:
    assert [known_source(source) for source in SOURCES] == list(SOURCES)
    assert known_source("wikimedia\n") == known_source("") == "other"


def test_events_of_any_kind_make_no_series_in_the_producer() -> None:
    before = len(samples(openmetrics(ProducerBench([event(0)]).registry)))
    strange = [
        json.dumps({"$schema": f"/kind/{number}/1.0.0", "meta": {"id": f"m{number}"}}).encode()
        for number in range(FEWER)
    ]
    edits = [
        event(number, page_id=number, wiki_id=f"wiki{number}", page_change_kind=f"kind{number}")
        for number in range(FEWER)
    ]
    for events in (strange, edits):
        bench = ProducerBench(events)
        assert len(samples(openmetrics(bench.registry))) <= before, "more than with one event"
        assert bench.sample("rag_source_events_total") == FEWER


def test_every_reason_to_drop_an_event_is_a_declared_value() -> None:
    assert {reason.value for reason in DropReason} == set(DROP_REASONS)


def test_a_dead_letter_counts_by_its_reason_not_by_its_detail() -> None:
    bench = ProducerBench([])
    before = len(samples(openmetrics(bench.registry)))
    for number in range(MANY):
        error = InvalidEvent(InvalidReason.INVALID_FIELD, f"field {number}")
        bench.sender.dead_letter(b"{}", error, bench.tracker.open(None))
    for callback in bench.producer.callbacks:
        callback(None)
    assert len(samples(openmetrics(bench.registry))) == before
    assert bench.sample("rag_dlq_messages_total", reason="invalid_field") == MANY
