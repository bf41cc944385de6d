"""One FAISS store, several real processes."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from shared.vector_store.faiss_store.store import FaissStore
from tests.contract.vector_store.builders import axis
from tests.support.revisions import (
    NEWEST_REVISION,
    SHUFFLED_IDS,
    chunks_of,
    read_while_it_is_revised,
    revision_of,
    whole_revisions,
)
from tests.support.store_writer import writer
from tests.support.stores import faiss_store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def assert_healthy(file: Path, store: FaissStore) -> None:
    """The file is sound, and the counters tell the truth."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        documents = connection.execute("SELECT count(*) FROM documents WHERE state = 0").fetchone()[0]
        chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    stats = store.stats()
    assert (stats.documents, stats.chunks) == (documents, chunks)


def test_the_next_search_finds_what_another_process_committed(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as store, writer("obey", file) as process:
        for revision in range(1, 30):
            process.obey(f"a {revision}")
            hits = store.search(axis(0), 100)
            assert {hit.revision for hit in hits} == {revision}
            assert len(hits) == chunks_of(revision)
            store.replace([revision_of(f"mine{revision}", 1)])
            assert len(store.search(axis(0), 100)) == chunks_of(revision) + chunks_of(1)
            store.delete(f"mine{revision}", revision_of("", 2).document.version)


def test_a_killed_writer_leaves_exactly_what_it_committed(file: Path) -> None:
    for kills in range(1, 4):
        stores = file.with_name(f"store{kills}.sqlite")
        with writer("stream", stores) as process:
            for _ in range(20 * kills):
                confirmed = int(process.line())
            confirmed = max([confirmed, *(int(line) for line in process.kill())])
        with contextlib.closing(faiss_store(stores)) as store:
            written = store.stats().documents
            # The kill may fall between the commit and its confirmation, so one batch more is right too.
            assert written in (confirmed, confirmed + 3)
            changes = store.changes(None, written + 1).changes
            assert [change.document_id for change in changes] == [f"d{i}" for i in range(written)]
            hits = store.search(axis(0), 10_000)
            assert len(hits) == sum(chunks_of(1 + number) for number in range(written))
            assert_healthy(stores, store)
            store.replace([revision_of("next", 1)])
            assert "next" in store.get_many(["next"])


def test_concurrent_writers_end_in_the_newest_versions(file: Path) -> None:
    with (
        writer("shuffle", file, "seed-1") as first,
        writer("shuffle", file, "seed-2") as second,
        contextlib.closing(faiss_store(file)) as store,
    ):
        while first.runs() or second.runs():
            whole_revisions(store)
        assert (first.status(), second.status()) == (0, 0)
        hits = store.search(axis(0), 10_000)
        assert {(hit.document_id, hit.revision) for hit in hits} == {
            (name, NEWEST_REVISION) for name in SHUFFLED_IDS
        }
        assert len(hits) == len(SHUFFLED_IDS) * chunks_of(NEWEST_REVISION)
        assert_healthy(file, store)


def test_a_reader_never_sees_a_mix_of_revisions(file: Path) -> None:
    """Several threads read while another process revises; each search is one moment."""
    with contextlib.closing(faiss_store(file)) as store, writer("revise", file) as process:
        read_while_it_is_revised(store, process, documents=1)


def test_processes_may_create_the_store_together(file: Path) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writer("obey", file)) for _ in range(4)]
        for number, process in enumerate(processes):
            process.obey(f"d{number} 1")
        with contextlib.closing(faiss_store(file)) as store:
            assert store.stats().documents == 4
            assert_healthy(file, store)
