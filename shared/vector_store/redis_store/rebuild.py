"""A second generation beside the current one, and the switch to it.

What holds it together, should this process die at any point:

- The lease on the rebuild and the seals of the shards run out by themselves.
- Every generation is registered before it has keys, so the next rebuild finds and removes what is left.
- The pointer moves in one step, while every seal holds. Whoever meets a seal looks at the pointer, and so
  does everyone every few seconds: far more often than seals of a switch that was cut short run out, so no
  write can reach the old generation after the pointer has moved.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from functools import partial

from shared.errors import ConfigurationError, RetryableError, StoreUnavailable
from shared.settings import VectorStoreSettings
from shared.vector_store.redis_store.checks import check_servers
from shared.vector_store.redis_store.durability import Fence, confirm
from shared.vector_store.redis_store.failures import shown
from shared.vector_store.redis_store.generation import (
    Description,
    create,
    drop,
    new_description,
    open_current,
    read_current,
    registered,
)
from shared.vector_store.redis_store.keys import pointer_key, rebuild_key
from shared.vector_store.redis_store.library import call
from shared.vector_store.redis_store.servers import Servers
from shared.vector_store.redis_store.store import RedisStore, connect

LEASE_SECONDS = 15.0
_SWITCH_LEASE_SECONDS = 60.0


class _Leases:
    """Keys that are ours for a while, prolonged by a thread until ``close``."""

    def __init__(self, servers: Servers, seconds: float) -> None:
        self._servers = servers
        self._seconds = seconds
        self._token = secrets.token_hex(8)
        self._keys: set[str] = set()
        self._lost = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="rebuild-leases", daemon=True)
        self._thread.start()

    def take(self, keys: Sequence[str]) -> bool:
        """Whether all of them were free."""
        with self._lock:
            replies = self._servers.run({key: [self._command("lease", key, self._seconds)] for key in keys})
            taken = [key for key in keys if replies[key] == [1]]
            self._keys.update(taken)
            return len(taken) == len(keys)

    def hold_for(self, seconds: float) -> bool:
        """Prolong all of them once more; whether they were ours all the time."""
        with self._lock:
            return not self._lost and self._renew(seconds)

    def close(self) -> None:
        """Give all of them back."""
        self._stop.set()
        self._thread.join()
        with self._lock:
            keys, self._keys = self._keys, set()
            self._servers.run({key: [call("release", key, self._token)] for key in keys})

    def _keep(self) -> None:
        held_until = time.monotonic() + self._seconds
        while not self._stop.wait(self._seconds / 4):
            started = time.monotonic()
            with self._lock:
                try:
                    self._lost |= not self._renew(self._seconds)
                    held_until = started + self._seconds
                except RetryableError:
                    self._lost |= time.monotonic() > held_until

    def _renew(self, seconds: float) -> bool:
        replies = self._servers.run({key: [self._command("renew", key, seconds)] for key in self._keys})
        return all(reply == [1] for reply in replies.values())

    def _command(self, function: str, key: str, seconds: float) -> tuple[str | bytes | int, ...]:
        return call(function, key, self._token, int(seconds * 1000))


class RedisRebuild:
    """Made by ``begin_redis_rebuild``."""

    def __init__(
        self,
        servers: Servers,
        leases: _Leases,
        settings: VectorStoreSettings,
        current: Description,
        new: Description,
    ) -> None:
        self._servers = servers
        self._leases = leases
        self._settings = settings
        self._current = current
        self._new = new
        self._seals = [f"{tag}:sealed" for tag in current.tags(settings.redis_prefix)]
        self._sealed = False
        self._switched = False
        self._closed = False
        self._source = RedisStore(connect(settings), current, settings, follow=False)
        self._target = RedisStore(connect(settings), new, settings, follow=False)

    @property
    def source(self) -> RedisStore:
        return self._source

    @property
    def target(self) -> RedisStore:
        return self._target

    def seal(self) -> None:
        if not self._leases.take(self._seals):
            raise StoreUnavailable(f"{self._where()}: seals of an earlier rebuild have not run out yet")
        self._sealed = True

    def switch(self) -> None:
        if not self._sealed:
            raise StoreUnavailable(f"{self._where()}: the writers are not held back: seal before the switch")
        self._target.flush()
        if not self._leases.hold_for(_SWITCH_LEASE_SECONDS):
            raise StoreUnavailable(f"{self._where()}: the seals did not last: writers may have written since")
        pointer = pointer_key(self._settings.redis_prefix)
        self._servers.one(pointer, call("swap", pointer, self._current.encode(), self._new.encode()))
        if not self._complete_switch():
            raise StoreUnavailable(f"{self._where()}: another generation became current meanwhile")

    def _complete_switch(self) -> bool:
        """Make everyone follow, if the pointer has moved; the old keys go once that is durable."""
        prefix = self._settings.redis_prefix
        pointer, lease = pointer_key(prefix), rebuild_key(prefix)
        write_beside_it = ("PEXPIRE", lease, int(_SWITCH_LEASE_SECONDS * 1000))
        fence = Fence(write_beside_it, ("GET", pointer))
        found = confirm(self._servers, {pointer: fence}, self._settings.redis_wait_replicas)
        if found[pointer] != self._new.encode().encode():
            return False
        tags = self._current.tags(prefix)
        self._servers.run({tag: [("HSET", f"{tag}:state", "switched", 1)] for tag in tags})
        drop(self._servers, prefix, self._current)
        self._switched = True
        return True

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            # An interrupted switch may have moved the pointer all the same.
            if not self._switched and not self._complete_switch():
                drop(self._servers, self._settings.redis_prefix, self._new)
        finally:
            try:
                self._leases.close()
            finally:
                for resource in (self._source, self._target, self._servers):
                    resource.close()

    def _where(self) -> str:
        return f"REDIS_URL={shown(self._servers.url)}"


def begin_redis_rebuild(
    settings: VectorStoreSettings,
    *,
    embedder_name: str,
    dimension: int,
    lease_seconds: float = LEASE_SECONDS,
) -> RedisRebuild:
    """Begin a generation for this embedder, ``REDIS_SHARDS`` and ``REDIS_QUANTIZATION``; where there is no
    store, an empty one is the source. What earlier rebuilds left is removed.

    ``lease_seconds``: how long writers are held back, and other rebuilds refused, after this process died.

    :raises ConfigurationError: another rebuild runs, or the server cannot hold the store.
    :raises StoreUnavailable: no server answers.
    """
    servers = connect(settings)
    prefix = settings.redis_prefix
    leases = None
    try:
        check_servers(servers, settings)
        leases = _Leases(servers, lease_seconds)
        if not leases.take([rebuild_key(prefix)]):
            raise ConfigurationError(
                f"REDIS_PREFIX={prefix}: another rebuild runs, or one was killed less than a minute "
                f"ago; try again later"
            )
        describe = partial(
            new_description,
            embedder_name=embedder_name,
            dimension=dimension,
            shards=settings.redis_shards,
            quantization=settings.redis_quantization,
        )
        current = read_current(servers, prefix) or open_current(servers, prefix, describe())
        for left in registered(servers, prefix):
            if left != current:
                drop(servers, prefix, left)
        new = describe()
        create(servers, prefix, new)
        return RedisRebuild(servers, leases, settings, current, new)
    except BaseException:
        if leases is not None:
            leases.close()
        servers.close()
        raise
