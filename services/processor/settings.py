"""The processor's own settings, from the environment and ``.env``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from shared.durations import parse_duration
from shared.settings import EnvironmentSettings


def _duration(value: object) -> object:
    duration = parse_duration(value) if isinstance(value, str) else value
    if duration == timedelta(0):
        raise ValueError("must be longer than 0")
    return duration


def _unlimited(value: object) -> object:
    """An empty value switches a limit off."""
    return None if value == "" else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class ProcessorSettings(EnvironmentSettings):
    """``chunk_tokens`` counts title and text together; sentences are joined up to
    ``chunk_window_tokens``. ``batch_max_tokens`` go through the model in one call; ``batch_max_records``
    bounds memory. ``tombstone_age`` must exceed the age of anything that the stream may still deliver."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9102, ge=1, le=65_535)
    chunk_tokens: int = Field(default=240, ge=32, le=8_192)
    chunk_window_tokens: int = Field(default=32, ge=1, le=8_192)
    batch_max_tokens: int = Field(default=8_192, ge=32, le=1_048_576)
    batch_max_records: int = Field(default=512, ge=1, le=10_000)
    max_event_bytes: int = Field(default=1_048_576, ge=1_024)
    dlq_max_share: float = Field(default=0.5, gt=0, le=1)
    max_age: Annotated[Duration | None, BeforeValidator(_unlimited)] = None
    max_chunks: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_unlimited)] = None
    tombstone_age: Duration = timedelta(days=30)
