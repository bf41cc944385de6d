from __future__ import annotations

import logging

import pytest

from shared.messaging.client_config import ClientLog
from shared.messaging.kafka_consumer import consumer_config, is_cooperative
from shared.messaging.kafka_producer import producer_config
from shared.settings import KafkaSettings

CLASSIC_ONLY = {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}


@pytest.mark.parametrize(("session", "heartbeat"), [(6_000, 500), (45_000, 3_000)])
def test_the_heartbeat_follows_the_session_timeout(session: int, heartbeat: int) -> None:
    config = consumer_config(KafkaSettings(session_timeout_ms=session), "test")
    assert config["session.timeout.ms"] == session
    assert config["heartbeat.interval.ms"] == heartbeat


def test_the_consumer_protocol_leaves_group_settings_to_the_broker() -> None:
    settings = KafkaSettings(group_protocol="consumer", assignment_strategy="range")
    assert not CLASSIC_ONLY & consumer_config(settings, "test").keys()
    assert consumer_config(KafkaSettings(), "test").keys() >= CLASSIC_ONLY


def test_which_rebalances_are_cooperative() -> None:
    assert is_cooperative(KafkaSettings(assignment_strategy="cooperative-sticky"))
    assert is_cooperative(KafkaSettings(group_protocol="consumer", assignment_strategy="range"))
    assert not is_cooperative(KafkaSettings(assignment_strategy="range"))


def test_nothing_is_committed_or_lost_by_default() -> None:
    consumer, producer = consumer_config(KafkaSettings(), "t"), producer_config(KafkaSettings(), "t")
    assert consumer["enable.auto.commit"] is False
    assert consumer["enable.auto.offset.store"] is False
    assert consumer["auto.offset.reset"] == "earliest"
    assert producer["enable.idempotence"] is True
    assert producer["acks"] == "all"


def test_a_client_repeats_itself_only_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("shared.messaging.client_config.time.monotonic", lambda: now)
    client_log = ClientLog("test")
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            client_log.log(logging.ERROR, "%s [%s] %s", "FAIL", "client-1", "Connection refused")
        client_log.log(logging.INFO, "%s [%s] %s", "OTHER", "client-1", "Something else")
        now = 31.0
        client_log.log(logging.ERROR, "%s [%s] %s", "FAIL", "client-1", "Connection refused")
    assert [record.message for record in caplog.records] == [
        "Connection refused", "Something else", "Connection refused",
    ]  # fmt: skip
    assert caplog.records[0].levelno == logging.WARNING
