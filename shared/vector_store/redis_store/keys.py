"""Names of keys. What stands in braces decides the slot, so all keys of one shard lie on one node."""

from __future__ import annotations

import hashlib

Command = tuple[str | bytes | int, ...]


def pointer_key(prefix: str) -> str:
    """Holds the description of the current generation."""
    return f"{{{prefix}}}:current"


def registry_key(prefix: str) -> str:
    """A hash: every generation that may have keys, and its description."""
    return f"{{{prefix}}}:generations"


def rebuild_key(prefix: str) -> str:
    """The lease of the one rebuild that may run."""
    return f"{{{prefix}}}:rebuild"


def shard_tags(prefix: str, generation: str, shards: int) -> tuple[str, ...]:
    """What every key of a shard begins with."""
    return tuple(f"{{{prefix}:{generation}:{shard}}}" for shard in range(shards))


def shard_of(document_id: str, shards: int) -> int:
    digest = hashlib.blake2b(document_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % shards
