"""Asks the API all the time, and keeps what it answered for the judgement at the end."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import httpx

from shared.settings import KafkaSettings
from tests.chaos.topics import CommittedOffsets, Offsets

_PAUSE = 0.03
_COMMITTED_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class SeenHit:
    document_id: str
    version: tuple[int, datetime]
    chunk_id: str
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class SeenAnswer:
    """``committed``: what the processors had committed, and so made durable, before the question."""

    committed: Offsets
    hits: tuple[SeenHit, ...]


class Searcher(threading.Thread):
    def __init__(
        self, client: httpx.Client, settings: KafkaSettings, questions: Sequence[str], seed: int
    ) -> None:
        super().__init__(name="searcher", daemon=True)
        self._client = client
        self._settings = settings
        self._questions = questions
        self._rng = random.Random(seed)
        self._stop_asking = threading.Event()
        self._committed: Offsets = {}
        self.answers: list[SeenAnswer] = []
        self.statuses: Counter[str] = Counter()
        """By HTTP status, or ``no connection``; what should not be, with its body."""

    def run(self) -> None:
        watcher = threading.Thread(target=self._watch_commits, name="commits", daemon=True)
        watcher.start()
        while not self._stop_asking.wait(_PAUSE):
            committed = self._committed
            try:
                hits = self.search(self._rng.choice(self._questions))
            except httpx.HTTPStatusError as error:
                self.statuses[_name(error.response)] += 1
            except httpx.TransportError:
                self.statuses["no connection"] += 1
            else:
                self.statuses["200"] += 1
                self.answers.append(SeenAnswer(committed, hits))
        watcher.join()

    def stop(self) -> None:
        self._stop_asking.set()
        self.join()

    def search(self, question: str, top_k: int = 20) -> tuple[SeenHit, ...]:
        response = self._client.post("/v1/search", json={"question": question, "top_k": top_k})
        response.raise_for_status()
        return tuple(
            SeenHit(
                hit["document_id"],
                (hit["revision"], datetime.fromisoformat(hit["updated_at"])),
                hit["chunk_id"],
                hit["text"],
                hit["title"],
            )
            for hit in response.json()["hits"]
        )

    def _watch_commits(self) -> None:
        with closing(CommittedOffsets(self._settings)) as committed:
            while not self._stop_asking.wait(_COMMITTED_EVERY):
                self._committed = committed.read() or self._committed


def _name(response: httpx.Response) -> str:
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return "503"
    return f"{response.status_code} {response.text[:200]}"
