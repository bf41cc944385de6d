"""The document topic as the log that an index can be made from."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from services.processor.commands.topic_scan import OpenTopic, read_batches
from services.processor.reading import traced
from shared.domain import Version
from shared.errors import InvalidEvent
from shared.events import DocumentEvent, decode_event
from shared.observability.trace_context import extract_context
from shared.ports import Record


class DocumentLog:
    """Read twice, so that only the newest event of each document costs an embedding, and never more than a
    batch of texts is in memory."""

    def __init__(self, topic: OpenTopic, max_event_bytes: int, stop: threading.Event) -> None:
        self._topic = topic
        self._max_event_bytes = max_event_bytes
        self._stop = stop
        self.unreadable = 0
        """Records that every processor buries."""

    def newest(self) -> Iterator[list[DocumentEvent]]:
        """The newest event of each document, in the order of the log; duplicates of it follow later. What is
        written to the topic meanwhile is left out.
        """
        versions: dict[str, Version] = {}
        self.unreadable = 0
        for batch in read_batches(self._topic, "reading the log", self._stop):
            events = list(self._decoded(batch))
            self.unreadable += len(batch) - len(events)
            for event in events:
                document_id, version = event.document.document_id, event.document.version
                if document_id not in versions or version > versions[document_id]:
                    versions[document_id] = version
        for batch in read_batches(self._topic, "filling from the log", self._stop):
            yield [
                event
                for event in self._decoded(batch)
                if versions.get(event.document.document_id) == event.document.version
            ]

    def _decoded(self, records: Iterable[Record]) -> Iterator[DocumentEvent]:
        for record in records:
            if record.value is None or len(record.value) > self._max_event_bytes:
                continue
            try:
                yield traced(decode_event(record.value), extract_context(record.headers))
            except InvalidEvent:
                continue
