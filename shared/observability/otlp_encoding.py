"""Spans as bytes of OTLP's ``ExportTraceServiceRequest`` (opentelemetry-proto 1.x, trace.proto).

The exporter's own encoding builds a message object for each attribute, which costs a process that is at work
more than recording the span did; see ADR 23. Attributes that were met before are not encoded again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

_KNOWN_ATTRIBUTES = 4_096
_LONGEST_KNOWN = 256  # characters of a text: longer ones, such as passages, are not kept
_KINDS = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_fixed64, _fixed32, _double = struct.Struct("<Q").pack, struct.Struct("<I").pack, struct.Struct("<d").pack


def encode_spans(spans: Iterable[ReadableSpan], resource: Resource) -> bytes:
    """Of one process, whose ``resource`` all of them have."""
    by_scope: dict[InstrumentationScope | None, list[bytes]] = {}
    for span in spans:
        by_scope.setdefault(span.instrumentation_scope, []).append(_block(_SCOPE_SPANS, _span(span)))
    parts = [_block(_RESOURCE, b"".join(_attributes(_RESOURCE_ATTRIBUTE, resource.attributes)))]
    for scope, encoded in by_scope.items():
        parts.append(_block(_RESOURCE_SCOPES, b"".join([*_scope(scope), *encoded])))
    parts += _text(_SCHEMA_URL, resource.schema_url)
    return _block(_REQUEST_RESOURCES, b"".join(parts))


def _span(span: ReadableSpan) -> bytes:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    parts = [
        _TRACE_ID,
        context.trace_id.to_bytes(16, "big"),
        _SPAN_ID,
        context.span_id.to_bytes(8, "big"),
        *_text(_TRACE_STATE, context.trace_state.to_header() if context.trace_state else ""),
    ]
    if parent:
        parts += (_PARENT_ID, parent.span_id.to_bytes(8, "big"))
    parts += _text(_NAME, span.name)
    parts += (_KIND, _varint(_KINDS[span.kind]))
    parts += (_START, _fixed64(span.start_time or 0), _END, _fixed64(span.end_time or 0))
    if span.attributes:
        parts += _attributes(_ATTRIBUTE, span.attributes)
    parts += _count(_DROPPED_ATTRIBUTES, span.dropped_attributes)
    parts += [_block(_EVENT, _event(event)) for event in span.events]
    parts += _count(_DROPPED_EVENTS, span.dropped_events)
    parts += [_block(_LINK, _link(link)) for link in span.links]
    parts += _count(_DROPPED_LINKS, span.dropped_links)
    parts += _status(span.status)
    parts += (_FLAGS, _fixed32(_flags(parent)))
    return b"".join(parts)


def _event(event: Event) -> bytes:
    return b"".join(
        [
            _EVENT_TIME,
            _fixed64(event.timestamp),
            *_text(_EVENT_NAME, event.name),
            *_attributes(_EVENT_ATTRIBUTE, event.attributes or {}),
            *_count(_EVENT_DROPPED, event.dropped_attributes),
        ]
    )


def _link(link: Link) -> bytes:
    return b"".join(
        [
            _TRACE_ID,
            link.context.trace_id.to_bytes(16, "big"),
            _SPAN_ID,
            link.context.span_id.to_bytes(8, "big"),
            *_attributes(_LINK_ATTRIBUTE, link.attributes or {}),
            *_count(_LINK_DROPPED, link.dropped_attributes),
            _LINK_FLAGS,
            _fixed32(_flags(link.context)),
        ]
    )


def _flags(context: SpanContext | None) -> int:
    return _HAS_IS_REMOTE | _IS_REMOTE if context and context.is_remote else _HAS_IS_REMOTE


def _status(status: Status) -> list[bytes]:
    if status.status_code is StatusCode.UNSET:
        return [_NO_STATUS]
    code = [_STATUS_CODE, _varint(status.status_code.value)]
    return [_block(_STATUS, b"".join([*_text(_STATUS_MESSAGE, status.description or ""), *code]))]


def _scope(scope: InstrumentationScope | None) -> list[bytes]:
    """The scope, and the address of its schema."""
    if scope is None:
        return [_block(_SCOPE, b"")]
    body = [*_text(_SCOPE_NAME, scope.name), *_text(_SCOPE_VERSION, scope.version or "")]
    body += _attributes(_SCOPE_ATTRIBUTE, scope.attributes or {})
    return [_block(_SCOPE, b"".join(body)), *_text(_SCHEMA_URL, scope.schema_url or "")]


def _attributes(tag: bytes, attributes: Mapping[str, AttributeValue]) -> list[bytes]:
    parts: list[bytes] = []
    for key, value in attributes.items():
        is_known = isinstance(value, int) or (isinstance(value, str) and len(value) <= _LONGEST_KNOWN)
        encoded = _known_pair(key, value) if is_known else _pair(key, value)
        parts += (tag, _varint(len(encoded)), encoded)
    return parts


def _pair(key: str, value: AttributeValue) -> bytes:
    """A ``KeyValue``."""
    encoded = _value(value)
    return b"".join((_key(key), _PAIR_VALUE, _varint(len(encoded)), encoded))


@lru_cache(_KNOWN_ATTRIBUTES)
def _key(key: str) -> bytes:
    return b"".join(_text(_PAIR_KEY, key))


# Typed, because 1 and True are equal and yet different values.
_known_pair = lru_cache(_KNOWN_ATTRIBUTES, typed=True)(_pair)


def _value(value: AttributeValue) -> bytes:
    """An ``AnyValue``."""
    if isinstance(value, str):
        return _block(_ANY_TEXT, value.encode(errors="replace"))
    if isinstance(value, bool):
        return _ANY_BOOL + _varint(value)
    if isinstance(value, int):
        return _ANY_INT + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return _ANY_DOUBLE + _double(value)
    if isinstance(value, bytes):
        return _block(_ANY_BYTES, value)
    if value is None:  # in a sequence, where the API allows it
        return b""
    return _block(_ANY_ARRAY, b"".join(_block(_ARRAY_VALUE, _value(each)) for each in value))


def _text(tag: bytes, text: str) -> Sequence[bytes]:
    """Nothing for an empty one, which is the default."""
    if not text:
        return ()
    encoded = text.encode(errors="replace")
    return (tag, _varint(len(encoded)), encoded)


def _count(tag: bytes, number: int) -> Sequence[bytes]:
    return (tag, _varint(number)) if number else ()


def _block(tag: bytes, content: bytes) -> bytes:
    return b"".join((tag, _varint(len(content)), content))


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _SMALL[number]
    digits = bytearray()
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


_SMALL = [bytes([number]) for number in range(0x80)]


def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


_REQUEST_RESOURCES = _tag(1, _BYTES)
_RESOURCE, _RESOURCE_SCOPES, _SCHEMA_URL = _tag(1, _BYTES), _tag(2, _BYTES), _tag(3, _BYTES)
_RESOURCE_ATTRIBUTE = _tag(1, _BYTES)
_SCOPE, _SCOPE_SPANS = _tag(1, _BYTES), _tag(2, _BYTES)
_SCOPE_NAME, _SCOPE_VERSION, _SCOPE_ATTRIBUTE = _tag(1, _BYTES), _tag(2, _BYTES), _tag(3, _BYTES)
_TRACE_ID, _SPAN_ID = _tag(1, _BYTES) + _varint(16), _tag(2, _BYTES) + _varint(8)
_TRACE_STATE, _PARENT_ID = _tag(3, _BYTES), _tag(4, _BYTES) + _varint(8)
_NAME, _KIND, _START, _END = _tag(5, _BYTES), _tag(6, _VARINT), _tag(7, _FIXED64), _tag(8, _FIXED64)
_ATTRIBUTE, _DROPPED_ATTRIBUTES = _tag(9, _BYTES), _tag(10, _VARINT)
_EVENT, _DROPPED_EVENTS = _tag(11, _BYTES), _tag(12, _VARINT)
_LINK, _DROPPED_LINKS = _tag(13, _BYTES), _tag(14, _VARINT)
_STATUS, _FLAGS = _tag(15, _BYTES), _tag(16, _FIXED32)
_NO_STATUS = _STATUS + _varint(0)
_EVENT_TIME, _EVENT_NAME = _tag(1, _FIXED64), _tag(2, _BYTES)
_EVENT_ATTRIBUTE, _EVENT_DROPPED = _tag(3, _BYTES), _tag(4, _VARINT)
_LINK_ATTRIBUTE, _LINK_DROPPED, _LINK_FLAGS = _tag(4, _BYTES), _tag(5, _VARINT), _tag(6, _FIXED32)
_STATUS_MESSAGE, _STATUS_CODE = _tag(2, _BYTES), _tag(3, _VARINT)
_PAIR_KEY, _PAIR_VALUE = _tag(1, _BYTES), _tag(2, _BYTES)
_ANY_TEXT, _ANY_BOOL, _ANY_INT, _ANY_DOUBLE = (
    _tag(1, _BYTES),
    _tag(2, _VARINT),
    _tag(3, _VARINT),
    _tag(4, _FIXED64),
)
_ANY_ARRAY, _ANY_BYTES, _ARRAY_VALUE = _tag(5, _BYTES), _tag(7, _BYTES), _tag(1, _BYTES)
