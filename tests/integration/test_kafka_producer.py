"""The producer against a real broker: its sessions, its callbacks, its count of what is outstanding."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.errors import BrokerUnavailable
from shared.messaging.factory import build_producer, ensure_topics
from shared.messaging.kafka_producer import KafkaProducer, producer_config
from shared.ports import OutgoingRecord
from shared.settings import KafkaSettings
from tests.support.durable_broker import forgetful_broker
from tests.support.processes import free_port, wait_until

TIMEOUT = 60.0
IN_FLIGHT = 300


def settings_for(bootstrap_servers: str) -> KafkaSettings:
    name = f"producer-{uuid.uuid4()}"
    return KafkaSettings(bootstrap_servers=bootstrap_servers, topic=name, dlq_topic=f"{name}.dlq")


def own_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "shared.messaging.kafka_producer"]


class Statistics:
    """What the client tells of itself, in the thread that calls back. ``hold`` keeps that thread busy from
    the moment on that a request is in flight."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.hold = False
        self.release = threading.Event()

    def note(self, text: str) -> None:
        self.in_flight = sum(broker["waitresp_cnt"] for broker in json.loads(text)["brokers"].values())
        if self.hold and self.in_flight:
            assert self.release.wait(TIMEOUT)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("noticed_by", ["the answer", "the next send"])
def test_a_session_that_the_broker_forgot_in_mid_request_is_renewed_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, noticed_by: str
) -> None:
    """Repeated to a broker without memory, a request is refused for ever: a fatal error of the client."""
    answers: list[Exception | None] = []
    sent = 0

    def send() -> None:
        nonlocal sent
        producer.send(OutgoingRecord(settings.topic, b"%d" % sent, b"value"), answers.append)
        sent += 1

    def refused() -> bool:
        try:
            send()
        except BrokerUnavailable:
            return True
        return False

    def taken() -> bool:
        return not refused() and producer.flush(TIMEOUT) == 0 and answers[-1] is None

    with forgetful_broker(tmp_path) as broker:
        settings, statistics = settings_for(broker.bootstrap_servers), Statistics()
        ensure_topics(settings, TIMEOUT)
        config = {
            **producer_config(settings, "test"),
            "statistics.interval.ms": 20,
            "stats_cb": statistics.note,
        }
        with closing(KafkaProducer(config, settings.max_message_bytes)) as producer:
            assert taken()
            broker.process.freeze()
            wait_until(lambda: statistics.in_flight == 0, TIMEOUT, "nothing in flight")
            statistics.hold = noticed_by == "the next send"
            for _ in range(IN_FLIGHT):
                send()
            wait_until(lambda: statistics.in_flight > 0, TIMEOUT, "a request in flight")
            broker.kill()
            broker.start()
            ensure_topics(settings, TIMEOUT)
            if statistics.hold:
                wait_until(refused, TIMEOUT, "a send that is refused")
                statistics.hold = False
                statistics.release.set()
            wait_until(taken, TIMEOUT, "a record that is taken")
    assert len(answers) == sent, "one answer for each record"
    assert {type(error) for error in answers} == {type(None), BrokerUnavailable}
    (line,) = own_lines(caplog)
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert "starting a new producer session" in line.getMessage()
    assert "FATAL" in vars(line)["error"] or "UNKNOWN_PRODUCER_ID" in vars(line)["error"]


def test_a_session_that_cannot_be_made_at_once_is_made_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the machine is short of threads; deliveries must be told of all the same."""
    settings = settings_for(f"127.0.0.1:{free_port()}")
    config = {**producer_config(settings, "test"), "message.timeout.ms": 200}
    make, refusals = confluent_kafka.Producer, [KafkaError(KafkaError._CRIT_SYS_RESOURCE)] * 2
    answers: list[Exception | None] = []

    def make_later(config: dict[str, Any]) -> confluent_kafka.Producer:
        if refusals:
            raise KafkaException(refusals.pop())
        return make(config)

    with closing(KafkaProducer(config, settings.max_message_bytes)) as producer:
        monkeypatch.setattr(confluent_kafka, "Producer", make_later)
        producer.send(OutgoingRecord(settings.topic, b"key", b"value"), answers.append)
        wait_until(lambda: len(own_lines(caplog)) == 3, TIMEOUT, "a new session")
        producer.send(OutgoingRecord(settings.topic, b"key", b"value"), answers.append)
        wait_until(lambda: len(answers) == 2, TIMEOUT, "the second answer")
    lines = [line.getMessage().partition(":")[0] for line in own_lines(caplog)]
    assert lines[:3] == ["no new producer session can be started yet"] * 2 + [
        "starting a new producer session"
    ]


def test_a_callbacks_bug_is_told_with_its_traceback_and_ends_nothing(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(broker)
    ensure_topics(settings, TIMEOUT)
    answers: list[Exception | None] = []

    def with_a_bug(_error: Exception | None) -> None:
        raise ZeroDivisionError

    with closing(build_producer(settings, "test")) as producer:
        for callback in (with_a_bug, answers.append, with_a_bug, answers.append):
            producer.send(OutgoingRecord(settings.topic, b"key", b"value"), callback)
        assert producer.flush(TIMEOUT) == 0
    assert answers == [None, None]
    lines = own_lines(caplog)
    assert [line.getMessage() for line in lines] == ["a delivery callback failed"] * 2
    assert all(line.exc_info and line.exc_info[0] is ZeroDivisionError for line in lines)


def test_what_is_outstanding_at_the_end_is_counted_and_fails() -> None:
    settings = settings_for(f"127.0.0.1:{free_port()}")
    answers: list[Exception | None] = []
    with closing(build_producer(settings, "test")) as producer:
        for _ in range(7):
            producer.send(OutgoingRecord(settings.topic, b"key", b"value"), answers.append)
        assert producer.flush(0.1) == 7
    assert [type(answer) for answer in answers] == [BrokerUnavailable] * 7
    assert producer.flush(0) == 0


def test_what_comes_while_it_closes_is_refused_or_reported() -> None:
    """Taken after the last poll, a record would be neither sent nor reported."""
    settings = settings_for(f"127.0.0.1:{free_port()}")
    producer = KafkaProducer(producer_config(settings, "test"), settings.max_message_bytes)
    answers: list[Exception | None] = []
    with ThreadPoolExecutor(2) as pool, closing(producer):
        with producer._swap:
            sending = pool.submit(producer.send, OutgoingRecord(settings.topic, b"k", b"v"), answers.append)
            wait_until(lambda: producer.flush(0) == 1, TIMEOUT, "a record on its way")
            closed = pool.submit(producer.close)
            wait_until(producer._closed.is_set, TIMEOUT, "the close")
        with pytest.raises(BrokerUnavailable, match="closed"):
            sending.result(TIMEOUT)
        closed.result(TIMEOUT)
    assert answers == []
    assert producer.flush(0) == 0


def test_a_callback_may_send_while_it_closes() -> None:
    settings = settings_for(f"127.0.0.1:{free_port()}")
    refusals: list[BrokerUnavailable] = []

    def again(_error: Exception | None) -> None:
        try:
            producer.send(record)
        except BrokerUnavailable as error:
            refusals.append(error)

    record = OutgoingRecord(settings.topic, b"k", b"v")
    producer = build_producer(settings, "test")
    producer.send(record, again)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(producer.close).result(TIMEOUT)
    (refusal,) = refusals
    assert "closed" in str(refusal)
