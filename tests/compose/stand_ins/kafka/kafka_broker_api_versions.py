#!/opt/stand-ins/bin/python
"""Asks the broker what it speaks, as the script of this name does: status 0 if it answers as a cluster."""

from __future__ import annotations

import argparse
import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_ANSWER_SECONDS = 8.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", required=True)
    servers = parser.parse_args().bootstrap_server
    # The first that a client sends is the request for the versions of the API.
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    try:
        metadata = admin.list_topics(timeout=_ANSWER_SECONDS)
    except KafkaException as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    for broker in metadata.brokers.values():
        print(f"{broker.host}:{broker.port} (id: {broker.id} rack: null) -> ()")
    return 0 if metadata.brokers else 1


if __name__ == "__main__":
    sys.exit(main())
