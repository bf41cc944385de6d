"""Partitions that move, that are lost, and that are made again."""

from __future__ import annotations

import pytest

from shared.errors import BrokerUnavailable
from shared.ports import Record
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has
from tests.unit.services.processor.support import an_event


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
