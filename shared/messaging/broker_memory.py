"""Whether the broker still has what it acknowledged. Pure, thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Acknowledged = Callable[[int | None, int | None], None]
Answered = Callable[[Mapping[int, int]], None]


@dataclass(slots=True)
class _Known:
    """Both mappings are replaced, never changed: who sends or asks keeps those of that moment."""

    acknowledged: Mapping[int, int] = field(default_factory=dict)
    """Partition → highest offset."""
    least_ends: Mapping[int, int] = field(default_factory=dict)
    """Partition → where it must end, or beyond."""
    doubted: bool = False
    loss: str | None = None


class BrokerMemory:
    """What the broker said of one topic, and whether that can still be true.

    Offsets and ends only grow; retention takes from the front. They start again after a crash that took
    the data along, when a replica leads that had lagged behind, or when the topic was made anew.

    An end is held only against an earlier end, because the local broker (Tansu) takes the place after the
    *first* record of the newest batch for the end. So an acknowledgement alone says no more than: not empty.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._lock = threading.Lock()
        self._known = _Known()

    @property
    def loss(self) -> str | None:
        """What was lost, until ``forget``; ``None`` as far as is known."""
        return self._known.loss

    def forget(self) -> None:
        """For who sends all of it again. What was sent or asked before does not count any more."""
        self._known = _Known()

    def sending(self) -> Acknowledged:
        """Call it before a record is handed over, and the result with the partition and offset at which
        the record was acknowledged; they are ``None`` or negative where the broker did not say."""
        known = self._known
        before = known.acknowledged

        def acknowledged(partition: int | None, offset: int | None) -> None:
            if partition is None or offset is None or offset < 0:
                return
            with self._lock:
                if offset <= before.get(partition, -1):
                    self._lose(
                        known, f"partition {partition} gave offset {offset} again, after {before[partition]}"
                    )
                if offset > known.acknowledged.get(partition, -1):
                    known.acknowledged = {**known.acknowledged, partition: offset}
                if partition not in known.least_ends:
                    known.least_ends = {**known.least_ends, partition: 1}

        return acknowledged

    def asking(self) -> Answered:
        """Call it before the broker is asked for the ends of the partitions, and the result with its answer:
        partition → end, empty where there is no such topic.

        Only a second bad answer counts: a broker that has just started may not know its topics yet.
        """
        known = self._known
        least = known.least_ends

        def answered(ends: Mapping[int, int]) -> None:
            short = [partition for partition, end in least.items() if ends.get(partition, 0) < end]
            with self._lock:
                if short and known.doubted:
                    self._lose(known, ", ".join(_shortfall(known, ends, partition) for partition in short))
                known.doubted = bool(short)
                known.least_ends = {
                    partition: max(known.least_ends.get(partition, 0), ends.get(partition, 0))
                    for partition in {*known.least_ends, *ends}
                }

        return answered

    def _lose(self, known: _Known, what: str) -> None:
        known.loss = (
            known.loss or f"topic {self.topic!r} lost records that the broker had acknowledged: {what}"
        )


def _shortfall(known: _Known, ends: Mapping[int, int], partition: int) -> str:
    expected = max(known.least_ends[partition], known.acknowledged.get(partition, -1) + 1)
    return f"partition {partition} ends at {ends.get(partition, 0)}, not at {expected} or beyond"
