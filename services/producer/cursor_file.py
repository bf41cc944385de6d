"""The cursor on disk, so that a restart goes on where the last run's acknowledged records ended."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from services.producer.resume import Position, is_event_id

log = logging.getLogger(__name__)


class CursorFile:
    """Belongs to one source and its streams: a cursor of another one is not read.

    :raises OSError: from the constructor and ``save``, where the folder cannot be written.
    """

    def __init__(self, path: Path, source_key: str) -> None:
        self._path = path
        self._key = source_key
        self._saved: Position | None = None
        path.parent.mkdir(parents=True, exist_ok=True)

    def load(self) -> Position | None:
        try:
            body = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("the cursor file is damaged and is ignored", extra={"error": str(error)})
            return None
        if not isinstance(body, dict) or body.get("source") != self._key:
            log.info("the stored cursor belongs to another source and is ignored")
            return None
        since, event_id = body.get("since_ms"), body.get("last_event_id")
        if type(since) is not int or not (event_id is None or _usable(event_id)):
            log.warning("the cursor file is damaged and is ignored")
            return None
        return Position(since, event_id)

    def save(self, position: Position) -> None:
        """Replace the file atomically; a crash leaves the old cursor or the new one."""
        if position == self._saved:
            return
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(
                {
                    "source": self._key,
                    "since_ms": position.since_ms,
                    "last_event_id": position.last_event_id,
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._saved = position


def _usable(event_id: object) -> bool:
    return isinstance(event_id, str) and is_event_id(event_id)
