"""The two durable stores as the tests open them: small vectors, three shards, and patience."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.settings import VectorStoreSettings
from shared.vector_store.faiss_store.store import FaissStore
from shared.vector_store.redis_store.store import RedisStore, open_redis_store
from tests.contract.vector_store.builders import DIMENSION


def faiss_store(file: Path, **changed: Any) -> FaissStore:
    return FaissStore(
        file, **{"embedder_name": "test", "dimension": DIMENSION, "busy_timeout": 30.0} | changed
    )


def redis_settings(url: str, **changed: object) -> VectorStoreSettings:
    values: dict[str, object] = {"redis_url": url, "redis_shards": 3, "redis_timeout_seconds": 60.0}
    return VectorStoreSettings.model_validate(values | changed)


def redis_store(url: str, **changed: object) -> RedisStore:
    return open_redis_store(redis_settings(url, **changed), embedder_name="test", dimension=DIMENSION)
