"""The whole of a topic, record by record, with progress and a way to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from services.processor.commands.progress import Progress
from services.processor.commands.stopping import check
from shared.ports import Record


class Reading(Protocol):
    """See ``shared.messaging.topic_reader``."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...

    def batches(self) -> Iterator[list[Record]]: ...


OpenTopic = Callable[[Mapping[int, int] | None], AbstractContextManager[Reading]]
"""All of the topic, or the partitions given, from those offsets on."""


def read_batches(
    topic: OpenTopic, what: str, stop: threading.Event, starts: Mapping[int, int] | None = None
) -> Iterator[list[Record]]:
    """Never an empty one.

    :raises BrokerUnavailable: the broker went away.
    :raises ConfigurationError: there is no such topic.
    :raises Stopped: a signal has arrived.
    """
    with topic(starts) as reading, Progress(what, "records") as progress:
        for batch in reading.batches():
            check(stop)
            progress.show(reading.done, reading.total)
            if batch:
                yield batch


def read_records(
    topic: OpenTopic, what: str, stop: threading.Event, starts: Mapping[int, int] | None = None
) -> Iterator[Record]:
    for batch in read_batches(topic, what, stop, starts):
        yield from batch
