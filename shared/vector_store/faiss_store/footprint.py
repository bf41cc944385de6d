"""What a generation takes of its disk."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from shared.domain import StoreFootprint
from shared.errors import StoreUnavailable

_SUFFIXES = ("", "-wal", "-shm")


def footprint_of(file: Path) -> StoreFootprint:
    """Its files; the limit is them and what is free beside them.

    :raises StoreUnavailable: the disk does not answer.
    """
    used = 0
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):  # SQLite makes and removes those beside the file
            used += file.with_name(file.name + suffix).stat().st_size
    try:
        free = shutil.disk_usage(file.parent).free
    except OSError as error:
        raise StoreUnavailable(f"{file}: {error.strerror}") from None
    return StoreFootprint(used, used + free)
