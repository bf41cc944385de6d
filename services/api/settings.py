"""Settings of the API alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import SettingsConfigDict
from whenever import Instant, TimeZoneNotFoundError

from services.api.answering.confidence import MIN_CONFIDENCE
from shared.durations import parse_duration
from shared.errors import ConfigurationError
from shared.settings import EnvironmentSettings, KafkaSettings

_EVENT_OVERHEAD = 4096
"""More than an event's own fields and its key add to a document as pushed."""


class ApiSettings(EnvironmentSettings):
    """``max_event_bytes`` is the processor's limit, which the API must not promise beyond. ``threads``
    bounds the requests that are worked on at once; ``cache_entries`` the answers that are kept for repeated
    questions; ``watches`` and ``watches_per_key`` the standing questions at a time.

    ``min_confidence``: how probable it must be that the strongest evidence answers the question;
    ``publish_timeout_seconds``: how long a write waits for the broker before it is answered with 503;
    ``shutdown_seconds``: how long requests under way may take once the process is told to stop;
    ``timezone``, an IANA name: whose days and clock questions mean."""

    model_config = SettingsConfigDict(env_prefix="API_")

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65_535)
    keys_file: Path | None = None
    max_body_bytes: int = Field(default=4_194_304, ge=4096)
    max_event_bytes: int = Field(
        default=1_048_576, ge=2 * _EVENT_OVERHEAD, validation_alias="MAX_EVENT_BYTES"
    )
    threads: int = Field(default=32, ge=1, le=1024)
    cache_entries: int = Field(default=1_000, ge=0, le=1_000_000)
    watches: int = Field(default=100, ge=0, le=10_000)
    watches_per_key: int = Field(default=10, ge=0, le=10_000)
    min_confidence: float = Field(default=MIN_CONFIDENCE, ge=0, le=1)
    publish_timeout_seconds: float = Field(default=10.0, gt=0, le=300)
    shutdown_seconds: int = Field(default=15, ge=1, le=20)
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            Instant.from_timestamp(0).to_tz(value)
        except TimeZoneNotFoundError:
            raise ValueError("an IANA time zone such as UTC, Europe/Berlin or America/New_York") from None
        return value

    def keys_path(self, data_dir: Path) -> Path:
        """``API_KEYS_FILE``, or ``api-keys`` in ``DATA_DIR``."""
        return self.keys_file or data_dir / "api-keys"

    @property
    def max_document_bytes(self) -> int:
        """Of one document's JSON in a request."""
        return self.max_event_bytes - _EVENT_OVERHEAD


def _duration(value: object) -> object:
    duration = parse_duration(value) if isinstance(value, str) else value
    if duration == timedelta(0):
        raise ValueError("must be longer than 0")
    return duration


class RetrievalSettings(EnvironmentSettings):
    """``dense_weight``: the share of similarity in a score, the rest is BM25's. ``recency_weight`` is what a
    request that asks for nothing else gets."""

    model_config = SettingsConfigDict(env_prefix="RETRIEVAL_")

    dense_weight: float = Field(default=0.5, ge=0, le=1)
    recency_weight: float = Field(default=0.0, ge=0, le=1)
    recency_half_life: Annotated[timedelta, BeforeValidator(_duration)] = timedelta(days=1)


def check_event_limit(api: ApiSettings, kafka: KafkaSettings) -> None:
    """What passes here must pass the producer too, or a write of several documents could fail halfway.

    :raises ConfigurationError: the producer takes less.
    """
    largest = kafka.max_message_bytes - _EVENT_OVERHEAD
    if api.max_event_bytes > largest:
        raise ConfigurationError(
            f"MAX_EVENT_BYTES={api.max_event_bytes}: at most {largest} with "
            f"KAFKA_MAX_MESSAGE_BYTES={kafka.max_message_bytes}; lower the first or raise the second"
        )
