"""``dlq show``: one dead letter, with all its headers and its value."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from services.processor.commands.dead_letters import Place
from services.processor.commands.terminal import printable, printable_bytes
from services.processor.commands.topic_scan import OpenTopic, read_records
from shared.domain import from_epoch_milliseconds
from shared.errors import RagError
from shared.events import format_time
from shared.ports import Record

_HEX_ROW = 16
_HEX_BYTES_SHOWN = 4096


class NoSuchLetter(RagError):
    """The place holds no dead letter (any more)."""


def find_letter(topic: OpenTopic, place: Place, stop: threading.Event) -> Record:
    """:raises NoSuchLetter: there is none at this place."""
    records = read_records(topic, "looking for the letter", stop, {place.partition: place.offset})
    for record in records:
        if record.offset == place.offset:
            return record
        break
    raise no_such_letter([place])


def no_such_letter(places: list[Place]) -> NoSuchLetter:
    names = ", ".join(map(str, places))
    return NoSuchLetter(f"no dead letter at {names}: `dlq list` shows where there are any")


def described(record: Record) -> Iterator[str]:
    """Lines that are safe on a terminal."""
    yield f"place      {Place(record.partition, record.offset)}"
    yield f"written    {format_time(from_epoch_milliseconds(record.timestamp_ms))}"
    yield f"key        {'-' if record.key is None else printable_bytes(record.key)}"
    yield "headers"
    for name, value in record.headers:
        yield f"  {printable(name)}: {printable_bytes(value)}"
    if record.value is None:
        yield "value      none: only the origin was kept"
    else:
        yield f"value      {len(record.value):,} bytes"
        yield ""
        yield from _value_lines(record.value)


def _value_lines(value: bytes) -> Iterator[str]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        yield from _hex_lines(value)
        return
    for line in _pretty(text).split("\n"):
        yield printable(line, keep="\t")


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _hex_lines(value: bytes) -> Iterator[str]:
    for start in range(0, min(len(value), _HEX_BYTES_SHOWN), _HEX_ROW):
        row = value[start : start + _HEX_ROW]
        characters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{3 * _HEX_ROW}} {characters}"
    if len(value) > _HEX_BYTES_SHOWN:
        yield f"... {len(value) - _HEX_BYTES_SHOWN:,} more bytes; --raw writes all of them"
