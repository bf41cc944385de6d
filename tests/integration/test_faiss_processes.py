"""One FAISS store, several real processes."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.vector_store.faiss_store.store import FaissStore
from tests.contract.vector_store.builders import axis
from tests.contract.vector_store.writer import (
    NEWEST_REVISION,
    SHUFFLED_IDS,
    chunks_of,
    open_store,
    revision_of,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@contextlib.contextmanager
def writer(mode: str, file: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Killed at the end, if it is still there."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.vector_store.writer", mode, str(file), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    assert line, f"the writer ended with {process.poll()}"
    return line.strip()


def order(process: subprocess.Popen[str], line: str) -> None:
    """Returns once the write is durable."""
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()
    assert line_of(process) == line


def assert_healthy(file: Path, store: FaissStore) -> None:
    """The file is sound, and the counters tell the truth."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        documents = connection.execute("SELECT count(*) FROM documents WHERE state = 0").fetchone()[0]
        chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    stats = store.stats()
    assert (stats.documents, stats.chunks) == (documents, chunks)


def test_the_next_search_finds_what_another_process_committed(file: Path) -> None:
    with contextlib.closing(open_store(file)) as store, writer("obey", file) as process:
        for revision in range(1, 30):
            order(process, f"a {revision}")
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
                confirmed = int(line_of(process))
            process.kill()
            assert process.stdout
            confirmed = max([confirmed, *(int(line) for line in process.stdout.read().split())])
        with contextlib.closing(open_store(stores)) as store:
            written = store.stats().documents
            # The kill may fall between the commit and its confirmation, so one batch more is right too.
            assert written in (confirmed, confirmed + 3)
            changes = store.changes(None, written + 1).changes
            assert [change.document_id for change in changes] == [f"d{i}" for i in range(written)]
            hits = store.search(axis(0), 10_000)
            assert len(hits) == sum(chunks_of(1 + number) for number in range(written))
            assert_healthy(stores, store)
            store.replace([revision_of("next", 1)])
            assert store.get("next") is not None


def test_concurrent_writers_end_in_the_newest_versions(file: Path) -> None:
    with (
        writer("shuffle", file, "seed-1") as first,
        writer("shuffle", file, "seed-2") as second,
        contextlib.closing(open_store(file)) as store,
    ):
        while first.poll() is None or second.poll() is None:
            check_whole_revisions(store)
        assert (first.wait(60), second.wait(60)) == (0, 0)
        hits = store.search(axis(0), 10_000)
        assert {(hit.document_id, hit.revision) for hit in hits} == {
            (name, NEWEST_REVISION) for name in SHUFFLED_IDS
        }
        assert len(hits) == len(SHUFFLED_IDS) * chunks_of(NEWEST_REVISION)
        assert_healthy(file, store)


def test_a_reader_never_sees_a_mix_of_revisions(file: Path) -> None:
    """Several threads read while another process revises; each search is one moment."""
    problems: list[BaseException] = []
    searches = [0, 0]
    stop = threading.Event()

    def hammer(number: int, store: FaissStore) -> None:
        newest = 0
        try:
            while not stop.is_set():
                revision = check_whole_revisions(store).get("m", 0)
                assert revision >= newest, f"went back from {newest} to {revision}"
                newest = revision
                searches[number] += 1
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            problems.append(error)

    with contextlib.closing(open_store(file)) as store, writer("revise", file) as process:
        line_of(process)
        threads = [threading.Thread(target=hammer, args=(number, store)) for number in range(2)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        revision = 0
        while (revision < 200 or min(searches) < 50) and not problems and time.monotonic() < deadline:
            revision = int(line_of(process))
        stop.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]
    assert revision >= 200
    assert min(searches) >= 50


def check_whole_revisions(store: FaissStore) -> dict[str, int]:
    """Each document's revision, as one search sees it."""
    found: dict[str, list[int]] = {}
    for hit in store.search(axis(0), 1_000):
        assert hit.text.startswith(f"{hit.document_id} r{hit.revision} ")
        found.setdefault(hit.document_id, []).append(hit.revision)
    for document_id, revisions in found.items():
        assert len(set(revisions)) == 1, f"{document_id}: a mix of {revisions}"
        assert len(revisions) == chunks_of(revisions[0]), f"{document_id}: {revisions}"
    return {document_id: revisions[0] for document_id, revisions in found.items()}


def test_processes_may_create_the_store_together(file: Path) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writer("obey", file)) for _ in range(4)]
        for number, process in enumerate(processes):
            order(process, f"d{number} 1")
        with contextlib.closing(open_store(file)) as store:
            assert store.stats().documents == 4
            assert_healthy(file, store)
