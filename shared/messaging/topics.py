"""Bring topics that exist up to what the settings say."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewPartitions

from shared.errors import BrokerUnavailable, ConfigurationError
from shared.messaging.client_config import HEADER_HEADROOM, client_config, describe
from shared.messaging.factory import ensure_topics
from shared.settings import KafkaSettings

_MAX_BYTES = "max.message.bytes"

_AWAY = (
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_CONTROLLER,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # made a moment ago, and not known everywhere yet
)


def align_topics(settings: KafkaSettings, timeout: float) -> list[str]:
    """Create the topics that are missing; let the others take messages of ``KAFKA_MAX_MESSAGE_BYTES`` and
    have ``KAFKA_PARTITIONS`` partitions at least. What was changed, a line each.

    Partitions are only added: no broker can remove one. Keys then move to other partitions, so that two
    versions of a document may be read in either order; versions decide, whatever the order.

    :raises BrokerUnavailable: no broker answered within ``timeout`` seconds.
    :raises ConfigurationError: the broker refuses such topics.
    """
    ensure_topics(settings, timeout)
    admin = AdminClient(client_config(settings, "topics"))
    lines = []
    for name in (settings.topic, settings.dlq_topic):
        lines += _align_size(admin, name, str(settings.max_message_bytes + HEADER_HEADROOM), timeout)
        lines += _align_partitions(admin, name, settings.partitions, timeout)
    return lines


def _align_size(admin: AdminClient, name: str, wanted: str, timeout: float) -> list[str]:
    described = _only(
        admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]), name, timeout
    )
    found = described[_MAX_BYTES].value
    if found == wanted:
        return []
    entry = ConfigEntry(_MAX_BYTES, wanted, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
    _only(admin.incremental_alter_configs([resource]), name, timeout)
    return [f"{name}: {_MAX_BYTES} is {wanted} now, was {found}"]


def _align_partitions(admin: AdminClient, name: str, wanted: int, timeout: float) -> list[str]:
    try:
        found = len(admin.list_topics(name, timeout=timeout).topics[name].partitions)
    except KafkaException as error:
        raise _translated(error, name) from None
    if found == 0:  # how a topic looks that the broker has only just made
        raise BrokerUnavailable(f"the broker does not know topic {name!r} yet")
    if found >= wanted:
        return []
    _only(admin.create_partitions([NewPartitions(name, wanted)]), name, timeout)
    return [f"{name}: {wanted} partitions now, had {found}"]


def _only(futures: dict[Any, Any], name: str, timeout: float) -> Any:
    """The result for the one thing that was asked about."""
    (future,) = futures.values()
    try:
        return future.result(timeout)
    except KafkaException as error:
        raise _translated(error, name) from None
    except TimeoutError:
        raise BrokerUnavailable(f"the broker did not answer about topic {name!r}") from None


def _translated(error: KafkaException, name: str) -> Exception:
    if error.args[0].code() in _AWAY:
        return BrokerUnavailable(f"topic {name!r}: {describe(error)}")
    return ConfigurationError(
        f"cannot change topic {name!r} ({describe(error)}): make it as KAFKA_PARTITIONS and"
        " KAFKA_MAX_MESSAGE_BYTES say, or set them to what it has"
    )
