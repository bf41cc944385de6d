"""A stack of one's own that has indexed the paragraphs, and nothing else."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from bench.quality.squad import Paragraph
from bench.stack import RunningStack, started_stack
from bench.stores import store_place

_DIMENSION = 384  # names a place for a store; nothing is written to it from here
_AT_ONCE = 100
_GIVE_UP = 600.0


@contextlib.contextmanager
def indexed_stack(paragraphs: Sequence[Paragraph], store: str, **settings: str) -> Iterator[RunningStack]:
    """Start a stack with ``store`` (``faiss`` or ``redis``), push every paragraph as a document through
    ``/v1/documents``, and wait until all are indexed."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as parts:
        wanted = {"VECTOR_STORE": store, "REPLAY_PAUSED": "true", "REPLAY_HISTORY": "0", **settings}
        if store == "redis":
            redis_folder = Path(folder) / "redis"
            redis_folder.mkdir()
            place = parts.enter_context(store_place(store, _DIMENSION, redis_folder)).settings
            wanted |= {"REDIS_URL": place.redis_url, "REDIS_PREFIX": place.redis_prefix}
        stack = parts.enter_context(started_stack(Path(folder) / "data", **wanted))
        push(stack, paragraphs)
        yield stack


def push(stack: RunningStack, paragraphs: Sequence[Paragraph]) -> None:
    """Returns when every paragraph can be found."""
    for start in range(0, len(paragraphs), _AT_ONCE):
        lines = [
            json.dumps({"document_id": item.document_id, "title": item.title, "text": item.text})
            for item in paragraphs[start : start + _AT_ONCE]
        ]
        response = stack.api.post(
            "/v1/documents", content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
        )
        response.raise_for_status()
    deadline = time.monotonic() + _GIVE_UP
    for item in tqdm(paragraphs, desc="indexed", unit="paragraph"):
        while stack.api.get(f"/v1/documents/{item.document_id}").status_code != 200:
            if time.monotonic() > deadline:
                raise SystemExit(f"{item.document_id} was not indexed within {_GIVE_UP:g} s")
            time.sleep(0.05)
