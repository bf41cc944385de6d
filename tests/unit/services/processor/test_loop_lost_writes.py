"""A store that lost writes gets them again."""

from __future__ import annotations

import pytest

from shared.errors import BrokerUnavailable, StoreUnavailable, WritesLost
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has, wait_until_held_up, wait_until_ready
from tests.unit.services.processor.support import an_event


def test_lost_writes_are_read_and_written_again(bench: Bench) -> None:
    bench.commit_interval = 0.05
    with bench.running(bench.join()) as monitor:
        bench.send(an_event("a", 1, "Kept."))
        wait_until(lambda: bench.store.flushes == 1, TIMEOUT, "the first flush")
        wait_until_ready(monitor)
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
        stored = bench.store.get_many(["a"])["a"]
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
        wait_until_ready(monitor)
    assert bench.uncommitted() == []


def test_a_flush_refused_before_all_partitions_were_lost_does_not_block_it(bench: Bench) -> None:
    bench.commit_interval = 0.05
    consumer = bench.join()
    bench.store.flush_failures = [StoreUnavailable("away") for _ in range(1_000_000)]
    bench.send(an_event("a"))
    with bench.running(consumer) as monitor:
        wait_until(lambda: bench.store.flushes > 0, TIMEOUT, "a flush")
        wait_until_held_up(monitor)
        consumer.expel()
        assert bench.composer.told_to_forget.wait(TIMEOUT)
        bench.store.flush_failures.clear()
        wait_until_ready(monitor)
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
        wait_until_ready(monitor)
    assert refusals == []
    assert bench.uncommitted() == []
