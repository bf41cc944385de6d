"""The stages work at the same time, in order, and in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from shared.events import Operation
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has, wait_until_ready
from tests.unit.services.processor.support import an_event

if TYPE_CHECKING:
    from shared.ports import Embeddings


def test_stages_overlap(bench: Bench) -> None:
    """While one batch is in the model, the next is composed, and poison is found."""
    composed: list[int] = []
    hashes = bench.store.content_hashes
    bench.store.content_hashes = lambda ids: (composed.append(len(ids)), hashes(ids))[1]  # type: ignore[method-assign]
    bench.embedder.gate.clear()
    with bench.running(bench.join()) as monitor:
        wait_until_ready(monitor)
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
        wait_until_ready(monitor)
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


def test_ready_with_partitions_and_a_usable_store(bench: Bench) -> None:
    bench.send(an_event("a"))
    with bench.running(bench.join()) as monitor:
        wait_until_ready(monitor)
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
