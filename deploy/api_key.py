"""The API key of a stack: made once, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from shared.errors import ConfigurationError

_HEADER = "# One API key a line. Made by start.sh."


def ensure_api_key(path: Path) -> str:
    """The first key in ``path``; a new file with a new key where there is none.

    :raises ConfigurationError: the file holds no key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_api_key(path)
    key = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{_HEADER}\n{key}\n")
    return key


def read_api_key(path: Path) -> str:
    """:raises ConfigurationError: the file is missing or holds no key."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise ConfigurationError(f"API_KEYS_FILE={path}: there is no such file") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ConfigurationError(f"API_KEYS_FILE={path}: holds no key; write one a line, or remove the file")
    return keys[0]


def is_made_by_us(path: Path) -> bool:
    """Whether ``ensure_api_key`` made the file, and not the user."""
    try:
        return path.read_text(encoding="utf-8").startswith(_HEADER)
    except (OSError, UnicodeDecodeError):
        return False
