"""Several real processors in one group over one store: one killed, one added, poison among the events."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient

from shared.messaging.client_config import ClientLog
from shared.messaging.document_record import document_record
from shared.messaging.factory import ensure_topics
from shared.ports import OutgoingRecord
from tests.support.processes import free_port, wait_until
from tests.support.processor_stack import (
    TIMEOUT,
    Stack,
    a_history,
    a_stack,
    dead_letters,
    is_ready,
    processed,
    undisturbed,
)

POISON = 12


@pytest.fixture(scope="module")
def mock_cluster() -> Iterator[str]:
    """The client library's own broker, which knows group protocols that the embedded one does not."""
    cluster = confluent_kafka.Producer(
        {"test.mock.num.brokers": 1, "logger": ClientLog("tests.mock_cluster")}
    )
    brokers = cluster.list_topics(timeout=60).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    cluster.flush(1)


@pytest.fixture(params=["range", "cooperative-sticky", "consumer"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Stack:
    if request.param == "range":
        stack = a_stack(request.getfixturevalue("broker"), tmp_path)
        ensure_topics(stack.kafka, 10)
        return stack
    protocol = "consumer" if request.param == "consumer" else "classic"
    stack = a_stack(
        request.getfixturevalue("mock_cluster"),
        tmp_path,
        group_protocol=protocol,
        assignment_strategy="cooperative-sticky",
    )
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap_servers})
    for topic in (stack.kafka.topic, stack.kafka.dlq_topic):
        admin.list_topics(topic, timeout=60)  # to ask for it makes it
    return stack


def test_three_of_them_with_one_killed_and_one_added_end_as_one_undisturbed(stack: Stack) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    history = a_history(rng, documents=120, events=2_400)
    records = [document_record(stack.kafka.topic, event) for event in history]
    for number in range(POISON):
        poison = OutgoingRecord(stack.kafka.topic, b"poison-%d" % number, b"{%d" % number)
        records.insert(rng.randrange(len(records)), poison)
    with ExitStack() as processes:

        def start(name: str) -> tuple[int, int]:
            port = free_port()
            return port, processes.enter_context(stack.processor(name, port)).pid

        members = [start(f"processor-{number}") for number in range(3)]
        wait_until(lambda: all(is_ready(port) for port, _ in members), TIMEOUT, "all have partitions")
        stack.send(records[:1_200])
        victim_port, victim = members.pop(rng.randrange(3))
        wait_until(lambda: processed(victim_port) > 20, TIMEOUT, f"some records, seed {seed}")
        os.kill(victim, signal.SIGKILL)
        members.append(start("processor-3"))
        stack.send(records[1_200:])
        wait_until(
            lambda: stack.contents() == undisturbed(history), TIMEOUT, f"the same store, seed {seed}", 0.5
        )
        wait_until(lambda: all(is_ready(port) for port, _ in members), TIMEOUT, f"all have some, seed {seed}")
    letters = {(dict(letter.headers)["dlq.origin"], letter.value) for letter in dead_letters(stack, POISON)}
    assert {value for _, value in letters} == {b"{%d" % number for number in range(POISON)}, f"seed {seed}"
    assert len(letters) == POISON, f"seed {seed}"
