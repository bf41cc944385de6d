"""What an error of the server or of the connection means for the caller."""

from __future__ import annotations

from urllib.parse import urlsplit

import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)

from shared.errors import ConfigurationError, RagError, StoreDamaged, StoreUnavailable

ClientError = (redis.RedisError, RedisClusterException, OSError)
"""Everything that the client library raises."""

_DENIED = (redis.AuthenticationError, redis.exceptions.AuthorizationError, redis.exceptions.NoPermissionError)
_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    AskError,  # also MOVED
    ClusterDownError,  # also MASTERDOWN
    TryAgainError,
    ReadOnlyError,
    RedisClusterException,
    OSError,
)


class GenerationGone(RagError):
    """The generation was switched away from, or has no keys (any more): look which one is current."""


class WritersHeldBack(RagError):
    """A rebuild is about to switch: look which generation is current, or wait."""


class FunctionMissing(RagError):
    """The server does not know the functions yet, or forgot them."""


def is_passing(error: BaseException) -> bool:
    """Whether the same call may work in a moment: a failover, a restart, a lost connection."""
    if isinstance(error, _DENIED):
        return False
    return isinstance(error, _PASSING) or str(error).startswith(("BUSY ", "NOREPLICAS", "UNBLOCKED"))


def meaning(error: BaseException, url: str) -> RagError:
    """Our error for one that is not passing."""
    text = str(error)
    if isinstance(error, _DENIED):
        return ConfigurationError(
            f"REDIS_URL={shown(url)}: the server refuses this user ({_first_line(text)}); set the user in "
            f"REDIS_URL, and the password there or in REDIS_PASSWORD_FILE; it needs all rights on keys that "
            f"begin with REDIS_PREFIX in braces, and FUNCTION LOAD"
        )
    if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
        return StoreUnavailable(
            f"REDIS_URL={shown(url)}: the server is out of memory and takes no new chunks: raise its "
            f"maxmemory, or set MAX_CHUNKS so that the oldest are purged"
        )
    if text.startswith("MISCONF"):
        return StoreUnavailable(f"REDIS_URL={shown(url)}: the server cannot save to its disk: {text}")
    for word, kind in (("GONE", GenerationGone), ("SWITCHED", GenerationGone), ("SEALED", WritersHeldBack)):
        if text.startswith(word):
            return kind(text)
    if "Function not found" in text:
        return FunctionMissing(text)
    if "unknown command" in text.lower():
        return ConfigurationError(
            f"REDIS_URL={shown(url)}: Redis 8 or newer with vector sets is needed ({_first_line(text)})"
        )
    return StoreDamaged(
        f"REDIS_URL={shown(url)}: unexpected answer ({_first_line(text)}); are there keys of something else "
        f"under REDIS_PREFIX?"
    )


def unavailable(url: str, seconds: float, error: BaseException | None) -> StoreUnavailable:
    return StoreUnavailable(
        f"REDIS_URL={shown(url)}: no answer within REDIS_TIMEOUT_SECONDS={seconds:g} "
        f"({type(error).__name__}: {_first_line(str(error))}); is the server running?"
    )


def shown(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no details"
