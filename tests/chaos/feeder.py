"""Sends a history at a steady rate, as a source's producer does: until the broker has everything."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from contextlib import closing

from shared.errors import BrokerUnavailable
from shared.messaging.factory import build_producer
from shared.ports import DeliveryCallback, OutgoingRecord, Producer
from shared.settings import KafkaSettings
from tests.support.event_history import Message

_BURST = 100
"""Records at once. The durable broker keeps each of its batches as an object, and each fetch lists them:
thousands of batches of one record would make it the bottleneck."""
_PATIENCE = 300.0


class Feeder(threading.Thread):
    """What the broker did not acknowledge is sent once more, later than it should come."""

    def __init__(self, settings: KafkaSettings, messages: Iterable[Message], rate: float) -> None:
        super().__init__(name="feeder", daemon=True)
        self._settings = settings
        self._messages = list(messages)
        self._rate = rate
        self._refused: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._abandon = threading.Event()
        self._counting = threading.Lock()
        self._acknowledged = 0
        self._on_the_way = 0
        self._may_send = threading.Event()
        self._may_send.set()
        self.sent_again = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with closing(build_producer(self._settings, "feeder")) as producer:
                self._feed(producer)
                self._confirm(producer)
        except (BrokerUnavailable, AssertionError) as error:
            self.failure = error

    @property
    def idle(self) -> bool:
        """Nothing is on the way to the broker, or will be."""
        return not self.is_alive() or (not self._may_send.is_set() and self._on_the_way == 0)

    def pause(self) -> None:
        """Send nothing new until ``resume``."""
        self._may_send.clear()

    def resume(self) -> None:
        self._may_send.set()

    def abandon(self) -> None:
        self._abandon.set()
        self._may_send.set()
        self.join()

    def _feed(self, producer: Producer) -> None:
        due = time.monotonic()
        for number, message in enumerate(self._messages):
            if number % _BURST == 0:
                if self._abandon.wait(max(0.0, due - time.monotonic())):
                    return
                self._may_send.wait()
                due += _BURST / self._rate
            self._send(producer, message)

    def _confirm(self, producer: Producer) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self._acknowledged < len(self._messages) and not self._abandon.is_set():
            producer.flush(1.0)
            assert time.monotonic() < deadline, f"only {self._acknowledged} records were acknowledged"
            self._may_send.wait()
            while not self._refused.empty():
                self.sent_again += 1
                self._send(producer, self._refused.get())

    def _send(self, producer: Producer, message: Message) -> None:
        record = OutgoingRecord(self._settings.topic, message.key, message.value)
        with self._counting:
            self._on_the_way += 1
        while not self._abandon.is_set():
            try:
                producer.send(record, self._delivered(message))
            except BrokerUnavailable:
                self.sent_again += 1
            else:
                return

    def _delivered(self, message: Message) -> DeliveryCallback:
        def delivered(error: Exception | None) -> None:
            if error is not None:
                self._refused.put(message)
            with self._counting:
                self._on_the_way -= 1
                self._acknowledged += error is None

        return delivered
