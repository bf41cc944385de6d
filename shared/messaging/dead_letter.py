"""Where records go that can never be processed, with the reason; the bytes stay as they were."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from prometheus_client import Counter

from shared.errors import InvalidReason
from shared.events import format_time
from shared.ports import DeliveryCallback, Headers, OutgoingRecord, Producer

log = logging.getLogger(__name__)

_DETAIL_LIMIT = 500
_PREFIX = "dlq."


class DeadLetterQueue:
    def __init__(self, producer: Producer, topic: str, counter: Counter) -> None:
        self._producer = producer
        self._topic = topic
        self._counter = counter

    def send(
        self,
        *,
        value: bytes | None,
        reason: InvalidReason,
        detail: str,
        key: bytes | None = None,
        headers: Headers = (),
        origin: str,
        on_delivery: DeliveryCallback | None = None,
    ) -> None:
        """Hand the record over, with ``headers`` and ``dlq.reason``, ``dlq.detail``, ``dlq.origin``,
        ``dlq.failed_at`` added. It is safe once ``on_delivery`` was called with ``None``; it is counted
        then, too.

        ``origin`` says where it was read: ``documents/3@17``, ``wikimedia:mediawiki.page_change.v1``.
        """
        detail = detail[:_DETAIL_LIMIT]

        def delivered(error: Exception | None) -> None:
            if error is None:
                self._counter.labels(reason.value).inc()
            if on_delivery is not None:
                on_delivery(error)

        self._producer.send(
            OutgoingRecord(
                topic=self._topic,
                key=key,
                value=value,
                headers=(
                    *(header for header in headers if not header[0].startswith(_PREFIX)),
                    (f"{_PREFIX}reason", reason.value.encode()),
                    (f"{_PREFIX}detail", detail.encode(errors="backslashreplace")),
                    (f"{_PREFIX}origin", origin.encode(errors="backslashreplace")),
                    (f"{_PREFIX}failed_at", format_time(datetime.now(UTC)).encode()),
                ),
            ),
            delivered,
        )
        log.warning(
            "dead letter",
            extra={"reason": reason.value, "detail": detail, "origin": origin, "bytes": len(value or b"")},
        )
