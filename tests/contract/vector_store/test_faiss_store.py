"""What is the FAISS store's own: bad files, bad settings, and indexes other than the exact one."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.domain import SearchFilter
from shared.errors import ConfigurationError, StoreDamaged, StoreMismatch, StoreUnavailable
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from shared.vector_store.faiss_store.index import View
from shared.vector_store.faiss_store.ranking import Ranking
from shared.vector_store.faiss_store.store import FaissStore
from shared.vector_store.memory_store import MemoryStore
from tests.contract.vector_store.builders import DIMENSION, axis, embedded, near_axis_0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite"


def opened(file: Path, index: str = "Flat", **changed: object) -> FaissStore:
    arguments = {"embedder_name": "test", "dimension": DIMENSION, "busy_timeout": 0.2, **changed}
    return FaissStore(file, index_description=index, **arguments)  # type: ignore[arg-type]


def view_of(store: FaissStore) -> View:
    with store._generation.view() as (_, view):
        return view


def positions_of(store: FaissStore) -> int:
    """Dead ones included."""
    return len(view_of(store).matching(None).mask)


def random_documents(count: int, seed: int = 1) -> list[np.ndarray]:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_the_factory_opens_what_the_settings_name(tmp_path: Path) -> None:
    settings = VectorStoreSettings(vector_store="faiss", data_dir=tmp_path)
    with contextlib.closing(open_vector_store(settings, embedder_name="m", dimension=4)) as store:
        assert isinstance(store, FaissStore)
    assert (tmp_path / "store" / "documents.sqlite").is_file()
    settings = VectorStoreSettings(vector_store="memory")
    assert isinstance(open_vector_store(settings, embedder_name="m", dimension=4), MemoryStore)


@pytest.mark.parametrize("changed", [{"embedder_name": "other"}, {"dimension": DIMENSION + 1}])
def test_another_embedder_is_refused(file: Path, changed: dict[str, object]) -> None:
    opened(file).close()
    with pytest.raises(StoreMismatch, match="EMBEDDER_MODEL") as caught:
        opened(file, **changed)
    assert str(file) in str(caught.value)
    assert "'test'" in str(caught.value)
    opened(file).close()


def test_another_schema_version_is_refused(file: Path) -> None:
    opened(file).close()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreMismatch, match=r"FAISS_PATH.*99"):
        opened(file)


def test_a_file_from_before_there_were_traces_goes_on(file: Path) -> None:
    with contextlib.closing(opened(file)) as store:
        store.replace([embedded("old", 1), embedded("changed", 1)])
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("ALTER TABLE documents DROP COLUMN ingest_trace_id")
        connection.execute("PRAGMA user_version = 2")
    with contextlib.closing(opened(file)) as store, contextlib.closing(opened(file)) as other:
        store.replace([embedded("changed", 3)])
        found = other.get_many(["old", "changed"])
        assert found["old"].document.ingest_trace_id is None
        assert found["old"].document.text == "old as of 1"
        assert found["changed"].document.ingest_trace_id == f"{3:032x}"


def assert_one_clear_line(error: BaseException, *words: str) -> None:
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)


def test_a_file_of_something_else_is_refused(file: Path) -> None:
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE diary (entry)")
    with pytest.raises(StoreDamaged) as caught:
        opened(file)
    assert_one_clear_line(caught.value, "FAISS_PATH", str(file), "something else")


def test_garbage_is_refused(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"not a database at all" * 500)
    with pytest.raises(StoreDamaged) as caught:
        opened(file)
    assert_one_clear_line(caught.value, "FAISS_PATH", str(file))


def test_a_path_that_cannot_be_created_is_a_wrong_setting(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("in the way")
    for path in (obstacle / "store.sqlite", tmp_path):
        with pytest.raises(ConfigurationError) as caught:
            opened(path)
        assert_one_clear_line(caught.value, "FAISS_PATH", str(path))


def test_a_full_disk_is_retryable_and_loses_nothing(file: Path) -> None:
    with contextlib.closing(opened(file)) as store:
        store.replace([embedded("a")])
        with store._generation.writer.outside_transaction() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        big = [embedded(f"d{i}", vectors=[axis(0)] * 50) for i in range(200)]
        with pytest.raises(StoreUnavailable, match="full"):
            store.replace(big)
        assert store.stats().documents == 1
        with store._generation.writer.outside_transaction() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        store.replace(big)
        assert store.stats().documents == 201


def test_a_locked_store_is_retryable(file: Path) -> None:
    with (
        contextlib.closing(opened(file)) as store,
        contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.replace([embedded("a")])
        other.execute("ROLLBACK")
        store.replace([embedded("a")])
        assert "a" in store.get_many(["a"])


def test_more_ids_than_sqlite_has_variables(file: Path) -> None:
    """Some builds of it have no more than 999."""
    ids = [f"d{number}" for number in range(1_500)]
    with contextlib.closing(opened(file)) as store:
        store.replace([embedded(document_id) for document_id in ids])
        with store._generation.read() as connection:  # the next ones borrow the same connection
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        assert store.get_many(ids).keys() == store.embeddings(ids).keys() == set(ids)


@pytest.mark.parametrize("look_up", [FaissStore.get_many, FaissStore.embeddings])
def test_looking_some_documents_up_does_not_read_the_others(
    file: Path, look_up: Callable[[FaissStore, list[str]], object]
) -> None:
    statements: list[str] = []
    with contextlib.closing(opened(file)) as store:
        with store._generation.read() as connection:  # the next one borrows the same connection
            connection.set_trace_callback(statements.append)
        look_up(store, [f"d{number}" for number in range(50)])
        store.replace([embedded(f"d{number}") for number in range(50)])
        look_up(store, [f"d{number}" for number in range(50)])
    with contextlib.closing(sqlite3.connect(file)) as connection:
        plans = {
            detail
            for statement in statements
            if " IN (" in statement
            for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        }
    assert plans == {
        "SEARCH documents USING INDEX sqlite_autoindex_documents_1 (document_id=?)",
        "SEARCH chunks USING INDEX sqlite_autoindex_chunks_1 (document_key=?)",
    }


def test_creating_waits_for_another_process_that_is_creating(file: Path) -> None:
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")  # SQLite's own timeout does not cover this one
        with pytest.raises(StoreUnavailable, match="locked"):
            opened(file)
        release = threading.Timer(0.3, other.execute, ["ROLLBACK"])
        release.start()
        with contextlib.closing(opened(file, busy_timeout=20.0)) as store:
            assert store.stats().documents == 0
        release.join()


def test_a_search_is_one_snapshot(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that is replaced between the search and the fetch of its rows is still whole."""
    with contextlib.closing(opened(file)) as store:
        store.replace([embedded("a", 1, vectors=[axis(0)] * 3)])
        fetch = Ranking._rows

        def replace_first(*arguments: object) -> object:
            store.replace([embedded("a", 2, vectors=[axis(0)])])
            return fetch(*arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(Ranking, "_rows", replace_first)
            assert [hit.text for hit in store.search(axis(0), 9)] == ["a r1 c0", "a r1 c1", "a r1 c2"]
        assert [hit.text for hit in store.search(axis(0), 9)] == ["a r2 c0"]


def test_an_error_while_following_leaves_no_half_applied_change(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.vector_store.faiss_store import index

    def no_memory(*_: object) -> None:
        raise MemoryError

    with contextlib.closing(opened(file)) as store:
        store.replace([embedded("a", vectors=[axis(0)]), embedded("b", vectors=random_documents(60))])
        store.search(axis(0), 1)
        store.replace([embedded("a", 2, vectors=[axis(2)] * 3)])
        with monkeypatch.context() as patched:
            patched.setattr(index, "_spans", no_memory)
            with pytest.raises(MemoryError):
                store.search(axis(0), 1)
        store.replace([embedded("c", vectors=[axis(3)])])
        assert [hit.text for hit in store.search(axis(2), 3)] == ["a r2 c0", "a r2 c1", "a r2 c2"]
        assert store.search(axis(3), 1)[0].chunk_id == "c#0"


@pytest.mark.parametrize("index", ["Flat", "HNSW16", "auto"])
def test_replaced_chunks_do_not_pile_up_in_memory(file: Path, index: str) -> None:
    vectors = random_documents(1_000)
    with contextlib.closing(opened(file, index, flat_up_to=500)) as store:
        for revision in range(1, 12):
            store.replace([embedded(f"d{i}", revision, vectors=[vectors[i]]) for i in range(1_000)])
            assert store.search(vectors[7], 1)[0].revision == revision
            store.warm_up()
            assert positions_of(store) <= 4_000


def test_threads_share_a_store(file: Path) -> None:
    problems: list[BaseException] = []

    def work(number: int, store: FaissStore) -> None:
        try:
            for revision in range(1, 15):
                store.replace([embedded(f"t{number}", revision, vectors=[axis(0)] * 3)])
                hits = [hit for hit in store.search(axis(0), 100) if hit.document_id == f"t{number}"]
                assert [hit.revision for hit in hits] == [revision] * 3
                store.stats()
                store.changes(None, 5)
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            problems.append(error)

    with contextlib.closing(opened(file, busy_timeout=30.0)) as store:
        threads = [threading.Thread(target=work, args=(number, store)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]


@pytest.mark.parametrize("index", ["nonsense", "LSH", "IDMap,Flat", "Flat,IDMap2", "PQ3"])
def test_an_index_that_cannot_be_used_is_a_wrong_setting(file: Path, index: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(file, index)
    assert_one_clear_line(caught.value, f"FAISS_INDEX={index}:")
    assert not file.exists()


def test_equal_embeddings_can_be_trained_on(file: Path) -> None:
    with contextlib.closing(opened(file, "PCA7,IVF4,Flat")) as store:
        store.replace([embedded(f"d{i}", vectors=[axis(0)] * 50) for i in range(30)])
        assert len(store.search(axis(0), 5)) == 5


@pytest.mark.parametrize("index", ["SQ8", "IVF8,Flat", "HNSW16", "PCA8,Flat", "IVF4,SQ8", "SQ4,Refine(Flat)"])
def test_approximate_indexes_keep_the_laws_of_count_and_score(file: Path, index: str) -> None:
    vectors = random_documents(3_000)
    with contextlib.closing(opened(file, index)) as store:
        for first in range(0, 3_000, 500):
            store.replace(
                [
                    embedded(f"d{i}", vectors=[vectors[i]], wiki="rare" if i % 500 == 0 else "common")
                    for i in range(first, first + 500)
                ]
            )
            store.search(vectors[0], 1)
        truth = np.stack(vectors) @ vectors[7]
        hits = store.search(vectors[7], 10)
        assert hits[0].document_id == "d7"
        for hit in hits:
            assert hit.score == pytest.approx(truth[int(hit.document_id[1:])], abs=2e-6)
        best = {f"d{i}" for i in np.argsort(-truth)[:10]}
        assert len(best & {hit.document_id for hit in hits}) >= 7
        assert len(store.search(vectors[7], 100, SearchFilter(wikis=frozenset({"rare"})))) == 6
        assert len(store.search(vectors[7], 5_000)) == 3_000
        store.replace([embedded(f"d{i}", 2, vectors=[vectors[i]]) for i in range(3_000)])
        hits = store.search(vectors[9], 5_000)
        assert len(hits) == 3_000
        assert {hit.revision for hit in hits} == {2}


def test_an_index_is_trained_once_there_is_enough(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    vectors = random_documents(1_200)
    with caplog.at_level(logging.WARNING), contextlib.closing(opened(file, "IVF8,Flat")) as store:
        store.replace([embedded(f"d{i}", vectors=[vectors[i]]) for i in range(100)])
        assert store.search(vectors[5], 1)[0].document_id == "d5"
        assert "FAISS_INDEX" in caplog.text
        assert view_of(store).exact
        store.replace([embedded(f"d{i}", vectors=[vectors[i]]) for i in range(100, 1_200)])
        assert store.search(vectors[1_100], 1)[0].document_id == "d1100"
        store.warm_up()
        assert not view_of(store).exact
        assert store.search(vectors[1_100], 1)[0].document_id == "d1100"


def test_many_equal_texts_beside_a_few_better_ones(file: Path) -> None:
    with contextlib.closing(opened(file)) as store:
        store.replace([embedded(f"d{i:04}", vectors=[near_axis_0(0.5)]) for i in range(3_000)])
        store.replace([embedded("best", vectors=[near_axis_0(0.9)])])
        hits = store.search(axis(0), 4)
        assert [hit.document_id for hit in hits] == ["best", "d0000", "d0001", "d0002"]
