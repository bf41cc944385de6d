"""Typed access to decoded JSON that nobody has checked yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.errors import InvalidEvent, InvalidReason
from shared.events import parse_time


class Fields:
    """Required values raise InvalidEvent where they are missing or of another type; optional ones are
    ``None`` then, because the stream's schema grows."""

    def __init__(self, body: dict[str, Any], prefix: str = "") -> None:
        self._body = body
        self._prefix = prefix

    def text(self, name: str) -> str:
        value = self._required(name)
        if not isinstance(value, str):
            raise self._invalid(name, "not a string")
        if not value.strip():
            raise InvalidEvent(InvalidReason.MISSING_FIELD, f"{self._prefix}{name} is empty")
        if _readable(value) != value:
            raise self._invalid(name, "holds a lone surrogate")
        return value

    def optional_text(self, name: str) -> str | None:
        value = self._body.get(name)
        return _readable(value) if isinstance(value, str) else None

    def integer(self, name: str) -> int:
        value = self._required(name)
        if type(value) is not int or not -(2**31) <= value < 2**63:
            raise self._invalid(name, "not an integer")
        return value

    def identifier(self, name: str) -> int:
        """An integer from 1."""
        value = self.integer(name)
        if value < 1:
            raise self._invalid(name, "below 1")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._body.get(name)
        return value if isinstance(value, bool) else default

    def time(self, name: str) -> datetime:
        value = self.text(name)
        try:
            return parse_time(value)
        except (ValueError, OverflowError) as error:
            raise self._invalid(name, str(error)) from None

    def child(self, name: str) -> Fields:
        value = self._required(name)
        if not isinstance(value, dict):
            raise self._invalid(name, "not an object")
        return Fields(value, f"{self._prefix}{name}.")

    def optional_child(self, name: str) -> Fields:
        """An empty object where there is none."""
        value = self._body.get(name)
        return Fields(value if isinstance(value, dict) else {}, f"{self._prefix}{name}.")

    def first(self, name: str) -> Fields:
        """The first item of a list of objects."""
        value = self._required(name)
        if not isinstance(value, list) or not value or not isinstance(value[0], dict):
            raise self._invalid(name, "not a list of objects")
        return Fields(value[0], f"{self._prefix}{name}[0].")

    def _required(self, name: str) -> object:
        value = self._body.get(name)
        if value is None:
            raise InvalidEvent(InvalidReason.MISSING_FIELD, f"{self._prefix}{name} is missing")
        return value

    def _invalid(self, name: str, why: str) -> InvalidEvent:
        return InvalidEvent(InvalidReason.INVALID_FIELD, f"{self._prefix}{name}: {why}")


def _readable(text: str) -> str:
    """The text, with a replacement character for each lone surrogate that JSON can smuggle in."""
    return text.encode("utf-8", "replace").decode() if not _encodable(text) else text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
