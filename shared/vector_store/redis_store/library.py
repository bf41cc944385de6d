"""The server-side functions: their names on the server, and their source.

The names carry a digest of the source, so that two versions of this software can work beside each other.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from shared.vector_store.redis_store.keys import Command

_SOURCE = Path(__file__).with_name("library.lua").read_text("utf-8")
_NAME = f"rag_{hashlib.blake2b(_SOURCE.encode(), digest_size=6).hexdigest()}"

LIBRARY = f"#!lua name={_NAME}\nlocal PREFIX = '{_NAME}_'\n{_SOURCE}"


def call(function: str, key: str, *arguments: str | bytes | int) -> Command:
    """Run a function that may write."""
    return ("FCALL", f"{_NAME}_{function}", 1, key, *arguments)


def ask(function: str, key: str, *arguments: str | bytes | int) -> Command:
    """Run a function that only reads."""
    return ("FCALL_RO", f"{_NAME}_{function}", 1, key, *arguments)
