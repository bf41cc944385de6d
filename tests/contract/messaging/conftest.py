"""A broker for each test of the ports, a producer for it, and members of its group."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import confluent_kafka
import pytest

from shared.messaging.client_config import ClientLog
from shared.ports import Consumer, Producer
from tests.contract.messaging.places import TIMEOUT, Kafka, Memory, Messaging


@pytest.fixture(scope="session")
def mock_cluster() -> Iterator[str]:
    """The client library's own broker, which knows the group protocols that the embedded one does not."""
    silent = ClientLog("tests.mock_cluster")
    cluster = confluent_kafka.Producer({"test.mock.num.brokers": 1, "logger": silent})
    brokers = cluster.list_topics(timeout=TIMEOUT).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    cluster.flush(1)


@pytest.fixture(params=["memory", "kafka"])
def messaging(request: pytest.FixtureRequest) -> Messaging:
    """``cooperative``: the classic protocol, rebalanced one by one; ``consumer``: the newer protocol."""
    if request.param == "memory":
        return Memory()
    if request.param == "kafka":
        return Kafka(request.getfixturevalue("broker"))
    protocol = "consumer" if request.param == "consumer" else "classic"
    return Kafka(
        request.getfixturevalue("mock_cluster"),
        group_protocol=protocol,
        assignment_strategy="cooperative-sticky",
    )


@pytest.fixture
def producer(messaging: Messaging) -> Iterator[Producer]:
    producer = messaging.producer()
    yield producer
    producer.close()


@pytest.fixture
def join(messaging: Messaging) -> Iterator[Callable[[], Consumer]]:
    """Make members of the group; all leave it after the test."""
    members: list[Consumer] = []

    def join() -> Consumer:
        members.append(messaging.consumer())
        return members[-1]

    yield join
    for member in members:
        member.close()
