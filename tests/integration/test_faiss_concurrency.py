"""Threads and processes at the same time on one FAISS store: nobody waits who need not."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from shared.errors import StoreDamaged
from shared.vector_store.faiss_store import retention
from shared.vector_store.faiss_store.following import Follower
from shared.vector_store.faiss_store.loading import FollowingIndex
from shared.vector_store.faiss_store.ranking import Ranking
from shared.vector_store.faiss_store.store import FaissStore
from tests.contract.vector_store.builders import DIMENSION, ManualClock, axis, embedded, version
from tests.support.stores import faiss_store

PATIENCE = 60.0  # seconds, for what happens at once on a machine with nothing else to do


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def unit_rows(count: int, dimension: int = DIMENSION) -> np.ndarray:
    rows: np.ndarray = np.random.default_rng(1).standard_normal((count, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


@contextlib.contextmanager
def held_search(store: FaissStore) -> Iterator[Callable[[], object]]:
    """A search in a thread of its own that stands still in its middle; the call lets it go on, and
    returns its hits."""
    arrived, go_on = threading.Event(), threading.Event()
    fetch = Ranking._rows

    def hold(*arguments: object) -> object:
        if threading.current_thread().name.startswith("held"):
            arrived.set()
            assert go_on.wait(PATIENCE)
        return fetch(*arguments)  # type: ignore[arg-type]

    with (
        mock.patch.object(Ranking, "_rows", hold),
        ThreadPoolExecutor(1, thread_name_prefix="held") as pool,
    ):
        future = pool.submit(store.search, axis(0), 100)
        assert arrived.wait(PATIENCE)

        def release() -> object:
            go_on.set()
            return future.result(PATIENCE)

        try:
            yield release
        finally:
            go_on.set()


def test_searches_run_at_the_same_time(file: Path) -> None:
    together = threading.Barrier(4)
    fetch = Ranking._rows

    def meet(*arguments: object) -> object:
        together.wait(PATIENCE)
        return fetch(*arguments)  # type: ignore[arg-type]

    with contextlib.closing(faiss_store(file)) as store, ThreadPoolExecutor(4) as pool:
        store.replace([embedded("a")])
        store.warm_up()
        with mock.patch.object(Ranking, "_rows", meet):
            results = list(pool.map(lambda _: store.search(axis(0), 1), range(4)))
        assert [hits[0].chunk_id for hits in results] == ["a#0"] * 4


def test_nothing_waits_behind_a_search(file: Path) -> None:
    """Least of all a search that has something new to find."""
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("a", vectors=[axis(0)] * 3)])
        with held_search(store) as release:
            store.replace([embedded("a", 2), embedded("b")])
            assert [hit.text for hit in store.search(axis(0), 9)] == ["a r2 c0", "b r1 c0"]
            assert "b" in store.get_many(["b"])
            assert store.stats().chunks == 2
            assert store.content_hashes(["a"])["a"] == {"a/2/0"}
            assert len(store.changes(None, 9).changes) == 2
            assert store.purge(None, 1) == 1
            hits = release()
        assert [hit.text for hit in hits] == ["a r1 c0", "a r1 c1", "a r1 c2"]  # type: ignore[attr-defined]


def test_each_change_is_applied_once_for_all_threads(file: Path) -> None:
    applied: list[str] = []
    another = threading.Event()
    follow, load = FollowingIndex.follow, FollowingIndex.load

    def counted(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            applied.append(name)
            another.wait(0.05)  # time for another thread to do the same, if nothing stops it
            real(*arguments)

        return call

    with contextlib.closing(faiss_store(file)) as store, ThreadPoolExecutor(8) as pool:
        store.replace([embedded("a")])
        store.warm_up()
        with (
            mock.patch.object(FollowingIndex, "follow", counted("follow", follow)),
            mock.patch.object(FollowingIndex, "load", counted("load", load)),
        ):
            for number in range(5):
                store.replace([embedded(f"b{number}")])
                found = list(pool.map(lambda _: len(store.search(axis(0), 99)), range(8)))
                assert found == [number + 2] * 8
    assert applied == ["follow"] * 5


def test_another_kind_of_index_is_built_aside(file: Path) -> None:
    """While it is being built, the old one answers and follows; what it missed is caught up with."""
    may_build, building = threading.Event(), threading.Event()
    build = Follower._build

    def wait_and_build(follower: Follower) -> FollowingIndex:
        built = build(follower)
        building.set()
        assert may_build.wait(PATIENCE)
        return built

    def is_exact(store: FaissStore) -> bool:
        with store._generation.view() as (_, view):
            return view.exact

    rows = unit_rows(400)
    with contextlib.closing(faiss_store(file, flat_up_to=100)) as store:
        store.replace([embedded(f"d{i}", vectors=[rows[i]]) for i in range(50)])
        assert len(store.search(rows[0], 999)) == 50
        with mock.patch.object(Follower, "_build", wait_and_build):
            store.replace([embedded(f"d{i}", vectors=[rows[i]]) for i in range(50, 300)])
            assert len(store.search(rows[0], 999)) == 300
            assert building.wait(PATIENCE)
            store.replace([embedded(f"d{i}", vectors=[rows[i]]) for i in range(300, 400)])
            store.delete("d7", version(2))
            assert is_exact(store)
            assert len(store.search(rows[0], 999)) == 399
            may_build.set()
            store._generation.settle()
        hits = store.search(rows[350], 999)
        assert hits[0].document_id == "d350"
        assert len(hits) == 399
        assert "d7" not in {hit.document_id for hit in hits}
        assert not is_exact(store)
        truth = sorted(range(400), key=lambda i: -float(rows[i] @ rows[350]))
        expected = [f"d{i}" for i in truth if i != 7][:10]
        assert [hit.document_id for hit in store.search(rows[350], 10)] == expected


def test_a_failed_build_leaves_the_old_index(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Follower) -> FollowingIndex:
        raise MemoryError("no room")

    rows = unit_rows(200)
    with contextlib.closing(faiss_store(file, flat_up_to=100)) as store:
        store.replace([embedded(f"d{i}", vectors=[rows[i]]) for i in range(50)])
        store.search(rows[0], 1)
        with mock.patch.object(Follower, "_build", fail):
            store.replace([embedded(f"d{i}", vectors=[rows[i]]) for i in range(50, 200)])
            store.search(rows[0], 1)
            store._generation.settle()
        assert "the old one goes on: no room" in caplog.text
        store.replace([embedded(f"d{i}", 2, vectors=[rows[i]]) for i in range(50)])
        assert len(store.search(rows[0], 999)) == 200


def test_a_purge_of_many_lets_others_work_and_gives_the_space_back(file: Path) -> None:
    """50,000 chunks go in steps: during each of them others read, and after each there is a pause in which
    a writer that would not wait finds its turn."""
    dimension = 64
    rows = unit_rows(5_000, dimension)
    query = axis(0, dimension)
    removed: list[int] = []
    turns = count(1)
    purge_step = retention.purge_step

    def step(*arguments: Any) -> int:
        removed.append(purge_step(*arguments))
        assert pool.submit(store.search, query, 1).result(PATIENCE)[0].document_id == "kept"
        assert other.search(query, 1)[0].document_id == "kept"
        assert "kept" in other.get_many(["kept"])
        return removed[-1]

    def pause(_seconds: float) -> None:
        other.replace([embedded("new", next(turns), 10**6, vectors=[axis(1, dimension)])])

    with (
        contextlib.closing(faiss_store(file, dimension=dimension)) as store,
        contextlib.closing(faiss_store(file, dimension=dimension, busy_timeout=0.0)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        for start in range(0, 5_000, 500):
            store.replace(
                [embedded(f"d{i}", seconds=i, vectors=[rows[i]] * 10) for i in range(start, start + 500)]
            )
        assert store.stats().chunks == 50_000
        store.replace([embedded("kept", seconds=10**6, vectors=[query])])
        store.warm_up()
        store.flush()
        with store._generation.writer.outside_transaction() as connection:
            connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
        before = file.stat().st_size
        with mock.patch.object(retention, "purge_step", step), mock.patch.object(time, "sleep", pause):
            assert store.purge(None, 2) == sum(removed) >= 4_999
        assert max(removed) <= 500
        assert next(turns) > len(removed)
        assert {hit.document_id for hit in store.search(query, 99)} == {"kept", "new"}
    assert file.stat().st_size < before / 4


def test_expired_tombstones_give_their_space_back(file: Path) -> None:
    clock = ManualClock()
    with contextlib.closing(faiss_store(file, clock=clock)) as store:
        for start in range(0, 6_000, 1_000):
            store.replace([embedded(f"document-{i}") for i in range(start, start + 1_000)])
        store.purge(None, 0)
        clock.advance(days=1)
        before = file.stat().st_size
        assert store.expire_tombstones(timedelta(hours=1)) == 6_000
    assert file.stat().st_size < before / 3


def test_a_flush_reaches_the_disk_and_a_write_alone_does_not(file: Path) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    log = file.with_name(file.name + "-wal")
    with contextlib.closing(faiss_store(file)) as store, mock.patch.object(os, "fsync", record):
        store.replace([embedded("a")])
        assert not synced
        store.flush()
        assert log.stat().st_ino in synced
        assert file.parent.stat().st_ino in synced
        with store._generation.writer.outside_transaction() as connection:
            # What leaves the log for the file is forced to disk by SQLite, for this setting or a higher one.
            assert connection.execute("PRAGMA synchronous").fetchone()[0] >= 1
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_flush_needs_nobody_elses_leave(file: Path) -> None:
    with (
        contextlib.closing(faiss_store(file, busy_timeout=0.1)) as store,
        contextlib.closing(faiss_store(file)) as other,
    ):
        store.replace([embedded("a")])
        with other._generation.writer.transaction():
            store.flush()


def test_a_disk_that_fails_is_not_flushed(file: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("a")])
        with (
            mock.patch.object(os, "fsync", fail),
            pytest.raises(StoreDamaged, match=r"FAISS_PATH=.*failed to write"),
        ):
            store.flush()
        store.flush()
