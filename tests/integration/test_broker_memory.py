"""What a producer remembers of a real broker, and that broker without its memory."""

from __future__ import annotations

import time
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import BrokerUnavailable
from shared.messaging.broker_memory import BrokerMemory
from shared.messaging.factory import build_producer, ensure_topics
from shared.messaging.kafka_producer import KafkaProducer
from shared.messaging.topic_ends import TopicEnds
from shared.ports import OutgoingRecord
from shared.settings import KafkaSettings
from tests.support.durable_broker import forgetful_broker
from tests.support.processes import free_port, wait_until

TIMEOUT = 60.0


def settings_for(bootstrap_servers: str) -> KafkaSettings:
    name = f"memory-{uuid.uuid4()}"
    return KafkaSettings(bootstrap_servers=bootstrap_servers, topic=name, dlq_topic=f"{name}.dlq")


def send(producer: KafkaProducer, topic: str, count: int) -> None:
    answers: list[Exception | None] = []
    for number in range(count):
        producer.send(OutgoingRecord(topic, b"%d" % number, b"value"), answers.append)
    assert producer.flush(TIMEOUT) == 0
    assert answers == [None] * count


def ask(memory: BrokerMemory, ends: TopicEnds) -> dict[int, int]:
    """Until the broker answers."""
    answers: list[dict[int, int]] = []

    def answered() -> bool:
        tell = memory.asking()
        try:
            answers.append(ends.read())
        except BrokerUnavailable:
            return False
        tell(answers[-1])
        return True

    wait_until(answered, TIMEOUT, "an answer")
    return answers[-1]


def test_a_topic_that_is_not_there_has_no_ends_and_is_not_made(broker: str) -> None:
    settings = settings_for(broker)
    ends = TopicEnds(settings, settings.topic)
    memory = BrokerMemory(settings.topic)
    assert [ask(memory, ends) for _ in range(3)] == [{}] * 3


def test_an_undisturbed_broker_contradicts_nothing(broker: str) -> None:
    """Big batches and small ones, topics of others too."""
    settings = settings_for(broker)
    ensure_topics(settings, TIMEOUT)
    memory, ends = BrokerMemory(settings.topic), TopicEnds(settings, settings.topic)
    with closing(build_producer(settings, "test", memory)) as producer:
        assert set(ask(memory, ends)) == set(range(settings.partitions))
        for count in (500, 1, 3, 2_000, 1):
            send(producer, settings.topic, count)
            send(producer, settings.dlq_topic, 1)
            ask(memory, ends)
            assert sum(ask(memory, ends).values()) > 0
            assert memory.loss is None


@pytest.mark.timeout(240)
def test_a_crash_is_seen_in_the_ends_and_a_restart_forgets_it(tmp_path: Path) -> None:
    with forgetful_broker(tmp_path) as broker:
        settings = settings_for(broker.bootstrap_servers)
        ensure_topics(settings, TIMEOUT)
        memory, ends = BrokerMemory(settings.topic), TopicEnds(settings, settings.topic)
        with closing(build_producer(settings, "test", memory)) as producer:
            send(producer, settings.topic, 100)
            broker.process.freeze()
            with pytest.raises(BrokerUnavailable):
                ends.read()
            broker.process.thaw()
            assert ask(memory, ends).keys() == set(range(settings.partitions))
            broker.kill()
            with pytest.raises(BrokerUnavailable):
                ends.read()
            broker.start()
            assert sum(ask(memory, ends).values()) == 0
            assert memory.loss is None
            ensure_topics(settings, TIMEOUT)
            assert ask(memory, ends) == dict.fromkeys(range(settings.partitions), 0)
            assert memory.loss is not None
            producer.restart()
            assert memory.loss is None
            started = time.monotonic()
            send(producer, settings.topic, 100)
            assert time.monotonic() - started < 25, "with the old session it takes 30 s"
            ask(memory, ends)
            ask(memory, ends)
            assert memory.loss is None


def test_a_crash_is_seen_in_the_next_acknowledgement(tmp_path: Path) -> None:
    """A second process with the same memory, because the broker would refuse the first one's session."""
    with forgetful_broker(tmp_path) as broker:
        settings = settings_for(broker.bootstrap_servers)
        memory = BrokerMemory(settings.topic)
        ensure_topics(settings, TIMEOUT)
        with closing(build_producer(settings, "test", memory)) as producer:
            send(producer, settings.topic, 100)
            send(producer, settings.topic, 10)
        assert memory.loss is None
        broker.kill()
        broker.start()
        ensure_topics(settings, TIMEOUT)
        with closing(build_producer(settings, "test", memory)) as producer:
            send(producer, settings.dlq_topic, 10)
            assert memory.loss is None, "only its own topic counts"
            send(producer, settings.topic, 10)
        assert memory.loss is not None
        assert "gave offset 0 again, after" in memory.loss


def test_a_restart_fails_what_is_outstanding() -> None:
    settings = settings_for(f"127.0.0.1:{free_port()}")
    answers: list[Exception | None] = []
    with closing(build_producer(settings, "test")) as producer:
        for _ in range(7):
            producer.send(OutgoingRecord(settings.topic, b"key", b"value"), answers.append)
        producer.restart()
        assert producer.flush(0) == 0
        assert [type(answer) for answer in answers] == [BrokerUnavailable] * 7
        producer.send(OutgoingRecord(settings.topic, b"key", b"value"), answers.append)
        assert producer.flush(0.1) == 1
