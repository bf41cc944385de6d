"""A writer in a process of its own: ``python -m tests.contract.vector_store.writer MODE FILE [ARGUMENT]``.

``obey``     writes "ID REVISION" lines from its input, and answers each once it is durable.
``stream``   writes new documents until it is killed, and names each once it is durable.
``revise``   writes ever newer revisions of document ``m`` until it is killed.
``shuffle``  writes all revisions of all documents in the random order of the seed ARGUMENT.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from shared.ports import EmbeddedDocument, VectorStore
from shared.vector_store.faiss_store.store import FaissStore
from tests.contract.vector_store.builders import DIMENSION, axis, embedded

SHUFFLED_IDS = [f"d{number}" for number in range(15)]
NEWEST_REVISION = 12


def open_store(file: Path) -> FaissStore:
    return FaissStore(file, embedder_name="test", dimension=DIMENSION)


def chunks_of(revision: int) -> int:
    return 1 + revision % 5


def revision_of(document_id: str, revision: int) -> EmbeddedDocument:
    """The number of chunks follows from the revision, so that a reader can tell a mix."""
    return embedded(document_id, revision, vectors=[axis(0)] * chunks_of(revision))


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


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


MODES: dict[str, Callable[[VectorStore], None]] = {
    "obey": obey,
    "stream": stream,
    "revise": revise,
    "shuffle": shuffle,
}

if __name__ == "__main__":
    opened = open_store(Path(sys.argv[2]))
    MODES[sys.argv[1]](opened)
    opened.close()
