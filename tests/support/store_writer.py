"""A writer in a process of its own: ``python -m tests.support.store_writer MODE PLACE [ARGUMENT]``.

PLACE is a file for FAISS, or the URL of a Redis server.

``obey``     writes "ID REVISION" lines from its input, and answers each once it is durable.
``stream``   writes new documents until it is killed, and names each once it is durable.
``revise``   writes ever newer revisions of document ``m`` until it is killed.
``shuffle``  writes all revisions of all documents in the random order of the seed ARGUMENT.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from shared.ports import VectorStore
from tests.support.child import Child, child, say
from tests.support.revisions import NEWEST_REVISION, SHUFFLED_IDS, revision_of
from tests.support.stores import faiss_store, redis_store


def writer(mode: str, place: Path | str, *arguments: str) -> contextlib.AbstractContextManager[Child]:
    return child("tests.support.store_writer", mode, str(place), *arguments)


def obey(store: VectorStore) -> None:
    for line in sys.stdin:
        document_id, revision = line.split()
        store.replace([revision_of(document_id, int(revision))])
        say(line.strip())


def stream(store: VectorStore) -> None:
    for number in count():
        first = 3 * number
        store.replace([revision_of(f"d{i}", 1 + i) for i in range(first, first + 3)])
        say(str(first + 3))


def revise(store: VectorStore) -> None:
    for revision in count(1):
        store.replace([revision_of("m", revision)])
        say(str(revision))


def shuffle(store: VectorStore) -> None:
    generator = random.Random(sys.argv[3])
    work = [(name, revision) for name in SHUFFLED_IDS for revision in range(1, NEWEST_REVISION + 1)]
    generator.shuffle(work)
    while work:
        batch = [work.pop() for _ in range(min(len(work), generator.randint(1, 4)))]
        store.replace([revision_of(*item) for item in batch])


MODES: dict[str, Callable[[VectorStore], None]] = {
    "obey": obey,
    "stream": stream,
    "revise": revise,
    "shuffle": shuffle,
}


def opened(place: str) -> VectorStore:
    return redis_store(place) if place.startswith("redis://") else faiss_store(Path(place))


if __name__ == "__main__":
    with contextlib.closing(opened(sys.argv[2])) as store:
        MODES[sys.argv[1]](store)
