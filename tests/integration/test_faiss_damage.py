"""Files that are really damaged: the store says so in one line, and never answers wrongly."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain import Hit, StoredDocument
from shared.errors import StoreDamaged
from shared.ports import EmbeddedDocument
from tests.contract.vector_store.builders import axis, embedded, near_axis_0, version
from tests.support.stores import faiss_store

PAGE = 16_384
CURE = "python -m services.processor rebuild --from kafka"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 60 pages; do not change it."""
    file = tmp_path_factory.mktemp("healthy") / "store.sqlite"
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([document(number) for number in range(2_000)])
        for number in range(0, 2_000, 7):
            store.delete(f"d{number}", version(2))
    assert not file.with_name(file.name + "-wal").exists()
    return file


def document(number: int) -> EmbeddedDocument:
    return embedded(
        f"d{number}",
        vectors=[near_axis_0((number % 100) / 100), axis(2 + number % 6)],
        wiki="enwiki",
        bot=False,
    )


@pytest.fixture
def file(healthy: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "store.sqlite"
    shutil.copy(healthy, copy)
    return copy


def everything(file: Path) -> tuple[list[Hit], dict[str, StoredDocument], list[str]]:
    with contextlib.closing(faiss_store(file)) as store:
        return (
            store.search(axis(0), 5_000),
            store.get_many([f"d{number}" for number in range(2_000)]),
            [change.document_id for change in store.changes(None, 5_000).changes],
        )


def assert_clear(error: BaseException, file: Path) -> None:
    assert "\n" not in str(error)
    assert str(error).startswith(f"FAISS_PATH={file}: not a healthy vector store (")
    assert str(error).endswith(CURE)


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused_at_open(file: Path, kept: float) -> None:
    with file.open("r+b") as stream:
        stream.truncate(int(file.stat().st_size * kept))
    with pytest.raises(StoreDamaged, match="cut") as caught:
        faiss_store(file)
    assert_clear(caught.value, file)


@pytest.mark.parametrize("garbage", ["random", "zeros", "ones"])
def test_an_overwritten_page_is_never_a_wrong_answer(healthy: Path, file: Path, garbage: str) -> None:
    """Each page in turn, also those that no search reads."""
    truth = everything(healthy)
    fill: dict[str, Callable[[int], bytes]] = {
        "random": lambda page: random.Random(page).randbytes(PAGE),
        "zeros": lambda _: bytes(PAGE),
        "ones": lambda _: b"\xff" * PAGE,
    }
    found = 0
    pages = file.stat().st_size // PAGE
    for page in range(1, pages):
        shutil.copy(healthy, file)
        with file.open("r+b") as stream:
            stream.seek(page * PAGE)
            stream.write(fill[garbage](page))
        try:
            assert everything(file) == truth, f"page {page}"
        except StoreDamaged as error:
            assert_clear(error, file)
            found += 1
    assert found > pages * 0.8


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE counters SET chunks = chunks + 1",
        "UPDATE counters SET documents = documents - 1",
        "UPDATE counters SET tombstones = 0",
        "UPDATE counters SET last_seq = 5",
        "DELETE FROM counters",
        "DELETE FROM meta",
        "UPDATE meta SET value = 'many' WHERE name = 'dimension'",
        "DELETE FROM chunks WHERE chunk_key = 20",
        "UPDATE counters SET superseded_by = 'store.sqlite.g7'",
        "UPDATE counters SET superseded_by = '../other.sqlite'",
    ],
)
def test_what_contradicts_itself_is_refused_at_open(file: Path, change: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(change)
        connection.commit()
    with pytest.raises(StoreDamaged) as caught:
        faiss_store(file)
    assert_clear(caught.value, file)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE chunks SET embedding = x'0000' WHERE chunk_key = 20", "float32"),
        ("UPDATE chunks SET embedding = zeroblob(32) WHERE chunk_key = 20", "unit norm"),
        ("UPDATE chunks SET document_key = 999999 WHERE chunk_key = 20", "belongs to no document"),
        ("UPDATE documents SET attributes = '{' WHERE document_id = 'd1'", "JSON"),
        ("UPDATE documents SET text = CAST(x'ff' AS TEXT) WHERE document_id = 'd1'", "UTF-8"),
        ("UPDATE documents SET title = CAST(x'ff' AS TEXT) WHERE document_id = 'd1'", "UTF-8"),
    ],
)
def test_rows_that_nobody_wrote_are_refused_when_read(file: Path, change: str, why: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(change)
        connection.commit()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=why) as caught:
            everything(file)
        assert_clear(caught.value, file)


def test_damage_after_the_index_was_loaded_is_found_by_searches_and_writes(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        (counters,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'counters'"
        ).fetchone()
    # The view keeps the connection that has read all from the others.
    with contextlib.closing(faiss_store(file)) as store, store._generation.view() as (_, view):
        with file.open("r+b") as stream:
            for page in range(1, file.stat().st_size // PAGE):
                if page + 1 != counters:
                    stream.seek(page * PAGE)
                    stream.write(b"\xff" * PAGE)
        assert len(view.matching(None).mask)
        for call in (
            lambda: store.search(axis(0), 10),
            lambda: store.get_many(["d1"]),
            lambda: store.embeddings(["d1"]),
            lambda: store.changes(None, 5),
            lambda: store.replace([embedded("d1", 9)]),
            lambda: store.purge(None, 1),
        ):
            with pytest.raises(StoreDamaged) as caught:
                call()
            assert_clear(caught.value, file)
