"""Replays a file of real events, or of the edits that Wikipedia's IRC feed reported in 2015.

A file of events has JSON lines ``{"stream", "data"}``; ``data`` goes out as it is, except for what the
server itself adds to ``meta`` and for ``meta.dt``, ``dt`` and ``timestamp``, which become now unless the
times are kept. The format is recognised by the first line; ``.gz`` is unpacked on the way.
"""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from services.replay.event_log import ALIASES, PAGE_CHANGE, STREAMS, JsonObject
from services.replay.mediawiki_events import Emission, utc
from services.replay.recorded_edits import EditConverter
from services.replay.wiki import Editor, Page, Pages, Revision
from shared.errors import ConfigurationError

log = logging.getLogger(__name__)

_NO_PERFORMER = Editor("", 0)


class RecordedPages(Pages):
    """What the events of a file say about pages. The file has no texts, so every text is empty.

    Pages are found by page id alone: in a file with events of several wikis the newest user of an id
    is meant.
    """

    def observe(self, event: JsonObject, now_ms: int) -> None:
        """Follow a page_change event; one without page or revision (a canary) is of no interest."""
        page, revision = event.get("page"), event.get("revision")
        if not isinstance(page, dict) or not isinstance(revision, dict):
            return
        page_id, rev_id, title = page.get("page_id"), revision.get("rev_id"), page.get("page_title")
        if not isinstance(page_id, int) or not isinstance(rev_id, int) or not isinstance(title, str):
            return
        title = title.replace("_", " ")
        saved = Revision(rev_id, revision.get("rev_parent_id"), now_ms, "", "", _NO_PERFORMER)
        deleted = event.get("page_change_kind") == "delete"
        known = Page(page_id, title, page.get("namespace_id", 0), [saved], deleted=deleted, touched_ms=now_ms)
        self._pages[page_id] = known
        self._titles[title] = page_id
        self._revisions[rev_id] = page_id


class RecordedSource:
    """The lines of one file, in order, then nothing more.

    :raises ConfigurationError: the file cannot be read, or its first line is neither format.
    """

    mode = "file"
    default_history = 0

    def __init__(self, path: Path, *, limit: int | None, keep_times: bool, page_url: str) -> None:
        self.pages = RecordedPages()
        self._path = path
        self._keep_times = keep_times
        try:
            with _open(path) as lines:
                first = lines.readline()
                rest = sum(1 for _ in lines)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigurationError(f"REPLAY_FILE={path}: {error}") from None
        self._read_line = self._reader(first, page_url)
        self.total: int | None = min(1 + rest, limit or 1 + rest)
        self._file = _open(path)
        self._lines = itertools.islice(self._file, limit)

    @property
    def story_steps(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self._file.close()

    def advance(self, now_ms: int) -> list[Emission] | None:
        """The events of the next line; ``None`` at the end. Lines that cannot be read are logged."""
        for line in self._lines:
            try:
                emissions = list(self._read_line(json.loads(line), now_ms))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("line skipped", extra={"error": repr(error), "line": line[:200].decode("latin1")})
                continue
            for emission in emissions:
                if emission.stream == PAGE_CHANGE:
                    self.pages.observe(emission.event, now_ms)
            return emissions
        return None

    def _reader(self, first: bytes, page_url: str) -> Callable[[JsonObject, int], Iterator[Emission]]:
        try:
            sample = json.loads(first)
        except ValueError:
            sample = None
        if isinstance(sample, dict) and {"stream", "data"} <= sample.keys():
            return self._event
        if isinstance(sample, dict) and {"time", "channel", "page"} <= sample.keys():
            return EditConverter(page_url, keep_times=self._keep_times).convert
        raise ConfigurationError(
            f"REPLAY_FILE={self._path}: the first line is neither an event"
            ' {"stream", "data"} nor an edit {"time", "channel", "page", …}'
        )

    def _event(self, line: JsonObject, now_ms: int) -> Iterator[Emission]:
        stream = ALIASES.get(line["stream"], line["stream"])
        if stream not in STREAMS:
            raise ValueError(f"stream {stream!r} is not one of {', '.join(STREAMS)}")
        event = line["data"]
        if not isinstance(event["meta"], dict):
            raise ValueError("data.meta is not an object")
        if not self._keep_times:
            event["meta"]["dt"] = utc(now_ms)
            if "dt" in event:
                event["dt"] = utc(now_ms)
            if "timestamp" in event:
                event["timestamp"] = now_ms // 1000
        yield Emission(stream, now_ms, event)


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
