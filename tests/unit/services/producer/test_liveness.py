"""Alive means that the threads that read and send go on, not that something answers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.producer import pipeline as pipeline_module
from services.producer.cursor import DeliveryTracker
from services.producer.cursor_file import CursorFile
from services.producer.loss_watch import LossWatch
from services.producer.pipeline import Parts, Pipeline
from services.producer.reader import Reader
from services.producer.resume import Position
from services.producer.sender import Sender
from services.producer.sources.event_stream import EventStream
from services.producer.sources.sse import BoundedLines
from services.producer.supervised_thread import SupervisedThread, wait_turning
from services.producer.workers import Worker, WorkerPool
from shared.lifecycle import Heartbeat
from shared.messaging.broker_memory import BrokerMemory
from shared.messaging.dead_letter import DeadLetterQueue
from shared.messaging.memory_broker import MemoryBroker
from shared.observability.health_server import HealthServer
from shared.observability.metrics import ProducerMetrics
from tests.support.processes import wait_until


class Step:
    """Work of a thread that goes on until it is told to hang, and again once it is freed."""

    def __init__(self) -> None:
        self.hang = threading.Event()
        self.free = threading.Event()
        self.end = threading.Event()
        self.hangs = threading.Event()
        self.wait = wait_turning(self.end)

    def run(self) -> None:
        while not self.wait(0.01):
            if self.hang.is_set():
                self.hangs.set()
                self.free.wait()

    def interrupt(self) -> None:
        self.end.set()


@contextlib.contextmanager
def producing(folder: Path, reader: Step, worker: Step, max_silence: float) -> Iterator[Callable[[], int]]:
    """A pipeline with these threads; what ``/health/live`` is answered with."""
    metrics = ProducerMetrics(CollectorRegistry())
    broker = MemoryBroker(1).producer()
    halt, abandon, stop = threading.Event(), threading.Event(), threading.Event()
    sender = Sender(broker, DeadLetterQueue(broker, "dlq", metrics.dead_letters), "documents", "x", metrics)
    parts = Parts(
        cast(EventStream, reader),
        DeliveryTracker(Position(0), 10),
        sender,
        [cast(Worker, worker)],
        WorkerPool([]),
        cast(Reader, reader),
        LossWatch(BrokerMemory("documents"), dict, 60, halt, metrics.broker),
        halt,
        abandon,
    )
    heartbeat = Heartbeat(max_silence)
    health = HealthServer("127.0.0.1", 0, CollectorRegistry(), heartbeat, lambda: None)
    health.start()
    pipeline = Pipeline(parts, broker, CursorFile(folder, "x"), heartbeat.beat)
    thread = threading.Thread(target=pipeline.run, args=(stop,))
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{health.port}", trust_env=False) as client:
        try:
            yield lambda: client.get("/health/live").status_code
        finally:
            for step in (reader, worker):
                step.free.set()
                step.end.set()
            stop.set()
            thread.join()
            health.close()


@pytest.mark.parametrize("which", ["reader", "worker"])
def test_a_thread_that_hangs_is_not_life(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "_STUCK_SECONDS", 2.0)
    steps = {"reader": Step(), "worker": Step()}
    with producing(tmp_path, steps["reader"], steps["worker"], max_silence=2.0) as live:
        wait_until(lambda: live() == 200, 60, "a producer that lives")
        steps[which].hang.set()
        assert steps[which].hangs.wait(60)
        wait_until(lambda: live() == 503, 60, "a producer that is not alive")
        steps[which].hang.clear()
        steps[which].free.set()
        wait_until(lambda: live() == 200, 60, "a producer that lives again")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("services.producer.supervised_thread.time", clock)
    return clock


def run_supervised(work: Callable[[SupervisedThread], None]) -> None:
    thread = SupervisedThread("work", lambda: work(thread))
    thread.start()
    thread.join()
    thread.check()


def test_a_source_that_only_sends_comments_is_read(clock: Clock) -> None:
    class Comments(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(5):
                clock.now += 100
                yield b":\n\n"

    def work(thread: SupervisedThread) -> None:
        for _ in BoundedLines(Comments(), 100):
            assert not thread.is_stuck(50)
        clock.now += 100
        assert thread.is_stuck(50)

    run_supervised(work)


def test_waiting_as_the_source_asks_is_not_standing_still(clock: Clock) -> None:
    class Patience(threading.Event):
        slices = 0

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            assert timeout <= 5
            assert not thread_of[0].is_stuck(10)
            self.slices += 1
            clock.now += timeout
            return False

    thread_of: list[SupervisedThread] = []
    event = Patience()

    def work(thread: SupervisedThread) -> None:
        thread_of.append(thread)
        assert not wait_turning(event)(3600)

    run_supervised(work)
    assert event.slices == 720
    assert clock.now == 3600
