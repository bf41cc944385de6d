"""What holds the loop up: a store that is away or another, and too many dead letters."""

from __future__ import annotations

import pytest

from shared.errors import StoreMismatch, StoreUnavailable
from shared.ports import Record
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has, wait_until_held_up, wait_until_ready
from tests.unit.services.processor.support import an_event


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
        wait_until_ready(monitor)
        bench.send(an_event("a"))
        wait_until_held_up(monitor)
        begun = len(polled)
        wait_until(lambda: len(polled) > begun + 2, TIMEOUT, "the end of a poll that had begun before")
        bench.send(an_event("b"))
        before = len(polled)
        wait_until(lambda: len(polled) > before + 20, TIMEOUT, "polls")
        assert bench.sample("messaging_client_consumed_messages_total") == 1
        assert len(beats) >= len(polled)
        bench.store.replace_failures.clear()
        wait_until(has(bench, "b"), TIMEOUT, "the document")
        wait_until_ready(monitor)


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
        wait_until_ready(monitor)
        bench.send(*(b"{%d" % number for number in range(300)))
        wait_until(lambda: bench.sample("rag_dlq_halted") == 1, TIMEOUT, "the halt")
        wait_until(
            lambda: bench.sample("rag_ingest_documents_total", result="invalid") == 100, TIMEOUT, "burials"
        )
        assert monitor.obstacle() is not None
        assert bench.heartbeat.alive
        bench.send(an_event("a"))
    assert len(bench.broker.records("dlq")) == 100
    assert "a" not in bench.store.get_many(["a"])
    left = [record.value for record in bench.uncommitted()]
    assert left[:1] == [b"{100"] or b"{100" in left
    assert {b"{%d" % number for number in range(100, 300)} <= set(left)
