"""How retrieval weighs what it finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from services.api.retrieval.retriever import Tuning
from shared.durations import parse_duration
from shared.settings import EnvironmentSettings


def _duration(value: object) -> object:
    duration = parse_duration(value) if isinstance(value, str) else value
    if duration == timedelta(0):
        raise ValueError("must be longer than 0")
    return duration


class RetrievalSettings(EnvironmentSettings):
    """``recency_weight`` is what a request that asks for nothing else gets."""

    model_config = SettingsConfigDict(env_prefix="RETRIEVAL_")

    dense_weight: float = Field(default=0.5, ge=0, le=1)
    recency_weight: float = Field(default=0.0, ge=0, le=1)
    recency_half_life: Annotated[timedelta, BeforeValidator(_duration)] = timedelta(days=1)

    def tuning(self) -> Tuning:
        return Tuning(self.dense_weight, self.recency_weight, self.recency_half_life)
