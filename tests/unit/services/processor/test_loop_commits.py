"""When the loop commits: after a flush, and not too often."""

from __future__ import annotations

import pytest

from shared.errors import StoreUnavailable
from shared.ports import TopicPartition
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has, wait_until_held_up, wait_until_ready
from tests.unit.services.processor.support import FakeClock, an_event


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
    bench.commit_interval = 60.0
    bench.commit_clock = clock = FakeClock()
    consumer = bench.join()
    commit, flushes_before = consumer.commit, []

    def counted(offsets: dict[TopicPartition, int]) -> None:
        flushes_before.append(bench.store.flushes)
        commit(offsets)

    monkeypatch.setattr(consumer, "commit", counted)
    with bench.running(consumer):
        for interval in range(1, 4):
            for document_id in (f"d{interval}.{number}" for number in range(6)):
                bench.send(an_event(document_id))
                wait_until(has(bench, document_id), TIMEOUT, "the document")
            clock.sleep(60.0)
            wait_until(lambda interval=interval: len(flushes_before) >= interval, TIMEOUT, "the commit")
        assert flushes_before == [1, 2, 3]


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
        wait_until_ready(monitor)
        bench.send(an_event("a"))
        wait_until_held_up(monitor)
        bench.store.flush_failures.clear()
        wait_until_ready(monitor)
    assert bench.uncommitted() == []
