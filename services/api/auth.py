"""API keys: which ones are valid now, and whether a request brings one of them."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
import threading
from collections.abc import Iterable
from pathlib import Path

from shared.errors import ConfigurationError

log = logging.getLogger(__name__)

_TOO_OPEN = stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
_FileState = tuple[int, int, int, int]


class KeyRing:
    """The keys of a file: one a line, ``#`` starts a comment line. Only their SHA-256 is kept.

    The file is read again when it changes, so keys are rotated without a restart. While it cannot be
    used, every key is refused. Safe to call from several threads.
    """

    def __init__(self, path: Path) -> None:
        """:raises ConfigurationError: the file is missing, holds no key or may be read by others."""
        self._path = path
        self._lock = threading.Lock()
        self._state = _file_state(path)
        self._digests = read_key_digests(path)

    def accepts(self, candidates: Iterable[bytes]) -> bool:
        """Whether one of the candidates is a key; takes the same time whichever it is."""
        digests = self._current_digests()
        accepted = False
        for candidate in candidates:
            candidate_digest = hashlib.sha256(candidate).digest()
            for digest in digests:
                accepted |= hmac.compare_digest(candidate_digest, digest)
        return accepted

    def _current_digests(self) -> tuple[bytes, ...]:
        with self._lock:
            state = _file_state(self._path)
            if state != self._state:
                self._state = state
                self._digests = self._read_again()
            return self._digests

    def _read_again(self) -> tuple[bytes, ...]:
        try:
            digests = read_key_digests(self._path)
        except ConfigurationError as error:
            log.error("no API key is accepted until this is cured: %s", error)
            return ()
        log.info("API keys read again", extra={"keys": len(digests)})
        return digests


def read_key_digests(path: Path) -> tuple[bytes, ...]:
    """SHA-256 of each key in the file.

    :raises ConfigurationError: see ``KeyRing``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(
            f"API_KEYS_FILE={path}: cannot be read ({why}); write one key a line into it and chmod 600 it"
        ) from None
    if os.name == "posix" and mode & _TOO_OPEN:
        raise ConfigurationError(
            f"API_KEYS_FILE={path}: other users may read or change it "
            f"(mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
        )
    keys = [key for line in lines if (key := line.strip()) and not key.startswith("#")]
    if not keys:
        raise ConfigurationError(f"API_KEYS_FILE={path}: holds no key; write one key a line into it")
    for key in keys:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigurationError(
                f"API_KEYS_FILE={path}: a key holds a space or a character that HTTP headers cannot carry; "
                "use visible ASCII characters"
            )
    return tuple(hashlib.sha256(key.encode()).digest() for key in keys)


def presented_keys(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The keys in ``Authorization: Bearer KEY`` and ``X-API-Key: KEY``."""
    keys = []
    for name, value in headers:
        if name == b"x-api-key":
            keys.append(value.strip())
        elif name == b"authorization":
            scheme, _, credentials = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                keys.append(credentials.strip())
    return keys


def _file_state(path: Path) -> _FileState | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino  # chmod moves ctime alone
