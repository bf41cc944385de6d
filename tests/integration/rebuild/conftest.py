"""The stage, with each of the two durable stores."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.messaging.factory import ensure_topics
from shared.settings import KafkaSettings
from tests.integration.rebuild.stage import Stage


@pytest.fixture(params=["faiss", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "faiss":
        return {"VECTOR_STORE": "faiss", "FAISS_PATH": str(tmp_path / "documents.sqlite")}
    url = request.getfixturevalue("redis_url")
    return {"VECTOR_STORE": "redis", "REDIS_URL": url, "REDIS_PREFIX": f"rag-{uuid.uuid4()}"}


@pytest.fixture
def stage(broker: str, tmp_path: Path, store: dict[str, str]) -> Iterator[Stage]:
    name = f"documents-{uuid.uuid4()}"
    kafka = KafkaSettings(bootstrap_servers=broker, topic=name, dlq_topic=f"{name}.dlq", group_id=name)
    ensure_topics(kafka, 60)
    stage = Stage(kafka, store, tmp_path)
    with stage.started:
        yield stage
