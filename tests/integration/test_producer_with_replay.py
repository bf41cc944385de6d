"""Producer and replay server as processes: the history of the story wiki, with the text of its pages."""

from __future__ import annotations

import sys
import urllib.request
import uuid
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition

from services.producer.sentences import describe_change
from services.producer.settings import default_user_agent
from shared.events import DocumentEvent, Operation, decode_event
from tests.support.processes import accepts_connections, free_port, running, wait_until


def newest_of_each(broker: str, topic: str) -> dict[str, DocumentEvent]:
    """What a versioned store would hold after all records of the topic's only partition."""
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": str(uuid.uuid4()), "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    newest: dict[str, DocumentEvent] = {}
    try:
        while True:
            for message in consumer.consume(500, timeout=1):
                if message.error() is not None:
                    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                    return newest
                event = decode_event(message.value())
                known = newest.get(event.document.document_id)
                if known is None or known.document.version < event.document.version:
                    newest[event.document.document_id] = event
    finally:
        consumer.close()


def metric(port: int, name: str) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_the_history_arrives_with_page_texts_and_working_links(broker: str, tmp_path: Path) -> None:
    replay_port, metrics_port = free_port(), free_port()
    topic = f"documents-{uuid.uuid4()}"
    replay = {"REPLAY_PORT": str(replay_port), "REPLAY_PAUSED": "true"}
    producer = {
        "SOURCE": "replay",
        "REPLAY_URL": f"http://127.0.0.1:{replay_port}",
        "KAFKA_BOOTSTRAP_SERVERS": broker,
        "KAFKA_TOPIC": topic,
        "KAFKA_DLQ_TOPIC": f"{topic}.dlq",
        "KAFKA_PARTITIONS": "1",
        "METRICS_PORT": str(metrics_port),
        "DATA_DIR": str(tmp_path / "data"),
    }
    with running((sys.executable, "-m", "services.replay"), tmp_path / "replay.log", replay):
        wait_until(lambda: accepts_connections(replay_port), 60, "replay server")
        with running((sys.executable, "-m", "services.producer"), tmp_path / "producer.log", producer):

            def everything_is_settled() -> bool:
                received = metric(metrics_port, "rag_source_events_total")
                settled = metric(metrics_port, "rag_source_dropped_total") + metric(
                    metrics_port, "messaging_client_sent_messages_total"
                )
                return received == settled >= 300

            wait_until(everything_is_settled, 90, f"the history (logs: {tmp_path})", 0.25)
            assert metric(metrics_port, "rag_source_enrich_failures_total") == 0
            assert metric(metrics_port, "rag_dlq_messages_total") == 0

        documents = newest_of_each(broker, topic)
        live = [event.document for event in documents.values() if event.op is Operation.UPSERT]
        assert len(live) >= 150
        for document in live:
            assert document.attributes["namespace"] == 0
            kind, comment = document.attributes["change_kind"], document.attributes.get("comment", "")
            assert document.text != describe_change(str(kind), document.title, str(comment))
        request = urllib.request.Request(live[0].url, headers={"User-Agent": default_user_agent()})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.status == 200
