"""Settings of the API alone."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import ConfigurationError
from shared.settings import EnvironmentSettings, KafkaSettings

_EVENT_OVERHEAD = 65_536
"""Bytes that a document may gain on its way from a request body to a Kafka record."""


class ApiSettings(EnvironmentSettings):
    """``threads`` bounds the requests that are worked on at once; ``publish_timeout_seconds`` how long a
    write waits for the broker before it is answered with 503; ``shutdown_seconds`` how long requests under
    way may take once the process is told to stop."""

    model_config = SettingsConfigDict(env_prefix="API_")

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65_535)
    keys_file: Path | None = None
    max_body_bytes: int = Field(default=4_194_304, ge=4096)
    threads: int = Field(default=32, ge=1, le=1024)
    publish_timeout_seconds: float = Field(default=10.0, gt=0, le=300)
    shutdown_seconds: int = Field(default=15, ge=1, le=20)

    def keys_path(self, data_dir: Path) -> Path:
        """``API_KEYS_FILE``, or ``api-keys`` in ``DATA_DIR``."""
        return self.keys_file or data_dir / "api-keys"


def check_body_limit(api: ApiSettings, kafka: KafkaSettings) -> None:
    """Whatever fits into a request must fit into a record, or a write could fail halfway.

    :raises ConfigurationError: it does not.
    """
    largest = kafka.max_message_bytes - _EVENT_OVERHEAD
    if api.max_body_bytes > largest:
        raise ConfigurationError(
            f"API_MAX_BODY_BYTES={api.max_body_bytes}: at most {largest} with "
            f"KAFKA_MAX_MESSAGE_BYTES={kafka.max_message_bytes}; lower the first or raise the second"
        )
