"""The durable broker's defect, which the chaos run sees and mends (docs/chaos.md)."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from deploy.local.broker import GROUP_SETTINGS
from shared.messaging.factory import build_consumer, ensure_topics
from shared.messaging.kafka_consumer import KafkaConsumer
from shared.settings import KafkaSettings
from tests.support.broker_groups import Group
from tests.support.durable_broker import RestartableBroker, durable_broker
from tests.support.processes import wait_until

_SECONDS = 90.0


def test_a_restart_frees_a_group_whose_leader_left_while_it_was_forming(tmp_path: Path) -> None:
    with durable_broker(tmp_path) as broker, ExitStack() as stack:
        settings = KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            **{name.removeprefix("KAFKA_").lower(): value for name, value in GROUP_SETTINGS.items()},
        )
        ensure_topics(settings, 30)
        consumers = {
            name: stack.enter_context(closing(build_consumer(settings, name)))
            for name in ("one", "two", "three")
        }
        wait_until(lambda: hold_everything(settings, *consumers.values()), _SECONDS, "three members")
        leader = group_of(broker, settings).leader
        assert leader is not None

        leading = consumers.pop(leader.split("-")[0])
        _, leaving = consumers.popitem()
        (staying,) = consumers.values()
        leaving.close()
        leading.close()

        wait_until(lambda: group_of(broker, settings).stalled, _SECONDS, "the group to stall")
        assert group_of(broker, settings).leader == leader
        broker.kill()
        broker.start()
        wait_until(lambda: hold_everything(settings, staying), _SECONDS, "the one that stayed")
        assert not group_of(broker, settings).stalled


def hold_everything(settings: KafkaSettings, *consumers: KafkaConsumer) -> bool:
    for consumer in consumers:
        consumer.poll(1, 0.05)
    held = [consumer.assignment() for consumer in consumers]
    return all(held) and sum(len(partitions) for partitions in held) == settings.partitions


def group_of(broker: RestartableBroker, settings: KafkaSettings) -> Group:
    group = broker.group(settings.group_id)
    assert group is not None
    return group
