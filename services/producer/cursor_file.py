"""The cursor on disk, so that a restart goes on where the last run's acknowledged records ended."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

from services.producer.resume import Position, is_event_id

log = logging.getLogger(__name__)


class CursorFile:
    """Each source, with its streams, has its own file in ``folder``, so that a detour to another one
    (``SOURCE=auto``) does not cost the position in the first.

    :raises OSError: from the constructor and ``save``, where the folder cannot be written.
    """

    def __init__(self, folder: Path, source_key: str) -> None:
        self.path = folder / f"cursor-{hashlib.sha256(source_key.encode()).hexdigest()[:12]}.json"
        self._key = source_key
        self._saved: Position | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> Position | None:
        try:
            body = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("the cursor file is damaged and is ignored", extra={"error": str(error)})
            return None
        body = body if isinstance(body, dict) else {}
        since, event_id = body.get("since_ms"), body.get("last_event_id")
        if (
            body.get("source") != self._key
            or type(since) is not int
            or not (event_id is None or _usable(event_id))
        ):
            log.warning("the cursor file is damaged and is ignored")
            return None
        return Position(since, event_id)

    def save(self, position: Position) -> None:
        """Replace the file atomically; a crash leaves the old cursor or the new one."""
        if position == self._saved:
            return
        temporary = self.path.with_suffix(".tmp")
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
        temporary.replace(self.path)
        self._saved = position


def _usable(event_id: object) -> bool:
    return isinstance(event_id, str) and is_event_id(event_id)
