"""``python -m services.processor topics`` as the start of a stack runs it, against a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from deploy.local.configuration import ROOT
from shared.messaging.client_config import HEADER_HEADROOM
from shared.messaging.factory import ensure_topics
from shared.settings import KafkaSettings
from tests.support.kafka_environment import kafka_environment
from tests.support.processes import free_port

TIMEOUT = 60.0


@pytest.fixture
def settings(broker: str) -> KafkaSettings:
    topic = f"topics-{uuid.uuid4()}"
    return KafkaSettings(bootstrap_servers=broker, topic=topic, dlq_topic=f"{topic}.dlq", partitions=3)


def run(settings: KafkaSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.processor", "topics", *arguments],
        env={
            **os.environ,
            **kafka_environment(settings),
            "KAFKA_PARTITIONS": str(settings.partitions),
            "KAFKA_MAX_MESSAGE_BYTES": str(settings.max_message_bytes),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def partitions(settings: KafkaSettings, topic: str) -> int:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    return len(admin.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions)


def max_message_bytes(settings: KafkaSettings, topic: str) -> int:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    (described,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return int(described.result(TIMEOUT)["max.message.bytes"].value)


def test_both_topics_are_made_as_the_settings_say(settings: KafkaSettings) -> None:
    done = run(settings)
    assert done.returncode == 0, done.stderr
    assert partitions(settings, settings.topic) == partitions(settings, settings.dlq_topic) == 3
    assert max_message_bytes(settings, settings.topic) == settings.max_message_bytes + HEADER_HEADROOM


def test_a_second_time_changes_nothing(settings: KafkaSettings) -> None:
    run(settings)
    done = run(settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{settings.topic} and {settings.dlq_topic} are as the settings say."]


def test_larger_messages_are_let_into_topics_that_exist(settings: KafkaSettings) -> None:
    ensure_topics(settings, TIMEOUT)
    larger = settings.model_copy(update={"max_message_bytes": 16_777_216})
    done = run(larger)
    assert done.returncode == 0, done.stderr
    for topic in (settings.topic, settings.dlq_topic):
        assert max_message_bytes(settings, topic) == 16_777_216 + HEADER_HEADROOM


def test_more_partitions_than_wanted_stay(settings: KafkaSettings) -> None:
    ensure_topics(settings, TIMEOUT)
    done = run(settings.model_copy(update={"partitions": 2}))
    assert done.returncode == 0, done.stderr
    assert partitions(settings, settings.topic) == 3


def test_a_broker_that_cannot_add_partitions_is_one_line_that_names_the_setting(
    settings: KafkaSettings,
) -> None:
    """The embedded broker cannot; Apache Kafka can."""
    ensure_topics(settings, TIMEOUT)
    done = run(settings.model_copy(update={"partitions": 5}))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"topics: cannot change topic '{settings.topic}'")
    assert "KAFKA_PARTITIONS" in line


def test_it_waits_only_so_long_for_a_broker_that_is_away(settings: KafkaSettings) -> None:
    nowhere = settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{free_port()}"})
    done = run(nowhere, "--wait", "1")
    assert done.returncode == 1
    assert "KAFKA_BOOTSTRAP_SERVERS=" in done.stderr
