"""The producer's own settings, from the environment and ``.env``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BeforeValidator, Field, field_validator

from shared.domain import epoch_milliseconds
from shared.durations import parse_duration
from shared.events import parse_time
from shared.settings import EnvironmentList, EnvironmentSettings, split_list

STREAMS = ("mediawiki.page_change.v1", "mediawiki.recentchange", "recentchange")
"""What the normaliser understands; the last is the public short name of the second."""

DEFAULT_WIKIS = frozenset({"enwiki"})

_PROJECT = "https://github.com/live-rag/live-rag"
_EPOCH_MILLISECONDS = re.compile(r"\d{1,15}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def default_user_agent() -> str:
    """Wikimedia asks for ``name/version (url; contact) library/version`` and refuses generic ones."""
    return f"live-rag/{version('live-rag')} ({_PROJECT}; {_PROJECT}/issues) httpx/{version('httpx')}"


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class ProducerSettings(EnvironmentSettings):
    """``*`` or an empty value of a list means all."""

    source: Literal["auto", "wikimedia", "replay"] = "auto"
    source_since: str | None = None
    source_rewind: Duration = timedelta(seconds=5)
    wikimedia_url: str = "https://stream.wikimedia.org"
    replay_url: str = "http://127.0.0.1:8090"
    # Where readers find its pages; the producer may reach it under another name than they do.
    replay_public_url: str | None = None
    wikimedia_streams: EnvironmentList = ("mediawiki.page_change.v1",)
    wikimedia_wikis: EnvironmentList | None = None
    wikimedia_namespaces: Annotated[EnvironmentList, Field(validate_default=True)] = ("0",)
    wikimedia_include_bots: bool = False
    wikimedia_user_agent: str = Field(default_factory=default_user_agent)
    enrich: Literal["extract", "none"] = "extract"
    enrich_rate: float = Field(default=3.0, gt=0, le=1000)
    enrich_max_chars: int = Field(default=8000, ge=200, le=1_000_000)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9101, ge=1, le=65_535)
    data_dir: Path = Path("./data")

    @field_validator("wikimedia_streams", "wikimedia_wikis", "wikimedia_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_list(value)

    @field_validator("wikimedia_streams")
    @classmethod
    def _known_streams(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in STREAMS]
        if unknown or not value:
            raise ValueError(f"one or more of {', '.join(STREAMS)} are needed")
        return value

    @field_validator("wikimedia_namespaces")
    @classmethod
    def _namespace_numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"-?\d{1,6}", item) for item in value):
            raise ValueError("namespace numbers are needed, such as 0 or 0,4")
        return value

    @field_validator("wikimedia_url", "replay_url", "replay_public_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("an address such as https://host or http://host:port is needed")
        _ = parts.port  # raises ValueError where it is not a number
        try:
            httpx.URL(value.strip())
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from None
        return value.strip().rstrip("/")

    @field_validator("wikimedia_user_agent")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError("printable ASCII is needed: name/version (url; contact) library/version")
        return value

    @field_validator("source_since")
    @classmethod
    def _moment(cls, value: str | None) -> str | None:
        if not value:
            return None
        since_milliseconds(value, datetime.now(UTC))
        return value

    @property
    def namespaces(self) -> frozenset[int]:
        """Empty: all."""
        return frozenset(int(item) for item in self.wikimedia_namespaces)


def since_milliseconds(value: str, now: datetime) -> int:
    """Epoch milliseconds of a time, of epoch milliseconds, or of a duration back from ``now``.

    :raises ValueError: none of them.
    """
    if _EPOCH_MILLISECONDS.fullmatch(value):
        return int(value)
    try:
        return max(0, epoch_milliseconds(now - parse_duration(value)))
    except ValueError:
        pass
    try:
        return max(0, epoch_milliseconds(parse_time(value)))
    except ValueError:
        raise ValueError(
            "a time such as 2026-11-22T09:30:00Z, epoch milliseconds, or a duration back such as 1h is needed"
        ) from None
