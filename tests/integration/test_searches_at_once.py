"""Many searches at once, over HTTP: each finds what was committed before it was asked, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx

from shared.domain import Chunk, Document, Version
from shared.embedder.hashing import HashingEmbedder
from shared.ports import EmbeddedDocument
from tests.support.api_process import KEY
from tests.support.served_answers import ServedAnswers, served_answers

CLIENTS = 24
ROUNDS = 5


def _put(served: ServedAnswers, number: int) -> None:
    text = f"Bridge number {number} of Quelland is open."
    document = Document(f"q:{number}", "wikimedia", "Quelland", text, "", 1, datetime.now(UTC))
    served.store.replace(
        [
            EmbeddedDocument(
                document, (Chunk(f"q:{number}", 0, text, text),), tuple(HashingEmbedder().embed([text]))
            )
        ]
    )


def test_each_of_many_searches_finds_what_was_committed_before_it(tmp_path: Path) -> None:
    with (
        served_answers(tmp_path, follows=False) as served,
        httpx.Client(base_url=served.base_url, headers={"X-API-Key": KEY}, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):

        def search(body: dict[str, object]) -> tuple[int, list[str]]:
            response = client.post("/v1/search", json=body)
            hits = response.json().get("hits", [])
            return response.status_code, [hit["document_id"] for hit in hits]

        for number in range(ROUNDS):
            _put(served, number)
            asked = {"question": f"Is bridge number {number} of Quelland open?", "top_k": 1}
            assert list(clients.map(search, [asked] * CLIENTS)) == [(200, [f"q:{number}"])] * CLIENTS
            served.store.delete(f"q:{number}", Version(2, datetime.now(UTC)))
            found = clients.map(search, [asked] * CLIENTS)
            assert all(status == 200 and f"q:{number}" not in ids for status, ids in found)


def test_the_filters_and_errors_of_one_are_not_those_of_another(tmp_path: Path) -> None:
    with (
        served_answers(tmp_path) as served,
        httpx.Client(base_url=served.base_url, headers={"X-API-Key": KEY}, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        served.wait_until_followed()
        question = "How many people has the earthquake in Velmora killed?"
        bodies: list[dict[str, object]] = [
            {"question": question},
            {"question": question, "filters": {"sources": ["nowhere"]}},
            {"question": question, "filters": {"since": "1h", "until": "2h"}},
        ]
        responses = list(clients.map(lambda body: client.post("/v1/search", json=body), bodies * CLIENTS))
        seen = [(one.status_code, len(one.json().get("hits", []))) for one in responses]
        assert seen == [(200, 1), (200, 0), (422, 0)] * CLIENTS
