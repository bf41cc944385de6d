"""The API with a reader: what it finds no answer for is not answered, and without one it says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.embedder.hashing import HashingEmbedder
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.api_process import RunningApi, an_api, kafka_settings
from tests.support.tiny_reader import save_reader
from tests.unit.services.api.retrieval.support import a_document, put

ANSWERABLE = "Who was elected mayor of Velmora?"
UNANSWERABLE = "Who won the station of Velmora?"
ANSWER = "Alpha Lund omega was elected mayor."
NEARLY = "The mayor of Velmora, who was elected, was elected mayor."


@contextmanager
def api_with_two_documents(broker: str, data_dir: Path, model: Path, **changes: str) -> Iterator[RunningApi]:
    """``nearly`` has the question's words, ``answers`` the answer. Signals of words keep nothing back."""
    embedder = HashingEmbedder()
    storage = VectorStoreSettings(vector_store="faiss", data_dir=data_dir)
    store = open_vector_store(storage, embedder_name=embedder.name, dimension=embedder.dimension)
    put(store, a_document("answers", f"The river of Velmora is high. {ANSWER}"), a_document("nearly", NEARLY))
    store.close()
    settings = {"API_MIN_CONFIDENCE": "0", "READER_MODEL": str(model), **changes}
    with an_api(data_dir, kafka_settings(broker), until="/health/ready", **settings) as api:
        yield api


def ask(api: RunningApi, question: str) -> dict[str, Any]:
    response = api.client.post("/v1/ask", json={"question": question})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def readings(api: RunningApi) -> dict[str, float]:
    return {
        sample.labels["result"]: sample.value
        for family in text_string_to_metric_families(api.client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "rag_reader_readings_total" and sample.value
    }


@pytest.mark.parametrize("kind", ["none", "question-answering"])
def test_the_setting_changes_what_is_answered(broker: str, tmp_path: Path, kind: str) -> None:
    reads = kind != "none"
    model = save_reader(tmp_path / "marks", max_tokens=128)
    with api_with_two_documents(broker, tmp_path / "data", model, READER=kind) as api:
        answered, unanswered = ask(api, ANSWERABLE), ask(api, UNANSWERABLE)
        assert answered["outcome"] == "answered"
        assert (answered["citations"][0]["quote"] == ANSWER) is reads
        assert unanswered["outcome"] == ("no_context" if reads else "answered")
        for body in (answered, unanswered):
            assert ("read" in body["timings_ms"]) is reads
        assert readings(api) == ({"answer": 1, "no_answer": 1} if reads else {})
        line = next(line for line in api.log_lines() if line["message"] == "serving")
        assert line["reader"] == ("marks" if reads else None)


def test_the_threshold_is_a_setting(broker: str, tmp_path: Path) -> None:
    model = save_reader(tmp_path / "marks")
    changes = {"READER": "question-answering", "READER_THRESHOLD": "1000"}
    with api_with_two_documents(broker, tmp_path / "data", model, **changes) as api:
        assert ask(api, UNANSWERABLE)["outcome"] == "answered"


def test_a_model_that_breaks_is_done_without(broker: str, tmp_path: Path) -> None:
    model = save_reader(tmp_path / "short", positions=8)
    with api_with_two_documents(broker, tmp_path / "data", model, READER="question-answering") as api:
        for _ in range(2):
            body = ask(api, UNANSWERABLE)
            assert body["outcome"] == "degraded"
            assert body["citations"]
        assert readings(api) == {"failed": 2}
        warned = [line for line in api.log_lines() if line["message"] == "answering without the reader"]
        assert len(warned) == 2
        assert api.client.get("/health/ready").status_code == 200
