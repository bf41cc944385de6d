"""How the loop ends when it is told to."""

from __future__ import annotations

import pytest

from services.processor.pipeline import Pipeline
from shared.errors import StoreUnavailable
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has, wait_until_held_up, wait_until_ready
from tests.unit.services.processor.support import an_event


def test_stopped_while_the_store_is_away_it_leaves_the_batch_to_the_next(bench: Bench) -> None:
    bench.store.replace_failures = [StoreUnavailable("locked") for _ in range(1_000_000)]
    with bench.running(bench.join()) as monitor:
        wait_until_ready(monitor)
        bench.send(an_event("a"))
        wait_until_held_up(monitor)
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
    assert "a" not in bench.store.get_many(["a"])
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


def test_a_model_that_hangs_delays_the_stop_only_so_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.give_up_seconds = 0.2
    bench.embedder.gate.clear()
    bench.send(an_event("a"))
    close = Pipeline.close

    def released_by_the_close(pipeline: Pipeline, seconds: float) -> None:
        bench.embedder.gate.set()
        close(pipeline, seconds)

    monkeypatch.setattr(Pipeline, "close", released_by_the_close)
    with bench.running(bench.join()):
        wait_until(lambda: bool(bench.embedder.calls), TIMEOUT, "the first call")
        bench.stop.set()
    assert len(bench.uncommitted()) == 1
