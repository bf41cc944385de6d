"""The processor's own settings, from the environment and ``.env``."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from shared.settings import EnvironmentSettings


class ProcessorSettings(EnvironmentSettings):
    """``chunk_tokens`` counts title and text together; ``chunk_overlap_tokens`` of them may be repeated
    from the chunk before."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9102, ge=1, le=65_535)
    chunk_tokens: int = Field(default=240, ge=32, le=8_192)
    chunk_overlap_tokens: int = Field(default=40, ge=0, validate_default=True)
    batch_max_records: int = Field(default=64, ge=1, le=10_000)
    max_event_bytes: int = Field(default=1_048_576, ge=1_024)

    @field_validator("chunk_overlap_tokens")
    @classmethod
    def _at_most_half(cls, value: int, info: ValidationInfo) -> int:
        chunk_tokens = info.data.get("chunk_tokens")
        if chunk_tokens is not None and value > chunk_tokens // 2:
            raise ValueError(f"must be at most half of CHUNK_TOKENS={chunk_tokens}")
        return value
