"""What was published, kept for resumption: one bounded log for each topic, as Kafka would."""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

PAGE_CHANGE = "mediawiki.page_change.v1"
RECENT_CHANGE = "mediawiki.recentchange"
STREAMS = (PAGE_CHANGE, RECENT_CHANGE)
ALIASES = {"recentchange": RECENT_CHANGE}
ACTIVE_DATACENTER = "eqiad"
IDLE_DATACENTER = "codfw"

JsonObject = dict[str, Any]


def topics_of(stream: str) -> tuple[str, str]:
    """The topic that events arrive on, then the one of the datacenter that is idle."""
    return f"{ACTIVE_DATACENTER}.{stream}", f"{IDLE_DATACENTER}.{stream}"


@dataclass(frozen=True, slots=True)
class Record:
    """``sequence`` orders records over all topics; ``timestamp`` is in ms."""

    topic: str
    offset: int
    timestamp: int
    sequence: int
    data: bytes


class _TopicLog:
    def __init__(self, first_offset: int, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._records: list[Record] = []
        self._peaks: list[int] = []  # running maximum of the timestamps, which may run backward
        self.first_offset = first_offset

    @property
    def end_offset(self) -> int:
        return self.first_offset + len(self._records)

    def append(self, record: Record) -> None:
        self._records.append(record)
        self._peaks.append(max(record.timestamp, self._peaks[-1] if self._peaks else 0))
        self._bytes += len(record.data)
        if self._bytes > self._max_bytes:
            self._trim()

    def _trim(self) -> None:
        """Down to three quarters, so that the cost of moving the list is paid rarely."""
        drop = 0
        while drop < len(self._records) - 1 and self._bytes > self._max_bytes * 3 // 4:
            self._bytes -= len(self._records[drop].data)
            drop += 1
        del self._records[:drop]
        del self._peaks[:drop]
        self.first_offset += drop

    def at(self, offset: int) -> Record | None:
        """The record at ``offset``, or the oldest kept if that one is gone; ``None`` at the end."""
        index = max(0, offset - self.first_offset)
        return self._records[index] if index < len(self._records) else None

    def offset_for_time(self, timestamp: int) -> int:
        return self.first_offset + bisect_left(self._peaks, timestamp)


class EventLog:
    """All topics. ``first_offset`` grows from run to run, so that no offset is ever used twice."""

    def __init__(self, first_offset: int, max_bytes_per_topic: int) -> None:
        self._topics = {
            topic: _TopicLog(first_offset, max_bytes_per_topic)
            for stream in STREAMS
            for topic in topics_of(stream)
        }
        self._sequence = 0

    def append_event(self, stream: str, timestamp: int, event: JsonObject) -> Record:
        """Add what the server adds to ``meta`` (topic, partition, offset, key), then keep the event."""
        topic = topics_of(stream)[0]
        meta = event["meta"]
        meta.update(topic=topic, partition=0, offset=self._topics[topic].end_offset)
        if stream == PAGE_CHANGE and isinstance(event.get("page"), dict):
            meta["key"] = {"wiki_id": event.get("wiki_id"), "page_id": event["page"].get("page_id")}
        return self.append_raw(
            stream, timestamp, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        )

    def append_raw(self, stream: str, timestamp: int, data: bytes) -> Record:
        topic = topics_of(stream)[0]
        log = self._topics[topic]
        self._sequence += 1
        record = Record(topic, log.end_offset, timestamp, self._sequence, data)
        log.append(record)
        return record

    def end_offset(self, topic: str) -> int:
        return self._topics[topic].end_offset

    def offset_for_time(self, topic: str, timestamp: int) -> int:
        """The earliest offset at or after ``timestamp`` (ms), or the end."""
        return self._topics[topic].offset_for_time(timestamp)

    def next_record(self, offsets: dict[str, int]) -> Record | None:
        """The oldest record at or after ``offsets`` (by topic); ``None`` if all were read."""
        candidates = (self._topics[topic].at(offset) for topic, offset in offsets.items())
        return min(
            (record for record in candidates if record is not None),
            key=lambda record: record.sequence,
            default=None,
        )

    def newest_record(self, topics: set[str]) -> Record | None:
        newest = (self._topics[topic].at(self._topics[topic].end_offset - 1) for topic in topics)
        return max((r for r in newest if r is not None), key=lambda record: record.sequence, default=None)
