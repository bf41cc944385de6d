#!/opt/stand-ins/bin/python
"""Brokers, offsets and the lag of groups on ``/metrics``, read by Kafka's protocol at each scrape."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_ANSWER_SECONDS = 5.0
_PARTITION = ("topic", "partition")


class KafkaCollector(Collector):
    def __init__(self, servers: str) -> None:
        self._servers = servers

    def collect(self) -> Iterator[Metric]:
        # Anew each time: one that lived through the broker's sudden end does not always find it again.
        return Reading(AdminClient({"bootstrap.servers": self._servers, "log_level": 0})).metrics()


class Reading:
    """What the broker says at one scrape."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin

    def metrics(self) -> Iterator[Metric]:
        metadata = self._admin.list_topics(timeout=_ANSWER_SECONDS)
        yield GaugeMetricFamily("kafka_brokers", "Brokers of the cluster.", value=len(metadata.brokers))
        partitions = [
            TopicPartition(topic.topic, partition)
            for topic in metadata.topics.values()
            for partition in topic.partitions
        ]
        ends = self._offsets(partitions, OffsetSpec.latest())
        yield _gauge("kafka_topic_partition_current_offset", _PARTITION, ends)
        yield _gauge(
            "kafka_topic_partition_oldest_offset",
            _PARTITION,
            self._offsets(partitions, OffsetSpec.earliest()),
        )
        committed = {
            (group, *partition): offset
            for group in self._groups()
            for partition, offset in self._committed(group).items()
            if offset >= 0 and partition in ends
        }
        lags = {key: max(0, ends[key[1:]] - offset) for key, offset in committed.items()}
        yield _gauge("kafka_consumergroup_current_offset", ("consumergroup", *_PARTITION), committed)
        yield _gauge("kafka_consumergroup_lag", ("consumergroup", *_PARTITION), lags)

    def _offsets(self, partitions: list[TopicPartition], which: OffsetSpec) -> dict[tuple[str, ...], int]:
        asked = self._admin.list_offsets(dict.fromkeys(partitions, which), request_timeout=_ANSWER_SECONDS)
        return {
            (partition.topic, str(partition.partition)): answer.result(_ANSWER_SECONDS).offset
            for partition, answer in asked.items()
        }

    def _groups(self) -> list[str]:
        found = self._admin.list_consumer_groups(request_timeout=_ANSWER_SECONDS).result(_ANSWER_SECONDS)
        return [group.group_id for group in found.valid]

    def _committed(self, group: str) -> dict[tuple[str, ...], int]:
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        return {
            (partition.topic, str(partition.partition)): partition.offset
            for partition in asked[group].result(_ANSWER_SECONDS).topic_partitions
        }


def _gauge(name: str, labels: tuple[str, ...], values: dict[tuple[str, ...], int]) -> Metric:
    family = GaugeMetricFamily(name, name.replace("_", " "), labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


class _Handler(BaseHTTPRequestHandler):
    registry = CollectorRegistry()

    def do_GET(self) -> None:
        body = generate_latest(self.registry) if self.path == "/metrics" else b"<a href=/metrics>Metrics</a>"
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4 if self.path == "/metrics" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Requests are not of interest."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kafka.server", dest="server", required=True)
    options, _ = parser.parse_known_args()
    _Handler.registry.register(KafkaCollector(options.server))
    ThreadingHTTPServer(("0.0.0.0", 9308), _Handler).serve_forever()


if __name__ == "__main__":
    main()
