"""Alive means that the loop turns and its stages go on, not that something answers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.processor import loop as loop_module
from shared.lifecycle import Heartbeat
from shared.observability.health_server import HealthServer
from shared.ports import Record
from tests.support.processes import wait_until
from tests.unit.services.processor.loop_bench import TIMEOUT, Bench, has
from tests.unit.services.processor.support import an_event


@contextlib.contextmanager
def health(bench: Bench, max_silence: float) -> Iterator[Callable[[], int]]:
    """What ``/health/live`` is answered with."""
    bench.heartbeat = Heartbeat(max_silence)
    server = HealthServer("127.0.0.1", 0, CollectorRegistry(), bench.heartbeat, lambda: None)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield lambda: client.get("/health/live").status_code
    server.close()


def test_a_poll_that_hangs_is_not_life(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = bench.join()
    poll, free, hangs = consumer.poll, threading.Event(), threading.Event()
    free.set()

    def hanging(max_records: int, timeout: float) -> list[Record]:
        if not free.is_set():
            hangs.set()
        free.wait()
        return poll(max_records, timeout)

    monkeypatch.setattr(consumer, "poll", hanging)
    with health(bench, max_silence=2.0) as live, bench.running(consumer):
        wait_until(lambda: live() == 200, TIMEOUT, "a processor that lives")
        free.clear()
        try:
            assert hangs.wait(TIMEOUT)
            wait_until(lambda: live() == 503, TIMEOUT, "a processor that is not alive")
        finally:
            free.set()
        wait_until(lambda: live() == 200, TIMEOUT, "a processor that lives again")


def test_a_model_that_hangs_is_not_life(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_STUCK_SECONDS", 2.0)
    with health(bench, max_silence=2.0) as live, bench.running(bench.join()):
        wait_until(lambda: live() == 200, TIMEOUT, "a processor that lives")
        bench.embedder.gate.clear()
        try:
            bench.send(an_event("a"))
            wait_until(lambda: live() == 503, TIMEOUT / 2, "a processor that is not alive")
        finally:
            bench.embedder.gate.set()
        wait_until(lambda: live() == 200, TIMEOUT, "a processor that lives again")
        wait_until(has(bench, "a"), TIMEOUT, "the document")
