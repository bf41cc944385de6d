"""The API with a cross-encoder: it orders what is found, and is a stage of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.embedder.hashing import HashingEmbedder
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.api_process import RunningApi, an_api, kafka_settings
from tests.support.tiny_cross_encoder import save_cross_encoder
from tests.unit.services.api.retrieval.support import a_document, put

QUESTION = "Who was elected mayor in Velmora?"


@contextmanager
def api_with_two_documents(broker: str, data_dir: Path, **changes: str) -> Iterator[RunningApi]:
    """``few`` has the question's rare words alone; ``whole`` has each of its words, among many others."""
    embedder = HashingEmbedder()
    storage = VectorStoreSettings(vector_store="faiss", data_dir=data_dir)
    store = open_vector_store(storage, embedder_name=embedder.name, dimension=embedder.dimension)
    whole = (
        "Rain in the river, high and low, and a station that was open by the bridge of Quillon, where the "
        "one who, rain or not, was then mayor, of high station by the river, and was once elected, went to "
        "Velmora."
    )
    put(
        store,
        a_document("few", "Elected mayor, Velmora. Elected mayor, Velmora."),
        a_document("whole", whole),
    )
    store.close()
    with an_api(data_dir, kafka_settings(broker), until="/health/ready", **changes) as api:
        yield api


def ask(api: RunningApi, path: str) -> dict[str, Any]:
    response = api.client.post(path, json={"question": QUESTION})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize(("kind", "order"), [("none", ["few", "whole"]), ("cross-encoder", ["whole", "few"])])
def test_the_setting_changes_the_order(broker: str, tmp_path: Path, kind: str, order: list[str]) -> None:
    model = save_cross_encoder(tmp_path / "overlap", max_tokens=64)
    with api_with_two_documents(broker, tmp_path / "data", RERANKER=kind, RERANKER_MODEL=str(model)) as api:
        hits = ask(api, "/v1/search")["hits"]
        assert [hit["document_id"] for hit in hits] == order
        assert ("rerank" in ask(api, "/v1/ask")["timings_ms"]) == (kind == "cross-encoder")
        line = next(line for line in api.log_lines() if line["message"] == "serving")
        assert line["reranker"] == ("overlap" if kind == "cross-encoder" else None)
