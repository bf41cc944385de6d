"""One set of shards, and what it was built with. The pointer names the current one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from shared.errors import StoreDamaged, StoreMismatch
from shared.vector_store.redis_store.failures import GenerationGone, shown
from shared.vector_store.redis_store.keys import pointer_key, registry_key, shard_of, shard_tags
from shared.vector_store.redis_store.library import ask, call
from shared.vector_store.redis_store.servers import Servers

LAYOUT = 1
_DROPPED_AT_ONCE = 200
_CURE = "python -m services.processor rebuild"


@dataclass(frozen=True, slots=True)
class Description:
    """``generation`` is unique, so that cursors of another one are told apart."""

    generation: str
    embedder_name: str
    dimension: int
    shards: int
    quantization: str
    layout: int = LAYOUT

    def encode(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def tags(self, prefix: str) -> tuple[str, ...]:
        return shard_tags(prefix, self.generation, self.shards)

    def tag_of(self, prefix: str, document_id: str) -> str:
        return self.tags(prefix)[shard_of(document_id, self.shards)]


def new_description(*, embedder_name: str, dimension: int, shards: int, quantization: str) -> Description:
    return Description(secrets.token_hex(6), embedder_name, dimension, shards, quantization)


def read_current(servers: Servers, prefix: str) -> Description | None:
    """What the pointer says.

    :raises StoreMismatch: it is of another version of this software.
    """
    text = servers.one(pointer_key(prefix), ("GET", pointer_key(prefix)))
    return None if text is None else decode(servers, prefix, text)


def decode(servers: Servers, prefix: str, text: bytes) -> Description:
    try:
        values = json.loads(text)
        layout = values["layout"]
    except (ValueError, TypeError, KeyError):
        raise StoreDamaged(
            f"REDIS_PREFIX={prefix}: {pointer_key(prefix)} in REDIS_URL={shown(servers.url)} is not ours"
        ) from None
    if layout != LAYOUT:
        raise StoreMismatch(
            f"REDIS_PREFIX={prefix}: the store has layout {layout}, this software needs {LAYOUT}; "
            f"set another REDIS_PREFIX and run: {_CURE}"
        )
    return Description(**values)


def open_current(servers: Servers, prefix: str, wanted: Description) -> Description:
    """The current generation, made as ``wanted`` where there is none.

    :raises StoreMismatch: it was built with other settings.
    :raises StoreDamaged: keys of it are missing.
    """
    current = read_current(servers, prefix)
    if current is None:
        create(servers, prefix, wanted)
        if servers.one(pointer_key(prefix), call("swap", pointer_key(prefix), "", wanted.encode())):
            return wanted
        current = read_current(servers, prefix)
        drop(servers, prefix, wanted)
        if current is None:
            raise StoreDamaged(f"REDIS_PREFIX={prefix}: something removes the store's keys")
    check_match(current, wanted)
    check_whole(servers, prefix, current)
    return current


def create(servers: Servers, prefix: str, description: Description) -> None:
    """Empty shards, registered, so that a crash leaves no keys that nobody knows of."""
    registry = registry_key(prefix)
    servers.one(registry, ("HSET", registry, description.generation, description.encode()))
    make_shards(servers, prefix, description)


def make_shards(servers: Servers, prefix: str, description: Description) -> None:
    """Those that are missing, empty."""
    quantization = "Q8" if description.quantization == "q8" else "NOQUANT"
    servers.run({tag: [call("create", tag, quantization)] for tag in description.tags(prefix)})


def check_match(current: Description, wanted: Description) -> None:
    """:raises StoreMismatch: one line for all that differs."""
    differences = [
        f"{setting}={theirs} (the store has {ours})"
        for setting, theirs, ours in (
            ("EMBEDDER_MODEL", wanted.embedder_name, current.embedder_name),
            ("dimension", wanted.dimension, current.dimension),
            ("REDIS_SHARDS", wanted.shards, current.shards),
            ("REDIS_QUANTIZATION", wanted.quantization, current.quantization),
        )
        if theirs != ours
    ]
    if differences:
        raise StoreMismatch(
            f"the store was built with other settings: {', '.join(differences)}; run: {_CURE}"
        )


def check_whole(servers: Servers, prefix: str, description: Description) -> None:
    """:raises StoreDamaged: a shard is gone although the pointer names it."""
    try:
        servers.run({tag: [ask("stats", tag)] for tag in description.tags(prefix)})
    except GenerationGone as error:
        raise lost(servers, prefix) from error


def lost(servers: Servers, prefix: str) -> StoreDamaged:
    return StoreDamaged(
        f"REDIS_URL={shown(servers.url)}: keys of the store {prefix} are gone (flushed, evicted, or a server "
        f"came back without its data); fill it again: {_CURE}"
    )


def drop(servers: Servers, prefix: str, description: Description) -> None:
    """Remove all keys of a generation that is not current, in small steps."""
    for tag in description.tags(prefix):
        while servers.one(tag, call("drop", tag, _DROPPED_AT_ONCE)):
            pass
    registry = registry_key(prefix)
    servers.one(registry, ("HDEL", registry, description.generation))


def registered(servers: Servers, prefix: str) -> Iterable[Description]:
    """All generations that may have keys."""
    entries = servers.one(registry_key(prefix), ("HVALS", registry_key(prefix)))
    return [decode(servers, prefix, entry) for entry in entries]
