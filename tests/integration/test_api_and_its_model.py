"""The API does not wait for its language model, says so in its answers, and ends where waiting is no cure."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.domain import Chunk, Document
from shared.embedder.hashing import HashingEmbedder
from shared.ports import EmbeddedDocument
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.support.api_process import (
    COMMAND,
    RunningApi,
    an_api,
    environment,
    kafka_settings,
    write_key,
)
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.ollama_server import ollama_server
from tests.support.processes import free_port, wait_until

MODEL = "smollm2:135m"
QUESTION = "How many people has the earthquake in Velmora killed?"
TEXT = "The earthquake in Velmora has killed 41 people."
PATIENCE = 120.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    with ollama_server(MODEL) as server, faulty_proxy(server.url) as proxy:
        yield proxy


def uses(url: str, **more: str) -> dict[str, str]:
    return {
        "LLM": "ollama",
        "OLLAMA_URL": url,
        "OLLAMA_PULL": "false",
        "LLM_MODEL": MODEL,
        "LLM_BREAKER_SECONDS": "0.2",
        **more,
    }


def _seed(data_dir: Path) -> None:
    embedder = HashingEmbedder()
    now = datetime.now(UTC)
    document = Document(
        document_id="wiki/velmora",
        source="api",
        title="Velmora earthquake",
        text=TEXT,
        url="https://wiki.example/velmora",
        revision=1,
        updated_at=now,
        attributes={},
    )
    chunk = Chunk(document.document_id, 0, TEXT, "hash")
    settings = VectorStoreSettings(_env_file=None, data_dir=data_dir)  # type: ignore[call-arg]
    with contextlib.closing(
        open_vector_store(settings, embedder_name=embedder.name, dimension=embedder.dimension)
    ) as store:
        store.replace([EmbeddedDocument(document, (chunk,), (embedder.embed([TEXT])[0],))])
        store.flush()


@contextlib.contextmanager
def _an_api_with_a_document(data_dir: Path, broker: str, **changes: str) -> Iterator[RunningApi]:
    _seed(data_dir)
    with an_api(data_dir, kafka_settings(broker), **changes) as api:

        def finds() -> bool:
            response = api.client.post("/v1/search", json={"question": QUESTION})
            return response.status_code == 200 and bool(response.json()["hits"])

        wait_until(finds, PATIENCE, f"the document is found (log: {api.log})")
        yield api


def _ask(api: RunningApi) -> dict[str, Any]:
    response = api.client.post("/v1/ask", json={"question": QUESTION})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _state(api: RunningApi) -> str:
    lines = api.client.get("/metrics").text.splitlines()
    [state] = [line for line in lines if line.startswith("rag_llm_state{") and line.endswith(" 1.0")]
    return state.split('"')[1]


def test_answers_are_quotes_until_the_model_is_there_and_while_it_is_away(
    broker: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    proxy.do("drop 1000000")
    with _an_api_with_a_document(tmp_path, broker, **uses(proxy.root)) as api:
        answer = _ask(api)
        assert (answer["outcome"], _state(api)) == ("degraded", "loading")
        assert "41" in answer["answer"]
        assert answer["citations"]
        assert api.client.get("/v1/stats").json()["llm"] == MODEL

        proxy.do("none")
        wait_until(lambda: _state(api) == "closed", PATIENCE, f"the model is loaded (log: {api.log})")
        answer = _ask(api)
        assert answer["outcome"] == "answered", "what was answered without the model is not kept"
        assert "41" in answer["answer"]
        assert answer["usage"]["input_tokens"] > 0


def test_a_model_that_goes_away_is_left_alone(broker: str, tmp_path: Path, proxy: FaultyProxy) -> None:
    proxy.do("none")
    slow_to_return = {"LLM_BREAKER_SECONDS": "600", "LLM_RETRIES": "0", "API_CACHE_ENTRIES": "0"}
    with _an_api_with_a_document(tmp_path, broker, **uses(proxy.root, **slow_to_return)) as api:
        wait_until(lambda: _state(api) == "closed", PATIENCE, f"the model is loaded (log: {api.log})")
        proxy.do("drop 1000000")
        assert {_ask(api)["outcome"] for _ in range(5)} == {"degraded"}
        assert proxy.count() == 3
        assert _state(api) == "open"


def test_a_model_that_ollama_does_not_have_ends_the_process_with_one_line(
    broker: str, tmp_path: Path, proxy: FaultyProxy
) -> None:
    proxy.do("none")
    write_key(tmp_path)
    variables = environment(tmp_path, free_port(), kafka_settings(broker))
    ended = subprocess.run(
        COMMAND,
        env={**os.environ, **variables, **uses(proxy.root, LLM_MODEL="absent")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    [line] = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("api: LLM_MODEL=absent: ")
    assert "ollama pull absent" in line
