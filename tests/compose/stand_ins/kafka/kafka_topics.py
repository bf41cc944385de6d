#!/opt/stand-ins/bin/python
"""Creates, lists and describes topics with the options of Kafka's script of this name."""

from __future__ import annotations

import argparse
import sys

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

_ANSWER_SECONDS = 30.0


def main() -> int:
    options = _parser().parse_args()
    admin = AdminClient({"bootstrap.servers": options.bootstrap_server, "log_level": 0})
    try:
        if options.create:
            _create(admin, options)
        else:
            _show(admin, options)
    except KafkaException as error:
        print(f"Error while executing topic command : {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", required=True)
    action = parser.add_mutually_exclusive_group(required=True)
    for name in ("create", "list", "describe"):
        action.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--topic")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--replication-factor", type=int, default=1)
    parser.add_argument("--config", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--if-not-exists", action="store_true")
    return parser


def _create(admin: AdminClient, options: argparse.Namespace) -> None:
    topic = NewTopic(
        options.topic,
        num_partitions=options.partitions,
        replication_factor=options.replication_factor,
        config=dict(setting.split("=", 1) for setting in options.config),
    )
    if options.if_not_exists and options.topic in admin.list_topics(timeout=_ANSWER_SECONDS).topics:
        return
    try:
        admin.create_topics([topic], operation_timeout=_ANSWER_SECONDS)[options.topic].result(_ANSWER_SECONDS)
    except KafkaException as error:
        if not (options.if_not_exists and error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS):
            raise
    else:
        print(f"Created topic {options.topic}.")


def _show(admin: AdminClient, options: argparse.Namespace) -> None:
    for name, topic in sorted(admin.list_topics(timeout=_ANSWER_SECONDS).topics.items()):
        if options.topic not in (None, name):
            continue
        print(f"Topic: {name}\tPartitionCount: {len(topic.partitions)}" if options.describe else name)


if __name__ == "__main__":
    sys.exit(main())
