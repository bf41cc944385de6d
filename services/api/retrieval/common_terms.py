"""Which of a question's terms are worth looking up.

The time of a BM25 query grows with the passages that have any of its terms, and a term that many have tells
them apart the least. So the rarest terms are looked up, as long as those passages are not too many.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence

MAX_POSTINGS = 6_000
"""Passages, counted once for each of the terms they have: about seven milliseconds."""

_KEPT_TERMS = 10_000
_KEPT_FOR = 1_000  # changed passages; a count that is a little old is as good

VOCABULARY = "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, bags, row)"
"""For each connection that ``TermCounts`` is used with."""


class TermCounts:
    """In how many passages a term occurs, about. Counting takes time, so counts are kept for a while. Safe to
    call from several threads."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._changed = 0
        self._lock = threading.Lock()

    def changed(self, passages: int) -> None:
        with self._lock:
            self._changed += passages
            if self._changed >= _KEPT_FOR or len(self._counts) >= _KEPT_TERMS:
                self._counts.clear()
                self._changed = 0

    def of(self, connection: sqlite3.Connection, term: str) -> int:
        count = self._counts.get(term)
        if count is None:
            row = connection.execute("SELECT doc FROM temp.vocabulary WHERE term = ?", [term]).fetchone()
            count = self._counts[term] = row[0] if row else 0
        return count


def rarest(counted: Sequence[tuple[int, str]], max_postings: int) -> list[str]:
    """Of ``(count, term)`` the rarest terms that together have at most ``max_postings``, but at least one
    that occurs at all. Pure."""
    kept: list[str] = []
    postings = 0
    for count, term in sorted(counted):
        if postings and postings + count > max_postings:
            break
        postings += count
        kept.append(term)
    return kept
