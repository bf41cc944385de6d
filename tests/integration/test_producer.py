"""The producer as a process: a real SSE server in front of it, the real broker behind it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.broker import broker_command
from services.producer.normalizer import MAX_EVENT_BYTES
from shared.events import DocumentEvent, Operation, decode_event
from tests.support.event_server import EventServer, event_server, extract, page_change
from tests.support.processes import accepts_connections, free_port, running, wait_until

COMMAND = (sys.executable, "-m", "services.producer")
WAITING = "waiting for the broker"
AGAIN = "reading again from the cursor"


@dataclass(frozen=True)
class Stack:
    """One test's topics, settings and folder; ``run`` starts a producer with them."""

    server: EventServer
    broker: str
    folder: Path
    topic: str
    environment: dict[str, str]

    @contextlib.contextmanager
    def run(self, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        self.folder.mkdir(exist_ok=True)
        log = self.folder / f"producer-{uuid.uuid4()}.log"
        with running(COMMAND, log, self.environment | settings) as process:
            yield process

    def with_broker(self, port: int) -> Stack:
        """The same, with the broker on this port, whether there is one or not."""
        address = f"127.0.0.1:{port}"
        environment = self.environment | {"KAFKA_BOOTSTRAP_SERVERS": address}
        return dataclasses.replace(self, broker=address, environment=environment)

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def records(self, topic: str | None = None) -> list[Message]:
        """All that the topic holds now: each partition is read to its end."""
        topic = topic or self.topic
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker,
                "group.id": str(uuid.uuid4()),
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            result: list[Message] = []
            ended: set[int] = set()
            while len(ended) < len(partitions):
                for message in consumer.consume(500, timeout=1):
                    if message.error() is None:
                        result.append(message)
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        ended.add(message.partition())
                    else:
                        raise AssertionError(message.error())
            return result
        finally:
            consumer.close()

    def events(self) -> list[DocumentEvent]:
        return [decode_event(record.value()) for record in self.records()]

    def ids(self) -> list[str]:
        return [event.event_id for event in self.events()]

    def status(self, path: str) -> int:
        url = f"http://127.0.0.1:{self.environment['METRICS_PORT']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def metric(self, name: str) -> float:
        url = f"http://127.0.0.1:{self.environment['METRICS_PORT']}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                lines = response.read().decode().splitlines()
        except OSError:
            return 0.0
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def wait_for(self, sent: int) -> None:
        wait_until(
            lambda: self.metric("messaging_client_sent_messages_total") >= sent,
            60,
            f"{sent} records sent (logs: {self.folder})",
        )


@contextlib.contextmanager
def a_broker(port: int, folder: Path) -> Iterator[None]:
    with running(broker_command(port), folder.with_name("broker.log")):
        wait_until(lambda: accepts_connections(port), 60, "broker")
        yield


@pytest.fixture
def stack(broker: str, tmp_path: Path) -> Iterator[Stack]:
    with event_server() as server:
        topic = f"documents-{uuid.uuid4()}"
        yield Stack(
            server,
            broker,
            tmp_path / "run",
            topic,
            {
                "SOURCE": "replay",
                "REPLAY_URL": server.url,
                "KAFKA_BOOTSTRAP_SERVERS": broker,
                "KAFKA_TOPIC": topic,
                "KAFKA_DLQ_TOPIC": f"{topic}.dlq",
                "KAFKA_PARTITIONS": "2",
                "METRICS_PORT": str(free_port()),
                "DATA_DIR": str(tmp_path / "data"),
                "ENRICH": "none",
                "SOURCE_REWIND": "5ms",
            },
        )


def test_events_become_records_with_text_version_and_trace(stack: Stack) -> None:
    stack.server.pages = {"1": extract(1, "The bridge is closed.", 1000), "2": extract(2, "A river.", 1999)}
    stack.server.publish(page_change(0, 1), page_change(1, 2), page_change(2, 3), page_change(3, 1, "delete"))
    with stack.run(ENRICH="extract"):
        stack.wait_for(3)
        wait_until(lambda: stack.status("/health/ready") == 200, 60, "ready")
        assert stack.status("/health/live") == 200
        assert stack.metric('rag_source_dropped_total{reason="page_gone"}') == 1
    events = {event.event_id: event for event in stack.events()}
    assert set(events) == {"event-0", "event-1", "event-3"}
    first = events["event-0"].document
    assert (first.document_id, first.text) == ("examplesofwiki:1", "The bridge is closed.")
    assert first.url == f"{stack.server.url}/wiki/Page_1?oldid=1000"
    assert events["event-1"].document.revision == 1999, "the page had moved on: its newest version is sent"
    assert events["event-3"].op is Operation.DELETE
    for record in stack.records():
        headers = dict(record.headers())
        assert record.key().decode() == decode_event(record.value()).document.document_id
        assert headers["traceparent"].startswith(b"00-")
        assert headers["schema"] == b"document-event/1"


def test_cuts_in_the_middle_of_events_lose_and_double_nothing(stack: Stack) -> None:
    stack.server.cut_after = 23
    stack.server.publish(*(page_change(number, number % 7 + 1) for number in range(100)))
    with stack.run():
        stack.wait_for(100)
    assert sorted(stack.ids()) == sorted(f"event-{number}" for number in range(100))
    resumed = [connection["last_event_id"] for connection in stack.server.connections]
    assert resumed[0] is None
    assert len(resumed) > 4
    assert all(each is not None and "offset" not in each for each in resumed[1:])


def test_a_cut_of_a_silent_stream_is_bridged(stack: Stack) -> None:
    stack.server.publish(page_change(0, 1))
    with stack.run():
        stack.wait_for(1)
        stack.server.cut()
        wait_until(lambda: len(stack.server.connections) == 2, 60, "the second connection")
        stack.server.publish(page_change(1, 1))
        stack.wait_for(2)
        assert stack.metric("rag_source_reconnects_total") == 1
    assert stack.ids().count("event-0") == 1


@pytest.mark.parametrize("sent", [150, 500])
def test_kill_9_in_mid_stream_loses_nothing(stack: Stack, sent: int) -> None:
    total = 1_500
    numbers = range(total)
    stack.server.pages = {str(page): extract(page, f"Text {page}.", 1) for page in range(1, total + 1)}
    stack.server.publish(*(page_change(number, number + 1, revision={"rev_id": 1}) for number in numbers))
    with stack.run(ENRICH="extract") as process:
        stack.wait_for(sent)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    assert sent <= len(set(stack.ids())) < total, "killed in mid-stream"
    (cursor,) = Path(stack.environment["DATA_DIR"], "producer").glob("cursor-*.json")
    assert json.loads(cursor.read_text())["source"].startswith(stack.server.url)
    with stack.run(ENRICH="extract"):
        wait_until(lambda: f"event-{total - 1}" in stack.ids(), 60, "the last event", 0.5)
    assert set(stack.ids()) == {f"event-{number}" for number in numbers}


@pytest.mark.parametrize("source_goes_on", [True, False])
def test_a_broker_that_comes_back_empty_gets_the_rewound_events_again(
    stack: Stack, source_goes_on: bool
) -> None:
    """Also where the source has fallen silent, so that no record is sent that the broker could refuse."""
    port = free_port()
    total = 21 if source_goes_on else 20
    stack.server.publish(*(page_change(number, number + 1) for number in range(20)))
    alone = stack.with_broker(port)
    with contextlib.ExitStack() as first_broker:
        first_broker.enter_context(a_broker(port, stack.folder))
        with alone.run(SOURCE_REWIND="1m"):
            alone.wait_for(20)
            first_broker.close()
            if source_goes_on:
                alone.server.publish(page_change(20, 21))
            with a_broker(port, stack.folder):
                alone.wait_for(20 + total)
                assert set(alone.ids()) == {f"event-{number}" for number in range(total)}
                assert alone.status("/health/ready") == 200
    if not source_goes_on:
        (warning,) = (line for line in alone.logs().splitlines() if AGAIN in line)
        assert f"topic '{stack.topic}' lost records that the broker had acknowledged: partition" in warning


def test_a_broker_may_start_after_it(stack: Stack) -> None:
    port = free_port()
    stack.server.publish(page_change(0, 1))
    alone = stack.with_broker(port)
    with alone.run():
        wait_until(lambda: WAITING in alone.logs(), 60, "the warning")
        assert alone.status("/health/live") == 200
        assert alone.status("/health/ready") == 503
        assert f"KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{port}" in alone.logs()
        with a_broker(port, stack.folder):
            alone.wait_for(1)
            assert alone.ids() == ["event-0"]
    assert alone.logs().count(WAITING) == 1


def test_it_can_be_stopped_while_it_waits_for_the_broker(stack: Stack) -> None:
    alone = stack.with_broker(free_port())
    with alone.run() as process:
        wait_until(lambda: WAITING in alone.logs(), 60, "the warning")
        process.terminate()
        assert process.wait(60) == 0, alone.logs()


def test_a_clean_stop_leaves_nothing_to_repeat(stack: Stack) -> None:
    stack.server.publish(*(page_change(number, number + 1) for number in range(20)))
    with stack.run(SOURCE_REWIND="0") as process:
        stack.wait_for(20)
        process.terminate()
        assert process.wait(60) == 0, stack.logs()
    stack.server.publish(page_change(20, 21))
    with stack.run(SOURCE_REWIND="0"):
        stack.wait_for(1)
    assert sorted(stack.ids()) == sorted(f"event-{number}" for number in range(21))
    assert stack.server.connections[-1]["last_event_id"] is not None


def test_poison_is_dead_lettered_with_its_bytes_and_the_stream_goes_on(stack: Stack) -> None:
    large = page_change(1, 1, comment="x" * 5_000_000)
    poison = [
        b'{"half":',
        b'{"title":"\xff\xfe"}',
        large,
        page_change(2, 1, page={}),
        b'{"$schema":"/other/1.0.0"}',
    ]
    stack.server.publish(page_change(0, 1), *poison, page_change(9, 1))
    with stack.run():
        stack.wait_for(2)
        wait_until(lambda: stack.metric("rag_dlq_messages_total") == 5, 60, "five dead letters")
    letters = {
        dict(letter.headers())["dlq.reason"]: letter.value() for letter in stack.records(f"{stack.topic}.dlq")
    }
    assert letters == {
        b"malformed_json": poison[0],
        b"invalid_utf8": poison[1],
        b"too_large": large,
        b"missing_field": poison[3],
        b"unknown_schema": poison[4],
    }
    assert len(large) > MAX_EVENT_BYTES
    assert stack.ids() == ["event-0", "event-9"]
    assert stack.logs().count('"dead letter"') == 5


def test_auto_says_in_one_line_that_it_reads_the_replay_server(stack: Stack) -> None:
    stack.server.publish(page_change(0, 1))
    with stack.run(SOURCE="auto", WIKIMEDIA_URL=f"http://127.0.0.1:{free_port()}"):
        stack.wait_for(1)
    (line,) = [line for line in stack.logs().splitlines() if "SOURCE=auto" in line]
    assert "cannot be used" in line
    assert stack.server.url in line


def test_auto_reads_the_live_stream_where_it_answers(stack: Stack) -> None:
    with (
        event_server() as live,
        stack.run(SOURCE="auto", WIKIMEDIA_URL=live.url, SOURCE_SINCE="0", WIKIMEDIA_WIKIS="*"),
    ):
        live.publish(page_change(0, 1))
        stack.wait_for(1)
        assert stack.server.connections == []


def test_the_live_stream_starts_now_and_keeps_that_moment_until_the_first_event(stack: Stack) -> None:
    settings = {"SOURCE": "wikimedia", "WIKIMEDIA_URL": stack.server.url}
    with stack.run(**settings):
        wait_until(lambda: len(stack.server.connections) == 1, 60, "connected")
    with stack.run(**settings):
        wait_until(lambda: len(stack.server.connections) == 2, 60, "connected again")
    first, second = (connection["since"] for connection in stack.server.connections)
    assert first is not None
    assert abs(int(first) / 1000 - time.time()) < 60
    assert second == first


def test_a_cursor_of_another_source_is_ignored(stack: Stack) -> None:
    stack.server.publish(page_change(0, 1))
    with stack.run():
        stack.wait_for(1)
    with event_server() as other, stack.run(REPLAY_URL=other.url):
        wait_until(lambda: len(other.connections) == 1, 60, "connected")
        assert other.connections == [{"last_event_id": None, "since": "0"}]


def test_refusals_are_survived(stack: Stack) -> None:
    stack.server.refusals = [503, 500]
    stack.server.publish(page_change(0, 1))
    with stack.run():
        stack.wait_for(1)
    assert len(stack.server.connections) == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SOURCE": "files"}, ["SOURCE=files"]),
        ({"WIKIMEDIA_NAMESPACES": "main"}, ["WIKIMEDIA_NAMESPACES"]),
        ({"SOURCE_REWIND": "soon"}, ["SOURCE_REWIND=soon"]),
        ({"DATA_DIR": "/proc/nowhere"}, ["/proc/nowhere"]),
    ],
)
def test_what_a_user_can_cure_is_one_line(stack: Stack, settings: dict[str, str], words: list[str]) -> None:
    result = subprocess.run(
        COMMAND, env=os.environ | stack.environment | settings, capture_output=True, timeout=60, check=False
    )
    assert result.returncode != 0
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, result.stderr.decode()
    assert lines[0].startswith("producer: ")
    assert all(word in lines[0] for word in words)


def test_a_metrics_port_in_use_is_one_line(stack: Stack) -> None:
    port = str(stack.server.port)
    result = subprocess.run(
        COMMAND,
        env=os.environ | stack.environment | {"METRICS_PORT": port},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert f"METRICS_PORT={port}" in result.stderr.decode()
    assert len(result.stderr.decode().splitlines()) == 1


def test_topics_are_created(stack: Stack) -> None:
    with stack.run():
        wait_until(lambda: stack.status("/health/ready") == 200, 60, "ready")
    topics = AdminClient({"bootstrap.servers": stack.broker}).list_topics(timeout=60).topics
    assert {stack.topic, f"{stack.topic}.dlq"} <= set(topics)
    assert len(topics[stack.topic].partitions) == 2
