"""Copies of an index that is written to, or rebuilt, meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deploy.backup.local import LocalData, copy_index
from shared.errors import ConfigurationError, StoreUnavailable


def an_index(file: Path, successor: str | None = None) -> None:
    """What a copy looks at of a store's file."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE counters (superseded_by TEXT)")
        connection.execute("INSERT INTO counters VALUES (?)", [successor])
        connection.execute("CREATE TABLE documents (text TEXT)")
        connection.execute("INSERT INTO documents VALUES ('one')")
        connection.commit()


def texts(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM documents")]


def test_what_is_only_in_the_log_yet_is_copied_too(tmp_path: Path) -> None:
    index = tmp_path / "documents.sqlite"
    an_index(index)
    with closing(sqlite3.connect(index)) as writer:
        writer.execute("INSERT INTO documents VALUES ('two')")
        writer.commit()
        assert copy_index(index, tmp_path / "copy") == [index.name]
        writer.execute("INSERT INTO documents VALUES ('three')")
        writer.commit()
    assert texts(tmp_path / "copy" / index.name) == ["one", "two"]
    assert [path.name for path in (tmp_path / "copy").iterdir()] == [index.name]


def test_a_rebuilt_index_is_copied_with_what_leads_to_it(tmp_path: Path) -> None:
    index = tmp_path / "documents.sqlite"
    an_index(index, "documents.sqlite.g1")
    an_index(tmp_path / "documents.sqlite.g1", "documents.sqlite.g2")
    an_index(tmp_path / "documents.sqlite.g2")
    an_index(tmp_path / "documents.sqlite.g3")  # of a rebuild that is under way
    names = ["documents.sqlite", "documents.sqlite.g1", "documents.sqlite.g2"]
    assert copy_index(index, tmp_path / "copy") == names


def test_a_successor_that_is_gone_is_no_backup(tmp_path: Path) -> None:
    index = tmp_path / "documents.sqlite"
    an_index(index, "documents.sqlite.g1")
    with pytest.raises(StoreUnavailable, match="rebuild"):
        copy_index(index, tmp_path / "copy")


@pytest.mark.parametrize(
    "body", [None, b"not a database at all, but text"], ids=["nothing there", "no database"]
)
def test_no_index_is_said(tmp_path: Path, body: bytes | None) -> None:
    index = tmp_path / "documents.sqlite"
    if body is not None:
        index.write_bytes(body)
    with pytest.raises(ConfigurationError, match="FAISS_PATH="):
        copy_index(index, tmp_path / "copy")


def test_a_restore_leaves_nothing_of_what_was_there(tmp_path: Path) -> None:
    """Least of all what is derived from the index: its place in the feed may lie ahead of the copy."""
    data, contents = tmp_path / "data", tmp_path / "contents"
    for folder in (
        data / "store",
        data / "producer",
        data / "api",
        contents / "store",
        contents / "producer",
    ):
        folder.mkdir(parents=True)
    an_index(contents / "store" / "documents.sqlite")
    for name in ("documents.sqlite", "documents.sqlite-wal", "documents.sqlite.g4"):
        (data / "store" / name).write_bytes(b"old")
    (data / "producer" / "cursor-old.json").write_text("{}")
    (contents / "producer" / "cursor-new.json").write_text("{}")
    (data / "api" / "lexical.sqlite").write_bytes(b"old")
    LocalData(data, data / "store" / "documents.sqlite", None).restore(contents)
    left = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    assert left == {"store/documents.sqlite", "producer/cursor-new.json"}
    assert texts(data / "store" / "documents.sqlite") == ["one"]


def test_a_running_stack_is_not_restored_into(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="stop it first"):
        LocalData(tmp_path, tmp_path / "documents.sqlite", "127.0.0.1:9092").restore(tmp_path)
