"""``topics``: make the topics, or bring those that there are up to the settings; for the start of a stack."""

from __future__ import annotations

import argparse
import random
import time

from services.processor.commands.stopping import Stopped
from services.processor.commands.terminal import say
from shared.errors import BrokerUnavailable
from shared.lifecycle import Lifecycle
from shared.messaging.topics import align_topics
from shared.resilience.backoff import Backoff
from shared.settings import KafkaSettings, load_settings

_ATTEMPT_SECONDS = 10.0


def run_topics(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    settings = load_settings(KafkaSettings)
    changes = _once_the_broker_answers(settings, arguments.wait, lifecycle)
    for change in changes:
        say(change)
    say(f"{settings.topic} and {settings.dlq_topic} are as the settings say.")
    return 0


def _once_the_broker_answers(settings: KafkaSettings, seconds: float, lifecycle: Lifecycle) -> list[str]:
    deadline = time.monotonic() + seconds
    backoff = Backoff(0.2, 5.0, random.Random())  # noqa: S311 - jitter
    while True:
        try:
            return align_topics(settings, _ATTEMPT_SECONDS)
        except BrokerUnavailable:
            if time.monotonic() >= deadline:
                raise
        if lifecycle.stop.wait(backoff.next_delay()):
            raise Stopped("stopped before the broker answered")
