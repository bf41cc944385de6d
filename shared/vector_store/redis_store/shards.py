"""A generation as one store object uses it."""

from __future__ import annotations

from shared.vector_store.redis_store.generation import Description
from shared.vector_store.redis_store.journal import Journal
from shared.vector_store.redis_store.keys import shard_of
from shared.vector_store.redis_store.servers import Servers


class Shards:
    def __init__(self, servers: Servers, prefix: str, description: Description) -> None:
        self.servers = servers
        self.description = description
        self.tags = description.tags(prefix)
        self.journal = Journal(servers, self.tags)

    def tag_of(self, document_id: str) -> str:
        return self.tags[shard_of(document_id, len(self.tags))]
