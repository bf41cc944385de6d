"""Documents whose number of chunks follows from their revision, so that a reader can tell a mix."""

from __future__ import annotations

from collections.abc import Callable

from shared.ports import EmbeddedDocument, VectorStore
from tests.contract.vector_store.builders import axis, embedded
from tests.support.child import Child
from tests.support.hammer import hammering

SHUFFLED_IDS = [f"d{number}" for number in range(15)]
NEWEST_REVISION = 12


def chunks_of(revision: int) -> int:
    return 1 + revision % 5


def revision_of(document_id: str, revision: int) -> EmbeddedDocument:
    return embedded(document_id, revision, vectors=[axis(0)] * chunks_of(revision))


def whole_revisions(store: VectorStore) -> dict[str, int]:
    """Each document's revision as one search sees it; fails if a document is not wholly of one."""
    found: dict[str, list[int]] = {}
    for hit in store.search(axis(0), 1_000):
        assert hit.text.startswith(f"{hit.document_id} r{hit.revision} ")
        found.setdefault(hit.document_id, []).append(hit.revision)
    for document_id, revisions in found.items():
        assert len(set(revisions)) == 1, f"{document_id}: a mix of {revisions}"
        assert len(revisions) == chunks_of(revisions[0]), f"{document_id}: {revisions}"
    return {document_id: revisions[0] for document_id, revisions in found.items()}


def whole_and_never_older(store: VectorStore, document_id: str, documents: int) -> Callable[[], None]:
    """A reader: at each call it must find so many documents, whole, and this one no older than before."""
    newest = 1

    def read() -> None:
        nonlocal newest
        revisions = whole_revisions(store)
        assert len(revisions) == documents, f"{documents - len(revisions)} documents are missing"
        assert revisions[document_id] >= newest, f"went back from {newest} to {revisions[document_id]}"
        newest = revisions[document_id]

    return read


def read_while_it_is_revised(store: VectorStore, writer: Child, documents: int) -> None:
    """Two threads read, each 50 times or more, while the writer revises document ``m`` 200 times or more."""
    writer.line()
    readers = [whole_and_never_older(store, "m", documents) for _ in range(2)]
    with hammering(*readers) as hammer:
        revision = 0
        while (revision < 200 or min(hammer.rounds) < 50) and hammer.goes_on():
            revision = int(writer.line())
