"""A span of work that runs: the API's, recorded with as little as that takes. See ADR 23."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

_UNSET = Status(StatusCode.UNSET)


class RunningSpan(Span):
    """``hand_over`` takes it once it has ended. Whatever is said of it afterwards is ignored."""

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
        started: int,
        hand_over: Callable[[RunningSpan], None],
    ) -> None:
        """``started``: nanoseconds since 1970."""
        self.name = name
        self.context = context
        self.parent = parent
        self.kind = kind
        self.attributes: dict[str, AttributeValue] = dict(attributes) if attributes else {}
        self.links = links
        self.events: list[Event] = []
        self.status = _UNSET
        self.started = started
        self.ended: int | None = None
        self._hand_over = hand_over

    def get_span_context(self) -> SpanContext:
        return self.context

    def is_recording(self) -> bool:
        return self.ended is None

    def update_name(self, name: str) -> None:
        if self.ended is None:
            self.name = name

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if self.ended is None:
            self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        if self.ended is None:
            self.attributes.update(attributes)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if self.ended is None:
            self.events.append(Event(name, attributes, timestamp))

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """As specified: ``OK`` is final, and ``UNSET`` changes nothing."""
        made = status if isinstance(status, Status) else Status(status, description)
        if self.ended is None and self.status.status_code is not StatusCode.OK and not made.is_unset:
            self.status = made

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        described = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**described, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        if self.ended is None:
            self.ended = time.time_ns() if end_time is None else end_time
            self._hand_over(self)
