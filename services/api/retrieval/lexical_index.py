"""BM25 over the passages of the store, in an SQLite FTS5 file of this process.

Derived data: the file can be deleted at any time and is filled again from the store's change feed. Each
batch is written in one transaction with the feed's cursor, so a crash repeats at most that batch.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from services.api.retrieval.common_terms import MAX_POSTINGS, VOCABULARY, TermCounts, rarest
from services.api.retrieval.lexical_file import claim_file
from services.api.retrieval.passages import DocumentPassage, passages_of
from shared.domain import SearchFilter, StoredDocument, epoch_milliseconds
from shared.errors import StoreUnavailable
from shared.text import terms

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FORMAT = 2
_SCHEMA = """
    CREATE TABLE passages (
        id INTEGER PRIMARY KEY, document_id TEXT NOT NULL, first INTEGER NOT NULL,
        wiki, namespace, source TEXT NOT NULL, bot INTEGER NOT NULL, updated_at INTEGER NOT NULL
    );
    CREATE INDEX passages_of_document ON passages (document_id);
    CREATE INDEX documents_by_time ON passages (updated_at) WHERE first = 0;
    CREATE VIRTUAL TABLE bags USING fts5(terms, tokenize = "unicode61 remove_diacritics 2");
    CREATE TABLE feed (cursor TEXT);
    INSERT INTO feed VALUES (NULL);
"""


@dataclass(frozen=True, slots=True)
class LexicalHit:
    """``first``: the ordinal of the passage's first chunk. ``score``: BM25, higher is better."""

    document_id: str
    first: int
    score: float


