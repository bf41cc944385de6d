"""The ``offsets`` commands, for a backup and its restore: JSON on standard output, or from standard input."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from services.processor.commands.offset_plan import SavedOffsets, behind, plan_restoration, read_saved
from services.processor.commands.stopping import Stopped
from services.processor.commands.terminal import say, say_error
from shared.errors import ConfigurationError
from shared.lifecycle import EXIT_FAILED, Lifecycle
from shared.messaging.factory import ensure_topics
from shared.messaging.group_offsets import GroupOffsets
from shared.settings import KafkaSettings, load_settings

_TOPICS_TIMEOUT = 10.0
_LOOK_SECONDS = 0.5


def run_save(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    settings = load_settings(KafkaSettings)
    ensure_topics(settings, _TOPICS_TIMEOUT)
    saved = _save(GroupOffsets(settings), settings, arguments.wait, lifecycle.stop.wait)
    say(json.dumps(saved.as_json()))
    if saved.behind and not arguments.behind:
        say_error(
            f"{arguments.name}: the processors are {saved.behind} records behind after {arguments.wait} s; "
            "wait until they have caught up, or accept with --behind that only Kafka has these"
        )
        return EXIT_FAILED
    return 0


def _save(
    group: GroupOffsets, settings: KafkaSettings, seconds: float, wait: Callable[[float], bool]
) -> SavedOffsets:
    """Once all that is in the topic now is committed, or after so many seconds."""
    topic = group.topic()
    deadline = time.monotonic() + seconds
    while True:
        committed = group.committed()
        left = behind(topic.ends, topic.begins, committed)
        if not left or time.monotonic() >= deadline:
            return SavedOffsets(settings.topic, topic.topic_id, committed, left)
        if wait(_LOOK_SECONDS):
            raise Stopped("stopped before the processors had caught up")


def run_restore(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    settings = load_settings(KafkaSettings)
    try:
        saved = read_saved(json.load(sys.stdin))
    except ValueError:
        raise ConfigurationError(
            "standard input: not JSON; give it what 'offsets save' has printed"
        ) from None
    if saved.topic != settings.topic:
        raise ConfigurationError(f"KAFKA_TOPIC={settings.topic}: these are the offsets of {saved.topic}")
    ensure_topics(settings, _TOPICS_TIMEOUT)
    group = GroupOffsets(settings)
    topic = group.topic()
    restoration = plan_restoration(saved, topic.topic_id, topic.begins, topic.ends)
    group.set(restoration.offsets)
    say(json.dumps(restoration.as_json()))
    return 0