def _unavailable_on_failure(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    @functools.wraps(method)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return method(*args, **kwargs)
        except sqlite3.ProgrammingError:  # ours
            raise
        except sqlite3.DatabaseError as error:
            raise StoreUnavailable(
                f"the lexical index in DATA_DIR/api cannot be used ({error}); if its disk is not full, "
                "stop the API and delete it: it is made anew from the store"
            ) from error

    return guarded


class LexicalIndex:
    """One writer at a time, many readers beside it; safe to call from several threads.

    :raises StoreUnavailable: the disk is full, or the file has gone bad.
    """

    def __init__(self, path: Path, max_postings: int = MAX_POSTINGS) -> None:
        """``max_postings``: what a search looks at, as far as its rarest terms find enough.

        :raises ConfigurationError: the file cannot be written.
        """
        self._max_postings = max_postings
        self._counts = TermCounts()
        self._claim = claim_file(path)
        self._path = self._claim.path
        self._writing = threading.Lock()
        self._writer = self._open()
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()

    @_unavailable_on_failure
    def cursor(self) -> str | None:
        """Where to go on in the change feed; ``None``: from the beginning."""
        with self._reader() as connection:
            cursor: str | None = connection.execute("SELECT cursor FROM feed").fetchone()[0]
            return cursor

    @_unavailable_on_failure
    def apply(self, cursor: str, removed: Sequence[str], indexed: Mapping[str, StoredDocument]) -> None:
        """Forget the passages of ``removed`` and of ``indexed``, take in those that ``indexed`` have now, and
        move on to ``cursor``; all of it or nothing."""
        rows = [(stored, passage) for stored in indexed.values() for passage in passages_of(stored)]
        with self._writing, self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for document_id in (*removed, *indexed):
                _forget(self._writer, document_id)
            for stored, passage in rows:
                _add(self._writer, stored, passage)
            self._writer.execute("UPDATE feed SET cursor = ?", [cursor])
        self._counts.changed(len(removed) + len(rows))

    @_unavailable_on_failure
    def clear(self) -> None:
        """Forget everything, the cursor too."""
        with self._writing, self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute("DELETE FROM passages")
            self._writer.execute("DELETE FROM bags")
            self._writer.execute("UPDATE feed SET cursor = NULL")

    @_unavailable_on_failure
    def search(self, question: str, limit: int, where: SearchFilter) -> list[LexicalHit]:
        """The ``limit`` passages of highest BM25 for the question's terms that satisfy ``where``, best
        first; none where the question has no term but stop words. The commonest terms of several count only
        where the others find fewer."""
        wanted = list(dict.fromkeys(terms(question)))
        if not wanted:
            return []
        with self._reader() as connection:
            rare = rarest([(self._counts.of(connection, term), term) for term in wanted], self._max_postings)
            hits = _ranked(connection, rare, limit, where)
            if len(hits) < limit and len(rare) < len(wanted):
                hits = _ranked(connection, wanted, limit, where)
            return hits

    @_unavailable_on_failure
    def newest(self, limit: int, where: SearchFilter) -> list[str]:
        """The ids of the ``limit`` documents that changed last and satisfy ``where``, newest first."""
        condition, values = _condition(where)
        with self._reader() as connection:
            rows = connection.execute(
                f"""
                SELECT document_id FROM passages
                WHERE first = 0 {condition} ORDER BY updated_at DESC, id DESC LIMIT ?
                """,  # noqa: S608 - the conditions are constants, the values are bound
                [*values, limit],
            )
            return [document_id for (document_id,) in rows]

    @_unavailable_on_failure
    def passages(self) -> int:
        with self._reader() as connection:
            count: int = connection.execute("SELECT count(*) FROM passages").fetchone()[0]
            return count

    def close(self) -> None:
        with self._writing:
            self._writer.close()
            with contextlib.suppress(queue.Empty):
                while True:
                    self._idle.get_nowait().close()
            self._claim.release()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = _connect(self._path, VOCABULARY)
        try:
            yield connection
        finally:
            self._idle.put(connection)

    def _open(self) -> sqlite3.Connection:
        """What cannot be read, or has another format, is made anew: all of it stands in the store."""
        with contextlib.suppress(sqlite3.DatabaseError):
            connection = _connect(self._path)
            if connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
                return connection
            connection.close()
        self._claim.empty()
        connection = _connect(self._path)
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        return connection


def _connect(path: Path, *statements: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *statements):
            connection.execute(statement)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _forget(connection: sqlite3.Connection, document_id: str) -> None:
    for (passage_id,) in connection.execute(
        "DELETE FROM passages WHERE document_id = ? RETURNING id", [document_id]
    ).fetchall():
        connection.execute("DELETE FROM bags WHERE rowid = ?", [passage_id])


def _add(connection: sqlite3.Connection, stored: StoredDocument, passage: DocumentPassage) -> None:
    document, attributes = stored.document, stored.document.attributes
    row = connection.execute(
        "INSERT INTO passages (document_id, first, wiki, namespace, source, bot, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            document.document_id,
            passage.first,
            attributes.get("wiki"),
            attributes.get("namespace"),
            document.source,
            attributes.get("bot") is True,
            epoch_milliseconds(document.updated_at),
        ],
    )
    connection.execute(
        "INSERT INTO bags (rowid, terms) VALUES (?, ?)",
        [row.lastrowid, " ".join(terms(f"{document.title}\n{passage.text}"))],
    )


def _ranked(
    connection: sqlite3.Connection, wanted: Sequence[str], limit: int, where: SearchFilter
) -> list[LexicalHit]:
    condition, values = _condition(where)
    joined = "JOIN passages ON id = bags.rowid" if condition else ""
    rows = connection.execute(
        f"""
        SELECT document_id, first, score FROM (
            SELECT bags.rowid AS found, -bm25(bags) AS score FROM bags {joined}
            WHERE bags MATCH ? {condition} ORDER BY score DESC, found LIMIT ?
        ) JOIN passages ON id = found ORDER BY score DESC, found
        """,  # noqa: S608 - the conditions are constants, the values are bound
        [" OR ".join(map(_quoted, wanted)), *values, limit],
    )
    return [LexicalHit(*row) for row in rows]


def _condition(where: SearchFilter) -> tuple[str, list[str | int]]:
    """As ``SearchFilter.matches``, in SQL: `` AND …`` and its values."""
    parts: list[str] = []
    values: list[str | int] = []
    for column, allowed in (
        ("wiki", where.wikis),
        ("namespace", where.namespaces),
        ("source", where.sources),
    ):
        if allowed:
            parts.append(f"{column} IN ({','.join('?' * len(allowed))})")
            values += allowed
    if where.exclude_bots:
        parts.append("NOT bot")
    for operator, moment in ((">=", where.since), ("<=", where.until)):
        if moment is not None:
            parts.append(f"updated_at {operator} ?")
            values.append(epoch_milliseconds(moment))
    return "".join(f" AND {part}" for part in parts), values


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
